//! Rewrites a module of the spec tests so that it runs alone and shows all it computes.
//!
//! A packed module imports host calls only. So what the tests import from `spectest`, and
//! functions of other modules that need nothing of theirs, become part of the module, and exported
//! globals get functions that return them. Indices and code of the module itself stay as they are.

use std::collections::HashMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{utils, Error, Reencode};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType,
    Module, RefType, StartSection, TableSection, TableType, TypeSection, ValType,
};
use wasmparser::{FuncType, Import, Imports, Operator, Parser, Payload, TypeRef};

/// Name of the function that returns an exported global.
pub fn global(name: &str) -> String {
    format!("global of the test: {name}")
}

#[derive(Default)]
struct Sections {
    types: Vec<FuncType>,
    n_imports: usize,
    /// The type of every function.
    functions: Vec<u32>,
    tables: TableSection,
    memories: MemorySection,
    globals: GlobalSection,
    global_types: Vec<ValType>,
    exports: ExportSection,
    exported: Vec<(String, ExportKind, u32)>,
    start: Option<u32>,
    elements: ElementSection,
    n_data: Option<u32>,
    code: CodeSection,
    data: DataSection,
}

/// Replaces reads of spectest's globals in constant expressions by their values.
#[derive(Default)]
struct Inline(HashMap<u32, ConstExpr>);

impl Reencode for Inline {
    type Error = Infallible;

    fn const_expr(&mut self, expr: wasmparser::ConstExpr) -> Result<ConstExpr, Error<Infallible>> {
        if let Ok(Operator::GlobalGet { global_index }) = expr.get_operators_reader().read() {
            if let Some(value) = self.0.get(&global_index) {
                return Ok(value.clone());
            }
        }
        utils::const_expr(self, expr)
    }
}

/// Modules by the name under which others import from them.
pub type Registered = HashMap<String, Vec<u8>>;

/// The module with imported parts inside; `None` if it needs no change or cannot be changed.
pub fn rewrite(wasm: &[u8], registered: &Registered) -> Option<Vec<u8>> {
    let mut inline = Inline::default();
    let mut sections = Sections::default();
    for payload in Parser::new(0).parse_all(wasm) {
        read(payload.ok()?, &mut sections, &mut inline, registered)?;
    }
    let mut changed = sections.n_imports > 0;
    for (name, kind, index) in std::mem::take(&mut sections.exported) {
        if kind == ExportKind::Global {
            sections.show_global(&name, index);
            changed = true;
        }
    }
    changed.then(|| sections.write())
}

fn read(
    payload: Payload<'_>,
    s: &mut Sections,
    inline: &mut Inline,
    registered: &Registered,
) -> Option<()> {
    match payload {
        Payload::TypeSection(types) => {
            for ty in types.into_iter_err_on_gc_types() {
                s.types.push(ty.ok()?);
            }
        }
        Payload::ImportSection(imports) => {
            for import in imports {
                let Imports::Single(_, import) = import.ok()? else { return None };
                match registered.get(import.module) {
                    Some(module) => s.link(import, module)?,
                    None => s.provide(import, inline)?,
                }
                s.n_imports += 1;
            }
        }
        Payload::FunctionSection(functions) => {
            for ty in functions {
                s.functions.push(ty.ok()?);
            }
        }
        Payload::TableSection(r) => inline.parse_table_section(&mut s.tables, r).ok()?,
        Payload::MemorySection(r) => inline.parse_memory_section(&mut s.memories, r).ok()?,
        Payload::GlobalSection(globals) => {
            for global in globals.clone() {
                s.global_types.push(inline.val_type(global.ok()?.ty.content_type).ok()?);
            }
            inline.parse_global_section(&mut s.globals, globals).ok()?;
        }
        Payload::ExportSection(exports) => {
            for export in exports.clone() {
                let export = export.ok()?;
                let kind = inline.export_kind(export.kind).ok()?;
                s.exported.push((export.name.to_owned(), kind, export.index));
            }
            inline.parse_export_section(&mut s.exports, exports).ok()?;
        }
        Payload::StartSection { func, .. } => s.start = Some(func),
        Payload::ElementSection(r) => inline.parse_element_section(&mut s.elements, r).ok()?,
        Payload::DataCountSection { count, .. } => s.n_data = Some(count),
        Payload::CodeSectionEntry(body) => {
            s.code.raw(body.as_bytes());
        }
        Payload::DataSection(r) => inline.parse_data_section(&mut s.data, r).ok()?,
        _ => {}
    }
    Some(())
}

impl Sections {
    /// Makes what `spectest` offers a part of the module; `None` if it offers no such thing.
    fn provide(&mut self, import: Import<'_>, inline: &mut Inline) -> Option<()> {
        if import.module != "spectest" {
            return None;
        }
        match (import.name, import.ty) {
            (name, TypeRef::Func(ty)) => {
                if !self.types.get(ty as usize)?.eq(&print(name)?) {
                    return None;
                }
                self.functions.push(ty);
                self.code.function(&end(Function::new([])));
            }
            ("memory", TypeRef::Memory(ty)) => {
                check_limits((1, Some(2)), (ty.initial, ty.maximum))?;
                let maximum = Some(2);
                self.memories.memory(MemoryType {
                    minimum: 1,
                    maximum,
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
            }
            ("table", TypeRef::Table(ty)) => {
                check_limits((10, Some(20)), (ty.initial, ty.maximum))?;
                if ty.element_type != wasmparser::RefType::FUNCREF {
                    return None;
                }
                let maximum = Some(20);
                self.tables.table(TableType {
                    element_type: RefType::FUNCREF,
                    minimum: 10,
                    maximum,
                    table64: false,
                    shared: false,
                });
            }
            (name, TypeRef::Global(ty)) if !ty.mutable => {
                let (val, value) = constant(name)?;
                if inline.val_type(ty.content_type).ok()? != val {
                    return None;
                }
                inline.0.insert(self.globals.len(), value.clone());
                self.globals
                    .global(GlobalType { val_type: val, mutable: false, shared: false }, &value);
                self.global_types.push(val);
            }
            _ => return None,
        }
        Some(())
    }

    /// Copies an imported function of another module; `None` if it needs more of that module.
    fn link(&mut self, import: Import<'_>, module: &[u8]) -> Option<()> {
        let TypeRef::Func(asked) = import.ty else { return None };
        let (ty, body) = function(module, import.name)?;
        if self.types.get(asked as usize)? != &ty {
            return None;
        }
        self.functions.push(asked);
        self.code.raw(body);
        Some(())
    }

    /// Exports a function that returns a global.
    fn show_global(&mut self, name: &str, index: u32) {
        let mut body = Function::new([]);
        body.instructions().global_get(index);
        let result = parser_type(self.global_types[index as usize]);
        self.types.push(FuncType::new([], [result]));
        self.functions.push(self.types.len() as u32 - 1);
        let func = self.functions.len() as u32 - 1;
        self.exports.export(&global(name), ExportKind::Func, func);
        self.code.function(&end(body));
    }

    fn write(&self) -> Vec<u8> {
        let mut types = TypeSection::new();
        for ty in &self.types {
            types.ty().func_type(&Inline::default().func_type(ty.clone()).expect("as it was read"));
        }
        let mut functions = FunctionSection::new();
        for ty in &self.functions {
            functions.function(*ty);
        }
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&self.tables);
        module.section(&self.memories).section(&self.globals).section(&self.exports);
        if let Some(function_index) = self.start {
            module.section(&StartSection { function_index });
        }
        module.section(&self.elements);
        if let Some(count) = self.n_data {
            module.section(&DataCountSection { count });
        }
        module.section(&self.code).section(&self.data);
        module.finish()
    }
}

/// An exported function that consists of constants and locals alone.
fn function<'a>(wasm: &'a [u8], name: &str) -> Option<(FuncType, &'a [u8])> {
    let (mut types, mut functions, mut bodies, mut func) =
        (Vec::new(), Vec::new(), Vec::new(), None);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::TypeSection(r) => {
                types = r.into_iter_err_on_gc_types().collect::<Result<_, _>>().ok()?
            }
            Payload::ImportSection(_) => return None,
            Payload::FunctionSection(r) => {
                functions = r.into_iter().collect::<Result<_, _>>().ok()?
            }
            Payload::ExportSection(r) => {
                let found = r.into_iter().flatten().find(|export| export.name == name)?;
                func =
                    (found.kind == wasmparser::ExternalKind::Func).then_some(found.index as usize);
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    let body = &bodies[func?];
    for operator in body.get_operators_reader().ok()? {
        match operator.ok()? {
            Operator::I32Const { .. } | Operator::F32Const { .. } => {}
            Operator::LocalGet { .. } | Operator::End => {}
            _ => return None,
        }
    }
    let ty = types.get(*functions.get(func?)? as usize)?;
    Some((FuncType::clone(ty), body.as_bytes()))
}

fn end(mut body: Function) -> Function {
    body.instructions().end();
    body
}

/// The type of spectest's functions, which do nothing here.
fn print(name: &str) -> Option<FuncType> {
    use wasmparser::ValType::{F32, F64, I32, I64};
    let params: &[wasmparser::ValType] = match name {
        "print" => &[],
        "print_i32" => &[I32],
        "print_i64" => &[I64],
        "print_f32" => &[F32],
        "print_f64" => &[F64],
        "print_i32_f32" => &[I32, F32],
        "print_f64_f64" => &[F64, F64],
        _ => return None,
    };
    Some(FuncType::new(params.iter().copied(), []))
}

fn constant(name: &str) -> Option<(ValType, ConstExpr)> {
    Some(match name {
        "global_i32" => (ValType::I32, ConstExpr::i32_const(666)),
        "global_i64" => (ValType::I64, ConstExpr::i64_const(666)),
        "global_f32" => (ValType::F32, ConstExpr::f32_const(666.6f32.into())),
        "global_f64" => (ValType::F64, ConstExpr::f64_const(666.6f64.into())),
        _ => return None,
    })
}

fn parser_type(val: ValType) -> wasmparser::ValType {
    match val {
        ValType::I32 => wasmparser::ValType::I32,
        ValType::I64 => wasmparser::ValType::I64,
        ValType::F32 => wasmparser::ValType::F32,
        ValType::F64 => wasmparser::ValType::F64,
        ValType::Ref(RefType::EXTERNREF) => wasmparser::ValType::EXTERNREF,
        _ => wasmparser::ValType::FUNCREF,
    }
}

/// An import may ask for less than is offered.
fn check_limits(offered: (u64, Option<u64>), asked: (u64, Option<u64>)) -> Option<()> {
    let fits = match (offered.1, asked.1) {
        (_, None) => true,
        (Some(offered), Some(asked)) => offered <= asked,
        (None, Some(_)) => false,
    };
    (asked.0 <= offered.0 && fits).then_some(())
}
