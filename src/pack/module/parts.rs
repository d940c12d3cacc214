//! The module as the linker made it, taken apart: what the later passes choose from.

use crate::base::error::{Class, Context, Error, Result};
use std::collections::BTreeMap;
use wasmparser::{
    Data, Element, Export, FuncType, FunctionBody, Global, Import, KnownCustom, MemoryType, Name,
    Parser, Payload, Table, TypeRef, Validator, WasmFeatures,
};

/// What rustc emits for the target and the engine understands: docs/image.md.
const FEATURES: WasmFeatures = WasmFeatures::WASM2.difference(WasmFeatures::SIMD);

/// The custom section that the guest's attributes write.
const TOLD: &str = "precast.told";

#[derive(Default)]
pub struct Module<'a> {
    pub types: Vec<FuncType>,
    /// Imported functions; there are no other imports.
    pub imports: Vec<Import<'a>>,
    /// Type of every function, imported ones first.
    pub functions: Vec<u32>,
    pub tables: Vec<Table<'a>>,
    pub memories: Vec<MemoryType>,
    pub globals: Vec<Global<'a>>,
    pub exports: Vec<Export<'a>>,
    pub start: Option<u32>,
    pub elements: Vec<Element<'a>>,
    /// Bodies of the functions that are not imported.
    pub bodies: Vec<FunctionBody<'a>>,
    pub data: Vec<Data<'a>>,
    /// The linker's names of functions.
    pub names: BTreeMap<u32, &'a str>,
    /// What users are told of the macros: the records of the guest's attributes.
    pub told: &'a [u8],
}

/// Checks that the bytes are a module with no feature beyond those of the engine.
pub fn validate(wasm: &[u8]) -> Result<()> {
    let mut validator = Validator::new_with_features(FEATURES);
    let checked = validator.validate_all(wasm).map(drop);
    checked.class(Class::Package, "the module is not valid wasm, as far as precast supports it")
}

pub fn parse(wasm: &[u8]) -> Result<Module<'_>> {
    validate(wasm)?;
    let mut module = Module::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.class(Class::Package, "cannot read the module")?;
        module.payload(payload).class(Class::Package, "cannot read the module")?;
    }
    let imported: Result<Vec<u32>> = module.imports.iter().map(function_type).collect();
    module.functions.splice(0..0, imported?);
    Ok(module)
}

impl<'a> Module<'a> {
    fn payload(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    self.types.push(ty?);
                }
            }
            Payload::ImportSection(section) => collect(&mut self.imports, section.into_imports())?,
            Payload::FunctionSection(section) => collect(&mut self.functions, section)?,
            Payload::TableSection(section) => collect(&mut self.tables, section)?,
            Payload::MemorySection(section) => collect(&mut self.memories, section)?,
            Payload::GlobalSection(section) => collect(&mut self.globals, section)?,
            Payload::ExportSection(section) => collect(&mut self.exports, section)?,
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => collect(&mut self.elements, section)?,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(section) => collect(&mut self.data, section)?,
            Payload::CustomSection(section) if section.name() == TOLD => self.told = section.data(),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    for part in names {
                        if let Name::Function(functions) = part? {
                            for naming in functions {
                                let naming = naming?;
                                self.names.insert(naming.index, naming.name);
                            }
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub fn n_imports(&self) -> u32 {
        index(self.imports.len())
    }

    /// The body of a function, unless it is imported.
    pub fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        self.bodies.get(function.checked_sub(self.n_imports())? as usize)
    }
}

/// Wasm's indexes have 32 bits; a module that was read has no more items.
pub fn index(n: usize) -> u32 {
    u32::try_from(n).expect("a validated module counts in 32 bits")
}

fn collect<T>(
    items: &mut Vec<T>,
    section: impl IntoIterator<Item = wasmparser::Result<T>>,
) -> wasmparser::Result<()> {
    for item in section {
        items.push(item?);
    }
    Ok(())
}

fn function_type(import: &Import) -> Result<u32> {
    match import.ty {
        TypeRef::Func(ty) => Ok(ty),
        _ => {
            let name = format!("{}.{}", import.module, import.name);
            Err(Error::new(Class::Package, format!("the module imports {name}, not a function")))
        }
    }
}
