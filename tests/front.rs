//! `precast-rustc` with the real rustc: macros from artifacts, modules and shims; all else as ever.

#[path = "front/place.rs"]
mod place;

use place::{both, program, text, Place};
use std::fs;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "
use first::Answer;
#[macro_use]
extern crate second;
extern crate third as renamed;

#[derive(Answer)]
#[answer(3)]
struct S;

#[renamed::named(other)]
fn nameless() -> i32 { S::ANSWER }

fn main() { println!(\"{} {}\", other(), sum!(1 2 3)); }
";

/// An artifact, a module and a shim's folder, by both options, with macros of every kind.
#[test]
fn three_kinds_from_three_files() {
    let place = Place::new("kinds");
    place.write("main.rs", PROGRAM);
    let run = |words: &[&str]| {
        let output = place.rustc(words).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        let output = Command::new(place.path("main")).output().unwrap();
        assert_eq!(text(&output.stdout), "3 6\n");
    };
    run(&[
        "--edition=2021",
        "--wasm-proc-macro",
        "first=macros.precast",
        "--wasm-proc-macro=second=macros.wasm",
        "--extern",
        "third=macros-1.0.0",
        "main.rs",
    ]);
    // An argument file has one argument a line, ours among them.
    place.write(
        "args",
        "--edition=2021\n--extern=first=macros.wasm\n--extern\nsecond=macros.precast\n",
    );
    run(&["@args", "--extern", "third=macros.precast", "main.rs"]);
}

/// What every compiler does with a macro's library: an import is needed, a library of one's own is not.
#[test]
fn the_library_is_a_plain_one() {
    let place = Place::alone("plain");
    place.write("main.rs", "use c::sum;\nfn main() { println!(\"{}\", sum!(1 2)); }\n");
    place.write("bare.rs", "fn main() { println!(\"{}\", sum!(1 2)); }\n");
    let output = place.rustc(&["--edition=2021", "--extern=c=macros.precast", "main.rs"]).output();
    assert!(output.unwrap().status.success());
    let library = place.libraries().pop().unwrap();
    let plain = |file: &str| {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(place.path("")).args(["--edition=2021", file, "--extern"]);
        rustc.arg(format!("c={}", library.display())).output().unwrap()
    };
    let output = plain("main.rs");
    assert!(output.status.success(), "{}", both(&output));
    let output = plain("bare.rs");
    assert!(text(&output.stderr).contains("cannot find macro `sum`"), "{}", both(&output));
}

/// Whoever links to a crate in which macros were used need not name them.
#[test]
fn libraries_downstream() {
    let place = Place::new("downstream");
    place.write("parts.rs", "#[derive(c::Answer)]\n#[answer(5)]\npub struct S;\npub use c::sum;\n");
    place
        .write("main.rs", "fn main() { println!(\"{}\", parts::S::ANSWER + parts::sum!(1 2)); }\n");
    let library = ["--edition=2021", "--crate-type=lib", "--extern=c=macros.precast", "parts.rs"];
    assert!(place.rustc(&library).status().unwrap().success());
    for how in [&["--extern=parts=libparts.rlib"][..], &["-L", ".", "--extern", "parts"]] {
        let output = place.rustc(&[&["--edition=2021", "main.rs"], how].concat()).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        let output = Command::new(place.path("main")).output().unwrap();
        assert_eq!(text(&output.stdout), "8\n");
    }
}

/// Each compiler compiles a shim once, whatever the crate is called and whoever asks first.
#[cfg(unix)]
#[test]
fn compiled_once() {
    let place = Place::alone("once");
    place.script("rustc", "echo \"$@\" >> \"$0.log\"\nexec rustc \"$@\"\n");
    place.write("main.rs", "use c::sum;\nfn main() { println!(\"{}\", sum!(1 2)); }\n");
    let compile = |name: &str| {
        let mut rustc =
            place.rustc(&["--edition=2021", "--emit=metadata", "main.rs", "--extern", name]);
        rustc.env("PRECAST_REAL_RUSTC", place.path("rustc"));
        rustc.spawn().unwrap()
    };
    let at_once: Vec<_> = (0..3).map(|_| compile("c=macros.precast")).collect();
    at_once.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    place.write("main.rs", "use d::sum;\nfn main() { println!(\"{}\", sum!(1 2)); }\n");
    assert!(compile("d=macros.precast").wait().unwrap().success());
    let log = place.read("rustc.log");
    let n_shims = log.lines().filter(|line| line.contains("--crate-type=proc-macro")).count();
    assert_eq!(n_shims, 1, "{log}");
    // A damaged library is not used.
    fs::write(place.libraries().pop().unwrap(), "damaged").unwrap();
    assert!(compile("d=macros.precast").wait().unwrap().success());
}

#[test]
fn all_else_is_the_compilers() {
    let place = Place::new("else");
    place.write("wrong.rs", "fn main() { 1 }\n");
    place.write("right.rs", "fn main() {}\n");
    place.write("args", "wrong.rs\n--crate-type\nlib\n");
    for words in [
        &["-vV"][..],
        &["--version"],
        &["--print", "cfg"],
        &["--print=file-names", "--crate-type=lib", "right.rs"],
        &["--explain", "E0463"],
        &["wrong.rs"],
        &["@args"],
        &["@none"],
        &["--unknown"],
        &["right.rs", "--emit=metadata", "--error-format=json", "--json=artifacts"],
        &["none.rs", "--error-format=json"],
    ] {
        let ours = place.rustc(words).output().unwrap();
        let rustc = Command::new("rustc").current_dir(place.path("")).args(words).output().unwrap();
        assert_eq!(both(&ours), both(&rustc), "{words:?}");
        assert_eq!(ours.status, rustc.status, "{words:?}");
    }
    // A question is answered without the macro, which may not be there yet.
    let words = ["--print", "crate-name", "right.rs", "--extern", "c=none.precast"];
    assert_eq!(text(&place.rustc(&words).output().unwrap().stdout), "right\n");
    // As a wrapper, behind which the compiler stands.
    let output = place.rustc(&["rustc", "-V"]).output().unwrap();
    assert!(text(&output.stdout).starts_with("rustc "), "{}", both(&output));
    let help = place.rustc(&["--help"]).output().unwrap();
    assert!(text(&help.stdout).contains("--wasm-proc-macro NAME=PATH"), "{}", both(&help));
}

/// What ends the compiler ends us, and what is to end us ends the compiler.
#[cfg(unix)]
#[test]
fn signals() {
    use std::os::unix::process::ExitStatusExt;
    let place = Place::new("signals");
    place.write("main.rs", "use c::sum;\nfn main() { println!(\"{}\", sum!(1 2)); }\n");
    place.script(
        "rustc",
        "case \"$*\" in *main.rs*) if [ \"$END\" = wait ]; then touch \"$0.waits\"; exec sleep 60; fi; \
         kill -s $END $$;; esac\nexec rustc \"$@\"\n",
    );
    let words = ["--edition=2021", "main.rs", "--extern=c=macros.precast", "--emit=dep-info,link"];
    let mut rustc = place.rustc(&words);
    rustc.env("PRECAST_REAL_RUSTC", place.path("rustc"));
    for (name, number) in [("SEGV", 11), ("KILL", 9), ("PIPE", 13)] {
        let status = rustc.env("END", name).status().unwrap();
        assert_eq!(status.signal(), Some(number), "{status}");
    }
    let mut child = rustc.env("END", "wait").spawn().unwrap();
    while !place.path("rustc.waits").exists() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let start = std::time::Instant::now();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn the_list_of_files_names_the_macros() {
    let place = Place::new("list");
    place.write("main.rs", "use c::sum;\nfn main() { println!(\"{}\", sum!(1 2)); }\n");
    fs::create_dir(place.path("out")).unwrap();
    let all = ["--edition=2021", "main.rs", "--extern", "c=macros.precast"];
    for (words, file) in [
        (&["--emit=dep-info,metadata"][..], Some("main.d")),
        (
            &["--emit=dep-info,link", "-C", "extra-filename=-1", "--out-dir=out"],
            Some("out/main-1.d"),
        ),
        (&["--emit=dep-info", "-o", "out/listed"], Some("out/listed")),
        (&["--emit=dep-info,metadata", "-o", "out/named.x"], Some("out/named.d")),
        (&["--emit=metadata,dep-info=out/own.d", "--crate-name=n"], Some("out/own.d")),
        (&["--emit=dep-info,metadata", "--crate-name=m"], Some("m.d")),
        (&["--emit=metadata,dep-info=-"], None),
    ] {
        let output = place.rustc(&[&all[..], words].concat()).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        let list = file.map_or_else(|| text(&output.stdout), |file| place.read(file));
        let rules: Vec<&str> = list.lines().filter(|line| line.contains(": ")).collect();
        assert!(!rules.is_empty(), "{words:?}: {list}");
        for rule in rules {
            assert!(rule.contains(" main.rs") && rule.ends_with(" macros.precast"), "{rule}");
        }
        assert!(list.contains("\nmacros.precast:\n"), "{list}");
    }
    // A crate may name itself.
    place.write("own.rs", "#![crate_name = \"itself\"]\nuse c::sum;\nfn main() { sum!(1); }\n");
    let words =
        ["--edition=2021", "own.rs", "--extern=c=macros.precast", "--emit=dep-info,metadata"];
    assert!(place.rustc(&words).status().unwrap().success());
    assert!(place.read("itself.d").contains("macros.precast"));
}

/// Macros are compiled for the system that the compiler runs on, whatever the crate is for.
#[test]
fn targets_and_linkers() {
    let place = Place::new("targets");
    place.write("lib.rs", "#[derive(c::Answer)]\n#[answer(5)]\npub struct S;\n");
    let words =
        ["--edition=2021", "--crate-type=lib", "--emit=metadata", "--extern=c=macros.precast"];
    let with =
        |more: &[&str]| place.rustc(&[&words[..], more, &["lib.rs"]].concat()).output().unwrap();
    let output = with(&["--target=wasm32-wasip1", "-Clinker=none-such"]);
    assert!(output.status.success(), "{}", both(&output));
    let output = with(&["-C", "linker=none-such"]);
    assert!(text(&output.stderr).contains("linker `none-such` not found"), "{}", both(&output));
    assert!(text(&output.stderr).contains("cannot compile the shim of macros 1.0.0"));
    let output = with(&["-C", "linker=cc"]);
    assert!(output.status.success(), "{}", both(&output));
}

/// A sysroot for another system alone is no reason to have no macros; a compiler without `proc_macro` is.
#[cfg(unix)]
#[test]
fn sysroots() {
    let place = Place::new("sysroots");
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let own = text(&output.stdout).trim_end().to_owned();
    let host = text(&Command::new("rustc").arg("-vV").output().unwrap().stdout);
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let inside = format!("lib/rustlib/{host}/lib");
    fs::create_dir_all(place.path("sysroot").join(&inside)).unwrap();
    for entry in fs::read_dir(Path::new(&own).join(&inside)).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_str().unwrap().starts_with("libproc_macro-") {
            let to = place.path("sysroot").join(&inside).join(entry.file_name());
            std::os::unix::fs::symlink(entry.path(), to).unwrap();
        }
    }
    place.write("lib.rs", "#[derive(c::Answer)]\n#[answer(5)]\npub struct S;\n");
    let words =
        ["--edition=2021", "--crate-type=lib", "--emit=metadata", "--extern=c=macros.precast"];
    let words = [&words[..], &["lib.rs"]].concat();
    for sysroot in [own.as_str(), "sysroot"] {
        let output = place.rustc(&words).args(["--sysroot", sysroot]).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
    }
    let sysroot = place.path("sysroot");
    place.script("rustc", &format!("exec rustc --sysroot '{}' \"$@\"\n", sysroot.display()));
    let mut rustc = place.rustc(&words);
    let output = rustc.env("PRECAST_REAL_RUSTC", place.path("rustc")).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("error: c=macros.precast: ") || said.contains("error: "), "{said}");
    assert!(said.contains(&format!("no library `proc_macro` for {host}")), "{said}");
    assert!(said.contains(&format!("rustup target add {host}")), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn errors_say_the_mend() {
    let place = Place::new("errors");
    place.write("main.rs", "fn main() {}\n");
    place.write("empty.wasm", "");
    place.write("library.rlib", "!<arch>\n");
    let wasm = fs::read(place.path("macros.wasm")).unwrap();
    fs::write(place.path("plain.wasm"), precast::artifact::stamp::write(&wasm, &[]).unwrap())
        .unwrap();
    let mut damaged = fs::read(place.path("macros.precast")).unwrap();
    damaged[3000] ^= 1;
    fs::write(place.path("damaged.precast"), damaged).unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    for (word, message, help) in [
        ("a-b=macros.precast", "`a-b` is no name of a crate", "write `a_b`"),
        ("1=macros.precast", "`1` is no name of a crate", "use NAME::Macro"),
        ("a", "names no file", "--wasm-proc-macro NAME=PATH"),
        ("a=none.precast", "there is no none.precast", "cargo precast pack"),
        ("a=plain.wasm", "a=plain.wasm: the module declares no macros", "cargo precast stamp"),
        ("a=empty.wasm", "a=empty.wasm: the file is no valid module", "build it again"),
        ("a=damaged.precast", "a=damaged.precast: ", ""),
        ("a=library.rlib", "a library of the compiler's", "--extern a=library.rlib"),
        ("a=folder", "neither an artifact nor a shim", "manifest.json"),
        ("a=main.rs", "not a precast artifact", "cargo precast pack"),
    ] {
        let output = place.rustc(&["--wasm-proc-macro", word, "main.rs"]).output().unwrap();
        let said = text(&output.stderr);
        assert!(said.starts_with("error: ") && said.contains(message), "{word}: {said}");
        assert!(said.contains(help), "{word}: {said}");
        assert_eq!(output.status.code(), Some(1), "{word}");
        assert!(!place.path("main").exists());
    }
    let words = ["--wasm-proc-macro", "a=macros.precast", "--extern=a=library.rlib", "main.rs"];
    let said = text(&place.rustc(&words).output().unwrap().stderr);
    assert!(said.contains("the crate `a` is given twice"), "{said}");
    let words = ["--wasm-proc-macro=a", "main.rs", "--error-format=json"];
    let said = text(&place.rustc(&words).output().unwrap().stderr);
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value["level"], "error");
    assert_eq!(value["children"][0]["level"], "help");
}

/// A build system that knows nothing of us but the program's name.
#[cfg(unix)]
#[test]
fn a_makefile_of_ten_lines() {
    let place = Place::new("make");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/makefile");
    for file in ["Makefile", "parts.rs", "program.rs"] {
        fs::copy(fixture.join(file), place.path(file)).unwrap();
    }
    assert!(place.read("Makefile").lines().count() <= 10);
    place.pack("answers", "1.0.0", &["Answer"]);
    place.pack("words", "1.0.0", &["named", "sum"]);
    let make = || {
        let mut make = Command::new("make");
        make.current_dir(place.path("")).env("RUSTC", program());
        make.env("PRECAST_CACHE_DIR", &place.cache);
        let output = make.output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        text(&output.stdout)
    };
    let n_compiled = |said: &str| said.lines().filter(|line| line.contains("--emit")).count();
    assert_eq!(n_compiled(&make()), 2);
    let output = Command::new(place.path("program")).output().unwrap();
    assert_eq!(text(&output.stdout), "42 6\n");
    assert_eq!(n_compiled(&make()), 0, "nothing has changed");
    // File systems may tell times by the second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.pack("words", "1.0.1", &["named", "sum"]);
    assert_eq!(n_compiled(&make()), 1, "what one macro is used in");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.pack("answers", "1.0.1", &["Answer"]);
    assert_eq!(n_compiled(&make()), 2, "and what links to it");
    assert_eq!(n_compiled(&make()), 0);
}

/// A library that has the macros, with the compiler alone and with cargo.
#[test]
fn a_facade() {
    let place = Place::new("facade");
    let mut cargo = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    cargo.current_dir(place.path("")).args(["embed", "--facade", "macros.precast", "-o", "vendor"]);
    for _ in 0..2 {
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
    }
    place.write(
        "main.rs",
        "use macros::*;\n#[derive(Answer)]\n#[answer(3)]\nstruct S;\n#[named(f)]\nfn g() {}\n\
         fn main() { f(); println!(\"{}\", S::ANSWER + sum!(1 2)); }\n",
    );
    let folder = "vendor/macros-1.0.0-facade";
    for file in ["shim", "facade", "downstream"] {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(place.path("")).arg(format!("@{folder}/{file}.args"));
        if file == "downstream" {
            rustc.args(["--edition=2021", "main.rs"]);
        }
        let output = rustc.output().unwrap();
        assert!(output.status.success(), "{file}: {}", both(&output));
    }
    let output = Command::new(place.path("main")).output().unwrap();
    assert_eq!(text(&output.stdout), "6\n");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place.path(folder)).args(["check", "--offline"]);
    // The test's directory is below our own workspace.
    let manifest = place.read(&format!("{folder}/Cargo.toml")) + "\n[workspace]\n";
    place.write(&format!("{folder}/Cargo.toml"), &manifest);
    let output = cargo.env("CARGO_TARGET_DIR", place.path("target")).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    // What somebody else has written stays.
    place.write(&format!("{folder}/src/lib.rs"), "//! Mine.\n");
    let mut cargo = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    cargo.current_dir(place.path("")).args(["embed", "--facade", "macros.precast", "-o", "vendor"]);
    assert!(!cargo.status().unwrap().success());
    assert_eq!(place.read(&format!("{folder}/src/lib.rs")), "//! Mine.\n");
}
