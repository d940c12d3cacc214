//! The repository's tasks, for people and CI alike. It starts other programs and compares what
//! they print; it holds no product logic.

mod actions;
mod apps;
mod arm;
mod array;
mod authors;
mod bench;
mod book;
mod consumer;
mod corpus;
mod damage;
mod demo;
mod elsewhere;
mod fuzz;
mod machine;
mod migrate;
mod msrv;
mod run;
mod setup;
mod strangers;
mod suites;
mod test;
mod tools;
mod upgrade;
mod whole;
mod windows;

use std::process::ExitCode;

const HELP: &str = "\
The tasks of this repository.

Usage: cargo xtask TASK [OPTIONS]

  demo            set up, pack serde_derive, build a consumer with the shim and with the
                  original, print what each costs
  test            set up, then run every check and test
  setup           only install what packing needs (says what, before it does)
  bench build     CPU seconds of a cold build: empty macro, shim, original
  bench expand    expansion time of five macro crates: native, shim, portable engine, watt
  bench cold      the first derive of a fresh rustc; a macro crate that is not used
  bench size      bytes of module, embedded image and `.crate` file
  bench memory    peak memory of rustc: native, shim, portable engine
  bench engines   the same wasm in our engine, wasmi, Winch and Cranelift; takes minutes to build
  bench heap      the guest's allocator against dlmalloc; takes minutes to build
  bench pack      packing against building for the host; ten crates in one call
  bench same-package  a library with macros of its own against the same macros in a package of their own
  bench shared-store  the first build on a machine that reads a store which others have filled
  bench projects  clean builds of six projects: native, empty store, filled store; takes long

  book            build the book of docs/ into target/book, with mdBook
  consumer        build, run and test an application with shims on every compiler that is here
  actions         check the workflows of .github with actionlint
  apps [NAME…]    build and test real applications natively and with precast; takes long
  arm [STEP]      the machine code for AArch64 in an emulator: tests, expansion; takes long
  array           200 packages, packed by an array of jobs of a real Slurm, some killed; takes long
  windows [STEP]  the machine code on x86-64 Windows under wine: tests, expansion; takes long
  authors [NAME…] `cargo precast init` on published macro packages, and the workflow's steps
  corpus          pack the crates of fixtures/corpus; compare each with its original
  damage          flip every byte and cut every length of three artifacts; --step N: every Nth
  fuzz [TARGET]   build and run fuzz targets (all but `differential`, which needs wasmtime)
  machine         compile the runtime's kernel and records to the texts beside them; tests compare
  migrate [NAME…] pairs of a library and its macros become one package each; their tests before and after
  msrv            check the program with the oldest compiler that it supports
  strangers       macro packages drawn at random, their own examples and tests; takes long
  upgrade         use what another version of precast has packed, and the other way round; takes minutes
  whole [NAME@VERSION…]  expand whole packages and what they depend on; build and test them without any
                  macro crate; takes minutes
  suites          run test suites that crates publish, with their macros and with shims

Options:
  --runs N        bench: how often each side runs
  --save          bench: write docs/bench/NAME.json, the chart of it, docs/benchmarks.md
  --seconds N     fuzz: how long each target runs (default 60)
  --only NAME     bench projects, corpus, strangers, suites: only this one (several: separated by commas)
  --from-source   corpus: build the shims' original sources instead, by the consumer's switch
  --rebuild       corpus: pack as another user in another place, compare the artifacts
  --limits N      corpus: how many Nths of the runtime's limits each crate needs
  --n N, --seed S strangers, array: how many names; strangers: which order they are drawn in
  --shard K/N     corpus, strangers: only the Kth of N parts
  --sample        corpus: only the crates that `cargo xtask test` runs
  --json          corpus: one JSON object for each crate
  --write         corpus, strangers, suites: write docs/compatibility.md; what was not run keeps its lines
  --bless         corpus: write the expected compiler output of errors/*.rs, from native
";

fn main() -> ExitCode {
    let wrapping = corpus::record_if_wrapping().or_else(fuzz::compile_if_wrapping);
    if let Some(code) = wrapping {
        return code;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            Ok(())
        }
        ["setup"] => setup::setup(),
        ["demo"] => demo::demo(),
        ["test", rest @ ..] => test::test(rest),
        ["bench", rest @ ..] => bench::bench(rest),
        ["consumer", rest @ ..] => consumer::consumer(rest),
        ["strangers", rest @ ..] => strangers::strangers(rest),
        ["suites", rest @ ..] => suites::suites(rest),
        ["authors", rest @ ..] => authors::authors(rest),
        ["whole", rest @ ..] => whole::whole(rest),
        ["migrate", rest @ ..] => migrate::migrate(rest),
        ["apps", rest @ ..] => apps::apps(rest),
        ["arm", rest @ ..] => arm::arm(rest),
        ["array", rest @ ..] => array::array(rest),
        ["windows", rest @ ..] => windows::windows(rest),
        ["corpus", rest @ ..] => corpus::corpus(rest),
        ["actions"] => actions::actions(),
        ["msrv"] => msrv::msrv(),
        ["book"] => book::book(),
        ["machine"] => machine::machine(),
        ["fuzz", rest @ ..] => fuzz::fuzz(rest),
        ["upgrade"] => upgrade::upgrade(),
        ["damage"] => damage::damage("1"),
        ["damage", "--step", step] => damage::damage(step),
        _ => Err(format!("unknown task `{}`; `cargo xtask help` lists them", words.join(" "))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
