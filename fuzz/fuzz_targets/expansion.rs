//! Random tokens through one macro, natively and packed: the same tokens, or the same panic.
//! `PRECAST_FUZZ_ARTIFACT` names the packed macro, which `cargo xtask fuzz` makes of `mirror/`.
#![no_main]

#[path = "../mirror/src/work.rs"]
mod work;

use libfuzzer_sys::fuzz_target;
use precast::artifact;
use precast::runtime::instance::{Fault, Limits};
use precast::runtime::{Grants, Machine};
use proc_macro2::TokenStream;
use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

static GRANTS: Grants = Grants { env: &[], read: &[], write: &[], own: None };

/// The packed macro's image, for the life of the process.
fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let path = std::env::var("PRECAST_FUZZ_ARTIFACT").expect("PRECAST_FUZZ_ARTIFACT is set");
        let bytes = std::fs::read(path).expect("the artifact can be read");
        // libFuzzer ends the process on every panic; those of the macro are results here.
        std::panic::set_hook(Box::new(|_| ()));
        artifact::read(&bytes).expect("the artifact is whole").image
    })
}

thread_local! {
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

fn packed(input: TokenStream) -> Result<String, String> {
    MACHINE.with(|slot| {
        let mut slot = slot.borrow_mut();
        let new = || Machine::new(image(), &GRANTS, Limits::DEFAULT);
        let mut machine =
            slot.take().unwrap_or_else(|| new().unwrap_or_else(|f| abort(&f.to_string())));
        match machine.expand("mirror", input.into(), None) {
            Ok(output) => {
                *slot = Some(machine);
                Ok(output.stream.to_string())
            }
            Err(failure) => match (failure.payload, failure.fault) {
                (Some(payload), _) => Err(message(&*payload)),
                (None, Fault::Panic(text)) => Err(text),
                (None, fault) => abort(&fault.to_string()),
            },
        }
    })
}

fn native(input: TokenStream) -> Result<String, String> {
    let result = catch_unwind(AssertUnwindSafe(|| work::mirror(input)));
    result.map(|stream| stream.to_string()).map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
    text.unwrap_or_default()
}

fn abort(text: &str) -> ! {
    eprintln!("{text}");
    std::process::abort()
}

fuzz_target!(|data: &[u8]| {
    image();
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(input) = text.parse::<TokenStream>() else { return };
    let (packed, native) = (packed(input.clone()), native(input));
    if packed != native {
        abort(&format!("packed: {packed:?}\nnative: {native:?}"));
    }
});
