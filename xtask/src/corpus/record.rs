//! The compiler calls of consumers: recorded as cargo makes them, replayed with other outputs.
//!
//! Cargo calls this program in place of rustc for the packages of the scratch workspace
//! (`RUSTC_WORKSPACE_WRAPPER`). Replaying a call keeps cargo, and with it rebuilds of the
//! dependencies under other flags, out of the comparison.

use crate::run::Result;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

/// Names the folder to record into; set for cargo, so set for its wrapper.
pub const FOLDER: &str = "PRECAST_CORPUS_RECORD";

/// If cargo started this program as its wrapper: records the call, runs rustc.
pub fn record_if_wrapping() -> Option<ExitCode> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    let call: Vec<String> = std::env::args().skip(1).collect();
    let (rustc, args) = call.split_first()?;
    let name = args.iter().skip_while(|arg| *arg != "--crate-name").nth(1);
    if let Some(name) = name {
        let kept = |n: &str| n.starts_with("CARGO_") || n == "OUT_DIR" || n == "LD_LIBRARY_PATH";
        let mut env: BTreeMap<String, String> = std::env::vars().filter(|(n, _)| kept(n)).collect();
        env.remove("CARGO_MAKEFLAGS");
        let folder_now = std::env::current_dir().ok()?;
        let record = json!({ "rustc": rustc, "args": args, "env": env, "folder": folder_now });
        if let Err(e) = std::fs::write(folder.join(format!("{name}.json")), record.to_string()) {
            eprintln!("error: cannot record a compiler call in {}: {e}", folder.display());
            return Some(ExitCode::FAILURE);
        }
    }
    let status = Command::new(rustc).args(args).env_remove(FOLDER).status();
    let code = status.ok().and_then(|status| status.code()).unwrap_or(1);
    Some(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// A recorded call of rustc.
pub struct Record {
    rustc: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    folder: PathBuf,
}

/// Options of cargo's call that say where the output goes and in which form messages are.
const DROPPED: &[&str] = &["--error-format=", "--json=", "--emit=", "--diagnostic-width="];
const DROPPED_CODEGEN: &[&str] = &["incremental=", "extra-filename="];

impl Record {
    pub fn load(folder: &Path, consumer: &str) -> Result<Record> {
        let file = folder.join(format!("{}.json", consumer.replace('-', "_")));
        let text = std::fs::read_to_string(&file)
            .map_err(|e| format!("no compiler call was recorded in {}: {e}", file.display()))?;
        let value: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let strings = |v: &Value| serde_json::from_value(v.clone()).map_err(|e| e.to_string());
        Ok(Record {
            rustc: value["rustc"].as_str().unwrap_or_default().to_owned(),
            args: strings(&value["args"])?,
            env: serde_json::from_value(value["env"].clone()).map_err(|e| e.to_string())?,
            folder: value["folder"].as_str().unwrap_or_default().into(),
        })
    }

    /// Runs the call again on `source`, with messages for people and `extra` arguments.
    pub fn replay(&self, source: &Path, extra: &[&str]) -> Result<Output> {
        self.replay_with(source, extra, &[])
    }

    /// The same with more variables.
    pub fn replay_with(
        &self,
        source: &Path,
        extra: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Output> {
        let mut command = Command::new(&self.rustc);
        command.current_dir(&self.folder).envs(&self.env).stdin(Stdio::null());
        command.envs(variables.iter().copied());
        for name in ["RUST_BACKTRACE", "RUSTC_BOOTSTRAP", "CARGO_MAKEFLAGS", "MAKEFLAGS"] {
            command.env_remove(name);
        }
        if extra.iter().any(|arg| arg.starts_with("-Z")) {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command.args(self.arguments(source)).args(["--color", "never"]).args(extra);
        command.output().map_err(|e| format!("cannot start {}: {e}", self.rustc))
    }

    fn arguments(&self, source: &Path) -> Vec<String> {
        let mut kept = Vec::new();
        let mut args = self.args.iter().peekable();
        while let Some(arg) = args.next() {
            let codegen =
                |next: &&String| DROPPED_CODEGEN.iter().any(|prefix| next.starts_with(prefix));
            if arg == "--out-dir" || (arg == "-C" && args.peek().is_some_and(codegen)) {
                args.next();
            } else if arg.ends_with("consumer.rs") {
                kept.push(source.to_string_lossy().into_owned());
            } else if !DROPPED.iter().any(|prefix| arg.starts_with(prefix)) {
                kept.push(arg.clone());
            }
        }
        kept
    }
}
