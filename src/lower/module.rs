//! Reads a wasm module into the one record the other passes look at.

use wasmparser::{
    ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind, FuncType, FunctionBody, Import,
    Operator, Parser, Payload, Table, TableInit, TypeRef, Validator,
};

use super::heat;
use crate::artifact::module::{features, type_byte};
use crate::base::error::{Class, Context, Error, Result};
use crate::runtime::calls::CALLS;
use crate::runtime::image::{TABLES_MAX, TABLE_ITEMS_MAX, TYPES_MAX};

pub struct Segment {
    /// Table and index, or memory address, of an active segment.
    pub active: Option<(u32, u32)>,
}

#[derive(Default)]
pub struct Module<'a> {
    pub types: Vec<FuncType>,
    /// For each type the first equal one, numbered densely.
    pub type_ids: Vec<u32>,
    pub n_type_ids: u32,
    /// Type index of every function, imports first.
    pub funcs: Vec<u32>,
    /// Host call of every imported function.
    pub imports: Vec<u32>,
    pub bodies: Vec<FunctionBody<'a>>,
    /// Initial values.
    pub globals: Vec<u64>,
    /// Initial and maximal number of items.
    pub tables: Vec<(u32, u32)>,
    /// Initial and maximal pages.
    pub memory: (u32, u32),
    /// Items are function index plus one, 0 for null.
    pub elems: Vec<(Segment, Vec<u32>)>,
    pub datas: Vec<(Segment, &'a [u8])>,
    pub exports: Vec<(&'a str, u32)>,
    pub start: Option<u32>,
    /// The section that says what ran in samples.
    pub heat: &'a [u8],
    has_heat: bool,
}

/// Finds the number of an imported function.
pub type Resolve<'r> = &'r dyn Fn(&str, &str, &FuncType) -> Result<u32>;

impl<'a> Module<'a> {
    pub fn func_type(&self, func_idx: u32) -> &FuncType {
        &self.types[self.funcs[func_idx as usize] as usize]
    }

    pub fn host_call(&self, func_idx: u32) -> Option<u32> {
        self.imports.get(func_idx as usize).copied()
    }

    /// Validates and reads `wasm`.
    pub fn read(wasm: &'a [u8], resolve: Resolve) -> Result<Module<'a>> {
        Validator::new_with_features(features())
            .validate_all(wasm)
            .class(Class::Package, "the module is not valid")?;
        let mut module = Module::default();
        for payload in Parser::new(0).parse_all(wasm) {
            module.payload(payload.context("the module is not valid")?, resolve)?;
        }
        Ok(module)
    }

    fn payload(&mut self, payload: Payload<'a>, resolve: Resolve) -> Result<()> {
        match payload {
            Payload::TypeSection(reader) => {
                for ty in reader.into_iter_err_on_gc_types() {
                    self.types.push(ty.context("type section")?);
                }
                self.number_types()?;
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    self.import(&import.context("import section")?, resolve)?;
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.funcs.push(ty.context("function section")?);
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    self.table(&table.context("table section")?)?;
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    let memory = memory.context("memory section")?;
                    self.memory = (memory.initial as u32, memory.maximum.unwrap_or(65536) as u32);
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let value = self.constant(&global.context("global section")?.init_expr)?;
                    self.globals.push(value);
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export.context("export section")?;
                    if export.kind == ExternalKind::Func {
                        self.exports.push((export.name, export.index));
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => {
                for element in reader {
                    self.element(element.context("element section")?)?;
                }
            }
            Payload::DataSection(reader) => {
                for data in reader {
                    let data = data.context("data section")?;
                    let active = match &data.kind {
                        DataKind::Passive => None,
                        DataKind::Active { offset_expr, .. } => {
                            Some((0, self.constant(offset_expr)? as u32))
                        }
                    };
                    self.datas.push((Segment { active }, data.data));
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) if section.name() == heat::SECTION => {
                if self.has_heat {
                    let message = format!("the custom section {} is there twice", heat::SECTION);
                    return Err(Error::new(Class::Verify, message));
                }
                (self.has_heat, self.heat) = (true, section.data());
            }
            _ => (),
        }
        Ok(())
    }

    fn import(&mut self, import: &Import, resolve: Resolve) -> Result<()> {
        let TypeRef::Func(ty) = import.ty else {
            return Err(refused(import.module, import.name, "only functions can be imported"));
        };
        let number = resolve(import.module, import.name, &self.types[ty as usize])?;
        self.imports.push(number);
        self.funcs.push(ty);
        Ok(())
    }

    fn table(&mut self, table: &Table) -> Result<()> {
        if !matches!(table.init, TableInit::RefNull) {
            return Err(limit("tables with an initial value"));
        }
        let min = table.ty.initial.min(u32::MAX as u64) as u32;
        let others: u32 = self.tables.iter().map(|table| table.0).sum();
        if min > TABLE_ITEMS_MAX - others || self.tables.len() as u32 >= TABLES_MAX {
            return Err(limit("tables of this size"));
        }
        self.tables.push((min, table.ty.maximum.unwrap_or(u32::MAX as u64) as u32));
        Ok(())
    }

    fn element(&mut self, element: wasmparser::Element<'a>) -> Result<()> {
        let mut items = Vec::new();
        match &element.items {
            ElementItems::Functions(funcs) => {
                for func in funcs.clone() {
                    items.push(func.context("element section")? + 1);
                }
            }
            ElementItems::Expressions(_, exprs) => {
                for expr in exprs.clone() {
                    items.push(self.constant(&expr.context("element section")?)? as u32);
                }
            }
        }
        let active = match &element.kind {
            ElementKind::Passive => None,
            ElementKind::Declared => {
                items.clear();
                None
            }
            ElementKind::Active { table_index, offset_expr } => {
                Some((table_index.unwrap_or(0), self.constant(offset_expr)? as u32))
            }
        };
        self.elems.push((Segment { active }, items));
        Ok(())
    }

    /// The value of a constant expression; the globals it reads come before it.
    fn constant(&self, expr: &ConstExpr) -> Result<u64> {
        let mut value = 0;
        for operator in expr.get_operators_reader() {
            value = match operator.context("constant expression")? {
                Operator::I32Const { value } => value as u32 as u64,
                Operator::I64Const { value } => value as u64,
                Operator::F32Const { value } => value.bits() as u64,
                Operator::F64Const { value } => value.bits(),
                Operator::RefNull { .. } => 0,
                Operator::RefFunc { function_index } => function_index as u64 + 1,
                Operator::GlobalGet { global_index } => self.globals[global_index as usize],
                Operator::End => value,
                other => return Err(limit(&format!("the constant operator {other:?}"))),
            };
        }
        Ok(value)
    }

    fn number_types(&mut self) -> Result<()> {
        for (at, ty) in self.types.iter().enumerate() {
            let id = match self.types[..at].iter().position(|earlier| earlier == ty) {
                Some(earlier) => self.type_ids[earlier],
                None => {
                    self.n_type_ids += 1;
                    self.n_type_ids - 1
                }
            };
            self.type_ids.push(id);
        }
        if self.n_type_ids > TYPES_MAX {
            Err(limit("this many types"))
        } else {
            Ok(())
        }
    }
}

fn limit(what: &str) -> Error {
    Error::new(Class::Package, format!("the module uses what precast does not support: {what}"))
}

fn refused(module: &str, name: &str, why: &str) -> Error {
    Error::new(Class::Package, format!("the module imports `{name}` from `{module}`: {why}"))
        .help("macros may use what the standard library needs for environment, files, clock and standard error")
}

/// Resolves imports by the list of host calls.
pub fn host_call(module: &str, name: &str, ty: &FuncType) -> Result<u32> {
    for (number, call) in CALLS.iter().enumerate() {
        if call.module == module && call.name == name {
            let bytes =
                |types: &[wasmparser::ValType]| types.iter().map(type_byte).collect::<Vec<u8>>();
            if bytes(ty.params()) != call.params || bytes(ty.results()) != call.results {
                return Err(refused(module, name, "it has another type there"));
            }
            return Ok(number as u32);
        }
    }
    Err(refused(module, name, "no host function of this name exists"))
}
