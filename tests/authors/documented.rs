//! The examples of docs/authors.md, which are one macro package: natively and packed they do the same.

use super::*;

/// The code blocks of that page.
fn examples() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/authors.md");
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```rust\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

const USES: &str = "#[derive(routes::Route)]\npub struct User;\n\npub mod inner {\n    \
    #[derive(routes::Route)]\n    pub struct AVeryLongNameOfOneType;\n    #[routes::bench]\n    \
    pub fn fast() -> &'static str {\n        AVeryLongNameOfOneType::ROUTE\n    }\n}\n\
    #[cfg(feature = \"old\")]\n#[derive(routes::Route)]\npub struct OldUser;\n\
    #[cfg(feature = \"twice\")]\npub mod again {\n    #[derive(routes::Route)]\n    pub struct User;\n}\n";

#[test]
fn examples_do_the_same_natively_and_packed() {
    let work = directory("documented");
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[features]\nold = []\n\
               twice = []\n[dependencies]\nroutes = { path = \"../routes\" }\n";
    put(
        &work,
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"app\", \"routes\"]\nresolver = \"2\"\n"),
            ("routes/Cargo.toml", &macro_manifest("routes")),
            ("routes/src/lib.rs", &examples()),
            ("app/Cargo.toml", app),
            ("app/src/lib.rs", USES),
        ],
    );
    let written = || fs::read_to_string(work.join("target/precast/out/routes/routes.txt")).unwrap();
    let routes =
        "GET /User app::User\nGET /AVeryLongNameOfOneType app::inner::AVeryLongNameOfOneType\n";
    let (_, plain) = ok(cargo(&work, &["check"]));
    let warning = "warning: the name is long\n --> app/src/lib.rs:6:16\n";
    assert!(plain.contains(warning) && plain.contains("= help: shorten it\n"), "{plain}");
    let old = fails(cargo(&work, &["check", "--features", "app/old"]));
    let error = "error: it has no route\n       note: for its name (app/src/lib.rs:14:12)\n";
    assert!(old.contains(error), "{old}");
    let twice = ["check", "--features", "app/twice"];
    let after = |err: &str| err.split("error: the route is there twice").nth(1).unwrap().to_owned();
    let native = after(&fails(precast(&work, &twice)));
    assert!(native.starts_with("\n  --> app/src/lib.rs:17:14\n"), "{native}");
    ok(precast(&work, &["check"]));
    assert_eq!(written(), routes);

    let _ = fs::remove_dir_all(work.join("target"));
    let (_, by_packed) = ok(packed(&work, &["check"]));
    assert!(by_packed.contains("1 macro package precompiled"), "{by_packed}");
    assert_eq!((told(&plain), written().as_str()), (told(&by_packed), routes));
    let by_packed = fails(packed(&work, &["check", "--features", "app/old"]));
    assert_eq!(told(&old), told(&by_packed));
    assert_eq!(after(&fails(packed(&work, &twice))), native);
}
