//! `verify --built`: the active rustc compiles the shim, and its library has the recorded macros.
#![cfg(target_os = "linux")]

#[allow(dead_code)]
#[path = "cli/tiny.rs"]
mod tiny;

use precast::artifact::manifest::{Kind, Macro};
use precast::artifact::Artifact;
use precast::verify::{self, Options};
use precast::{artifact, embed};
use std::fs;
use std::path::{Path, PathBuf};

fn macros() -> Artifact {
    let Artifact { mut manifest, wasm, image, lockfile, source, licenses, .. } = tiny::tiny();
    let mut add = |kind, name: &str, function: &str, helpers: &[&str]| {
        manifest.macros.push(Macro {
            kind,
            name: name.into(),
            function: function.into(),
            helpers: helpers.iter().map(|helper| helper.to_string()).collect(),
            attributes: Vec::new(),
        });
    };
    add(Kind::Attribute, "marked", "marked", &[]);
    add(Kind::Derive, "Plain", "derive_plain", &[]);
    add(Kind::Derive, "Helped", "derive_helped", &["one", "two_three"]);
    Artifact::new(manifest, wasm, image, lockfile, source, licenses).unwrap()
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("built").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn differences(path: &Path) -> Vec<String> {
    let options = Options { built: true, ..Options::default() };
    let verdicts = verify::all(path, options, &|_: &str| ()).unwrap();
    let check = verdicts[0].checks.last().unwrap();
    assert_eq!(check.what, "the compiled shim exports the macros in the manifest");
    check.differences.clone()
}

#[test]
fn artifact_and_shim_export_what_is_recorded() {
    let folder = folder("equal");
    let artifact = macros();
    let file = folder.join("tiny.precast");
    fs::write(&file, artifact::write(&artifact).unwrap()).unwrap();
    embed::write_dir(&embed::embed(&artifact).unwrap(), &folder.join("shim")).unwrap();
    for path in [&file, &folder.join("shim")] {
        assert_eq!(differences(path), Vec::<String>::new());
    }
}

#[test]
fn what_a_changed_shim_exports_is_seen() {
    let folder = folder("changed");
    embed::write_dir(&embed::embed(&macros()).unwrap(), &folder).unwrap();
    let root = folder.join("src/lib.rs");
    let text = fs::read_to_string(&root).unwrap();
    let text = text.replace("attributes(one, two_three)", "attributes(one)");
    let text =
        text.replace("#[proc_macro_attribute]\npub fn marked", "#[cfg(any())]\npub fn marked");
    let more = "#[proc_macro]\npub fn more(input: proc_macro::TokenStream) -> \
                proc_macro::TokenStream { input }\n";
    fs::write(&root, text + more).unwrap();
    let expected = [
        "`Helped` with #[one], #[two_three] is not exported",
        "`marked` is not exported",
        "`Helped` with #[one] is exported as well",
        "`more` is exported as well",
    ];
    assert_eq!(differences(&folder), expected);
}
