//! Which parts of the runtime a shim compiles: those that its module can use.
//!
//! The runtime's files are the same in every shim; the macro `part!`, which the shim's root defines,
//! takes a part or what stands in for it. Unoptimised, the files alone cost a consumer a seventh of
//! the runtime's build.

use crate::artifact::manifest::{Capabilities, FINGERPRINT};
use crate::artifact::module;
use crate::artifact::Artifact;
use crate::base::error::{Class, Error, Result};
use crate::lower;
use crate::runtime::image::op;
use crate::runtime::wasi::SOURCE;

/// What a module uses: names of imported calls, and operations of its image.
struct Uses {
    calls: Vec<String>,
    /// Whether its image has an instruction `MATH`.
    math: bool,
    /// Whether it has a path of its own files.
    own: bool,
    /// Whether something is granted to be written.
    writes: bool,
    /// Whether its author says what else its results depend on.
    fingerprint: bool,
}

/// A part and whether it is used.
type Part = (&'static str, fn(&Uses) -> bool);

const PARTS: [Part; 12] = [
    ("environ", |uses| uses.call(is_environ)),
    ("files", |uses| uses.call(is_file)),
    ("writes", |uses| uses.writes && uses.call(is_file)),
    ("place", |uses| uses.call(is_environ) || uses.call(is_file) || uses.call(is_refused)),
    ("libm", |uses| uses.call(|call| call == "libm")),
    ("own", |uses| uses.own),
    ("about", |uses| uses.call(|call| call == "about")),
    ("system", |uses| uses.call(is_system)),
    ("spans", |uses| uses.call(|call| call.starts_with("span_"))),
    ("unwind", |uses| uses.call(|call| call == "attempt")),
    ("math", |uses| uses.math),
    ("fingerprint", |uses| uses.fingerprint),
];

/// What no macro may have; a use of it is reported.
fn is_refused(call: &str) -> bool {
    ["clock_time_get", "refused"].contains(&call)
}

fn is_environ(call: &str) -> bool {
    call.starts_with("environ_")
}

fn is_system(call: &str) -> bool {
    const SYSTEM: [&str; 6] = ["args_", "clock_", "poll_", "proc_raise", "sched_", "sock_"];
    SYSTEM.iter().any(|start| call.starts_with(start))
}

/// What is left of the files where nothing can be opened is done elsewhere.
fn is_file(call: &str) -> bool {
    let is_left = call == "fd_write" || call.starts_with("fd_prestat_");
    let starts = ["fd_", "path_", "real_path"];
    starts.iter().any(|start| call.starts_with(start)) && !is_left
}

impl Uses {
    fn read(artifact: &Artifact, capabilities: &Capabilities) -> Result<Uses> {
        let imports = module::read(&artifact.wasm)?.imports;
        let unreadable = |what| Error::new(Class::Verify, format!("image.bin: {what}"));
        let chunks = lower::decode(&artifact.image).map_err(unreadable)?;
        // Behind head and data, instructions of eight bytes.
        let mut code = chunks.iter().skip(2).flat_map(|chunk| chunk.chunks_exact(8));
        Ok(Uses {
            calls: imports.into_iter().map(|(_, name, _)| name).collect(),
            math: code.any(|insn| insn[0] == op::MATH),
            own: asks_for_own_files(&artifact.wasm),
            writes: !capabilities.write.is_empty(),
            fingerprint: artifact.manifest.macros.iter().any(|item| item.name == FINGERPRINT),
        })
    }

    fn call(&self, is: fn(&str) -> bool) -> bool {
        self.calls.iter().any(|call| is(call))
    }
}

/// Whether a path in the module is that of a package which it is compiled from.
pub(super) fn asks_for_own_files(wasm: &[u8]) -> bool {
    wasm.windows(SOURCE.len()).any(|text| text == SOURCE.as_bytes())
}

/// The definition of `part!`.
pub(super) fn write(artifact: &Artifact, capabilities: &Capabilities) -> Result<String> {
    let read = |set: Artifact| Uses::read(&set, capabilities);
    let uses = artifact.each_set().map(read).collect::<Result<Vec<Uses>>>()?;
    // A part in another one that is not taken is asked for nowhere.
    let mut out = String::from("#[allow(unused_macro_rules)]\nmacro_rules! part {\n");
    for (part, is_used) in PARTS {
        let taken = if uses.iter().any(is_used) { "with" } else { "without" };
        out += &format!(
            "    ({part} {{ $($with:item)* }} {{ $($without:item)* }}) => {{ $(${taken})* }};\n"
        );
    }
    Ok(out + "}\n")
}
