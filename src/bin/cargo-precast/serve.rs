//! `cargo precast serve`.

use crate::console::Console;
use clap::{Args, ValueEnum};
use precast::base::error::{Class, Context, Error, Result};
use precast::serve::{self, Format, Pool};
use std::process::Command;
use std::time::Duration;

/// Expand macros for editors and other programs, over standard input and output
#[derive(Args, Debug)]
#[command(
    after_help = "rust-analyzer takes the program itself as its macro server, for it says what it wants in \
        the environment:\n\n  \"rust-analyzer.procMacro.server\": \"/path/to/cargo-precast\""
)]
pub(crate) struct Options {
    /// The protocol; `rpc` is described in docs/serve.md, the others are rust-analyzer's
    #[arg(long, value_name = "PROTOCOL", default_value = "rpc")]
    format: Protocol,

    /// End a request that takes longer
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: f32,

    /// Requests that are answered at the same time; as many as there are processors if it is not given
    #[arg(long, short, value_name = "N")]
    jobs: Option<usize>,

    /// Answer one request after another, in this process
    #[arg(long, hide = true)]
    worker: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protocol {
    Rpc,
    JsonLegacy,
    BidirectionalPostcardPrototype,
}

pub(crate) fn run(options: &Options, _console: &Console) -> Result<()> {
    let broken = "cannot talk over the standard streams";
    match options.format {
        Protocol::JsonLegacy => serve::analyzer(Format::Json).context(broken),
        Protocol::BidirectionalPostcardPrototype => {
            serve::analyzer(Format::Postcard).context(broken)
        }
        Protocol::Rpc if options.worker => serve::worker().context(broken),
        Protocol::Rpc => {
            let limit = Duration::try_from_secs_f32(options.timeout);
            let limit = limit.class(Class::Usage, "--timeout takes a number of seconds")?;
            let jobs = options.jobs.map_or_else(std::thread::available_parallelism, |jobs| {
                jobs.try_into().map_err(std::io::Error::other)
            });
            let jobs =
                jobs.map_err(|_| Error::new(Class::Usage, "--jobs takes a number above 0"))?;
            let pool = Pool { start: worker, n_workers: jobs.get(), limit };
            pool.serve(std::io::stdin().lock(), std::io::stdout())
        }
    }
}

fn worker() -> Command {
    let mut command =
        Command::new(std::env::current_exe().unwrap_or_else(|_| "cargo-precast".into()));
    command.args(["serve", "--worker"]);
    command
}
