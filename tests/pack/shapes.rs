//! Packages of every shape: how their macros and features may be declared.

use super::*;

/// Everything about a package's form that staging must cope with, at once.
const SHAPES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nmembers = [\"shapes\", \"maker\", \"looks\", \"old\"]\nresolver = \"2\"\n\
         [workspace.package]\nversion = \"1.2.3\"\nedition = \"2015\"\nlicense = \"MIT\"\n\
         [workspace.dependencies]\nmaker = { path = \"maker\", version = \"0.1\" }\n\
         looks = { path = \"looks\", version = \"0.1\" }\n\
         [workspace.lints.rust]\nunsafe_code = \"forbid\"\n",
    ),
    (
        "maker/Cargo.toml",
        "[package]\nname = \"maker\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [features]\nmore = []\n",
    ),
    (
        // A library whose macro declares macros, as synstructure's does.
        "maker/src/lib.rs",
        "pub extern crate proc_macro;\n#[macro_export]\nmacro_rules! decl {\n\
         ([$name:ident $($rest:tt)*] => $inner:path) => {\n\
         #[proc_macro_derive($name $($rest)*)]\n#[allow(non_snake_case)]\n\
         pub fn $name(i: $crate::proc_macro::TokenStream) -> $crate::proc_macro::TokenStream {\n\
         $inner(i)\n}\n};\n}\n#[cfg(feature = \"more\")]\npub fn more() {}\n",
    ),
    (
        "looks/Cargo.toml",
        "[package]\nname = \"looks\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
    ),
    (
        // Only a macro may have this attribute, as `manyhow`.
        "looks/src/lib.rs",
        "use proc_macro::TokenStream;\n#[proc_macro_attribute]\n\
         pub fn checked(_: TokenStream, item: TokenStream) -> TokenStream {\n\
         if item.to_string().contains(\"[proc_macro]\") { return item; }\n\
         \"compile_error!(\\\"no macro\\\");\".parse().unwrap()\n}\n",
    ),
    (
        // As it was when no wasm target had `proc_macro`.
        "old/Cargo.toml",
        "[package]\nname = \"proc-macro2\"\nversion = \"1.0.56\"\nedition = \"2021\"\n\
         [features]\ndefault = [\"proc-macro\"]\nproc-macro = []\nloud = []\n",
    ),
    (
        "old/build.rs",
        "fn main() {\nif std::env::var(\"TARGET\").unwrap().contains(\"wasm32\") { return; }\n\
         println!(\"cargo:rustc-cfg=use_proc_macro\\ncargo:rustc-cfg=wrap_proc_macro\");\n}\n",
    ),
    (
        "old/src/lib.rs",
        "#[cfg(not(all(use_proc_macro, wrap_proc_macro)))]\ncompile_error!(\"no proc_macro\");\n",
    ),
    (
        "shapes/Cargo.toml",
        "[package]\nname = \"the-shapes\"\nversion.workspace = true\nedition.workspace = true\n\
         license.workspace = true\nbuild = \"make.rs\"\n\
         [lib]\nname = \"other_name\"\npath = \"code/root.rs\"\nproc-macro = true\n\
         [lints]\nworkspace = true\n\
         [features]\ndefault = [\"one\"]\none = []\ntwo = []\n\
         [dependencies]\nmaker = { workspace = true, features = [\"more\"] }\n\
         looks = { workspace = true }\n\
         old = { package = \"proc-macro2\", path = \"../old\", version = \"1\" }\n\
         [dev-dependencies]\nunpublished = { path = \"../nowhere\", optional = false }\n",
    ),
    ("shapes/make.rs", "fn main() { println!(\"cargo:rustc-cfg=made\"); }\n"),
    ("shapes/code/text.md", "Documentation from a file.\n"),
    (
        "shapes/code/root.rs",
        "#![forbid(unsafe_code)]\n#![deny(warnings)]\n#[macro_use] extern crate maker;\n\
         extern crate looks;\nextern crate proc_macro;\nmod deep;\n\
         use looks::checked;\nuse proc_macro::TokenStream;\n\
         #[checked] #[proc_macro] pub fn after(i: TokenStream) -> TokenStream { i }\n\
         #[proc_macro] #[checked] pub fn before(i: TokenStream) -> TokenStream { i }\n\
         #[doc = include_str!(\"text.md\")]\n#[proc_macro_attribute]\n\
         pub fn keep(_: TokenStream, item: TokenStream) -> TokenStream { deep::keep(item) }\n\
         #[cfg(made)] #[proc_macro] pub fn from_build_script(i: TokenStream) -> TokenStream { i }\n\
         #[cfg(not(made))] #[proc_macro] pub fn absent(i: TokenStream) -> TokenStream { i }\n\
         #[cfg_attr(feature = \"two\", proc_macro)] #[cfg(feature = \"two\")]\n\
         pub fn two(i: TokenStream) -> TokenStream { i }\n\
         macro_rules! derives { ($($feature:literal $t:ident $f:ident $($h:ident),*;)*) => { $(\n\
         #[cfg(feature = $feature)]\n#[proc_macro_derive($t, attributes($($h),*))]\n\
         pub fn $f(_: TokenStream) -> TokenStream { TokenStream::new() })* } }\n\
         derives! { \"one\" One derive_one a, b; \"two\" Two derive_two; }\n\
         fn inner(_: TokenStream) -> TokenStream { TokenStream::new() }\n\
         decl!([Made, attributes(made)] => inner);\n",
    ),
    (
        "shapes/code/deep.rs",
        "pub fn keep(i: ::proc_macro::TokenStream) -> ::proc_macro::TokenStream { i }\n",
    ),
];

#[test]
fn shapes_of_packages() {
    let directory = directory("shapes");
    put(&directory, SHAPES);
    let manifest = directory.join("shapes/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let unpublished = text.find("[dev-dependencies]").unwrap();
    fs::write(&manifest, &text[..unpublished]).unwrap();
    let value = ok(precast(&directory, cache(), &["shapes"]));
    assert_eq!(value["manifest"]["package"]["crate_name"], "other_name");
    assert_eq!(value["manifest"]["package"]["version"], "1.2.3");
    assert_eq!(value["manifest"]["features"], serde_json::json!(["default", "one"]));
    let default = [
        "bang after after ",
        "bang before before ",
        "attribute keep keep ",
        "bang from_build_script from_build_script ",
        "derive Made Made made",
        "derive One derive_one a,b",
    ];
    assert_eq!(names(&value), default);
    assert!(value["notes"][0].as_str().unwrap().starts_with("its build script ran here"));
    assert_eq!(value["manifest"]["linked"][0]["name"], "maker");
    let published = fs::read_to_string(directory.join("out/the-shapes-1.2.3/Cargo.toml")).unwrap();
    assert!(!published.contains("path = \"../maker\"") && !published.contains("workspace = true"));

    let value = ok(precast(&directory, cache(), &["shapes", "--features", "the-shapes/two"]));
    assert_eq!(names(&value).len(), 8, "{:?}", names(&value));

    let sets = ["", "one,two,old/loud", "default"].map(|set| ["--feature-set", set]);
    let sets = [&["shapes"], sets.as_flattened()].concat();
    let value = ok(precast(&directory, cache(), &sets));
    assert_eq!(names(&value), default);
    let more = value["manifest"]["sets"].as_array().unwrap();
    let features: Vec<_> = more.iter().map(|set| set["features"].to_string()).collect();
    assert_eq!(
        features,
        ["[]", "[\"old/loud\",\"one\",\"two\"]"],
        "the default set is not packed twice"
    );
    assert_eq!(more[1]["macros"].as_array().unwrap().len(), 8);
    let shim = directory.join("out/the-shapes-1.2.3");
    for path in [&shim, &directory.join("out/the-shapes-1.2.3.precast")] {
        let verdicts = precast::verify::all(path, Default::default(), &|_: &str| ()).unwrap();
        let checks = verdicts.iter().flat_map(|verdict| &verdict.checks);
        for check in checks {
            assert!(check.differences.is_empty(), "{}: {:?}", check.what, check.differences);
        }
    }
    // `one` alone: the smallest set with it is the default one; both: the last.
    for (features, has_two) in [(&["one"][..], false), (&["one", "two"], true), (&[], false)] {
        let mut rustc = Command::new("rustc");
        rustc.args([
            "--crate-type",
            "proc-macro",
            "--crate-name",
            "other_name",
            "--edition",
            "2015",
        ]);
        rustc.args(features.iter().flat_map(|name| ["--cfg".into(), format!("feature={name:?}")]));
        rustc.arg("--out-dir").arg(&directory).arg(shim.join("src/lib.rs"));
        assert!(rustc.status().unwrap().success());
        let library = directory.join(format!("libother_name{}", std::env::consts::DLL_SUFFIX));
        let user = directory.join("user.rs");
        fs::write(&user, "other_name::two!();\n").unwrap();
        let mut rustc = Command::new("rustc");
        rustc.args(["--crate-type", "lib", "--edition", "2021", "--emit", "metadata", "--extern"]);
        rustc.arg(format!("other_name={}", library.display()));
        rustc.arg("--out-dir").arg(&directory).arg(&user);
        assert_eq!(rustc.output().unwrap().status.success(), has_two, "{features:?}");
    }
}

/// Features of dependencies are nothing that a consumer could choose by.
#[test]
fn sets_that_no_consumer_can_tell_apart() {
    let directory = directory("alike");
    let helped =
        PLAIN[0].1.to_owned() + "[dependencies]\nhelp = { path = \"help\", version = \"1\" }\n";
    let help = "[package]\nname = \"help\"\nversion = \"1.0.0\"\n[features]\nloud = []\n";
    put(&directory, PLAIN);
    put(&directory, &[("Cargo.toml", &helped), ("help/Cargo.toml", help), ("help/src/lib.rs", "")]);
    let found = error(precast(&directory, cache(), &[".", "--feature-set", "help/loud"]));
    check_error(found, "usage", &["`` and `help/loud` differ in features of dependencies alone"]);
}
