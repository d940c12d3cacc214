//! Reads facts from the wasm module: validity, imports, exports.

use crate::artifact::manifest::{decls, read_decls, Macro, DECLS_SECTION};
use crate::base::error::{Class, Context, Result};
use crate::runtime::calls::CALLS;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{
    DataKind, ExternalKind, Operator, Parser, Payload, TypeRef, ValType, Validator, WasmFeatures,
};

pub const TARGET: &str = "wasm32-wasip1";

/// What rustc emits for wasm32-wasip1, and no more.
pub fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::FLOATS
        | WasmFeatures::GC_TYPES
}

/// The wasm type byte, as `calls.rs` has it.
pub fn type_byte(ty: &ValType) -> u8 {
    match ty {
        ValType::I32 => 0x7f,
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        ValType::Ref(_) => 0x70,
    }
}

/// Exports of every module, beside one for each macro.
const EXPORTS: [&str; 3] = ["memory", "precast_buffer", "precast_start"];

/// Those of a module whose expansions can be remembered.
const MEMORY: [&str; 2] = ["precast_memory", "precast_recall"];

/// Imports and exports of a valid module.
#[derive(Default)]
pub(crate) struct Facts {
    /// Module, name, and the type if it is a function: wasm's encodings of parameters and results.
    pub(crate) imports: Vec<(String, String, Option<Signature>)>,
    pub(crate) exports: BTreeMap<String, ExternalKind>,
    pub(crate) decls: Option<Vec<u8>>,
    /// Names of custom sections that are there more than once.
    pub(crate) doubled: BTreeSet<String>,
}

type Signature = (Vec<u8>, Vec<u8>);

/// Why the module is no valid wasm, with the byte offset.
pub(crate) fn invalid(wasm: &[u8]) -> Vec<String> {
    let result = Validator::new_with_features(features()).validate_all(wasm);
    result.err().map(|error| format!("module.wasm: {error}")).into_iter().collect()
}

pub(crate) fn read(wasm: &[u8]) -> Result<Facts> {
    let mut facts = Facts::default();
    let mut types = Vec::new();
    let mut custom = BTreeSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.class(Class::Verify, "cannot read module.wasm")? {
            Payload::TypeSection(section) => {
                for group in section.into_iter_err_on_gc_types() {
                    let group = group.class(Class::Verify, "cannot read a type of module.wasm")?;
                    types.push((encode(group.params()), encode(group.results())));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.class(Class::Verify, "cannot read an import")?;
                    let signature = match import.ty {
                        TypeRef::Func(index) => types.get(index as usize).cloned(),
                        _ => None,
                    };
                    facts.imports.push((import.module.into(), import.name.into(), signature));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.class(Class::Verify, "cannot read an export")?;
                    facts.exports.insert(export.name.into(), export.kind);
                }
            }
            Payload::CustomSection(section) => {
                if !custom.insert(section.name()) {
                    facts.doubled.insert(section.name().into());
                } else if section.name() == DECLS_SECTION {
                    facts.decls = Some(section.data().to_vec());
                }
            }
            _ => {}
        }
    }
    Ok(facts)
}

/// Why the runtime would not run the module.
pub(crate) fn refusals(wasm: &[u8]) -> Vec<String> {
    let mut why = invalid(wasm);
    if let (true, Ok(facts)) = (why.is_empty(), read(wasm)) {
        why.extend(facts.forbidden_imports());
        let missing = EXPORTS.iter().filter(|name| !facts.exports.contains_key(**name));
        why.extend(missing.map(|name| format!("it does not export `{name}`")));
        why.extend(facts.wrong_sections());
    }
    why
}

impl Facts {
    pub(crate) fn forbidden_imports(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for (module, name, signature) in &self.imports {
            let call = CALLS.iter().find(|call| call.module == module && call.name == name);
            let same = |(params, results): &Signature| {
                call.is_some_and(|call| call.params == params && call.results == results)
            };
            if call.is_none() {
                differences.push(format!("`{module}` `{name}` is not among the runtime's calls"));
            } else if !signature.as_ref().is_some_and(same) {
                differences.push(format!("`{module}` `{name}` is imported with another type"));
            }
        }
        differences
    }

    /// Which custom sections do not say one thing.
    pub(crate) fn wrong_sections(&self) -> Vec<String> {
        let doubled = self.doubled.iter();
        let mut wrong: Vec<String> =
            doubled.map(|name| format!("the custom section {name} is there twice")).collect();
        wrong.extend(self.declared().err().map(|error| error.to_string()));
        wrong
    }

    /// The macros that the module itself declares.
    pub(crate) fn declared(&self) -> Result<Vec<Macro>> {
        self.decls.as_deref().map_or(Ok(Vec::new()), read_decls)
    }

    pub(crate) fn wrong_macros(&self, macros: &[Macro]) -> Vec<String> {
        let declared: BTreeSet<&str> = macros.iter().map(|item| item.function.as_str()).collect();
        let is_function = |name: &str| self.exports.get(name) == Some(&ExternalKind::Func);
        let missing = declared.iter().filter(|name| !is_function(name));
        let mut differences: Vec<String> = missing
            .map(|name| format!("the module does not export the function `{name}`"))
            .collect();
        let expected = |name: &&String| {
            let name = name.as_str();
            declared.contains(name) || EXPORTS.contains(&name) || MEMORY.contains(&name)
        };
        let extra = self.exports.keys().filter(|name| !expected(name));
        differences.extend(extra.map(|name| format!("the module also exports `{name}`")));
        let sections = self.wrong_sections();
        match &self.decls {
            None => differences.push(format!("the module has no section {DECLS_SECTION}")),
            Some(found) if sections.is_empty() && *found != decls(macros).into_bytes() => {
                differences.push(format!(
                    "the section {DECLS_SECTION} names other macros than the manifest"
                ))
            }
            _ => {}
        }
        differences.extend(sections);
        differences
    }
}

/// Where in the module's memory its variables begin, behind what is constant: with what the linker puts second. 0
/// if the module says nothing of it, or cannot remember expansions.
pub fn variables(wasm: &[u8]) -> u32 {
    let (mut starts, mut n_memory) = (Vec::new(), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        if let Ok(Payload::ExportSection(section)) = &payload {
            let exports = section.clone().into_iter().flatten();
            n_memory = exports.filter(|export| MEMORY.contains(&export.name)).count();
        }
        let Ok(Payload::DataSection(section)) = payload else { continue };
        for data in section.into_iter().flatten() {
            let DataKind::Active { offset_expr, .. } = data.kind else { continue };
            if let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() {
                starts.push(value as u32);
            }
        }
    }
    if n_memory < MEMORY.len() {
        return 0;
    }
    starts.get(1).or(starts.first()).copied().unwrap_or(0)
}

fn encode(types: &[ValType]) -> Vec<u8> {
    types.iter().map(type_byte).collect()
}
