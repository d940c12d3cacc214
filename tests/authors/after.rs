//! The two fixtures: records follow the source through edits, and one function sees those of all crates.

use super::*;

/// The fixture, with the library where it is.
fn workspace(name: &str) -> PathBuf {
    let work = directory(name);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/authors");
    put(&work, &[("Cargo.toml", &fs::read_to_string(fixture.join("Cargo.toml")).unwrap())]);
    for member in ["typescript", "routes", "users", "orders", "shop"] {
        let main = if member == "shop" { "src/main.rs" } else { "src/lib.rs" };
        for file in ["Cargo.toml", main] {
            let text = fs::read_to_string(fixture.join(member).join(file)).unwrap();
            let text = text.replace("../../../precast-macro", &library());
            put(&work, &[(&format!("{member}/{file}"), &text)]);
        }
    }
    work
}

const ROUTES: &str = "\
GET    /                        shop::home
GET    /orders                  orders::list
GET    /users/{id}              users::api::user
POST   /users                   users::api::create
";

const HEAD: &str = "// Written by `#[derive(Export)]`.\n";

const ORDER: &str = "
export interface Order {
  id: number;
  state: State;
  notes: string | null;
  items: Array<[string, number]>;
  prices: Record<string, number>;
}
";

const STATE: &str = "
export type State =
  | \"Open\"
  | { \"Paid\": { at: string; } }
  | { \"Sent\": string };
";

const USER: &str = "
/** Somebody who buys. */
export interface User {
  /** Unique in the shop. */
  id: number;
  name: string;
  isAdmin: boolean;
}
";

fn read(work: &Path, file: &str) -> String {
    fs::read_to_string(work.join("target/precast/out").join(file)).unwrap()
}

fn edit(work: &Path, file: &str, from: &str, to: &str) {
    let file = work.join(file);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

fn check(work: &Path) -> (String, String) {
    ok(precast(work, &["check", "--workspace"]))
}

#[test]
fn records_follow_the_source() {
    let work = workspace("records");
    let (_, err) = check(&work);
    assert!(err.contains("routes 0.1.0 wrote target/precast/out/routes/routes.txt"), "{err}");
    assert_eq!(read(&work, "routes/routes.txt"), ROUTES);
    let types = |parts: &[&str]| {
        assert_eq!(read(&work, "typescript/types.ts"), HEAD.to_owned() + &parts.concat());
    };
    types(&[ORDER, STATE, USER]);
    let (out, _) = ok(precast(&work, &["metadata", "--offline"]));
    let metadata: serde_json::Value = serde_json::from_str(&out).unwrap();
    let routes = &metadata["packages"][0];
    assert_eq!((&routes["name"], &routes["macros_from"]), (&"routes".into(), &"source".into()));
    let records =
        serde_json::json!({ "keys": ["route"], "post_process": true, "fingerprint": false });
    assert_eq!(routes["records"], records);

    // Fresh: the same, and no file is touched.
    let age = |file: &str| {
        fs::metadata(work.join("target/precast/out").join(file)).unwrap().modified().unwrap()
    };
    let before = age("typescript/types.ts");
    let (_, err) = check(&work);
    assert!(!err.contains("wrote") && !err.contains("Checking"), "{err}");
    assert_eq!(age("typescript/types.ts"), before);

    // Added, renamed, deleted: each in one crate, the others are not compiled.
    edit(&work, "shop/src/main.rs", "fn main", "#[routes::get(\"/new\")]\nfn new() {}\n\nfn main");
    let (_, err) = check(&work);
    assert!(!err.contains("Checking users") && err.contains("routes.txt"), "{err}");
    assert!(
        read(&work, "routes/routes.txt").contains("GET    /new                     shop::new\n")
    );
    edit(&work, "users/src/lib.rs", "pub struct User ", "pub struct Buyer ");
    check(&work);
    let buyer = USER.replace("User", "Buyer");
    types(&[&buyer, ORDER, STATE]);
    edit(&work, "orders/src/lib.rs", "#[routes::get(\"/orders\")]", "");
    check(&work);
    let routes = |without: &str| {
        let lines = ROUTES.lines().filter(|line| !line.contains(without));
        let mut lines: Vec<String> = lines.map(|line| line.to_owned() + "\n").collect();
        lines.insert(1, "GET    /new                     shop::new\n".into());
        assert_eq!(read(&work, "routes/routes.txt"), lines.concat());
    };
    routes("/orders");

    // One package forgotten, another command, and everything once more.
    ok(cargo(&work, &["clean", "-q", "-p", "users"]));
    check(&work);
    types(&[&buyer, ORDER, STATE]);
    let (_, err) = ok(precast(&work, &["build", "--workspace"]));
    assert!(!err.contains("wrote"), "{err}");
    let (_, err) = ok(precast(&work, &["test", "--workspace", "--", "--nocapture"]));
    assert!(!err.contains("wrote"), "{err}");
    // Packed, the macros leave the same records.
    let _ = fs::remove_dir_all(work.join("target"));
    let (_, err) = ok(packed(&work, &["check", "--workspace"]));
    assert!(err.contains("2 macro packages precompiled"), "{err}");
    types(&[&buyer, ORDER, STATE]);
    routes("/orders");

    // What no function writes any more is gone.
    edit(&work, "typescript/src/lib.rs", "\"types.ts\"", "\"all/types.ts\"");
    let (_, err) = check(&work);
    assert!(
        err.contains("typescript 0.1.0 removed target/precast/out/typescript/types.ts"),
        "{err}"
    );
    assert!(!work.join("target/precast/out/typescript/types.ts").exists());
    assert!(read(&work, "typescript/all/types.ts").starts_with(HEAD));
}

#[test]
fn what_does_not_fit_across_crates() {
    let work = workspace("across");
    edit(&work, "orders/src/lib.rs", "get(\"/orders\")", "get(\"/users/{name}\")");
    edit(&work, "orders/src/lib.rs", "Vec<(String, u32)>", "Vec<Item>");
    edit(&work, "orders/src/lib.rs", "use std", "pub struct Item;\nuse std");
    let err = fails(precast(&work, &["check", "--workspace"]));
    let duplicate =
        "error: the route `GET /users/{id}` is there twice\n  --> users/src/lib.rs:14:5\n\n\
                     note: `orders::list` has it as well\n  --> orders/src/lib.rs:22:1\n";
    assert!(err.contains(duplicate), "{err}");
    let unknown = "error: `orders::Order` names `Item`, which nobody exports\n  --> orders/src/lib.rs:13:10\n";
    assert!(err.contains(unknown), "{err}");
    assert!(
        err.contains("error: 2 errors after the build, of routes 0.1.0, typescript 0.1.0"),
        "{err}"
    );
    assert!(!work.join("target/precast").exists());
    // A build that fails has no end for them to see.
    edit(&work, "shop/src/main.rs", "fn main", "fn wrong() -> u8 {}\nfn main");
    let err = fails(precast(&work, &["check", "--workspace"]));
    assert!(!err.contains("is there twice"), "{err}");
}

#[test]
fn where_the_workspace_lets_them_write() {
    let work = workspace("granted");
    let manifest = fs::read_to_string(work.join("Cargo.toml")).unwrap();
    let grant = |place: &str| {
        let line = format!("[workspace.metadata.precast.out]\ntypescript = {place:?}\n");
        put(&work, &[("Cargo.toml", &format!("{manifest}{line}"))]);
    };
    grant("../web");
    let err = fails(precast(&work, &["check", "--workspace"]));
    assert!(err.contains("workspace.metadata.precast.out.typescript"), "{err}");
    grant("web/types");
    put(&work, &[("web/types/types.ts", "// mine\n")]);
    let err = fails(precast(&work, &["check", "--workspace"]));
    assert!(err.contains("which others have written"), "{err}");
    assert_eq!(fs::read_to_string(work.join("web/types/types.ts")).unwrap(), "// mine\n");
    fs::remove_file(work.join("web/types/types.ts")).unwrap();
    check(&work);
    let types = fs::read_to_string(work.join("web/types/types.ts")).unwrap();
    assert!(types.starts_with(HEAD));
    // The list of what was written stays with the files: a new checkout may write them again.
    let _ = fs::remove_dir_all(work.join("target"));
    edit(&work, "users/src/lib.rs", "pub struct User ", "pub struct Buyer ");
    check(&work);
    assert!(fs::read_to_string(work.join("web/types/types.ts")).unwrap().contains("Buyer"));
}

/// Two versions of one macro package do not take each other's files away.
#[test]
fn several_versions() {
    let work = directory("versions");
    let code = "use precast_macro::{Output, Records};\nuse proc_macro::TokenStream;\n#[proc_macro]\n\
        pub fn leave(_: TokenStream) -> TokenStream {\n\
        precast_macro::expand!(items => { precast_macro::aux::emit(\"here\", \"1\"); TokenStream::new() })\n}\n\
        precast_macro::post_process!(after);\nfn after(records: &Records, out: &mut Output) {\n\
        let paths: Vec<&str> = records.iter().map(|record| record.path.as_str()).collect();\n\
        out.write(\"all.txt\", paths.join(\" \"));\n}\n";
    let old = macro_manifest("leave") + "[workspace]\n";
    let new = old.replacen("0.1.0", "0.10.0", 1);
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n\
        [dependencies]\nleave = { path = \"../new\" }\nold = { package = \"leave\", path = \"../old\" }\n";
    put(
        &work,
        &[
            ("old/Cargo.toml", &old),
            ("old/src/lib.rs", code),
            ("new/Cargo.toml", &new),
            ("new/src/lib.rs", code),
            ("app/Cargo.toml", app),
            ("app/src/lib.rs", "mod a { leave::leave!(); }\nmod b { old::leave!(); }\n"),
        ],
    );
    let app = work.join("app");
    for is_first in [true, false] {
        let (_, err) = check(&app);
        assert_eq!(err.contains("wrote"), is_first, "{err}");
        assert!(!err.contains("removed"), "{err}");
        assert_eq!(read(&app, "leave/all.txt"), "app::a");
        assert_eq!(read(&app, "leave-0.1.0/all.txt"), "app::b");
    }
}
