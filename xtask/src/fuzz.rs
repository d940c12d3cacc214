//! `cargo xtask fuzz`: builds the targets of fuzz/ and runs each for a while. The flags are those of
//! cargo-fuzz without a sanitizer, so that a stable rustc will do.

use crate::run::{capture, cargo, cargo_precast, command, root, run, scratch, Result};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const TARGETS: [&str; 6] =
    ["artifact", "image", "tokens", "expansion", "remembered", "differential"];

/// It needs wasmtime, which takes minutes to build.
const LONG: &str = "differential";

/// Coverage as libFuzzer reads it.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Crates that only help to test: their edges would lead the fuzzer away from ours, and cost time.
const HELPERS: [&str; 7] =
    ["wasmtime", "cranelift", "regalloc", "gimli", "pulley", "wasm_smith", "libfuzzer"];

/// Set for cargo's wrapper, which is this program.
const WRAPPING: &str = "PRECAST_FUZZ_WRAPPING";

/// If cargo started this program as its wrapper: rustc, without coverage for what only helps.
pub fn compile_if_wrapping() -> Option<ExitCode> {
    std::env::var_os(WRAPPING)?;
    let call: Vec<String> = std::env::args().skip(1).collect();
    let (rustc, args) = call.split_first()?;
    let name = args.iter().skip_while(|arg| *arg != "--crate-name").nth(1);
    let helps = name.is_some_and(|name| HELPERS.iter().any(|helper| name.starts_with(helper)));
    let kept = args.iter().filter(|arg| !helps || !COVERAGE.contains(&arg.as_str()));
    let status = Command::new(rustc).args(kept).env_remove(WRAPPING).status().ok()?;
    Some(ExitCode::from(u8::try_from(status.code()?).ok()?))
}

/// Runs the targets that are named, or all but the one that takes long to build.
pub fn fuzz(args: &[&str]) -> Result {
    let mut seconds = "60";
    let mut named: Vec<&str> = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => seconds = words.next().ok_or("--seconds takes a number")?,
            name if TARGETS.contains(&name) => named.push(name),
            _ => return Err(format!("unknown target `{word}`; there are: {}", TARGETS.join(", "))),
        }
    }
    if named.is_empty() {
        named = TARGETS.iter().copied().filter(|name| *name != LONG).collect();
    }
    let host = host()?;
    build(&host, &named)?;
    let mirror = mirror()?;
    for name in named {
        let kept = scratch("fuzz").join(name);
        std::fs::create_dir_all(&kept)
            .map_err(|e| format!("cannot make {}: {e}", kept.display()))?;
        let program = root().join("fuzz/target").join(&host).join("release").join(name);
        let mut target = command(program);
        target.current_dir(&kept).env("PRECAST_FUZZ_ARTIFACT", &mirror);
        target.env("CARGO_MANIFEST_DIR", &kept);
        target
            .arg(format!("-max_total_time={seconds}"))
            .args(["-timeout=120", "-rss_limit_mb=4000"]);
        // New inputs go to the first folder; the committed ones are only read.
        let new = kept.join("corpus");
        std::fs::create_dir_all(&new).map_err(|e| format!("cannot make {}: {e}", new.display()))?;
        run(target.arg(new).arg(root().join("fuzz/corpus").join(name)))?;
    }
    Ok(())
}

/// The target is named, so that build scripts and macros are not instrumented.
fn host() -> Result<String> {
    let output = capture(command("rustc").arg("-vV"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say its host".to_owned())
}

fn build(host: &str, names: &[&str]) -> Result {
    let wrapper = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let mut build = cargo();
    build.current_dir(root().join("fuzz")).env("RUSTC_WRAPPER", wrapper).env(WRAPPING, "1");
    build.env("RUSTFLAGS", format!("--cfg fuzzing -Ccodegen-units=16 {}", COVERAGE.join(" ")));
    build.args(["build", "--release", "--quiet", "--target", host]);
    for name in names {
        build.args(["--bin", name]);
    }
    if names.contains(&LONG) {
        build.args(["--features", "oracle"]);
    }
    run(&mut build)
}

/// The packed macro of the target `expansion`.
fn mirror() -> Result<PathBuf> {
    let out = scratch("fuzz").join("packed");
    let mut pack = command(cargo_precast()?);
    capture(pack.args(["precast", "pack", "--quiet", "./fuzz/mirror", "-o"]).arg(&out))?;
    Ok(out.join("mirror-0.1.0.precast"))
}
