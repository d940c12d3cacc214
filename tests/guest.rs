//! The guest's `proc_macro` answers as the compiler's own: fixtures/guest-api, once built natively
//! and once packed, must expand to equal text and fail with equal messages.

#[path = "guest/behaviour.rs"]
mod behaviour;
#[path = "guest/editor.rs"]
mod editor;
#[path = "guest/graph.rs"]
mod graph;

use precast::artifact::{self, Artifact};
use precast::expand::{self, Call, Settings};
use precast::runtime::instance::Limits;
use precast::runtime::{Grants, Machine};
use precast::tokens::TokenStream;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

struct Built {
    /// Folders with `libguest_api.*`.
    native: PathBuf,
    packed: PathBuf,
    portable: PathBuf,
    artifact: Artifact,
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest-api")
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn rustc() -> Command {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    // For `-Zunpretty`; a macro sees nothing of it.
    rustc.env("RUSTC_BOOTSTRAP", "1");
    rustc
}

fn dylib(root: &Path, out: &Path, arguments: &[&str]) {
    let mut rustc = rustc();
    rustc.args(["--edition", "2021", "--crate-type", "proc-macro"]);
    rustc.args(["--crate-name", "guest_api"]).arg(root);
    rustc.args(arguments).arg("--emit=dep-info,link");
    let output = rustc.arg("--out-dir").arg(out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let (native, packed, out) = (scratch("native"), scratch("packed"), scratch("out"));
        dylib(&fixture().join("src/lib.rs"), &native, &[]);
        let mut pack = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
        pack.args(["pack", "--quiet"]).arg(fixture()).arg("-o").arg(&out);
        let output = pack.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let shim = out.join("guest-api-0.1.0/src/lib.rs");
        dylib(&shim, &packed, &[]);
        let portable = scratch("portable");
        dylib(&shim, &portable, &["--cfg", "precast_portable", "-Cmetadata=portable"]);
        let bytes = fs::read(out.join("guest-api-0.1.0.precast")).unwrap();
        Built { native, packed, portable, artifact: artifact::read(&bytes).unwrap() }
    })
}

/// The packed fixture.
fn artifact() -> PathBuf {
    built();
    scratch("out").join("guest-api-0.1.0.precast")
}

/// The library in `folder`.
fn consumable(folder: &Path) -> PathBuf {
    let name = format!("{}guest_api{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    folder.join(name)
}

/// Compiles a consumer with the macros in `folder`, as if cargo did.
fn consume(folder: &Path, file: &Path, arguments: &[&str]) -> Output {
    let library = format!("guest_api={}", consumable(folder).display());
    let folder = file.parent().unwrap();
    let mut rustc = rustc();
    rustc.arg("--extern").arg(library).args(arguments).arg(file.file_name().unwrap());
    if !arguments.contains(&"--edition") {
        rustc.args(["--edition", "2021"]);
    }
    rustc.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Checks that both say the same, and returns what the packed one says.
fn equal(file: &Path, arguments: &[&str]) -> String {
    let native = consume(&built().native, file, arguments);
    let packed = consume(&built().packed, file, arguments);
    let strip = |bytes: &[u8]| names(&text(bytes));
    assert_eq!(strip(&packed.stderr), strip(&native.stderr));
    let (native, packed) = (strip(&native.stdout), strip(&packed.stdout));
    for (packed, native) in packed.lines().zip(native.lines()) {
        assert_eq!(packed, native);
    }
    assert_eq!(packed.lines().count(), native.lines().count());
    packed
}

/// Without the indices of names in the compiler's table (`12#3` is name 12 in context 3): they
/// count names in the order in which the compiler met them.
fn names(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('#') {
        let digits = rest[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
        let context = rest[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        out.push_str(&rest[..at - if context { digits } else { 0 }]);
        out.push('#');
        rest = &rest[at + 1..];
    }
    out + rest
}

#[test]
fn expands_as_natively() {
    let expanded = equal(&fixture().join("consumer.rs"), &["-Zunpretty=expanded"]);
    assert!(expanded.contains("Group { delimiter: Parenthesis"));
}

/// What `RUSTC_BOOTSTRAP` permits is what nightly offers.
#[test]
fn nightly_spans_are_native() {
    let (native, packed) = (scratch("native-nightly"), scratch("packed-nightly"));
    dylib(&fixture().join("src/lib.rs"), &native, &["--cfg", "nightly"]);
    built();
    let shim = scratch("out").join("guest-api-0.1.0/src/lib.rs");
    dylib(&shim, &packed, &["--cfg", "precast_nightly"]);
    let expand = |folder: &Path| {
        let output = consume(folder, &fixture().join("consumer.rs"), &["-Zunpretty=expanded"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let (native, packed) = (expand(&native), expand(&packed));
    for (packed, native) in packed.lines().zip(native.lines()) {
        assert_eq!(packed, native);
    }
    let stable = expand(&built().packed);
    assert!(stable.contains("\"join: None\"") && native.contains("\"join: Some("));
}

#[test]
fn both_tiers_expand_alike() {
    let expand = |dylib| consume(dylib, &fixture().join("consumer.rs"), &["-Zunpretty=expanded"]);
    let (portable, packed) = (expand(&built().portable), expand(&built().packed));
    assert_eq!(text(&portable.stderr), text(&packed.stderr));
    assert_eq!(text(&portable.stdout), text(&packed.stdout));
}

#[test]
fn hygiene_is_native() {
    // Line breaks follow from the numbers' widths.
    let run = |dylib: &Path| {
        let output =
            consume(dylib, &fixture().join("consumer.rs"), &["-Zunpretty=expanded,hygiene"]);
        names(&text(&output.stdout)).split_whitespace().collect::<Vec<_>>().join("\n")
    };
    let (packed, native) = (run(&built().packed), run(&built().native));
    assert!(native.contains("#1"));
    for (packed, native) in packed.lines().zip(native.lines()) {
        assert_eq!(packed, native);
    }
}

#[test]
fn the_consumer_runs() {
    let out = scratch("run").join("consumer");
    let arguments = ["-o", out.to_str().unwrap()];
    let compiled = consume(&built().packed, &fixture().join("consumer.rs"), &arguments);
    assert!(compiled.status.success(), "{}", text(&compiled.stderr));
    assert!(Command::new(out).output().unwrap().status.success());
}

/// A consumer file of one use each.
fn uses(name: &str, uses: &[String]) -> PathBuf {
    let file = scratch("uses").join(format!("{name}.rs"));
    fs::write(&file, format!("{}\nfn main() {{}}\n", uses.join("\n"))).unwrap();
    file
}

#[test]
fn panics_are_native() {
    let ways = "panic_text panic_string panic_lines panic_any panic_boxed unwrap index overflow ident_space \
        ident_empty ident_number ident_raw ident_emoji raw_self raw_crate raw_bad punct punct_unicode \
        float_nan float_inf lex lex_literal compile_error nothing";
    let mut all: Vec<String> =
        ways.split_whitespace().map(|way| format!("guest_api::fail!{{ {way} }}")).collect();
    all.push("#[guest_api::fail_attribute(panic_text)] fn gone() {}".into());
    all.push("#[derive(guest_api::Fail)] struct S;".into());
    all.push("const N: &str = guest_api::world!(\"need\" \"no/such/file\");".into());
    let stderr = equal_errors(&uses("panics", &all));
    assert_eq!(stderr.matches("panicked").count(), all.len() - 2, "{stderr}");
    if cfg!(unix) {
        assert!(stderr.contains("Os { code: 2, kind: NotFound, "), "{stderr}");
    }
    let counted = "guest_api::fail!{ counted }".to_string();
    let hooked = "guest_api::fail!{ hooked }".to_string();
    let stderr =
        equal_errors(&uses("counted", &[counted.clone(), counted.clone(), counted, hooked]));
    assert!(stderr.contains("failed 3 times, panicking: false"), "{stderr}");
    let kept = "guest_api::fail!{ stale }".to_string();
    let stderr = equal_errors(&uses("stale", &[kept.clone(), kept]));
    assert!(stderr.contains("use-after-free of `proc_macro` symbol"), "{stderr}");
}

fn equal_errors(file: &Path) -> String {
    equal(file, &["--emit=metadata"]);
    text(&consume(&built().packed, file, &["--emit=metadata"]).stderr)
}

/// What the compiler says about one use that fails.
fn error(name: &str, item: &str) -> String {
    let output = consume(&built().packed, &uses(name, &[item.to_string()]), &["--emit=metadata"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn other_faults_are_compile_errors() {
    let check = |way: &str, message: &str| {
        let stderr = error(way, &format!("guest_api::fail!{{ {way} }}"));
        assert!(stderr.contains(&format!("error: guest-api 0.1.0: {message}")), "{stderr}");
    };
    check("abort", "the macro trapped: unreachable");
    check("exit", "the macro exited with status 3");
    check(
        "recurse",
        "the macro trapped: out of bounds memory access: its stack may be exhausted\n         \
         at guest_api::faults::recurse\n         at guest_api::faults::recurse\n",
    );
    check("nest", "the macro's output is nested too deeply");
    check("allocate", "the macro uses more memory than its limit `memory`");
    // The item survives, so that `f` is found.
    let stderr = error("attribute", "#[guest_api::fail_attribute(exit)] fn f() {}\nfn g() { f() }");
    assert!(stderr.contains("aborting due to 1 previous error"), "{stderr}");
    let stderr = error("spawn", "guest_api::fail!{ spawn }");
    assert!(stderr.contains("failed to spawn thread"), "{stderr}");
    // std's error would be ignored.
    let stderr = error("process", "guest_api::fail!{ process }");
    assert!(stderr.contains("this macro starts a process, \"git\", which it cannot"), "{stderr}");
}

/// Where a macro stopped: five functions for the compiler, all for `expand --backtrace`; on both tiers.
#[test]
fn traps_name_functions() {
    let file = uses("where", &["guest_api::fail!{ abort }".to_string()]);
    let told = |dylib| text(&consume(dylib, &file, &["--emit=metadata"]).stderr);
    let (packed, portable) = (told(&built().packed), told(&built().portable));
    assert_eq!(packed, portable);
    let lines: Vec<&str> = packed.lines().map(str::trim).collect();
    assert_eq!(lines[0], "error: guest-api 0.1.0: the macro trapped: unreachable");
    assert_eq!(
        lines[3..6],
        ["at std::process::abort", "at guest_api::faults::fail", "at guest_api::fail"]
    );
    assert_eq!(lines[6], "… (`cargo precast expand --backtrace` shows more)");
    let all = |way| {
        let call = Call::Bang { name: "fail", tokens: way };
        let settings = Settings { backtrace: true, ..Settings::default() };
        let error = expand::expand_with(&artifact(), &settings, &call).unwrap_err().to_string();
        error.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let found = all("abort");
    let at = found.iter().position(|line| line == "at guest_api::fail").unwrap();
    assert!(found.len() > at + 1 && !found.last().unwrap().contains('…'), "{found:?}");
    // What catches runs inside the run.
    let caught = all("abort_caught");
    let order = [
        "at std::process::abort",
        "at proc_macro::unwind::catch_unwind",
        "at guest_api::faults::fail",
    ];
    let order = order.map(|name| caught.iter().position(|line| line == name));
    assert!(order.is_sorted() && order[0].is_some(), "{caught:?}");
    // A recursion is told once.
    let deep = all("abort_deep");
    let at = deep.iter().position(|line| line == "at guest_api::faults::deep").unwrap();
    assert_eq!(deep[at + 1], "(this function 100 times more)");
    assert_eq!(deep[at + 2], "at guest_api::faults::fail");
}

#[test]
fn endless_macros_end() {
    let artifact = &built().artifact;
    static GRANTS: Grants = Grants { env: &[], read: &[], write: &[], own: None };
    let limits = Limits { fuel: 3_000_000, ..Limits::default() };
    let embedded = Vec::leak(artifact.image.clone());
    let mut machine = Machine::new(embedded, &GRANTS, limits).ok().unwrap();
    let input: TokenStream = "loop".parse().unwrap();
    let failure = machine.expand("fail", input, None).err().unwrap();
    assert!(!failure.fault.to_string().is_empty());
}

/// Ten thousand expansions, without a compiler: memory is bounded and ids stay apart.
#[test]
fn expansions_do_not_add_up() {
    let artifact = &built().artifact;
    static GRANTS: Grants = Grants { env: &[], read: &[], write: &[], own: None };
    let embedded = Vec::leak(artifact.image.clone());
    let mut machine = Machine::new(embedded, &GRANTS, Limits::default()).ok().unwrap();
    let input: TokenStream = "deep { a + (b, [c]) \"d\" 1.5 { } 'x }".parse().unwrap();
    let mut pages = 0;
    for i in 0..10_000 {
        let output = machine.expand("rebuild", input.clone(), None).ok().unwrap();
        if i % 1000 == 0 {
            assert_eq!(output.stream.to_string(), "a + (b , [c]) \"d\" 1.5 { } 'x");
        }
        if i == 100 {
            pages = machine.memory_bytes();
        }
    }
    assert_eq!(machine.memory_bytes(), pages);
}

/// A panic leaves behind what its frames owned, and no more; the instance goes on.
#[test]
fn panics_do_not_add_up() {
    static GRANTS: Grants = Grants { env: &[], read: &[], write: &[], own: None };
    let embedded = Vec::leak(built().artifact.image.clone());
    let mut machine = Machine::new(embedded, &GRANTS, Limits::default()).ok().unwrap();
    let mut fail = |way: &str| {
        let failure = machine.expand("fail", way.parse().unwrap(), None).err().unwrap();
        (failure.fault.to_string(), machine.memory_bytes())
    };
    let (_, before) = fail("panic_string");
    for _ in 0..5_000 {
        fail("panic_string");
    }
    let (_, after) = fail("panic_any");
    assert!(after - before <= 2 << 20, "{before} {after}");
    assert_eq!(fail("counted").0, "failed 1 times, panicking: false");
    assert_eq!(fail("counted").0, "failed 2 times, panicking: false");
}

fn asked(name: &str, questions: &[(&str, &str)]) -> PathBuf {
    let each = |(question, argument): &(&str, &str)| {
        format!("println!(\"{{}}\", guest_api::world!(\"{question}\" \"{argument}\"));")
    };
    let lines: Vec<String> = questions.iter().map(each).collect();
    let file = scratch(name).join("world.rs");
    fs::write(&file, format!("fn main() {{\n{}\n}}\n", lines.join("\n"))).unwrap();
    file
}

fn answers(dylib: &Path, file: &Path) -> Vec<String> {
    let out = file.with_extension("exe");
    let compiled = consume(dylib, file, &["-o", out.to_str().unwrap()]);
    assert!(compiled.status.success(), "{}", text(&compiled.stderr));
    let output = Command::new(out).output().unwrap();
    text(&output.stdout).lines().map(String::from).collect()
}

#[test]
fn the_world_is_as_granted() {
    let file = asked(
        "world",
        &[
            ("env", "CARGO_MANIFEST_DIR"),
            ("env", "PRECAST_NO_SUCH_VARIABLE"),
            ("read", "$BASE/in/file"),
            ("read", "in/file"),
            ("read", "./in/../in/file"),
            ("read", "$BASE/none"),
            ("read", "none/none"),
            ("error", "$BASE/none"),
            ("error", "in"),
            ("error", "in/file/none"),
            ("list", "$BASE/in"),
            ("list", "in"),
            ("exists", "in"),
            ("exists", "$BASE/in/file"),
            ("exists", "$BASE"),
            ("canonical", "$BASE/in/../in/file"),
            ("canonical", "$BASE/none"),
            ("canonical", "in/../in"),
            ("canonical", "in/link"),
            ("directory", ""),
            ("times", "in/file"),
            ("times", "$BASE/in/file"),
            ("order", ""),
            ("hash", ""),
            ("clock", ""),
        ],
    );
    let inside = file.with_file_name("in");
    fs::create_dir_all(inside.join("folder")).unwrap();
    fs::write(inside.join("file"), "text\n").unwrap();
    #[cfg(unix)]
    drop(std::os::unix::fs::symlink("folder", inside.join("link")));
    assert_eq!(answers(&built().packed, &file), answers(&built().native, &file));
}

#[test]
#[cfg(unix)]
fn nothing_else_is_readable() {
    let file = asked(
        "jail",
        &[
            ("env", "PATH"),
            ("read", "/etc/passwd"),
            ("read", "$BASE/../uses"),
            ("read", "../../guest"),
            ("read", "$BASE/link/passwd"),
            ("read", "$BASE/in/../../jail2"),
            ("write", "$BASE/new"),
        ],
    );
    let link = file.with_file_name("link");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    // A workspace of its own: nothing above belongs to it.
    fs::write(file.with_file_name("Cargo.toml"), "[workspace]\n").unwrap();
    let answers = answers(&built().packed, &file);
    assert_eq!(answers[0], "Err(NotPresent)");
    for answer in &answers[1..5] {
        assert_eq!(answer, "Err(PermissionDenied)", "{answers:?}");
    }
    assert_eq!(answers[5..], ["Err(NotFound)", "false"], "what is not there is not there");
    assert!(!file.with_file_name("new").exists());
}

#[test]
fn a_refused_read_names_the_grant() {
    let help = "may not read `/etc/passwd`";
    for question in ["need", "told"] {
        let item = format!("const A: &str = guest_api::world!(\"{question}\" \"/etc/passwd\");");
        let stderr = error(question, &item);
        assert!(stderr.contains(help), "{stderr}");
        assert!(stderr.contains("read = [\"/etc/passwd\"]"), "{stderr}");
    }
}

#[test]
fn a_refused_variable_names_the_grant() {
    let item = "const A: &str = guest_api::world!(\"variable\" \"PRECAST_TEST_VARIABLE\");";
    let file = uses("variable", &[item.to_string()]);
    let said = |value: Option<&str>| {
        let mut rustc = rustc();
        let library = format!("guest_api={}", consumable(&built().packed).display());
        rustc.arg("--extern").arg(library).args(["--edition", "2021", "--emit=metadata"]);
        value.map(|value| rustc.env("PRECAST_TEST_VARIABLE", value));
        rustc.current_dir(file.parent().unwrap()).arg(&file);
        text(&rustc.output().unwrap().stderr)
    };
    let help = "may not use the environment variable `PRECAST_TEST_VARIABLE`";
    assert!(said(Some("x")).contains(help), "{}", said(Some("x")));
    // Where it is not set, the macro has seen what it would see natively.
    let unset = said(None);
    assert!(unset.contains("no such variable") && !unset.contains("may not use"), "{unset}");
}

/// What `expand --trace` tells of one question.
fn traced(question: &str) -> serde_json::Value {
    let folder = scratch("traced");
    let file = folder.join("question");
    fs::write(&file, question).unwrap();
    let mut expand = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    expand.args(["expand", "--json", "--trace", "--bang", "world"]).arg(artifact());
    expand.arg(&file).current_dir(&folder).env("CARGO_MANIFEST_DIR", &folder);
    expand.env("PRECAST_TEST_VARIABLE", "x").env_remove("PRECAST_NO_SUCH_VARIABLE");
    let output = expand.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_trace_names_every_read() {
    let variables = |name: &str, answer: &str| {
        serde_json::json!([
            { "name": "CARGO_MANIFEST_DIR", "answer": "read" },
            { "name": name, "answer": answer },
        ])
    };
    let asked = |name: &str| traced(&format!("\"env\" {name:?}"));
    for (name, answer) in
        [("PRECAST_TEST_VARIABLE", "refused"), ("PRECAST_NO_SUCH_VARIABLE", "unset")]
    {
        assert_eq!(asked(name)["trace"]["variables"], variables(name, answer));
    }
    let read = traced("\"read\" \"$BASE/question\"");
    assert!(read["trace"]["read"][0].as_str().unwrap().ends_with("question"), "{read}");
    let refused = traced("\"variable\" \"PRECAST_TEST_VARIABLE\"");
    let grant = "PRECAST_TEST_VARIABLE (`--grant env=PRECAST_TEST_VARIABLE`)";
    assert_eq!(refused["denied"], serde_json::json!([grant]));
}

/// rust-analyzer's server, which rustup and Debian install beside the compiler, expands for many crates
/// in one process: state is kept while the crate stays the same.
#[test]
fn the_editor_expands() {
    let sysroot = rustc().args(["--print", "sysroot"]).output().unwrap();
    let name = format!("libexec/rust-analyzer-proc-macro-srv{}", env::consts::EXE_SUFFIX);
    let server = Path::new(text(&sysroot.stdout).trim()).join(name);
    let mut server = Command::new(&server)
        .env("RUST_ANALYZER_INTERNALS_DO_NOT_USE", "this is unstable")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {}: {e}", server.display()));
    let mut stdin = server.stdin.take().unwrap();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    let mut ask_of = |folder: &Path, name: &str, place: &str| {
        let body = r#"{"subtree":[0,0,0,0,0],"literal":[],"punct":[],"ident":[],"token_tree":[],"text":[]}"#;
        let spans = r#"{"serialize":true,"def_site":0,"call_site":0,"mixed_site":0}"#;
        let lib = consumable(folder);
        let lib = lib.to_str().unwrap();
        writeln!(
            stdin,
            r#"{{"ExpandMacro":{{"lib":{lib:?},"env":[["CARGO_MANIFEST_DIR","{place}"]],"macro_name":"{name}","macro_body":{body},"has_global_spans":{spans}}}}}"#
        )
        .unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["ExpandMacro"].clone()
    };
    // Several shims, two of them the same crate, with state of their own.
    let others = [&built().portable, &built().packed, &built().portable, &built().packed];
    for (folder, count) in others.into_iter().zip(["11", "11", "13", "13"]) {
        assert_eq!(ask_of(folder, "count", "other")["Ok"]["text"][0], count);
    }
    let mut ask = |name: &str, place: &str| ask_of(&built().packed, name, place);
    for (place, count) in [("a", "11"), ("a", "13"), ("b", "11"), ("b", "13")] {
        assert_eq!(ask("count", place)["Ok"]["text"][0], count);
    }
    let failure = ask("Fail", "b");
    assert!(failure.to_string().contains("a plain text"), "{failure}");
    // State survives a panic.
    assert_eq!(ask("count", "b")["Ok"]["text"][0], "15");
    drop(stdin);
    server.wait().unwrap();
}
