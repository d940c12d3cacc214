//! Functions that run after a build and mean no good: each ends as an error with a name.

use super::*;

const MACROS: &str = r#"
use precast_macro::{aux, Output, Records};
use proc_macro::TokenStream;

#[proc_macro]
pub fn mark(wish: TokenStream) -> TokenStream {
    precast_macro::expand!(items => {
        aux::emit("wish", wish.to_string());
        TokenStream::new()
    })
}

precast_macro::post_process!(after);

fn after(records: &Records, out: &mut Output) {
    assert_eq!(records.len(), 1);
    match records.iter().next().unwrap().text() {
        "elsewhere" => {
            out.write("fine.txt", "1");
            out.write("../../elsewhere.txt", "1");
        }
        "absolute" => out.write("/tmp/elsewhere.txt", "1"),
        "lines" => out.write("a\nmine.txt", "1"),
        "std" => std::fs::write("here.txt", "1").unwrap(),
        "seen" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let seen = std::env::vars().count() + usize::from(std::fs::read("Cargo.toml").is_ok());
            out.write("seen.txt", format!("{seen} {}", now.as_secs()));
        }
        "endless" => loop {
            std::hint::black_box(1);
        },
        "gigabytes" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1u8; 1 << 24]);
                std::hint::black_box(&all);
            }
        }
        "much" => {
            for n in 0..9 {
                out.write(&n.to_string(), vec![b'1'; 8 << 20]);
            }
        }
        "many" => {
            for n in 0..20_000 {
                out.write(&n.to_string(), "1");
            }
        }
        "link" => out.write("sub/a.txt", "1"),
        "panics" => panic!("no luck"),
        "twice" => {
            out.write("a", "1");
            out.write("a", "2");
        }
        other => panic!("{other}"),
    }
}
"#;

/// A workspace whose macro package does this after the build.
fn workspace(wish: &str) -> PathBuf {
    let work = directory(&format!("hostile-{wish}"));
    let code = format!("hostile::mark!({wish});\n");
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
               [dependencies]\nhostile = { path = \"../hostile\" }\n";
    put(
        &work,
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"app\", \"hostile\"]\nresolver = \"2\"\n"),
            ("hostile/Cargo.toml", &macro_manifest("hostile")),
            ("hostile/src/lib.rs", MACROS),
            ("app/Cargo.toml", app),
            ("app/src/lib.rs", &code),
        ],
    );
    work
}

/// Nothing is written, and the error is this one.
fn check(work: &Path, wish: &str, expected: &str) {
    put(work, &[("app/src/lib.rs", &format!("hostile::mark!({wish});\n"))]);
    let output = precast(work, &["check"]).output().unwrap();
    let (_, err) = texts(&output, false);
    assert_eq!(output.status.code(), Some(6), "{err}");
    let head = "error: after the build, hostile 0.1.0: ";
    assert!(err.contains(head) && err.contains(expected), "{err}");
    assert!(!work.join("target/precast").exists(), "{err}");
}

#[test]
fn writes_elsewhere() {
    let work = workspace("elsewhere");
    check(&work, "elsewhere", "wants to write: `../../elsewhere.txt` is no path below");
    assert!(!work.join("target/elsewhere.txt").exists());
    check(&work, "absolute", "`/tmp/elsewhere.txt` is no path below a directory");
    // The name of somebody else's file, as a second line in the list of own files.
    check(&work, "lines", "is no path below a directory");
    check(&work, "std", "panicked");
    assert!(!work.join("here.txt").exists() && !work.join("app/here.txt").exists());
}

#[test]
fn sees_nothing_but_records() {
    let work = workspace("seen");
    ok(precast(&work, &["check"]));
    let seen = fs::read_to_string(work.join("target/precast/out/hostile/seen.txt")).unwrap();
    assert_eq!(seen, "0 1577836800");
}

#[test]
fn never_ends_or_takes_all() {
    let work = workspace("endless");
    check(&work, "endless", "fuel");
    check(&work, "gigabytes", "memory");
    check(&work, "much", "wants to write 9 files of 75497472 bytes");
    check(&work, "many", "wants to write 20000 files");
}

#[cfg(unix)]
#[test]
fn follows_no_link() {
    let work = workspace("link");
    let outside = directory("link-outside");
    fs::create_dir_all(work.join("target/precast/out/hostile")).unwrap();
    std::os::unix::fs::symlink(&outside, work.join("target/precast/out/hostile/sub")).unwrap();
    let err = fails(precast(&work, &["check"]));
    assert!(err.contains("wants to write through the link"), "{err}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn says_why_it_failed() {
    let work = workspace("panics");
    check(&work, "panics", "panicked: no luck");
    check(&work, "twice", "writes `a` twice");
}

/// What a package has written goes with the package; what others have put beside it stays.
#[test]
fn leaves_with_its_package() {
    let work = workspace("left");
    put(&work, &[("app/src/lib.rs", "hostile::mark!(seen);\n")]);
    ok(precast(&work, &["check"]));
    put(&work, &[("target/precast/out/other/file.txt", "of somebody else")]);
    // Without the function, and with it once more.
    let declared = "precast_macro::post_process!(after);";
    let without = MACROS.replace(declared, "const _: fn(&Records, &mut Output) = after;");
    put(&work, &[("hostile/src/lib.rs", &without)]);
    let removed = "removed target/precast/out/hostile/seen.txt";
    let (_, err) = ok(precast(&work, &["check"]));
    assert!(err.contains(removed), "{err}");
    put(&work, &[("hostile/src/lib.rs", MACROS)]);
    let (_, err) = ok(precast(&work, &["check"]));
    assert!(err.contains("wrote target/precast/out/hostile/seen.txt"), "{err}");
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    let members = "[workspace]\nmembers = [\"app\"]\nresolver = \"2\"\n";
    put(&work, &[("Cargo.toml", members), ("app/Cargo.toml", app), ("app/src/lib.rs", "")]);
    let (_, err) = ok(precast(&work, &["check"]));
    assert!(err.contains(removed), "{err}");
    assert!(!work.join("target/precast/out/hostile").exists(), "{err}");
    assert!(work.join("target/precast/out/other/file.txt").exists(), "{err}");
}
