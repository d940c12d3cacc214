//! Remembered expansions: fixtures/expansions, built natively and packed, expands to the same whether its
//! macros run, are remembered for the first time, or are remembered.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// With every macro that natively says the same each time.
const USER: &str = "use expansions::*;
#[derive(Names)]
pub struct One { first: u8, #[names] second: Vec<String> }
macro_rules! made { ($name:ident $($field:ident)*) => {
    #[derive(Names)] pub struct $name { $($field: $crate::Inside),* }
} }
pub struct Inside;
made! { Made a b r#type }
#[twice(other)]
fn item() -> &'static str { place!(x) }
pub const PLACE: &str = place!(some_text);
pub const SHOWN: &str = shown!(a + 'b' \"c\" [d] r#e);
pub const VARIABLE: &str = variable!(\"CARGO_PKG_NAME\");
pub const COUNT: [usize; 3] = [count!(), count!(), count!(x)];
pub const KNOWN: [&str; 4] = [known!(a), known!(), known!(b c), known!()];
pub const HIDDEN: [usize; 3] = [hidden!(), hidden!(), hidden!()];
pub const TABLE: [&str; 3] = [table!(k3), table!(k4), table!(none)];
pub const FILE: [&str; 3] = [found!(\"data/text\"), found!(\"data\"), found!(\"none\")];
";

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("expansions").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("data")).unwrap();
    fs::write(folder.join("data/text"), "one").unwrap();
    folder
}

/// The libraries, native and packed.
fn libraries() -> &'static [PathBuf; 2] {
    static BUILT: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = scratch("built");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/expansions");
        let mut pack = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
        pack.args(["pack", "--quiet"]).arg(&fixture).arg("-o").arg(&folder);
        ok(&pack.output().unwrap());
        [("native", fixture), ("packed", folder.join("expansions-0.1.0"))].map(|(name, source)| {
            let out = folder.join(name);
            let mut rustc = Command::new("rustc");
            rustc.args(["--edition", "2021", "--crate-type", "proc-macro"]);
            rustc.args(["--crate-name", "expansions"]).arg(source.join("src/lib.rs"));
            ok(&rustc.arg("--out-dir").arg(&out).output().unwrap());
            let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
            out.join(format!("{prefix}expansions{suffix}"))
        })
    })
}

fn ok(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn put(folder: &Path, source: &str) {
    fs::write(folder.join("user.rs"), source).unwrap();
}

/// The compiler of `user.rs` in the folder. With a memory it notes what it expands.
fn rustc(folder: &Path, library: &Path, memory: Option<&Path>, args: &[&str]) -> Command {
    // Another process opens the descriptor for us.
    let script = "exec 9>>\"$LEDGER\"; PRECAST_LEDGER=9 exec rustc \"$@\"";
    let mut rustc = Command::new("sh");
    rustc.args(["-c", script, "sh", "--edition=2021", "--crate-type=lib", "user.rs"]).args(args);
    rustc.arg("--extern").arg(format!("expansions={}", library.display()));
    rustc.env("RUSTC_BOOTSTRAP", "1").env("CARGO_MANIFEST_DIR", folder).current_dir(folder);
    rustc.env("CARGO_CRATE_NAME", "user").env("CARGO_PKG_NAME", "user");
    rustc.env("LEDGER", folder.join("ledger")).env_remove("PRECAST_EXPANSIONS");
    if let Some(memory) = memory {
        rustc.env("PRECAST_EXPANSIONS", memory);
    }
    rustc
}

fn texts(output: Output) -> (String, String) {
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What the packed macros expand to, and how often each was run and remembered.
fn expand(folder: &Path, memory: Option<&Path>) -> (String, BTreeMap<String, [usize; 2]>) {
    let _ = fs::remove_file(folder.join("ledger"));
    let mut rustc = rustc(folder, &libraries()[1], memory, &["-Zunpretty=expanded"]);
    let output = rustc.output().unwrap();
    ok(&output);
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(folder.join("ledger")).unwrap_or_default().lines() {
        let mut fields = line.split('\t').skip(1);
        let function = fields.next().unwrap().to_owned();
        let count: &mut [usize; 2] = counts.entry(function).or_default();
        count[usize::from(fields.next() == Some("remembered"))] += 1;
    }
    (texts(output).0, counts)
}

fn memory(folder: &Path) -> PathBuf {
    let memory = folder.join("memory");
    fs::create_dir_all(&memory).unwrap();
    memory
}

/// The one file of a memory.
fn file_of(memory: &Path) -> PathBuf {
    let mut files = fs::read_dir(memory).unwrap().map(|entry| entry.unwrap().path());
    let file = files.next().expect("something was remembered");
    assert!(files.next().is_none());
    assert!(file.file_name().unwrap().to_str().unwrap().starts_with("expansions-0.1.0-"));
    file
}

const MODES: [&[&str]; 5] = [
    &["--emit=metadata", "-o", "out"],
    &["-Zunpretty=expanded"],
    &["-Zunpretty=expanded,hygiene"],
    &["-Zunpretty=expanded,identified"],
    &["--error-format=json", "--emit=metadata", "-o", "out"],
];

/// Names have numbers in the order in which the compiler met them, before a `#`.
fn unnumbered(text: String) -> String {
    let parts: Vec<&str> = text.split('#').collect();
    let (last, parts) = parts.split_last().unwrap();
    let is_digit = |c: char| c.is_ascii_digit();
    parts.iter().map(|part| format!("{}#", part.trim_end_matches(is_digit))).collect::<String>()
        + last
}

/// With errors in what the macros write, whose places are those of the input.
#[test]
fn nobody_sees_a_difference() {
    let folder = scratch("same");
    let memory = memory(&folder);
    let wrong = format!(
        "{USER}impl One {{ pub fn name_of_first(&self) {{}} }}\n#[derive(Names)]\nstruct W {{ x: Unknown }}\n\
         #[twice(item)]\nfn item() -> u8 {{ place!(y) }}\n"
    );
    for source in [USER, &wrong] {
        let moved =
            source.replace("#[derive", "\n\n  #[derive").replace("pub const", "\n pub const");
        for mode in MODES {
            let said = |library: usize, memory: Option<&Path>| {
                let mut rustc = rustc(&folder, &libraries()[library], memory, mode);
                let (out, err) = texts(rustc.output().unwrap());
                // One a line, so that what differs can be seen.
                [out, err].map(unnumbered).join("\n").lines().map(String::from).collect::<Vec<_>>()
            };
            fs::remove_dir_all(&memory).unwrap();
            fs::create_dir_all(&memory).unwrap();
            put(&folder, source);
            // The other format tells where macros are defined.
            let base = usize::from(mode.contains(&"--error-format=json"));
            let native = said(base, None);
            let same = |found: Vec<String>, native: &[String], when: &str| {
                for (found, native) in found.iter().zip(native) {
                    assert_eq!(found, native, "{mode:?}: {when}");
                }
                assert_eq!(found.len(), native.len(), "{mode:?}: {when}");
            };
            same(said(1, None), &native, "every macro runs");
            same(said(1, Some(&memory)), &native, "empty");
            same(said(1, Some(&memory)), &native, "full");
            put(&folder, &moved);
            let native = said(base, None);
            same(said(1, Some(&memory)), &native, "filled by other places");
            same(said(1, Some(&memory)), &native, "full of both");
        }
    }
}

/// What depends on the input alone is remembered wherever it stands; what asks for its place, at the same one.
#[test]
fn only_what_is_asked_counts() {
    let folder = scratch("places");
    let memory = memory(&folder);
    put(&folder, USER);
    let first = expand(&folder, Some(&memory));
    assert_eq!(first.1["names"], [2, 0]);
    let second = expand(&folder, Some(&memory));
    assert_eq!(second.0, first.0);
    for name in ["names", "twice", "shown", "variable", "count"] {
        assert_eq!(second.1[name][0], 0, "{name} ran");
    }
    assert_eq!(second.1["place"], [0, 3]);
    // What is computed once lies where the expansions that ran have left room: the same ones as the last time.
    let third = expand(&folder, Some(&memory));
    assert_eq!((third.0, third.1["table"]), (first.0, [1, 2]));
    put(&folder, &format!("\n\n{USER}"));
    let moved = expand(&folder, Some(&memory));
    assert_eq!((moved.1["names"], moved.1["place"]), ([0, 2], [3, 0]));
    assert!(moved.0.contains("\"13:"), "{}", moved.0);
    // Both places are known now.
    for source in [USER.to_owned(), format!("\n\n{USER}")] {
        put(&folder, &source);
        let again = expand(&folder, Some(&memory));
        assert_eq!(again.1["place"], [0, 3]);
    }
    put(&folder, &USER.replace("first: u8", "first: u16"));
    assert_eq!(expand(&folder, Some(&memory)).1["names"], [1, 1]);
}

#[test]
fn a_changed_variable_is_seen() {
    let folder = scratch("variable");
    let memory = memory(&folder);
    put(&folder, "pub const V: [&str; 2] = [expansions::variable!(\"CARGO_PKG_NAME\"), expansions::shown!(a)];\n");
    let run = |value: Option<&str>| {
        let _ = fs::remove_file(folder.join("ledger"));
        let mut rustc = rustc(&folder, &libraries()[1], Some(&memory), &["-Zunpretty=expanded"]);
        match value {
            Some(value) => rustc.env("CARGO_PKG_NAME", value),
            None => rustc.env_remove("CARGO_PKG_NAME"),
        };
        let out = texts(rustc.output().unwrap()).0;
        let ledger = fs::read_to_string(folder.join("ledger")).unwrap();
        let ran = |name: &str| ledger.lines().any(|line| line.contains(&format!("\t{name}\tok\t")));
        (out, ran("variable"), ran("shown"))
    };
    let steps = [
        (Some("a"), "Some(\\\"a\\\")", true, true),
        (Some("a"), "Some(\\\"a\\\")", false, false),
        (Some("b"), "Some(\\\"b\\\")", true, false),
        (None, "None", true, false),
        (Some("a"), "Some(\\\"a\\\")", false, false),
    ];
    for (value, expected, variable, shown) in steps {
        let (out, ran, other) = run(value);
        assert!(out.contains(expected), "{out}");
        assert_eq!((ran, other), (variable, shown), "{value:?}");
    }
}

#[test]
fn a_changed_file_is_seen() {
    let folder = scratch("file");
    let memory = memory(&folder);
    put(&folder, "pub const F: [&str; 2] = [expansions::found!(\"data/text\"), expansions::found!(\"data\")];\n");
    let one = expand(&folder, Some(&memory)).0;
    assert!(one.contains("Some(\\\"one\\\")") && one.contains("[\\\"text\\\"]"), "{one}");
    assert_eq!(expand(&folder, Some(&memory)).0, one);
    fs::write(folder.join("data/text"), "two").unwrap();
    let two = expand(&folder, Some(&memory)).0;
    assert_eq!(two, one.replace("one", "two"));
    fs::write(folder.join("data/more"), "").unwrap();
    let more = expand(&folder, Some(&memory)).0;
    assert_eq!(more, two.replace("[\\\"text\\\"]", "[\\\"more\\\", \\\"text\\\"]"));
}

/// A macro that keeps something finds it as if every expansion had run.
#[test]
fn what_macros_keep() {
    let folder = scratch("state");
    let memory = memory(&folder);
    let lines =
        ["count!()", "known!(a)", "hidden!()", "known!()", "count!(x)", "hidden!(y)", "known!(b)"];
    let source = |lines: &[&str]| {
        let uses: String =
            lines.iter().enumerate().map(|(i, line)| format!("f! {{ F{i} {line} }}\n")).collect();
        format!("use expansions::*;\nmacro_rules! f {{ ($n:ident $e:expr) => {{ pub fn $n() {{ $e; }} }} }}\n{uses}")
    };
    put(&folder, &source(&lines));
    for _ in 0..2 {
        assert_eq!(expand(&folder, Some(&memory)).0, expand(&folder, None).0);
    }
    // In another order, with one less, and one more.
    let mut other = lines;
    other.reverse();
    for lines in
        [&other[..], &lines[1..], &["known!(c)", "count!()", "known!(a)", "known!()", "hidden!()"]]
    {
        put(&folder, &source(lines));
        for _ in 0..2 {
            assert_eq!(expand(&folder, Some(&memory)).0, expand(&folder, None).0, "{lines:?}");
        }
    }
}

#[test]
fn what_is_random_stays_so() {
    let folder = scratch("random");
    let memory = memory(&folder);
    put(&folder, "pub const R: [u64; 3] = [expansions::random!(), expansions::random!(), expansions::random!(x)];\n");
    let numbers = |text: &str| {
        let mut found: Vec<String> = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|w| w.len() > 8 && w.ends_with("u64"))
            .map(String::from)
            .collect();
        found.sort();
        found.dedup();
        found
    };
    let first = expand(&folder, Some(&memory));
    assert_eq!(numbers(&first.0).len(), 3, "{}", first.0);
    let second = expand(&folder, Some(&memory));
    assert_eq!((second.0, second.1["random"]), (first.0, [0, 3]));
}

/// Errors, panics and output come each time.
#[test]
fn what_is_said_is_said_again() {
    let folder = scratch("said");
    let memory = memory(&folder);
    put(
        &folder,
        "expansions::fail!();\nexpansions::fail!(a);\npub const S: &str = expansions::said!(b);\n",
    );
    let said = |memory: Option<&Path>| {
        texts(rustc(&folder, &libraries()[1], memory, &["--emit=metadata"]).output().unwrap()).1
    };
    let expected = said(None);
    for part in ["said b", "an error", "failed with a"] {
        assert!(expected.contains(part), "{expected}");
    }
    for _ in 0..3 {
        assert_eq!(said(Some(&memory)), expected);
    }
}

/// Whatever is in the file, the macros run or are remembered rightly.
#[test]
fn damage_costs_time_alone() {
    let folder = scratch("damage");
    let memory = memory(&folder);
    put(&folder, USER);
    let (expected, _) = expand(&folder, Some(&memory));
    let file = file_of(&memory);
    let whole = fs::read(&file).unwrap();
    let mut damaged: Vec<Vec<u8>> = [0, 1, 31, 40, whole.len() / 2, whole.len() - 1]
        .iter()
        .map(|len| whole[..*len].to_vec())
        .collect();
    for step in [7, 97, 1009] {
        let mut bytes = whole.clone();
        bytes.iter_mut().step_by(step).for_each(|byte| *byte ^= 0x55);
        damaged.push(bytes);
    }
    for at in [0, 4, 8, 16, 24, 32, 33, whole.len() / 3] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        damaged.push(bytes);
    }
    damaged.push(vec![0xff; 4096]);
    for bytes in damaged {
        fs::write(&file, &bytes).unwrap();
        assert_eq!(expand(&folder, Some(&memory)).0, expected);
    }
    // What comes behind an entry that was not written whole is found.
    let mut bytes = whole[..whole.len() / 2].to_vec();
    bytes.extend_from_slice(&whole);
    fs::write(&file, &bytes).unwrap();
    let (text, counts) = expand(&folder, Some(&memory));
    assert_eq!((text, counts["names"]), (expected, [0, 2]));
}

#[test]
fn several_compilers_at_once() {
    let folder = scratch("several");
    let memory = memory(&folder);
    put(&folder, USER);
    let (expected, _) = expand(&folder, None);
    let start = || {
        let mut rustc = rustc(&folder, &libraries()[1], Some(&memory), &["-Zunpretty=expanded"]);
        rustc.stdout(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..4).map(|_| start()).collect();
    for child in children {
        assert_eq!(texts(child.wait_with_output().unwrap()).0, expected);
    }
    let (text, counts) = expand(&folder, Some(&memory));
    assert_eq!((text, counts["names"]), (expected, [0, 2]));
}

#[test]
fn nothing_is_written_by_itself() {
    let folder = scratch("nothing");
    put(&folder, USER);
    let before = fs::read_dir(&folder).unwrap().count();
    let (expected, _) = expand(&folder, None);
    for value in ["", "none/such"] {
        assert_eq!(expand(&folder, Some(Path::new(value))).0, expected);
    }
    // The ledger is this test's.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), before + 1);
    // A folder that cannot be written to.
    let file = folder.join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(expand(&folder, Some(&file)).0, expected);
    assert_eq!(fs::read(&file).unwrap(), b"");
}
