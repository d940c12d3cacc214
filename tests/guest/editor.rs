//! rust-analyzer's own macro server with the native macros, and ours with the packed ones, in both forms of the
//! protocol: equal answers.

use super::{artifact, built, consumable, rustc, text};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use serde_json::{json, Value};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const FORMAT: &str = "json-legacy";

struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(command: &mut Command) -> Server {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        Server { input: child.stdin.take(), output, child }
    }

    /// As rust-analyzer starts it.
    fn of_analyzer(program: &Path) -> Server {
        let mut command = Command::new(program);
        Server::start(command.env("RUST_ANALYZER_INTERNALS_DO_NOT_USE", "this is unstable"))
    }

    fn native() -> Server {
        let sysroot = rustc().args(["--print", "sysroot"]).output().unwrap();
        let name = format!("libexec/rust-analyzer-proc-macro-srv{}", env::consts::EXE_SUFFIX);
        Server::of_analyzer(&Path::new(text(&sysroot.stdout).trim()).join(name))
    }

    fn ours() -> Server {
        Server::of_analyzer(Path::new(env!("CARGO_BIN_EXE_cargo-precast")))
    }

    fn send(&mut self, request: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{request}").unwrap();
    }

    fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.send(request);
        self.receive()
    }

    /// It ends when nobody asks any more.
    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Each token with a span of its own.
#[derive(Default)]
struct Tree {
    subtree: Vec<u32>,
    literal: Vec<u32>,
    punct: Vec<u32>,
    ident: Vec<u32>,
    token_tree: Vec<u32>,
    text: Vec<String>,
    n_spans: u32,
}

impl Tree {
    fn of(source: &str, first_span: u32) -> (Value, u32) {
        let mut tree = Tree { n_spans: first_span, ..Tree::default() };
        let mut open = vec![(0, source.parse::<TokenStream>().unwrap())];
        tree.group(Delimiter::None);
        while !open.is_empty() {
            let (at, stream) = open.remove(0);
            tree.subtree[at * 5 + 3] = tree.token_tree.len() as u32;
            for token in stream {
                let child = match token {
                    TokenTree::Group(group) => {
                        open.push((tree.subtree.len() / 5, group.stream()));
                        tree.group(group.delimiter())
                    }
                    token => tree.leaf(&token),
                };
                tree.token_tree.push(child);
            }
            tree.subtree[at * 5 + 4] = tree.token_tree.len() as u32;
        }
        let Tree { subtree, literal, punct, ident, token_tree, text, n_spans } = tree;
        let value = json!({ "subtree": subtree, "literal": literal, "punct": punct, "ident": ident,
            "token_tree": token_tree, "text": text });
        (value, n_spans)
    }

    fn span(&mut self) -> u32 {
        self.n_spans += 1;
        self.n_spans - 1
    }

    fn text(&mut self, text: &str) -> u32 {
        self.text.push(text.to_owned());
        self.text.len() as u32 - 1
    }

    fn group(&mut self, delimiter: Delimiter) -> u32 {
        let kind = match delimiter {
            Delimiter::None => 0,
            Delimiter::Parenthesis => 1,
            Delimiter::Brace => 2,
            Delimiter::Bracket => 3,
        };
        let (open, close) = (self.span(), self.span());
        self.subtree.extend([open, close, kind, 0, 0]);
        (self.subtree.len() as u32 / 5 - 1) << 2
    }

    fn leaf(&mut self, token: &TokenTree) -> u32 {
        let span = self.span();
        let written = token.to_string();
        match token {
            TokenTree::Ident(_) => {
                // proc-macro2 has no such identifier.
                let name = if written == "dollar_crate" { "$crate" } else { &written };
                let name = self.text(name.trim_start_matches("r#"));
                self.ident.extend([span, name, written.starts_with("r#") as u32]);
                (self.ident.len() as u32 / 3 - 1) << 2 | 3
            }
            TokenTree::Punct(punct) => {
                let joint = (punct.spacing() == Spacing::Joint) as u32;
                self.punct.extend([span, punct.as_char() as u32, joint]);
                (self.punct.len() as u32 / 3 - 1) << 2 | 2
            }
            _ => {
                let (kind, inside) = match written.trim_matches('"') {
                    inside if inside.len() < written.len() => (5, inside),
                    inside if inside.contains('.') => (4, inside),
                    inside => (3, inside),
                };
                let inside = self.text(inside);
                self.literal.extend([span, inside, kind, u32::MAX]);
                (self.literal.len() as u32 / 4 - 1) << 2 | 1
            }
        }
    }
}

struct Use {
    name: &'static str,
    arguments: Option<&'static str>,
    input: &'static str,
}

const ITEM: &str =
    "#[told] pub struct S<'a, T: dollar_crate::A> { r#type: &'a [T; 3], b: (u8, \"x\", 1.5) }";

/// The interface makes no such identifier anew, as in a compiler.
const PLAIN: &str = "#[told] pub struct S<'a, T: A> { r#type: &'a [T; 3], b: (u8, \"x\", 1.5) }";

/// Their expansions have nothing in them that rust-analyzer prints or lexes in its own way.
const USES: [Use; 11] = [
    Use { name: "kept", arguments: None, input: ITEM },
    Use { name: "kept", arguments: Some("a, b"), input: "" },
    Use { name: "again", arguments: Some("x = \"y\""), input: PLAIN },
    Use { name: "anew", arguments: None, input: PLAIN },
    Use { name: "anew", arguments: None, input: "{ a }" },
    Use { name: "rebuild", arguments: None, input: "deep { a + (b, [c]) \"d\" 1.5 { } 'x }" },
    Use { name: "Nothing", arguments: None, input: ITEM },
    Use { name: "count", arguments: None, input: "" },
    Use { name: "fail", arguments: None, input: "panic_string" },
    Use { name: "Fail", arguments: None, input: ITEM },
    Use { name: "fail_attribute", arguments: Some("panic_text"), input: ITEM },
];

fn request(library: &Path, used: &Use) -> Value {
    let (body, n_spans) = Tree::of(used.input, 3);
    let arguments = used.arguments.map(|arguments| Tree::of(arguments, n_spans));
    let (attributes, n_spans) = match arguments {
        Some((tree, n_spans)) => (Some(tree), n_spans),
        None => (None, n_spans),
    };
    let table: Vec<u32> = (0..n_spans).flat_map(|at| [1, 7, 2 * at, 2 * at + 1, at % 3]).collect();
    json!({ "ExpandMacro": {
        "lib": library, "env": [["CARGO_MANIFEST_DIR", "a"]], "current_dir": env::temp_dir(),
        "macro_body": body, "macro_name": used.name, "attributes": attributes,
        "has_global_spans": { "def_site": 0, "call_site": 1, "mixed_site": 2 },
        "span_data_table": table,
    } })
}

#[test]
fn answers_are_those_of_rust_analyzers_server() {
    let (native, packed) = (consumable(&built().native), consumable(&built().packed));
    for mode in ["Id", "RustAnalyzer"] {
        let (mut theirs, mut ours) = (Server::native(), Server::ours());
        let mut both = |[to_theirs, to_ours]: [Value; 2]| {
            theirs.send(&to_theirs);
            let answer = ours.ask(&to_ours);
            assert_eq!(answer, theirs.receive(), "{to_ours}");
            answer
        };
        for request in
            [json!({ "ApiVersionCheck": {} }), json!({ "SetConfig": { "span_mode": mode } })]
        {
            both([request.clone(), request]);
        }
        let listed = [&native, &packed].map(|path| json!({ "ListMacros": { "dylib_path": path } }));
        assert!(both(listed).to_string().contains("[\"Told\",\"CustomDerive\"]"));
        for used in &USES {
            let answer = both([&native, &packed].map(|library| request(library, used))).to_string();
            let has_crate = answer.contains("$crate");
            assert_eq!(
                has_crate,
                answer.contains("Ok") && used.input == ITEM && used.name != "Nothing"
            );
        }
        theirs.end();
        ours.end();
    }
}

#[test]
fn native_code_is_refused() {
    let mut ours = Server::ours();
    let native = consumable(&built().native);
    let answer = ours.ask(&json!({ "ListMacros": { "dylib_path": native } }));
    let answer = answer["ListMacros"]["Err"].as_str().unwrap();
    assert!(
        answer.contains("is not precompiled, and no native macro code is run here"),
        "{answer}"
    );
    let used = Use { name: "count", arguments: None, input: "" };
    let answer = ours.ask(&request(&native, &used)).to_string();
    assert!(answer.contains("is not precompiled"), "{answer}");
    // A macro that runs forever ends, and the server lives on.
    let packed = consumable(&built().packed);
    let endless = Use { name: "fail", arguments: None, input: "loop" };
    let answer = ours.ask(&request(&packed, &endless)).to_string();
    assert!(answer.contains("compile_error"), "{answer}");
    assert!(ours.ask(&request(&packed, &used)).to_string().contains("\"11\""));
    ours.end();
}

fn rpc(arguments: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    Server::start(command.arg("serve").args(arguments))
}

fn call(id: u32, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn expansion(path: &Path, kind: &str, name: &str, input: &str) -> Value {
    json!({ "path": path, "kind": kind, "name": name, "input": input })
}

#[test]
fn requests_of_our_own() {
    let mut server = rpc(&["--jobs", "1"]);
    let answer = server.ask(&call(1, "version", &json!({})));
    assert_eq!(answer["result"]["protocol"], 1);
    for path in [artifact(), consumable(&built().packed)] {
        let answer = server.ask(&call(2, "list", &json!({ "path": path })));
        assert_eq!(answer["result"]["package"], json!({ "name": "guest-api", "version": "0.1.0" }));
        let told = json!({ "name": "Told", "kind": "derive", "helpers": ["helper", "r#other"],
            "documentation": "What a derive is given." });
        let macros = answer["result"]["macros"].as_array().unwrap();
        assert!(macros.contains(&told), "{answer}");
        let params = expansion(&path, "bang", "anew", "a { b }");
        assert_eq!(server.ask(&call(3, "expand", &params))["result"]["tokens"], "a { b }");
        let mut params = expansion(&path, "attribute", "both", "fn f() {}");
        params["arguments"] = "a = 1".into();
        let answer = server.ask(&call(4, "expand", &params));
        let text = answer["result"]["expansion"].as_str().unwrap();
        assert!(text.starts_with("fn f() {}\n") && text.contains("\"a = 1\""), "{answer}");
    }
    let path = artifact();
    let answer = server.ask(&call(5, "expand", &expansion(&path, "bang", "fail", "panic_text")));
    let message = answer["result"]["diagnostics"][0]["message"].as_str().unwrap();
    assert_eq!(message, "`fail` panicked: a plain text");
    assert_eq!(answer["result"]["tokens"], Value::Null);
    let answer = server.ask(&call(6, "expand", &expansion(&path, "bang", "fail", "compile_error")));
    assert!(!answer["result"]["diagnostics"].as_array().unwrap().is_empty(), "{answer}");
    // What it asked for, with what the request says of its surroundings.
    let mut params = expansion(&path, "bang", "world", "\"env\" \"CARGO_PKG_NAME\"");
    params["environment"] = json!({ "CARGO_PKG_NAME": "somebody" });
    let answer = server.ask(&call(7, "expand", &params));
    assert!(answer["result"]["tokens"].as_str().unwrap().contains("somebody"), "{answer}");
    let asked = &answer["result"]["trace"]["variables"][1];
    assert_eq!(asked, &json!({ "name": "CARGO_PKG_NAME", "answer": "read" }), "{answer}");
    server.end();
}

#[test]
fn what_is_no_request_is_an_answer() {
    let mut server = rpc(&["--jobs", "1"]);
    let path = artifact();
    let odd = [
        (json!([]), -32600),
        (json!({ "jsonrpc": "1.0", "id": 1, "method": "version" }), -32600),
        (call(2, "format", &json!({})), -32601),
        (call(3, "expand", &json!({ "path": path })), -32602),
        (call(4, "expand", &expansion(&path, "derive", "rebuild", "a")), -32000),
        (call(5, "expand", &expansion(&path, "bang", "rebuild", "( ")), -32000),
        (call(6, "list", &json!({ "path": "/no/such.precast" })), -32000),
    ];
    for (request, code) in odd {
        let answer = server.ask(&request);
        assert_eq!(answer["error"]["code"], code, "{request} {answer}");
        assert_eq!(answer["id"], request.get("id").cloned().unwrap_or_default());
    }
    // No answer is wanted here: the next is that to the next.
    server.send(&json!({ "jsonrpc": "2.0", "method": "version" }));
    assert_eq!(server.ask(&call(9, "version", &json!({})))["id"], 9);
    server.end();
}

/// Several at once, and one of them without an end.
#[test]
fn others_do_not_wait() {
    let mut server = rpc(&["--jobs", "2", "--timeout", "2"]);
    let path: PathBuf = artifact();
    server.send(&call(1, "expand", &expansion(&path, "bang", "fail", "loop")));
    server.send(&call(2, "expand", &expansion(&path, "bang", "rebuild", "a")));
    let answers = [server.receive(), server.receive()];
    assert_eq!(answers[0]["id"], 2, "{answers:?}");
    // Ended by its own limits or by the clock, whichever is first.
    let last = answers[1].to_string();
    assert!(last.contains("limit `fuel`") || last.contains("took longer"), "{last}");
    for id in 3..9 {
        server.send(&call(id, "expand", &expansion(&path, "bang", "count", "")));
    }
    let mut ids: Vec<u64> = (3..9).map(|_| server.receive()["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [3, 4, 5, 6, 7, 8]);
    server.end();
}

#[test]
fn formats_have_names() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    let mut server = Server::start(command.args(["serve", "--format", FORMAT]));
    assert_eq!(server.ask(&json!({ "ApiVersionCheck": {} })), json!({ "ApiVersionCheck": 6 }));
    server.end();
}
