//! A manifest with the dependencies that a native build has: a macro is compiled for wasm as if for this machine, and
//! so has what stands below `[target.'cfg(unix)'.dependencies]`.

use crate::base::error::{Class, Context, Result};
use cargo_metadata::cargo_platform::{Cfg, Platform};
use std::str::FromStr;
use toml_edit::{DocumentMut, Item, Table};

const KINDS: [&str; 3] = ["dependencies", "build-dependencies", "build_dependencies"];

/// Whether anything depends on the target.
pub fn has_targets(manifest: &str) -> bool {
    manifest.parse::<DocumentMut>().is_ok_and(|document| document.get("target").is_some())
}

/// The manifest for a machine of this name, with these `cfg`s as the compiler prints them. What holds for wasm
/// stays, for what does not compile otherwise.
pub fn native(manifest: &str, host: &str, cfgs: &[String]) -> Result<String> {
    let mut document: DocumentMut =
        manifest.parse().class(Class::Package, "cannot read Cargo.toml")?;
    let cfgs: Vec<Cfg> = cfgs.iter().filter_map(|cfg| Cfg::from_str(cfg).ok()).collect();
    let targets = document.get("target").and_then(Item::as_table_like);
    let mut found: Vec<(&str, String, Item)> = Vec::new();
    for (name, target) in targets.into_iter().flat_map(|targets| targets.iter()) {
        // What cargo does not understand, it says.
        let holds = Platform::from_str(name).is_ok_and(|platform| platform.matches(host, &cfgs));
        for kind in KINDS.into_iter().filter(|_| holds) {
            let table = target.get(kind).and_then(Item::as_table_like);
            let entries = table.into_iter().flat_map(|table| table.iter());
            found.extend(entries.map(|(key, item)| (kind, key.to_owned(), item.clone())));
        }
    }
    for (kind, key, item) in found {
        let table = document.entry(kind).or_insert_with(|| Item::Table(Table::new()));
        if let Some(table) = table.as_table_like_mut() {
            table.entry(&key).or_insert(item);
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_this_machine() {
        let manifest = "[dependencies]\na = \"1\"\n\n\
            [target.'cfg(unix)'.dependencies]\na = { version = \"1\", features = [\"x\"] }\nb = \"2\"\n\n\
            [target.'cfg(all(windows, target_env = \"gnu\"))'.dependencies]\nc = \"3\"\n\n\
            [target.x86_64-unknown-linux-gnu.build-dependencies]\nd = \"4\"\n";
        let check = |host: &str, cfgs: &[&str], before: &str, after: &str| {
            let cfgs: Vec<String> = cfgs.iter().map(|cfg| (*cfg).to_owned()).collect();
            let expected = manifest.replacen("a = \"1\"\n", before, 1) + after;
            let found = native(manifest, host, &cfgs).unwrap();
            let parsed = |text: &str| text.parse::<toml_edit::DocumentMut>().unwrap().to_string();
            assert_eq!(parsed(&found), parsed(&expected));
        };
        let linux = "x86_64-unknown-linux-gnu";
        let build = "\n[build-dependencies]\nd = \"4\"\n";
        check(linux, &["unix", "target_env=\"gnu\""], "a = \"1\"\nb = \"2\"\n", build);
        check("x", &["windows", "target_env=\"gnu\""], "a = \"1\"\nc = \"3\"\n", "");
        check("x", &["windows", "target_env=\"msvc\""], "a = \"1\"\n", "");
        assert!(has_targets(manifest) && !has_targets("[dependencies]\na = \"1\"\n"));
    }
}
