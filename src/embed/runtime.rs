//! The one list of the runtime's source files: every shim gets them, in `src/precast/`.

/// Path below `runtime/src/` and text, and the licence that must go with them.
pub(super) const FILES: &[(&str, &str)] = &[
    ("LICENSE-MIT", include_str!("../../LICENSE-MIT")),
    ("calls.rs", include_str!("../../runtime/src/calls.rs")),
    ("engine.rs", include_str!("../../runtime/src/engine.rs")),
    ("engine/jit.rs", include_str!("../../runtime/src/engine/jit.rs")),
    ("engine/jit/aarch64.rs", include_str!("../../runtime/src/engine/jit/aarch64.rs")),
    ("engine/jit/x86_64.rs", include_str!("../../runtime/src/engine/jit/x86_64.rs")),
    (
        "engine/jit/x86_64/records.inc",
        include_str!("../../runtime/src/engine/jit/x86_64/records.inc"),
    ),
    ("engine/jit/x86_64/records.s", include_str!("../../runtime/src/engine/jit/x86_64/records.s")),
    ("engine/math.rs", include_str!("../../runtime/src/engine/math.rs")),
    ("engine/portable.rs", include_str!("../../runtime/src/engine/portable.rs")),
    ("engine/unwind.rs", include_str!("../../runtime/src/engine/unwind.rs")),
    ("expansions.rs", include_str!("../../runtime/src/expansions.rs")),
    ("fault.rs", include_str!("../../runtime/src/fault.rs")),
    ("fingerprint.rs", include_str!("../../runtime/src/fingerprint.rs")),
    ("host.rs", include_str!("../../runtime/src/host.rs")),
    ("image.rs", include_str!("../../runtime/src/image.rs")),
    ("instance.rs", include_str!("../../runtime/src/instance.rs")),
    ("kernel.rs", include_str!("../../runtime/src/kernel.rs")),
    ("kernel/anywhere.rs", include_str!("../../runtime/src/kernel/anywhere.rs")),
    ("kernel/counts.rs", include_str!("../../runtime/src/kernel/counts.rs")),
    ("kernel/foreign.rs", include_str!("../../runtime/src/kernel/foreign.rs")),
    ("kernel/inflate.rs", include_str!("../../runtime/src/kernel/inflate.rs")),
    ("kernel/layout.rs", include_str!("../../runtime/src/kernel/layout.rs")),
    ("kernel/linux.rs", include_str!("../../runtime/src/kernel/linux.rs")),
    ("kernel/machine.rs", include_str!("../../runtime/src/kernel/machine.rs")),
    ("kernel/macos.rs", include_str!("../../runtime/src/kernel/macos.rs")),
    ("kernel/output.rs", include_str!("../../runtime/src/kernel/output.rs")),
    ("kernel/pages.rs", include_str!("../../runtime/src/kernel/pages.rs")),
    ("kernel/portable.rs", include_str!("../../runtime/src/kernel/portable.rs")),
    ("kernel/state.rs", include_str!("../../runtime/src/kernel/state.rs")),
    ("kernel/system.rs", include_str!("../../runtime/src/kernel/system.rs")),
    ("kernel/windows.rs", include_str!("../../runtime/src/kernel/windows.rs")),
    ("kernel/x86_64.rs", include_str!("../../runtime/src/kernel/x86_64.rs")),
    ("ledger.rs", include_str!("../../runtime/src/ledger.rs")),
    ("lib.rs", include_str!("../../runtime/src/lib.rs")),
    ("libm.rs", include_str!("../../runtime/src/libm.rs")),
    ("macros.rs", include_str!("../../runtime/src/macros.rs")),
    ("memory.rs", include_str!("../../runtime/src/memory.rs")),
    ("place.rs", include_str!("../../runtime/src/place.rs")),
    ("spans.rs", include_str!("../../runtime/src/spans.rs")),
    ("sys.rs", include_str!("../../runtime/src/sys.rs")),
    ("sys/linux.rs", include_str!("../../runtime/src/sys/linux.rs")),
    ("text.rs", include_str!("../../runtime/src/text.rs")),
    ("tokens.rs", include_str!("../../runtime/src/tokens.rs")),
    ("tokens/decode.rs", include_str!("../../runtime/src/tokens/decode.rs")),
    ("tokens/encode.rs", include_str!("../../runtime/src/tokens/encode.rs")),
    ("tokens/literal.rs", include_str!("../../runtime/src/tokens/literal.rs")),
    ("track.rs", include_str!("../../runtime/src/track.rs")),
    ("unstable.rs", include_str!("../../runtime/src/unstable.rs")),
    ("wasi.rs", include_str!("../../runtime/src/wasi.rs")),
    ("wasi/about.rs", include_str!("../../runtime/src/wasi/about.rs")),
    ("wasi/environ.rs", include_str!("../../runtime/src/wasi/environ.rs")),
    ("wasi/files.rs", include_str!("../../runtime/src/wasi/files.rs")),
    ("wasi/files/granted.rs", include_str!("../../runtime/src/wasi/files/granted.rs")),
    ("wasi/files/native.rs", include_str!("../../runtime/src/wasi/files/native.rs")),
    ("wasi/files/own.rs", include_str!("../../runtime/src/wasi/files/own.rs")),
    ("wasi/files/reads.rs", include_str!("../../runtime/src/wasi/files/reads.rs")),
    ("wasi/files/writes.rs", include_str!("../../runtime/src/wasi/files/writes.rs")),
    ("wasi/refusal.rs", include_str!("../../runtime/src/wasi/refusal.rs")),
    ("wasi/system.rs", include_str!("../../runtime/src/wasi/system.rs")),
];

#[cfg(test)]
mod tests {
    use super::FILES;
    use std::path::Path;

    fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => walk(&entry.path(), &format!("{path}/"), found),
                false => found.push(path),
            }
        }
    }

    #[test]
    fn the_list_is_the_directory() {
        let mut found = vec!["LICENSE-MIT".to_string()];
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime/src"), "", &mut found);
        found.sort();
        let listed: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(found, listed, "FILES in src/embed/runtime.rs must list runtime/src, sorted");
    }
}
