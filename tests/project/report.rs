//! What the macros of a build cost: the table, the JSON and the page say the same.

use super::fixture::{
    depend, forget, ok, precast, put, registry_library, registry_macro, texts, workspace,
};
use serde_json::{json, Value};
use std::fs;
use std::path::Path;

fn told(work: &Path) -> Value {
    serde_json::from_str(&ok(&mut precast(work, &["report", "--json"])).0).unwrap()
}

fn page(work: &Path) -> String {
    fs::read_to_string(work.join("target/precast/report/report.html")).unwrap()
}

/// The value of a card.
fn card<'a>(page: &'a str, what: &str) -> &'a str {
    let (before, _) = page.split_once(&format!("</b><span>{what}</span>")).unwrap();
    before.rsplit_once("<b>").unwrap().1
}

fn sum(list: &Value, field: &str) -> f64 {
    list.as_array().unwrap().iter().map(|one| one[field].as_f64().unwrap()).sum()
}

#[test]
fn numbers_are_those_of_the_build() {
    let work = workspace("report");
    forget(&work);
    let (_, err) = texts(&precast(&work, &["report"]).output().unwrap(), false);
    assert!(err.contains("`cargo precast build --report` makes one"), "{err}");
    for wrong in [["build", "--native"], ["run", "--report"]] {
        let output = precast(&work, &wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    let (_, err) = ok(&mut precast(&work, &["build", "--report"]));
    assert!(err.contains("report.html"), "{err}");
    let report = told(&work);
    let outcome = |name: &str| {
        let packages = report["packages"].as_array().unwrap();
        packages.iter().find(|package| package["name"] == name).unwrap()["outcome"].clone()
    };
    // Another test may have packed it before.
    let foreign = outcome("foreign");
    assert!(foreign == "packed" || foreign == "stored", "{foreign}");
    assert_eq!(outcome("broken"), "source");
    let page_text = page(&work);
    assert!(!page_text.contains("<script") && !page_text.contains("://"), "{page_text}");
    assert_eq!(card(&page_text, "macro packages precompiled"), "4 of 5");
    let (table, _) = ok(&mut precast(&work, &["report"]));
    assert!(table.contains("broken 1.0.0: from source: "), "{table}");
    if cfg!(target_os = "linux") {
        // Two versions of one macro, one from another registry, and one from a repository.
        assert_eq!(sum(&report["macros"], "calls"), 4.0, "{report}");
        assert_eq!(sum(&report["crates"], "calls"), 4.0);
        assert_eq!(card(&page_text, "expansions"), "4");
        let seconds = sum(&report["macros"], "seconds");
        assert_eq!(card(&page_text, "in these macros"), format!("{seconds:.3} s"));
        let largest = &report["largest"][0];
        assert_eq!(
            (&largest["used_in"], &largest["file"]),
            (&"app".into(), &"app/src/main.rs".into())
        );
        assert!(largest["line"].as_u64() >= Some(2), "{largest}");
        assert!(table.contains(": 4 expansions in "), "{table}");
        // A crate that is fresh is still told of, and one that is compiled again once.
        ok(&mut precast(&work, &["build", "--report"]));
        assert_eq!(told(&work)["macros"], report["macros"]);
        let main = work.join("app/src/main.rs");
        let text = fs::read_to_string(&main).unwrap();
        fs::write(&main, format!("// Edited.\n{text}")).unwrap();
        ok(&mut precast(&work, &["build", "--report"]));
        let edited = told(&work);
        assert_eq!(sum(&edited["macros"], "calls"), 4.0);
        let line = |report: &Value| report["largest"][0]["line"].as_u64().unwrap();
        assert_eq!(line(&edited), line(&report) + 1);
    }
    let copy = work.join("copy.html");
    ok(&mut precast(&work, &["report", "--html", copy.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(copy).unwrap(), page(&work));
}

#[test]
fn both_ways_are_measured() {
    let work = workspace("measured");
    ok(&mut precast(&work, &["on"]));
    ok(&mut precast(&work, &["build", "--report", "--native"]));
    let measured = &told(&work)["measured"];
    assert!(measured["native"].as_f64() > Some(0.0) && measured["precast"].as_f64() > Some(0.0));
    let packages = measured["packages"].as_array().unwrap();
    assert!(packages.iter().any(|one| one["package"] == "foreign 1.0.0"), "{measured}");
    assert!(page(&work).contains("<h2>Compile time by package</h2>"));
    // The one has nothing to do with the other, though precast is on.
    let records = |side: &str| {
        let deps = work.join("target/precast/report").join(side).join("debug/deps");
        let names = fs::read_dir(deps).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".precast")).count()
    };
    assert_eq!((records("native"), records("precast") > 0), (0, true));
}

/// Two macros: one that only moves tokens about, and one that counts.
const SWAPPER: &str = "use proc_macro::{Literal, TokenStream, TokenTree};\n#[proc_macro]\n\
    pub fn swap(input: TokenStream) -> TokenStream {\n\
    let mut tokens: Vec<TokenTree> = input.into_iter().collect();\ntokens.reverse();\n\
    tokens.into_iter().collect()\n}\n#[proc_macro]\n\
    pub fn length(input: TokenStream) -> TokenStream {\n\
    TokenTree::Literal(Literal::usize_unsuffixed(input.to_string().len())).into()\n}\n\
    #[proc_macro]\npub fn tiny(input: TokenStream) -> TokenStream { input }\n";

const MAIN: &str = "fn main() {\n    let all = [swapper::swap!(1 + 2), swapper::swap!(3 + 5), \
    swapper::length!(a), swapper::length!(bcd), swapper::tiny!(1)];\n    println!(\"{all:?}\");\n}\n";

#[cfg(target_os = "linux")]
#[test]
fn what_could_be_otherwise() {
    let work = workspace("advice");
    let registry = work.join("../registry");
    registry_library(&registry, "helper", "", "");
    registry_macro(&registry, "swapper", "1.0.0", "[dependencies]\nhelper = \"1\"\n");
    put(&registry, &[("swapper-1.0.0/src/lib.rs", SWAPPER)]);
    depend(&work, "swapper = \"1\"\n");
    put(&work, &[("app/src/main.rs", MAIN)]);
    ok(&mut precast(&work, &["build", "--report"]));
    let report = told(&work);
    let swap = json!({ "package": "swapper 1.0.0", "name": "swap", "uses": 2 });
    assert_eq!(report["advice"]["replaceable"], json!([swap]));
    let costs = &report["advice"]["native_costs"];
    let helped =
        json!({ "package": "swapper 1.0.0", "only_for_it": ["helper 1.0.0"], "seconds": null });
    assert!(costs.as_array().unwrap().contains(&helped), "{costs}");
    let (table, _) = ok(&mut precast(&work, &["report"]));
    for line in [
        "  swapper 1.0.0: with 1 package for it alone: helper 1.0.0\n",
        "`swap!` of swapper 1.0.0 only moves tokens about in its 2 different uses here",
        "Several packages have a bang `tiny`: swapper, tiny.",
    ] {
        assert!(table.contains(line), "{table}");
    }
    assert!(
        page(&work).contains("<li>swapper 1.0.0: with 1 package for it alone: helper 1.0.0</li>")
    );
}
