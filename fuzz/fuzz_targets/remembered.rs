//! Random tokens, and edits of them, through one macro: what is remembered is what a fresh expansion gives, or the same
//! panic. `PRECAST_FUZZ_ARTIFACT` names the packed macro, which `cargo xtask fuzz` makes of `mirror/`.
//!
//! Each line of the input is an expansion. The first machine adds to a memory, the second one uses it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use precast::artifact::{self, module};
use precast::runtime::instance::{Fault, Limits};
use precast::runtime::{Grants, Kept, Machine};
use proc_macro2::TokenStream;
use std::path::PathBuf;
use std::sync::OnceLock;

static GRANTS: Grants = Grants { env: &[], read: &[], write: &[], own: None };

/// A larger memory begins anew: every process reads all of it.
const BYTES_MAX: u64 = 1 << 20;

struct Packed {
    image: Vec<u8>,
    kept: Kept,
    file: PathBuf,
}

fn packed() -> &'static Packed {
    static PACKED: OnceLock<Packed> = OnceLock::new();
    PACKED.get_or_init(|| {
        let path = std::env::var("PRECAST_FUZZ_ARTIFACT").expect("PRECAST_FUZZ_ARTIFACT is set");
        let bytes = std::fs::read(path).expect("the artifact can be read");
        let artifact = artifact::read(&bytes).expect("the artifact is whole");
        let folder = std::env::temp_dir().join(format!("precast-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        std::env::set_var("PRECAST_EXPANSIONS", &folder);
        std::panic::set_hook(Box::new(|_| ()));
        let variables = module::variables(&artifact.wasm);
        let kept = Kept { file: "mirror", variables };
        Packed { image: artifact.image, kept, file: folder.join("mirror") }
    })
}

fn machine(remembers: bool) -> Machine {
    let packed = packed();
    let mut machine = Machine::new(&packed.image, &GRANTS, Limits::DEFAULT)
        .unwrap_or_else(|fault| abort(&fault.to_string()));
    if remembers {
        machine.remember(&packed.kept).unwrap_or_else(|fault| abort(&fault.to_string()));
    }
    machine
}

fn expand(machine: &mut Machine, input: &TokenStream) -> Result<String, String> {
    match machine.expand("mirror", input.clone().into(), None) {
        Ok(output) => Ok(output.stream.to_string()),
        Err(failure) => match (failure.payload, failure.fault) {
            (Some(_), _) => Err("a payload".into()),
            (None, Fault::Panic(text)) => Err(text),
            (None, fault) => abort(&fault.to_string()),
        },
    }
}

fn abort(text: &str) -> ! {
    eprintln!("{text}");
    std::process::abort()
}

fuzz_target!(|data: &[u8]| {
    let packed = packed();
    let Ok(text) = std::str::from_utf8(data) else { return };
    let inputs: Vec<TokenStream> = text.lines().filter_map(|line| line.parse().ok()).collect();
    if packed.file.metadata().is_ok_and(|metadata| metadata.len() > BYTES_MAX) {
        let _ = std::fs::remove_file(&packed.file);
    }
    let mut fresh = machine(false);
    let expected: Vec<_> = inputs.iter().map(|input| expand(&mut fresh, input)).collect();
    for what in ["run", "remembered"] {
        let mut machine = machine(true);
        for (input, expected) in inputs.iter().zip(&expected) {
            let found = expand(&mut machine, input);
            if found != *expected {
                abort(&format!("{what}: {input}\n{found:?}\nfresh: {expected:?}"));
            }
        }
    }
});
