//! The command line. It parses arguments and prints; the library does the work.

#[path = "main/arguments.rs"]
mod arguments;
#[path = "main/build.rs"]
mod build;
#[path = "main/console.rs"]
mod console;
#[path = "main/embed.rs"]
mod embed;
#[path = "main/expand.rs"]
mod expand;
#[path = "main/init.rs"]
mod init;
#[path = "main/inspect.rs"]
mod inspect;
#[path = "main/pack.rs"]
mod pack;
#[path = "main/policy.rs"]
mod policy;
#[path = "main/publish.rs"]
mod publish;
#[path = "main/stamp.rs"]
mod stamp;
#[path = "main/status.rs"]
mod status;
#[path = "main/store.rs"]
mod store;
#[path = "main/switch.rs"]
mod switch;
#[path = "main/vendor.rs"]
mod vendor;
#[path = "main/verify.rs"]
mod verify;
#[path = "main/workspace.rs"]
mod workspace;

use arguments::{Arguments, Command};
use console::Console;
use precast::error::Class;
use std::process::ExitCode;

fn main() -> ExitCode {
    precast::pack::wrapper::run();
    precast::project::later::run();
    precast::project::lazy::run();
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let console = Console::new(arguments.json, arguments.quiet);
    // Without a handler an interrupt still ends the program; it only leaves its temporary files.
    // While cargo runs for the user, it alone decides when to end.
    let _ = ctrlc::set_handler(|| {
        if !console::is_passing() {
            precast::scratch::remove_all_and_exit(i32::from(Class::Interrupted.code()))
        }
    });
    let result = match &arguments.command {
        Command::Pack(options) => pack::run(options, &console),
        Command::Embed(options) => embed::run(options, &console),
        Command::Verify(options) => verify::run(options, &console),
        Command::Inspect(options) => inspect::run(options, &console),
        Command::Expand(options) => expand::run(options, &console),
        Command::Stamp(options) => stamp::run(options, &console),
        Command::On(options) => switch::on(options, &console),
        Command::Store(options) => store::run(options, &console),
        Command::Vendor(options) => vendor::run(options, &console),
        Command::Publish(options) => publish::run(options, &console),
        Command::Init(options) => init::run(options, &console),
        Command::Off(options) => switch::off(options, &console),
        Command::Status(options) => status::run(options, &console),
        passed => {
            let (name, arguments) = passed.passed().expect("all others are above");
            return match build::run(&name, arguments, &console) {
                Ok(code) => code,
                Err(error) => fail(&error, &console),
            };
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, &console),
    }
}

fn fail(error: &precast::Error, console: &Console) -> ExitCode {
    console.error(error);
    ExitCode::from(error.class().code())
}
