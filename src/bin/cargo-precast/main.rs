//! The command line. It parses arguments and prints; the library does the work.

mod arguments;
mod build;
mod console;
mod embed;
mod expand;
mod features;
mod init;
mod inspect;
mod metadata;
mod pack;
mod policy;
mod publish;
mod report;
mod same_package;
mod serve;
mod shared;
mod stamp;
mod status;
mod store;
mod switch;
mod test_macro;
mod vendor;
mod verify;
mod watch;
mod workspace;

use arguments::{Arguments, Command};
use console::Console;
use precast::base::error::Class;
use std::process::ExitCode;

fn main() -> ExitCode {
    precast::pack::compile::wrapper::run();
    precast::project::later::run();
    precast::project::lazy::run();
    precast::serve::run();
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let console = Console::new(arguments.json, arguments.quiet);
    // Without a handler an interrupt still ends the program; it only leaves its temporary files.
    // While cargo runs for the user, it alone decides when to end.
    let _ = ctrlc::set_handler(|| {
        if !console::is_passing() {
            precast::base::scratch::remove_all_and_exit(i32::from(Class::Interrupted.code()))
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
        Command::TestMacro(options) => test_macro::run(options, &console),
        Command::Init(options) => init::run(options, &console),
        Command::Off(options) => switch::off(options, &console),
        Command::Metadata(options) => metadata::run(options, &console),
        Command::Status(options) => status::run(options, &console),
        Command::Report(options) => report::run(options, &console),
        Command::Serve(options) => serve::run(options, &console),
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
