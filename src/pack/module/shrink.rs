//! Linked wasm -> canonical wasm: only what the macros reach, in the order of the specification,
//! under the names that the host calls. The linker's names become a table.

use crate::artifact::names;
use crate::base::error::{Class, Context, Error, Result};
use crate::lower;
use crate::pack::module::exports::Exports;
use crate::pack::module::parts::{index, validate, Module};
use crate::pack::profile::Profile;
use std::collections::BTreeSet;
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, CustomSection, DataCountSection, DataSection, ElementSection, ExportKind,
    ExportSection, FunctionSection, GlobalSection, ImportSection, MemorySection, Module as Encoded,
    StartSection, TableSection, TypeSection,
};

/// The macros in the text form that the compiler's own experiment with wasm macros reads.
pub const DECLARATIONS: &str = ".rustc_proc_macro_decls";
/// Who made the module; for people who find one.
pub const ORIGIN: &str = "precast";

/// Writes the canonical form. `origin` is the text of our own custom section. The functions are in
/// the linker's order but for those of the profile, which are before all that are not imported; it names
/// them by their indexes in the module that is made without it.
pub fn shrink(
    module: &Module,
    exports: &Exports,
    origin: &str,
    profile: &Profile,
) -> Result<Vec<u8>> {
    let mut reached = Reached::from(module);
    let roots = exports.functions().map(|(_, function)| function);
    reached.follow(roots).class(Class::Package, "cannot follow the module's calls")?;
    let mut writer = Writer::new(module, &reached, &profile.order);
    let heat =
        profile.heat.iter().map(|(func, ran)| (writer.renumbered(&reached, *func), ran.clone()));
    let heat = lower::write_heat(&heat.collect());
    let names = names::write(writer.names())?;
    let encoded = writer.module(exports, origin, &heat, &names);
    let wasm = encoded.class(Class::Other, "cannot write the module")?.finish();
    let checked = validate(&wasm);
    checked.map_err(|error| Error::new(Class::Other, format!("shrunk wrongly: {error}")))?;
    Ok(wasm)
}

/// The functions that these lead to.
pub fn reached(module: &Module, roots: impl Iterator<Item = u32>) -> Result<BTreeSet<u32>> {
    let mut reached = Reached::from(module);
    reached.follow(roots).class(Class::Package, "cannot follow the module's calls")?;
    Ok(reached.functions)
}

type Encoding<T> = std::result::Result<T, reencode::Error<Infallible>>;

/// What the exports reach. Re-encoding a piece reports every index in it.
struct Reached<'m, 'a> {
    module: &'m Module<'a>,
    functions: BTreeSet<u32>,
    globals: BTreeSet<u32>,
    types: BTreeSet<u32>,
    data: BTreeSet<u32>,
    todo: Vec<u32>,
}

impl<'m, 'a> Reached<'m, 'a> {
    fn from(module: &'m Module<'a>) -> Self {
        Reached {
            module,
            functions: BTreeSet::new(),
            globals: BTreeSet::new(),
            types: BTreeSet::new(),
            data: BTreeSet::new(),
            todo: Vec::new(),
        }
    }

    fn follow(&mut self, roots: impl Iterator<Item = u32>) -> Encoding<()> {
        let module = self.module;
        for function in roots {
            self.function_index(function)?;
        }
        if let Some(start) = module.start {
            self.function_index(start)?;
        }
        // A table's entry may be called by its number: all of them stay.
        for element in module.elements.iter().cloned() {
            self.parse_element(&mut ElementSection::new(), element)?;
        }
        for data in module.data.iter().cloned() {
            self.parse_data(&mut DataSection::new(), data)?;
        }
        while let Some(function) = self.todo.pop() {
            self.type_index(module.functions[function as usize])?;
            if let Some(body) = module.body(function) {
                self.parse_function_body(&mut CodeSection::new(), body.clone())?;
            }
        }
        Ok(())
    }
}

impl Reencode for Reached<'_, '_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Encoding<u32> {
        if self.functions.insert(function) {
            self.todo.push(function);
        }
        Ok(function)
    }

    fn global_index(&mut self, global: u32) -> Encoding<u32> {
        if self.globals.insert(global) {
            let init = self.module.globals[global as usize].init_expr.clone();
            self.const_expr(init)?;
        }
        Ok(global)
    }

    fn type_index(&mut self, ty: u32) -> Encoding<u32> {
        self.types.insert(ty);
        Ok(ty)
    }

    fn data_index(&mut self, data: u32) -> Encoding<u32> {
        self.data.insert(data);
        Ok(data)
    }
}

/// New index by old index; `None` is dropped.
struct Map(Vec<Option<u32>>);

impl Map {
    fn new(len: usize, kept: impl Fn(u32) -> bool) -> Map {
        let mut next = 0;
        let renumber = |old: usize| {
            kept(index(old)).then(|| {
                next += 1;
                next - 1
            })
        };
        Map((0..len).map(renumber).collect())
    }

    fn get(&self, old: u32) -> u32 {
        self.0[old as usize].expect("what is written was reached")
    }

    fn has(&self, old: usize) -> bool {
        self.0[old].is_some()
    }
}

/// Old indexes of the functions that are kept and not imported, those of `first` before the others.
fn arrange(module: &Module, reached: &Reached, first: &[u32]) -> Vec<u32> {
    let kept: Vec<u32> = reached.functions.iter().copied().collect();
    let is_body = |function: &u32| *function as usize >= module.imports.len();
    let named = first.iter().map(|&new| kept[new as usize]).filter(is_body);
    let mut bodies: Vec<u32> = Vec::new();
    let mut seen = BTreeSet::new();
    for function in named.chain(kept.iter().copied().filter(is_body)) {
        if seen.insert(function) {
            bodies.push(function);
        }
    }
    bodies
}

struct Writer<'m, 'a> {
    module: &'m Module<'a>,
    functions: Map,
    /// The old index of every function that is not imported, in the new order.
    bodies: Vec<u32>,
    globals: Map,
    types: Map,
    data: Map,
}

impl<'m, 'a> Writer<'m, 'a> {
    fn new(module: &'m Module<'a>, reached: &Reached, first: &[u32]) -> Self {
        let active = |at: u32| {
            let kind = &module.data[at as usize].kind;
            matches!(kind, wasmparser::DataKind::Active { .. })
        };
        let bodies = arrange(module, reached, first);
        let mut functions = Map::new(module.functions.len(), |at| reached.functions.contains(&at));
        let n_imports = reached.functions.len() - bodies.len();
        for (at, &function) in bodies.iter().enumerate() {
            functions.0[function as usize] = Some(index(n_imports + at));
        }
        Writer {
            module,
            functions,
            bodies,
            globals: Map::new(module.globals.len(), |at| reached.globals.contains(&at)),
            types: Map::new(module.types.len(), |at| reached.types.contains(&at)),
            data: Map::new(module.data.len(), |at| active(at) || reached.data.contains(&at)),
        }
    }

    /// The linker's name of each function, in the new order; of what is imported the name of the host call.
    fn names(&self) -> impl Iterator<Item = Option<&'m str>> + '_ {
        let module = self.module;
        let imports = module.imports.iter().enumerate().filter(|(at, _)| self.functions.has(*at));
        let bodies = self.bodies.iter().map(|at| module.names.get(at).copied());
        imports.map(|(_, import)| Some(import.name)).chain(bodies)
    }

    fn module(
        &mut self,
        exports: &Exports,
        origin: &str,
        heat: &[u8],
        names: &[u8],
    ) -> Encoding<Encoded> {
        let mut encoded = Encoded::new();
        encoded.section(&self.types()?);
        encoded.section(&self.imports()?);
        encoded.section(&self.functions());
        encoded.section(&self.tables()?);
        encoded.section(&self.memories()?);
        encoded.section(&self.globals()?);
        encoded.section(&self.exports(exports));
        if let Some(start) = self.module.start {
            encoded.section(&StartSection { function_index: self.functions.get(start) });
        }
        encoded.section(&self.elements()?);
        let data = self.data()?;
        if self.module.bodies.iter().any(names_data) {
            encoded.section(&DataCountSection { count: data.len() });
        }
        encoded.section(&self.code()?);
        encoded.section(&data);
        let declarations = exports.declarations();
        for (name, text) in [(DECLARATIONS, declarations.as_str()), (ORIGIN, origin)] {
            encoded.section(&CustomSection { name: name.into(), data: text.as_bytes().into() });
        }
        for (name, data) in [(lower::HEAT_SECTION, heat), (names::SECTION, names)] {
            if !data.is_empty() {
                encoded.section(&CustomSection { name: name.into(), data: data.into() });
            }
        }
        Ok(encoded)
    }

    /// The index of the function that has index `plain` without a profile.
    fn renumbered(&self, reached: &Reached, plain: u32) -> u32 {
        let old = reached.functions.iter().nth(plain as usize);
        self.functions.get(*old.expect("the profile is of this module"))
    }

    fn types(&mut self) -> Encoding<TypeSection> {
        let mut section = TypeSection::new();
        for (at, ty) in self.module.types.iter().enumerate() {
            if self.types.has(at) {
                let ty = self.func_type(ty.clone())?;
                section.ty().func_type(&ty);
            }
        }
        Ok(section)
    }

    fn imports(&mut self) -> Encoding<ImportSection> {
        let mut section = ImportSection::new();
        for (at, import) in self.module.imports.iter().enumerate() {
            if self.functions.has(at) {
                self.parse_import(&mut section, *import)?;
            }
        }
        Ok(section)
    }

    fn functions(&self) -> FunctionSection {
        let mut section = FunctionSection::new();
        for &function in &self.bodies {
            section.function(self.types.get(self.module.functions[function as usize]));
        }
        section
    }

    fn tables(&mut self) -> Encoding<TableSection> {
        let mut section = TableSection::new();
        for table in self.module.tables.iter().cloned() {
            self.parse_table(&mut section, table)?;
        }
        Ok(section)
    }

    fn memories(&mut self) -> Encoding<MemorySection> {
        let mut section = MemorySection::new();
        for memory in self.module.memories.iter().copied() {
            section.memory(self.memory_type(memory)?);
        }
        Ok(section)
    }

    fn globals(&mut self) -> Encoding<GlobalSection> {
        let mut section = GlobalSection::new();
        for (at, global) in self.module.globals.iter().cloned().enumerate() {
            if self.globals.has(at) {
                self.parse_global(&mut section, global)?;
            }
        }
        Ok(section)
    }

    fn exports(&self, exports: &Exports) -> ExportSection {
        let mut section = ExportSection::new();
        section.export("memory", ExportKind::Memory, 0);
        for (name, function) in exports.functions() {
            section.export(name, ExportKind::Func, self.functions.get(function));
        }
        section
    }

    fn elements(&mut self) -> Encoding<ElementSection> {
        let mut section = ElementSection::new();
        for element in self.module.elements.iter().cloned() {
            self.parse_element(&mut section, element)?;
        }
        Ok(section)
    }

    fn code(&mut self) -> Encoding<CodeSection> {
        let mut section = CodeSection::new();
        for function in self.bodies.clone() {
            let body = self.module.body(function).expect("it is not imported");
            self.parse_function_body(&mut section, body.clone())?;
        }
        Ok(section)
    }

    fn data(&mut self) -> Encoding<DataSection> {
        let mut section = DataSection::new();
        for (at, data) in self.module.data.iter().cloned().enumerate() {
            if self.data.has(at) {
                self.parse_data(&mut section, data)?;
            }
        }
        Ok(section)
    }
}

impl Reencode for Writer<'_, '_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Encoding<u32> {
        Ok(self.functions.get(function))
    }

    fn global_index(&mut self, global: u32) -> Encoding<u32> {
        Ok(self.globals.get(global))
    }

    fn type_index(&mut self, ty: u32) -> Encoding<u32> {
        Ok(self.types.get(ty))
    }

    fn data_index(&mut self, data: u32) -> Encoding<u32> {
        Ok(self.data.get(data))
    }
}

/// Whether the body has an instruction for which wasm wants the number of segments in advance.
fn names_data(body: &wasmparser::FunctionBody) -> bool {
    use wasmparser::Operator::{DataDrop, MemoryInit};
    let Ok(mut reader) = body.get_operators_reader() else { return false };
    while let Ok(operator) = reader.read() {
        if matches!(operator, MemoryInit { .. } | DataDrop { .. }) {
            return true;
        }
        if reader.eof() {
            break;
        }
    }
    false
}
