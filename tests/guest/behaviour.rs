//! fixtures/guest-api/behaviour: each file in each of its editions, expanded and compiled with the
//! native macros and with the packed ones. All that the compiler says must be equal.

use super::{built, consume, fixture, names, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// `// editions: …`, the first line.
fn editions(file: &Path) -> Vec<String> {
    let source = fs::read_to_string(file).unwrap();
    let line = source.lines().next().unwrap();
    let editions = line.strip_prefix("// editions: ").unwrap_or_else(|| panic!("{line}"));
    editions.split(' ').map(str::to_owned).collect()
}

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixture().join("behaviour")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Line breaks follow from the widths of numbers that mean nothing.
fn words(output: &Output) -> String {
    names(&text(&output.stdout)).split_whitespace().collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn same(what: &str, native: &str, packed: &str) {
    for (line, (native, packed)) in native.lines().zip(packed.lines()).enumerate() {
        assert_eq!(packed, native, "{what}:{}", line + 1);
    }
    assert_eq!(packed.lines().count(), native.lines().count(), "{what}");
}

#[test]
fn behaviour_is_native() {
    let mut n_lines = 0;
    for file in files() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        for edition in editions(&file) {
            let both = |arguments: &[&str]| {
                let arguments = [arguments, &["--edition", &edition]].concat();
                let run = |folder| consume(folder, &file, &arguments);
                (run(&built().native), run(&built().packed))
            };
            let what = format!("{name} {edition}");
            let (native, packed) = both(&["-Zunpretty=expanded"]);
            same(&what, &text(&native.stdout), &text(&packed.stdout));
            n_lines += text(&native.stdout).lines().count();
            let (native, packed) = both(&["-Zunpretty=expanded,hygiene"]);
            same(&what, &words(&native), &words(&packed));
            // Not to /dev/null: rustc renames its result to there, and for root that works.
            let metadata = concat!(env!("CARGO_TARGET_TMPDIR"), "/behaviour.rmeta");
            let (native, packed) = both(&["--emit=metadata", "-o", metadata]);
            same(&what, &text(&native.stderr), &text(&packed.stderr));
            assert_eq!(native.status.code(), packed.status.code(), "{what}");
        }
    }
    assert!(n_lines > 5000, "{n_lines}");
}
