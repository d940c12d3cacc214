//! One real macro in that system's rustc: the shim of serde_derive and the corpus's consumer of it.

use super::Elsewhere;
use crate::run::{
    capture, cargo, cargo_precast, clear, command, read, root, scratch, write, Result,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const MACROS: &str = "serde_derive";
const VERSION: &str = "1.0.229";
const FEATURE: &str = "deserialize_in_place";

/// Without serde's feature `derive`: it would bring a macro crate of its own.
const MANIFEST: &str = r#"
[package]
name = "consumer"
version = "1.2.3"
edition = "2021"

[[bin]]
name = "consumer"
path = "consumer.rs"

[workspace]

[dependencies]
serde = { version = "=1.0.229", features = ["rc"] }
serde_derive = { version = "=1.0.229", features = ["deserialize_in_place"] }
serde_json = "=1.0.154"
"#;

/// What cargo built: the program with the original macro, and what a compiler needs to build it again.
struct Built {
    folder: PathBuf,
    program: PathBuf,
    /// Of this machine.
    derive: PathBuf,
    serde: PathBuf,
    json: PathBuf,
}

pub fn expansion<T: Elsewhere>(tools: &T) -> Result {
    let folder = scratch(T::NAME).join("expansion");
    clear(&folder)?;
    let built = build(tools, &folder)?;
    let derive = shim(tools, &folder)?;
    let native = expand(built.call(tools, tools.host_rustc(), &built.derive), &folder, "native")?;
    let ours = expand(built.call(tools, tools.rustc(), &derive), &folder, "shim")?;
    if native != ours {
        return Err(format!("the expansions in {} differ", folder.display()));
    }
    println!("{}: {} lines of expansion are equal", T::NAME, ours.lines().count());
    let program = folder.join(format!("consumer{}", T::PROGRAM_SUFFIX));
    capture(built.call(tools, tools.rustc(), &derive).arg("-o").arg(&program))?;
    let output = |path: &Path| Ok::<_, String>(capture(&mut tools.start(path))?.stdout);
    match output(&built.program)? == output(&program)? {
        true => Ok(()),
        false => Err("the programs print something else".to_owned()),
    }
}

/// Builds the consumer for that system with the original macro.
fn build<T: Elsewhere>(tools: &T, folder: &Path) -> Result<Built> {
    let fixture = root().join("fixtures/corpus").join(MACROS).join("consumer.rs");
    let text = read(&fixture)?;
    let text = format!("{text}\nuse serde_derive::{{Deserialize, Serialize}};\n");
    write(&folder.join("consumer.rs"), &text)?;
    write(&folder.join("Cargo.toml"), MANIFEST)?;
    let mut cargo = cargo();
    tools.cross(&mut cargo);
    cargo.args(["build", "--quiet", "--message-format=json", "--target", T::TARGET]);
    cargo.arg("--target-dir").arg(scratch(T::NAME).join("target")).current_dir(folder);
    let output = capture(&mut cargo)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let file = |target: &str, end: &str| {
        let message = messages.iter().find(|message| message["target"]["name"] == target);
        let files = message.and_then(|message| message["filenames"].as_array());
        let mut files = files.into_iter().flatten().filter_map(Value::as_str);
        let file = files.find(|file| file.ends_with(end)).map(PathBuf::from);
        file.ok_or_else(|| format!("cargo built no {target}"))
    };
    Ok(Built {
        folder: folder.to_owned(),
        program: file("consumer", &format!("consumer{}", T::PROGRAM_SUFFIX))?,
        derive: file(MACROS, ".so")?,
        serde: file("serde", ".rlib")?,
        json: file("serde_json", ".rlib")?,
    })
}

/// Packs the macros on this machine, and compiles the shim with that system's compiler.
fn shim<T: Elsewhere>(tools: &T, folder: &Path) -> Result<PathBuf> {
    let mut pack = command(cargo_precast()?);
    pack.args(["precast", "pack", "--quiet", "--features", FEATURE, "-o"]).arg(folder);
    capture(pack.arg(format!("{MACROS}@{VERSION}")))?;
    let library = folder.join(format!("{}{MACROS}{}", T::LIBRARY.0, T::LIBRARY.1));
    let mut rustc = tools.rustc();
    tools.target(&mut rustc);
    rustc.args(["--crate-type", "proc-macro", "--crate-name", MACROS, "--edition", "2021"]);
    rustc.args(["--extern", "proc_macro", "--cfg", &format!("feature=\"{FEATURE}\"")]);
    let source = folder.join(format!("{MACROS}-{VERSION}/src/lib.rs"));
    capture(rustc.arg(source).arg("-o").arg(&library))?;
    Ok(library)
}

impl Built {
    /// The compiler's call for the consumer, with the given library of macros.
    fn call<T: Elsewhere>(&self, tools: &T, mut rustc: Command, derive: &Path) -> Command {
        tools.target(&mut rustc);
        rustc.args(["--crate-name", "consumer", "--edition", "2021", "consumer.rs"]);
        let dependencies = self.serde.parent().expect("a file has a folder");
        rustc.arg("-L").arg(format!("dependency={}", dependencies.display()));
        for (name, file) in [("serde", &*self.serde), ("serde_json", &self.json), (MACROS, derive)]
        {
            rustc.arg("--extern").arg(format!("{name}={}", file.display()));
        }
        rustc.current_dir(&self.folder);
        rustc
    }
}

/// The expanded text, which is also kept.
fn expand(mut rustc: Command, folder: &Path, side: &str) -> Result<String> {
    let output = capture(rustc.arg("-Zunpretty=expanded").env("RUSTC_BOOTSTRAP", "1"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    write(&folder.join(format!("{side}.rs")), &text)?;
    match text.is_empty() {
        true => Err(format!("nothing is expanded by {side}")),
        false => Ok(text),
    }
}
