//! Diagnostics: the same natively and packed, at every level, wherever they are read.

use super::*;
use serde_json::Value;

const MACROS: &str = r#"
use precast_macro::{Diagnostic, Level};
use proc_macro::{Ident, TokenStream, TokenTree};

fn name(item: &TokenStream) -> Ident {
    let mut tokens = item.clone().into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "struct"));
    match tokens.next() {
        Some(TokenTree::Ident(name)) => name,
        _ => panic!("no struct"),
    }
}

/// Tells what the type's name says.
#[proc_macro_derive(Tell)]
pub fn tell(item: TokenStream) -> TokenStream {
    precast_macro::expand!(items => {
        let name = name(&item);
        let span = name.span();
        let all = name.to_string();
        if all.contains("Warned") {
            Diagnostic::warning(span, "a \"warning\"\nof two lines")
                .note("one note").span_help(&item, "this item").emit();
        }
        if all.contains("Noted") {
            Diagnostic::info(span, "a note").emit();
            Diagnostic::advice(span, "advice").emit();
        }
        if all.contains("Wrong") {
            Diagnostic::error(span, "one error").help("a way out").emit();
            Diagnostic::new(Level::Error, &item, "another error").span_note(span, "by its name").emit();
        }
        format!("impl {name} {{ pub const TOLD: u8 = 1; }}").parse::<TokenStream>().unwrap()
    })
}

#[proc_macro]
pub fn one(input: TokenStream) -> TokenStream {
    precast_macro::expand!(expression => {
        let span = input.into_iter().next().map(|token| token.span());
        if let Some(span) = span {
            Diagnostic::warning(span, "in an expression").emit();
            Diagnostic::error(span, "not in an expression").emit();
        }
        TokenTree::Literal(proc_macro::Literal::u8_suffixed(1))
    })
}
"#;

const USES: &str = "\
#[derive(tell::Tell)]
pub struct Warned {
\tpub a: u8,
}

mod inner {
    #[derive(tell::Tell)] pub struct ÄNotedWarned;
}

pub const ALL: u8 = Warned::TOLD + inner::ÄNotedWarned::TOLD + tell::one!();
";

const WRONG: &str = "\
#[derive(tell::Tell)]
pub struct Wrong {
    pub a: u8,
}

pub const ALL: u8 = Wrong::TOLD + tell::one!(here);
";

fn workspace(name: &str) -> PathBuf {
    let work = directory(name);
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[features]\nwrong = []\n\
               [dependencies]\ntell = { path = \"../tell\" }\n";
    let lib = format!("#[cfg(feature = \"wrong\")]\nmod wrong;\n{USES}");
    put(
        &work,
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"app\", \"tell\"]\nresolver = \"2\"\n"),
            ("tell/Cargo.toml", &macro_manifest("tell")),
            ("tell/src/lib.rs", MACROS),
            ("app/Cargo.toml", app),
            ("app/src/lib.rs", &lib),
            ("app/src/wrong.rs", WRONG),
        ],
    );
    work
}

const WARNINGS: &str = "\
warning: a \"warning\"
         of two lines
 --> app/src/lib.rs:4:12
  |
4 | pub struct Warned {
  |            ^^^^^^
  |
  = note: one note
help: this item
 --> app/src/lib.rs:4:1
  |
4 | pub struct Warned {
  | ^^^^^^^^^^^^^^^^^^^
5 |     pub a: u8,
  |     ^^^^^^^^^^
6 | }
  | ^
";

#[test]
fn warnings_and_errors_natively_and_packed() {
    let work = workspace("told");
    let (_, native) = ok(cargo(&work, &["check"]));
    assert!(native.contains(WARNINGS), "{native}");
    assert!(native.contains("warning: `app` (lib) generated 2 warnings"), "{native}");
    assert!(native.contains("note: a note\n --> app/src/lib.rs:9:38\n"), "{native}");
    // Nothing is compiled, and all is told again.
    let (_, fresh) = ok(cargo(&work, &["check"]));
    assert_eq!(told(&native), told(&fresh));
    let wrong = ["check", "--features", "wrong"];
    let native_wrong = fails(cargo(&work, &wrong));
    for part in [
        "error: one error\n       help: a way out\n --> app/src/wrong.rs:2:12\n",
        "error: another error\n       note: by its name (app/src/wrong.rs:2:12)\n",
        "error: not in an expression\n",
        "warning: in an expression\n",
    ] {
        assert!(native_wrong.contains(part), "{native_wrong}");
    }
    // The errors stand beside the output: nothing else is missing.
    assert!(!native_wrong.contains("error[E"), "{native_wrong}");
    let _ = fs::remove_dir_all(work.join("target"));
    let (_, by_packed) = ok(packed(&work, &["check"]));
    assert!(by_packed.contains("1 macro package precompiled"), "{by_packed}");
    assert_eq!(told(&native), told(&by_packed));
    assert_eq!(told(&native_wrong), told(&fails(packed(&work, &wrong))));
    assert_eq!(told(&native), told(&ok(packed(&work, &["check"])).1));
}

/// What editors and other programs read.
#[test]
fn diagnostics_as_data() {
    let work = workspace("data");
    let (out, _) = ok(cargo(&work, &["check", "--message-format", "json"]));
    let messages = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let messages: Vec<Value> =
        messages.filter(|message| message["reason"] == "compiler-message").collect();
    assert_eq!(messages.len(), 4, "{out}");
    let message = &messages[0]["message"];
    assert_eq!(message["level"], "warning");
    assert_eq!(message["message"], "a \"warning\"\nof two lines");
    let span = &message["spans"][0];
    let source = fs::read(work.join("app/src/lib.rs")).unwrap();
    let at = |key: &str| usize::try_from(span[key].as_u64().unwrap()).unwrap();
    assert_eq!(&source[at("byte_start")..at("byte_end")], b"Warned");
    assert_eq!((at("line_start"), at("column_start"), at("column_end")), (4, 12, 18));
    assert_eq!(span["text"][0]["text"], "pub struct Warned {");
    assert_eq!(message["children"][1]["spans"][0]["line_end"], 6);
    // Behind a letter of two bytes.
    let span = &messages[1]["message"]["spans"][0];
    let at = |key: &str| usize::try_from(span[key].as_u64().unwrap()).unwrap();
    assert_eq!(&source[at("byte_start")..at("byte_end")], "ÄNotedWarned".as_bytes());
}

/// What the command line says of warnings holds; what the source says does not.
#[test]
fn levels_of_warnings() {
    let work = workspace("levels");
    let with = |flags: &str, command: Command| {
        let mut command = command;
        command.env("RUSTFLAGS", flags);
        command
    };
    let denied = fails(with("-D warnings", cargo(&work, &["check"])));
    assert!(denied.contains("error: a \"warning\"\n"), "{denied}");
    let (_, silent) = ok(with("-Awarnings", cargo(&work, &["check"])));
    assert!(!silent.contains("a \"warning\"") && !silent.contains("a note"), "{silent}");
    let (_, capped) = ok(with("-D warnings --cap-lints warn", packed(&work, &["check"])));
    assert!(capped.contains("warning: a \"warning\"\n"), "{capped}");
    let (_, capped) = ok(with("-D warnings --cap-lints allow", packed(&work, &["check"])));
    assert!(!capped.contains("a \"warning\""), "{capped}");
    let file = work.join("app/src/lib.rs");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("#![allow(warnings)]\n{text}")).unwrap();
    let (_, allowed) = ok(cargo(&work, &["check"]));
    assert!(allowed.contains("warning: a \"warning\"\n"), "{allowed}");
    fs::write(&file, format!("#![deny(warnings)]\n{text}")).unwrap();
    ok(cargo(&work, &["check"]));
}

/// The oldest compiler: it does not tell where spans are, and a deprecated constant takes the warning there.
#[test]
fn on_old_and_nightly_compilers() {
    let has = |toolchain: &str| {
        let mut command = Command::new("rustup");
        command.args(["run", toolchain, "rustc", "--version"]);
        command.output().is_ok_and(|output| output.status.success())
    };
    let work = workspace("compilers");
    put(&work, &[("app/src/lib.rs", &USES.replace("Ä", "A"))]);
    // An old cargo cannot read the workspace that the library is in.
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("precast-macro");
    let manifest = macro_manifest("tell").replace(&library.display().to_string(), "../library");
    put(&work, &[("tell/Cargo.toml", &manifest)]);
    fs::create_dir_all(work.join("library/src")).unwrap();
    let sources = fs::read_dir(library.join("src")).unwrap().map(|entry| entry.unwrap().path());
    for file in sources.chain([library.join("Cargo.toml")]) {
        fs::copy(&file, work.join("library").join(file.strip_prefix(&library).unwrap())).unwrap();
    }
    let run = |toolchain: &str, flags: &str, arguments: &[&str]| {
        let mut command = clean(Command::new("cargo"), &work);
        command.arg(format!("+{toolchain}")).args(arguments).env("RUSTFLAGS", flags);
        let _ = fs::remove_file(work.join("Cargo.lock"));
        ok(command).1
    };
    if has("1.63.0") {
        let old = run("1.63.0", "", &["check", "-p", "app"]);
        let warning = "warning: use of deprecated constant `_::warning`: a \"warning\"";
        assert!(old.contains(warning), "{old}");
        assert!(old.contains("app/src/lib.rs:2:12"), "{old}");
    }
    if has("nightly") {
        let new = run("nightly", "--cfg precast_nightly", &["check", "-p", "app"]);
        assert!(new.contains(" --> app/src/lib.rs:2:12\n"), "{new}");
        assert!(new.contains("help: this item\n"), "{new}");
    }
}
