//! Compares the module with what its sources compile to, and names what differs first.

use super::Check;
use crate::artifact::manifest::{Manifest, Source};
use crate::artifact::{Artifact, Tree};
use crate::base::error::Result;
use crate::base::report::Report;
use crate::pack::{self, Features, Rebuilt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use wasmparser::{ExternalKind, Parser, Payload};

pub(super) fn checks(
    artifact: &Artifact,
    shared: &Path,
    offline: bool,
    report: &dyn Report,
) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    if artifact.manifest.package.source.is_module() {
        let difference = "there are none: it was packed from a module that was built elsewhere";
        return Ok(vec![Check::new("the sources compile to the module", vec![difference.into()])]);
    }
    if let Source::Registry { checksum } = &artifact.manifest.package.source {
        let (source, files) = pack::published(artifact, shared, offline, report)?;
        let mut differences = tree(&artifact.source, &files);
        if source != (Source::Registry { checksum: checksum.clone() }) {
            differences.push("the recorded checksum is not that of the registry".into());
        }
        checks.push(Check::new("the sources are those of the registry", differences));
    }
    let changed = checks.iter().any(|check| !check.differences.is_empty());
    let (mut modules, mut told, mut licenses) = (Vec::new(), Vec::new(), Tree::new());
    let mut environment = BTreeMap::new();
    for set in artifact.each_set() {
        let fresh = pack::rebuild(&set, None, shared, offline, report)?;
        if let Some(difference) = module(&set.wasm, &fresh.wasm) {
            let again = |features: &Features| {
                let made = pack::rebuild(&set, Some(features), shared, offline, report);
                made.is_ok_and(|made| made.wasm == set.wasm)
            };
            modules.push(difference);
            modules.push(format!("likely cause: {}", cause(&set, &fresh, changed, &again)));
        }
        told.extend(facts(&set, &fresh));
        environment.extend(fresh.manifest.environment);
        licenses.extend(fresh.licenses);
    }
    if environment != artifact.manifest.environment {
        told.push(given("environment"));
    }
    told.extend(tree(&artifact.licenses, &licenses));
    checks.push(Check::new("the sources compile to the module", modules));
    checks.push(Check::new("the sources give the manifest's facts", told));
    Ok(checks)
}

/// The first difference of two modules: a function or a section.
fn module(found: &[u8], fresh: &[u8]) -> Option<String> {
    if found == fresh {
        return None;
    }
    let (found, fresh) = (pieces(found), pieces(fresh));
    let at = found.iter().zip(&fresh).take_while(|(found, fresh)| found == fresh).count();
    Some(match (found.get(at), fresh.get(at)) {
        (Some((name, found)), Some((other, fresh))) if name == other => {
            let equal = found.iter().zip(*fresh).take_while(|(a, b)| a == b).count();
            let sizes = match (found.len(), fresh.len()) {
                (a, b) if a == b => format!("{a} bytes"),
                (a, b) => format!("{a} bytes, {b} when built again"),
            };
            format!("first difference: {name}, at its byte {equal} ({sizes})")
        }
        (Some((name, _)), _) => format!("first difference: {name}, which a fresh build has not"),
        (_, Some((name, _))) => format!("first difference: {name}, which the module has not"),
        (None, None) => "the module is not canonical".into(),
    })
}

/// Functions and other sections by name, functions first: their code tells most.
fn pieces(wasm: &[u8]) -> Vec<(String, &[u8])> {
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    let mut exported = std::collections::BTreeMap::new();
    let mut index = 0;
    for payload in Parser::new(0).parse_all(wasm).map_while(std::result::Result::ok) {
        match &payload {
            Payload::CodeSectionEntry(body) => {
                let name = exported.get(&index);
                let name = name.map_or(String::new(), |name| format!(" (exported as `{name}`)"));
                functions.push((format!("function {index}{name}"), bytes(wasm, &body.range())));
                index += 1;
                continue;
            }
            Payload::ImportSection(section) => {
                let imports = section.clone().into_imports().flatten();
                let is_function = |ty| matches!(ty, wasmparser::TypeRef::Func(_));
                index += imports.filter(|import| is_function(import.ty)).count() as u32;
            }
            Payload::ExportSection(section) => {
                let exports = section.clone().into_iter().flatten();
                let functions = exports.filter(|export| export.kind == ExternalKind::Func);
                exported.extend(functions.map(|export| (export.index, export.name.to_owned())));
            }
            Payload::CodeSectionStart { .. } => continue,
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            let name = crate::inspect::section_name(id, &payload);
            others.push((format!("section {name}"), bytes(wasm, &range)));
        }
    }
    functions.extend(others);
    functions
}

fn bytes<'a>(wasm: &'a [u8], range: &std::ops::Range<u64>) -> &'a [u8] {
    &wasm[range.start as usize..range.end as usize]
}

/// What most likely made the difference, by what else differs.
fn cause(
    artifact: &Artifact,
    fresh: &Rebuilt,
    changed: bool,
    again: &dyn Fn(&Features) -> bool,
) -> String {
    let (then, now) = (&artifact.manifest.toolchain, &fresh.manifest.toolchain);
    if changed {
        return "the sources are not those of the registry".into();
    }
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    for (what, then, now) in [
        ("another precast", &then.recipe, &now.recipe),
        ("another rustc", &told(&then.commit), &told(&now.commit)),
        ("another LLVM in rustc", &told(&then.llvm), &told(&now.llvm)),
        ("another standard library", &then.std, &now.std),
        ("another linker", &then.linker, &now.linker),
    ] {
        if then != now {
            return format!("{what}: {then} then, {now} now");
        }
    }
    let all = Features { all: true, ..Features::default() };
    let none = Features { no_default: true, ..Features::default() };
    for (text, features) in [
        ("its default features", Features::default()),
        ("all features", all),
        ("no features", none),
    ] {
        if again(&features) {
            return format!(
                "other features: it was compiled with {text}, which the manifest denies"
            );
        }
    }
    "the module was compiled from other sources, or from a changed dependency".into()
}

fn given(name: &str) -> String {
    format!("`{name}` in the manifest is not what the sources give")
}

/// Fields of the manifest that follow from the sources.
fn facts(artifact: &Artifact, fresh: &Rebuilt) -> Vec<String> {
    let (then, now): (&Manifest, &Manifest) = (&artifact.manifest, &fresh.manifest);
    let mut differences = Vec::new();
    let mut check = |name: &str, is_equal: bool| {
        if !is_equal {
            differences.push(given(name));
        }
    };
    check("package", then.package.name == now.package.name);
    check("crate_name", then.package.crate_name == now.package.crate_name);
    check("macros", then.macros == now.macros);
    check("limits", then.limits == now.limits);
    check("features", then.features == now.features);
    check("linked", then.linked == now.linked);
    check("flags", then.toolchain.flags == now.toolchain.flags);
    check("target", then.toolchain.target == now.toolchain.target);
    differences
}

fn tree(found: &Tree, fresh: &Tree) -> Vec<String> {
    let paths: BTreeSet<&String> = found.keys().chain(fresh.keys()).collect();
    let differs = |path: &&String| match (found.get(*path), fresh.get(*path)) {
        (Some(found), Some(fresh)) if found == fresh => None,
        (Some(_), Some(_)) => Some(format!("{path} differs")),
        (Some(_), None) => Some(format!("{path} does not belong there")),
        _ => Some(format!("{path} is missing")),
    };
    paths.iter().filter_map(differs).collect()
}
