//! The guest's allocator against that of the C library, which macros would have without it.
//!
//! The other program is this repository's with one file of the guest replaced; what it packs differs in
//! nothing else.

use super::engines::{measure, packed, shown, tables, TYPES};
use super::side::source;
use super::workload::SERDE;
use super::{scratch_bench, Findings};
use crate::apps::sources::copy;
use crate::run::{capture, cargo, clear, command, read, root, write, Result};
use std::fmt::Write as _;
use std::path::PathBuf;

/// `dlmalloc`, as wasi-libc has it.
const SYSTEM: &str = "#[global_allocator]\nstatic HEAP: std::alloc::System = std::alloc::System;\n";

/// Fields of the type whose expansion is long.
const FIELDS: usize = 400;

pub fn bench(_runs: usize) -> Result<Findings> {
    let long = scratch_bench("long.rs");
    let mut text = "#[derive(Serialize, Deserialize)]\npub struct Long {\n".to_owned();
    for i in 0..FIELDS {
        writeln!(text, "    pub field_{i}: Option<Vec<u8>>,").expect("a String takes all text");
    }
    write(&long, &(text + "}\n"))?;
    let source = source(&SERDE, TYPES)?;
    let mut args = vec!["heap".into(), shown(&source), shown(&long)];
    args.push(format!("the guest's own={}", shown(&packed()?)));
    args.push(format!("dlmalloc={}", shown(&packed_with_system()?)));
    let found = measure(&args)?;
    let titles = [
        ("steady", "One of 10,000 expansions, CPU".to_owned(), "ms"),
        ("long", format!("A struct of {FIELDS} fields, CPU"), "ms"),
        ("bytes_first", format!("Memory after {} expansions", 2 * TYPES), "kB"),
        ("bytes_last", "Memory after 10,000 expansions".to_owned(), "kB"),
        ("bytes_long", format!("Memory after a struct of {FIELDS} fields"), "kB"),
    ];
    Ok(Findings { tables: tables(&found, titles)?, failures: Vec::new() })
}

/// The same artifact without the guest's allocator.
fn packed_with_system() -> Result<PathBuf> {
    let folder = scratch_bench("heap");
    clear(&folder)?;
    for part in ["docs", "guest", "runtime", "src", "xtask"] {
        copy(&root().join(part), &folder.join(part))?;
    }
    for file in ["Cargo.toml", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"] {
        write(&folder.join(file), &read(&root().join(file))?)?;
    }
    write(&folder.join("guest/src/heap.rs"), SYSTEM)?;
    // In our own target directory, where the dependencies are built.
    let target = root().join("target");
    let mut build = cargo();
    build.args(["build", "--quiet", "--package", "precast", "--target-dir"]).arg(&target);
    capture(build.current_dir(&folder))?;
    let out = scratch_bench("heap-packed");
    let spec = format!("{}@{}", SERDE.name, SERDE.version);
    let mut pack = command(target.join("debug/cargo-precast"));
    capture(pack.args(["precast", "pack", &spec, "--quiet", "-o"]).arg(&out))?;
    Ok(out.join(format!("{}-{}.precast", SERDE.name, SERDE.version)))
}
