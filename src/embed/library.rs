//! The shim's `src/lib.rs`: one documented function for each macro, meant to be read.

use super::names::{identifier, of_set, MARK, TABLE};
use super::original::{included, Original};
use super::{cargo, expansions, parts, sets};
use crate::artifact::manifest::{Capabilities, Kind, Limits, Macro, Manifest};
use crate::artifact::{includes_out_dir, names, Artifact};
use crate::base::error::{Class, Context, Error, Result};
use quote::ToTokens;
use std::fmt::Write;
use syn::parse::Parser;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta};

pub(super) fn write(
    artifact: &Artifact,
    original: &Original,
    capabilities: &Capabilities,
) -> Result<String> {
    let mut out = head(artifact, original);
    out += &checks(artifact, original)?;
    out += &module(artifact, original, capabilities)?;
    for (item, condition) in macros(&artifact.manifest) {
        out += &function(item, &condition, &documented(item, artifact, original)?)
            .context(format!("macro {}", item.name))?;
    }
    let generated_root = &original.generated_root;
    let include = core_macro(artifact, original, "include");
    let _ = write!(out, "\n#[cfg(precast_from_source)]\n{include}!(\"../{generated_root}\");\n");
    Ok(out)
}

/// How to write a macro of the language, also where the crate has one of that name.
fn core_macro(artifact: &Artifact, original: &Original, name: &str) -> String {
    if macros(&artifact.manifest).iter().all(|(item, _)| item.name != name) {
        return name.into();
    }
    let edition = original.manifest.get("package").and_then(|package| package.get("edition"));
    match edition.and_then(|edition| edition.as_str()) {
        // There a path with colons in front begins in the crate itself.
        None | Some("2015") => format!("core::{name}"),
        Some(_) => format!("::core::{name}"),
    }
}

/// What this file is, the original's documentation and, under the condition, its inner attributes.
fn head(artifact: &Artifact, original: &Original) -> String {
    let manifest = &artifact.manifest;
    let (name, version) = (&manifest.package.name, &manifest.package.version);
    let mut out = format!(
        "{MARK}{} from {name} {version}.
//
// These macros run in a sandbox: precast/module.wasm, compiled from source/ and lowered to
// precast/image.bin, on the engine in src/precast/. precast/manifest.json says what they may read.
// `cargo precast verify` compares every file. To build the original source instead; with
// a target, by the second, for flags then do not reach macros:
//
//     RUSTFLAGS='--cfg precast_from_source' cargo build
//     RUSTC_WRAPPER=precast-from-source cargo build --target TRIPLE
",
        manifest.precast
    );
    if let Some(script) = build_script(artifact, original) {
        let _ = write!(
            out,
            "//\n// The original has a build script, source/{script}, which is not run here. What it would \
             set with\n// `cargo:rustc-cfg` must then be given the same way.\n"
        );
    }
    out += "\n";
    for doc in &original.docs {
        let _ = writeln!(out, "{doc}");
    }
    out += "#![allow(unknown_lints, unexpected_cfgs)]\n";
    out += "#![cfg_attr(not(precast_from_source), allow(clippy::all, clippy::pedantic, rustdoc::all, nonstandard_style, elided_lifetimes_in_paths))]\n";
    out +=
        "#![cfg_attr(all(precast_nightly, not(precast_from_source)), feature(proc_macro_span))]\n";
    for attribute in &original.attributes {
        // A comment at its end would hide our parenthesis.
        let end = if attribute.contains("//") { "\n" } else { "" };
        let _ = writeln!(out, "#![cfg_attr(precast_from_source, {attribute}{end})]");
    }
    out
}

/// The macros of all feature sets, each with the condition under which it is there.
fn macros(manifest: &Manifest) -> Vec<(&Macro, String)> {
    let everywhere = "not(precast_from_source)";
    if manifest.sets.is_empty() {
        return manifest.macros.iter().map(|item| (item, everywhere.to_owned())).collect();
    }
    let of_sets = std::iter::once(&manifest.macros).chain(manifest.sets.iter().map(|s| &s.macros));
    let conditions = sets::conditions(manifest);
    let mut found: Vec<(&Macro, Vec<&str>)> = Vec::new();
    for (macros, condition) in of_sets.zip(&conditions) {
        for item in macros {
            match found.iter_mut().find(|(known, _)| *known == item) {
                Some((_, sets)) => sets.push(condition),
                None => found.push((item, vec![condition])),
            }
        }
    }
    let condition = |sets: Vec<&str>| match sets.len() == conditions.len() {
        true => everywhere.to_owned(),
        false => format!("all({everywhere}, any({}))", sets.join(", ")),
    };
    found.into_iter().map(|(item, sets)| (item, condition(sets))).collect()
}

/// Compile errors for what the module or the sources cannot do.
fn checks(artifact: &Artifact, original: &Original) -> Result<String> {
    let manifest = &artifact.manifest;
    let (name, version) = (&manifest.package.name, &manifest.package.version);
    let mut out = String::new();
    for feature in cargo::feature_names(original) {
        if feature == "default" || manifest.feature_sets().any(|set| set.contains(&feature)) {
            continue;
        }
        let message = format!(
            "{name} {version} was precompiled without its feature `{feature}`; {}",
            add(manifest, &feature)
        );
        let _ = write!(
            out,
            "\n#[cfg(all(feature = {feature:?}, not(precast_from_source)))]\ncompile_error!({message:?});\n"
        );
    }
    if !manifest.sets.is_empty() {
        let message = format!(
            "{name} {version} was not precompiled with these features together; {}",
            add(manifest, "FEATURES")
        );
        let condition = sets::nothing_fits(manifest);
        let _ = write!(
            out,
            "\n#[cfg(all(not(precast_from_source), {condition}))]\ncompile_error!({message:?});\n"
        );
    }
    for (variable, value) in &manifest.environment {
        let bytes = value.as_ref().map(|value| value.as_bytes().escape_ascii());
        let (is_absent, holds) = match bytes {
            Some(bytes) => {
                (false, format!("match value.as_bytes() {{ b\"{bytes}\" => true, _ => false }}"))
            }
            None => (true, "false".to_owned()),
        };
        let had = match value {
            Some(value) => format!("with {variable}={value:?}"),
            None => format!("without the variable {variable}"),
        };
        let message = format!(
            "{name} {version} was precompiled {had}, which it reads when it is compiled; for another value \
             build with RUSTFLAGS='--cfg precast_from_source'"
        );
        let [read, panic] = ["option_env", "panic"].map(|of| core_macro(artifact, original, of));
        let value = if is_absent { "_" } else { "value" };
        let _ = write!(
            out,
            "\n#[cfg(not(precast_from_source))]\nconst _: () = if !match {read}!({variable:?}) {{\n    \
             None => {is_absent},\n    Some({value}) => {holds},\n}} {{\n    \
             {panic}!(\"{{}}\", {message:?});\n}};\n"
        );
    }
    let unresolvable = cargo::unresolvable(original)?;
    let mut reasons: Vec<String> = unresolvable
        .iter()
        .map(|name| format!("its dependency `{name}` was a directory without a version"))
        .collect();
    if build_script(artifact, original).is_some() && includes_out_dir(&artifact.source) {
        reasons.push("it includes what its build script writes".into());
    }
    for reason in reasons {
        let message = format!("{name} {version} cannot be built from source here: {reason}");
        let _ = write!(out, "\n#[cfg(precast_from_source)]\ncompile_error!({message:?});\n");
    }
    Ok(out)
}

/// What there is, and how to get more.
fn add(manifest: &Manifest, features: &str) -> String {
    let (name, version) = (&manifest.package.name, &manifest.package.version);
    let had = sets::named(manifest).map(|set| match set[..] {
        [] => " --feature-set ''".to_owned(),
        _ => format!(" --feature-set {}", set.join(",")),
    });
    format!(
        "packed are the feature sets {}. To add one: `cargo precast pack {name}@{version}{} \
         --feature-set {features}`. Or build with RUSTFLAGS='--cfg precast_from_source'",
        sets::listed(manifest),
        had.collect::<String>(),
    )
}

fn module(artifact: &Artifact, original: &Original, capabilities: &Capabilities) -> Result<String> {
    let mut out = start(artifact, capabilities)?;
    let own = match artifact.each_set().any(|set| parts::asks_for_own_files(&set.wasm)) {
        true => "OWN",
        false => "None",
    };
    if own == "OWN" {
        out += &own_files(&artifact.manifest, &core_macro(artifact, original, "option_env"));
    }
    let Capabilities { env, read, write } = capabilities;
    let grants = format!(
        "precast::Grants {{ env: &{env:?}, read: &{read:?}, write: &{write:?}, own: {own} }}"
    );
    let (manifest, include) = (&artifact.manifest, core_macro(artifact, original, "include_bytes"));
    if manifest.sets.is_empty() {
        out += &instance(artifact, &grants, capabilities, "not(precast_from_source)", &include, 0);
        return Ok(out);
    }
    out += "\n// The smallest feature set that has all enabled features.";
    for (index, (condition, set)) in
        sets::conditions(manifest).iter().zip(artifact.each_set()).enumerate()
    {
        let condition = format!("all(not(precast_from_source), {condition})");
        out += &instance(&set, &grants, capabilities, &condition, &include, index);
    }
    Ok(out)
}

/// The module's declaration with the image to embed, of the feature set that has the number.
fn instance(
    artifact: &Artifact,
    grants: &str,
    capabilities: &Capabilities,
    condition: &str,
    include: &str,
    index: usize,
) -> String {
    let manifest = &artifact.manifest;
    let kept = expansions::kept(manifest, &artifact.wasm, capabilities);
    let image = of_set(index, "image.bin");
    let table = match names::of(&artifact.wasm) {
        [] => "&[]".to_owned(),
        _ => format!("{include}!(\"../precast/{}\")", of_set(index, TABLE)),
    };
    format!(
        "
#[cfg({condition})]
static MODULE: precast::Module = precast::Module::new(
    {include}!(\"../precast/{image}\"),
    &{grants},
    {:?},
    {},
    {kept},
    {table},
);
",
        format!("{} {}", manifest.package.name, manifest.package.version),
        limits(&manifest.limits)
    )
}

/// Where the files of the package are that its macros read. Without cargo nobody knows.
fn own_files(manifest: &Manifest, option_env: &str) -> String {
    let label = format!("{}-{}", manifest.package.name, manifest.package.version);
    format!(
        "
#[cfg(not(precast_from_source))]
const OWN: Option<(&str, &str)> = match {option_env}!(\"CARGO_MANIFEST_DIR\") {{
    Some(shim) => Some(({label:?}, shim)),
    None => None,
}};
"
    )
}

fn start(artifact: &Artifact, capabilities: &Capabilities) -> Result<String> {
    Ok(format!(
        "
#[cfg(not(precast_from_source))]
extern crate proc_macro;

// The parts of the runtime that the module's imports ask for.
#[cfg(not(precast_from_source))]
{}
#[cfg(not(precast_from_source))]
#[path = \"precast/lib.rs\"]
mod precast;
",
        parts::write(artifact, capabilities)?
    ))
}

/// The runtime's limits, with those that the manifest lowers.
fn limits(limits: &Limits) -> String {
    let lowered = limits.all().into_iter().filter_map(|(_, value, field, _)| Some((field, value?)));
    let lowered: Vec<String> =
        lowered.map(|(field, value)| format!("{field}: {value}, ")).collect();
    match lowered.is_empty() {
        true => "precast::Limits::DEFAULT".into(),
        false => format!("precast::Limits {{ {}..precast::Limits::DEFAULT }}", lowered.concat()),
    }
}

fn function(item: &Macro, condition: &str, attributes: &str) -> Result<String> {
    let mut out = format!("\n{attributes}");
    let function = &item.function;
    let named = identifier(function);
    let declared = match item.kind {
        Kind::Derive if item.helpers.is_empty() => format!("proc_macro_derive({})", item.name),
        Kind::Derive => {
            format!("proc_macro_derive({}, attributes({}))", item.name, item.helpers.join(", "))
        }
        Kind::Attribute => "proc_macro_attribute".into(),
        Kind::Bang => "proc_macro".into(),
    };
    let (method, parameters, arguments) = match item.kind {
        Kind::Derive => ("derive", "input: proc_macro::TokenStream", "input"),
        Kind::Bang => ("bang", "input: proc_macro::TokenStream", "input"),
        Kind::Attribute => (
            "attribute",
            "args: proc_macro::TokenStream, item: proc_macro::TokenStream",
            "args, item",
        ),
    };
    let _ = write!(
        out,
        "#[cfg({condition})]
#[{declared}]
pub fn {named}({parameters}) -> proc_macro::TokenStream {{
    MODULE.{method}({function:?}, {arguments})
}}
"
    );
    Ok(out)
}

/// The outer attributes of a macro, one a line: what its users are told, and nothing else.
fn documented(item: &Macro, artifact: &Artifact, original: &Original) -> Result<String> {
    let mut out = String::new();
    for text in &item.attributes {
        let attributes = Attribute::parse_outer.parse_str(text);
        let unreadable = format!("cannot read the attribute {text} of {}", item.name);
        let attributes = attributes.class(Class::Package, unreadable)?;
        for attribute in &attributes {
            if !attribute.path().is_ident("doc") && !attribute.path().is_ident("deprecated") {
                let message = format!("{} cannot have the attribute {text}", item.name);
                return Err(Error::new(Class::Package, message));
            }
            if let Some(lines) = doc_lines(attribute) {
                out += &lines;
            } else if let Some(path) = doc_file(attribute) {
                if let Some(path) = included(&artifact.source, &original.root_dir, &path) {
                    let _ = writeln!(out, "#[doc = include_str!({path:?})]");
                }
            } else if !is_computed(attribute) && attributes.len() == 1 {
                let _ = writeln!(out, "{}", text.trim());
            } else if !is_computed(attribute) {
                let _ = writeln!(out, "{}", attribute.to_token_stream());
            }
        }
    }
    Ok(out)
}

/// The file of `#[doc = include_str!("file")]`.
fn doc_file(attribute: &Attribute) -> Option<String> {
    let Expr::Macro(call) = &attribute.meta.require_name_value().ok()?.value else { return None };
    let path: LitStr = call.mac.parse_body().ok()?;
    call.mac.path.is_ident("include_str").then(|| path.value())
}

/// Whether the value is something else than a literal: it may read files, and is left out.
fn is_computed(attribute: &Attribute) -> bool {
    let value = attribute.meta.require_name_value().map(|pair| &pair.value);
    value.is_ok_and(|value| !matches!(value, Expr::Lit(_)))
}

/// Documentation as comments, where comments can say it.
fn doc_lines(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value else { return None };
    let text = text.value();
    let is_comment = |line: &str| !line.starts_with('/') && !line.contains('\r');
    if !pair.path.is_ident("doc") || !text.split('\n').all(is_comment) {
        return None;
    }
    Some(text.split('\n').map(|line| format!("///{line}\n")).collect())
}

/// The original's build script, by its path in the sources.
fn build_script(artifact: &Artifact, original: &Original) -> Option<String> {
    let build = original.manifest.get("package").and_then(|package| package.get("build"));
    let path = match build {
        None => "build.rs",
        Some(item) => item.as_str()?,
    };
    artifact.source.contains_key(path).then(|| path.to_string())
}
