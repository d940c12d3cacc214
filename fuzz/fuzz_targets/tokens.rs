//! The token ABI from a hostile guest: any host calls with any arguments, any records as output.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use precast::lower::{compress, lower};
use precast::runtime::calls::{ABI, ANSWER, CALLS, PANIC};
use precast::runtime::instance::Limits;
use precast::runtime::{Grants, Machine};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, ImportSection, MemorySection, MemoryType, Module, TypeSection, ValType,
};

const CALLS_MAX: usize = 24;
/// Where the input is written; what the fuzzer chooses lies before it.
const BUFFER: i32 = 32768;

fuzz_target!(|data: &[u8]| {
    let Ok((wasm, input, item)) = module(&mut Unstructured::new(data)) else { return };
    // libFuzzer's hook ends the process on every panic; the native interface's own are results here.
    std::panic::set_hook(Box::new(|_| ()));
    let image = compress(&lower(&wasm).expect("the module is valid")).expect("an image");
    // SAFETY: the machine is gone before the image is.
    let embedded: &'static [u8] = unsafe { std::mem::transmute(&image[..]) };
    static GRANTS: Grants = Grants {
        env: &["CARGO_*"],
        read: &["$CARGO_MANIFEST_DIR"],
        write: &["$OUT_DIR/fuzz"],
        own: None,
    };
    let limits = Limits {
        fuel: 1_000_000,
        memory_bytes_max: 1 << 20,
        tokens_max: 1 << 16,
        ..Limits::DEFAULT
    };
    let Ok(mut machine) = Machine::new(embedded, &GRANTS, limits) else { return };
    machine.mute();
    // State and handles of one expansion must not harm the next.
    for _ in 0..2 {
        let (input, item) = (input.parse().unwrap_or_default(), item.parse().ok());
        let expanded = std::panic::AssertUnwindSafe(|| machine.expand("f", input, item));
        match std::panic::catch_unwind(expanded) {
            Ok(Ok(output)) => drop(output.stream.to_string()),
            Ok(Err(_)) => break,
            // What the runtime does not catch would be an internal error of rustc.
            Err(payload) => {
                eprintln!("{:?}", payload.downcast_ref::<String>());
                std::process::abort()
            }
        }
    }
});

fn module(data: &mut Unstructured) -> Result<(Vec<u8>, String, String)> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    let value = |byte: &u8| if *byte == 0x7e { ValType::I64 } else { ValType::I32 };
    for (index, call) in CALLS.iter().enumerate() {
        types.ty().function(call.params.iter().map(value), call.results.iter().map(value));
        imports.import(call.module, call.name, EntityType::Function(index as u32));
    }
    let n = CALLS.len() as u32;
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(n).function(n + 1).function(n);
    let mut exports = ExportSection::new();
    for (index, name) in ["precast_start", "precast_buffer", "f"].iter().enumerate() {
        exports.export(name, ExportKind::Func, n + index as u32);
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: Some(4),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut code = CodeSection::new();
    for value in [ABI as i32, BUFFER] {
        let mut start = Function::new([]);
        start.instructions().i32_const(value).end();
        code.function(&start);
    }
    code.function(&body(data)?);
    let texts = (String::arbitrary(data)?, String::arbitrary(data)?);
    let mut datas = DataSection::new();
    let bytes = data.bytes(data.len())?;
    datas.active(0, &ConstExpr::i32_const(0), bytes[..bytes.len().min(BUFFER as usize)].to_vec());
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories);
    module.section(&exports).section(&code).section(&datas);
    Ok((module.finish(), texts.0, texts.1))
}

/// Host calls in a row; the result is any address.
fn body(data: &mut Unstructured) -> Result<Function> {
    let mut body = Function::new([(1, ValType::I64)]);
    for _ in 0..data.int_in_range(0..=CALLS_MAX)? {
        // Those of the token ABI twice as often as files and the like.
        let first = if data.ratio(2, 3)? { PANIC as usize + 2 } else { 0 };
        let number = data.int_in_range(first.min(ANSWER as usize)..=CALLS.len() - 1)?;
        let call = &CALLS[number];
        for ty in call.params {
            // Mostly a small number, an address, or what the call before gave.
            let constant = match data.int_in_range(0..=3)? {
                0 => i64::from(u8::arbitrary(data)?),
                1 => i64::from(u16::arbitrary(data)?),
                2 => i64::arbitrary(data)?,
                _ => {
                    body.instructions().local_get(0);
                    if *ty != 0x7e {
                        body.instructions().i32_wrap_i64();
                    }
                    continue;
                }
            };
            match *ty {
                0x7e => body.instructions().i64_const(constant),
                _ => body.instructions().i32_const(constant as i32),
            };
        }
        body.instructions().call(number as u32);
        match call.results {
            [] => {}
            [0x7e] => drop(body.instructions().local_set(0)),
            _ => drop(body.instructions().i64_extend_i32_u().local_set(0)),
        }
    }
    body.instructions().i32_const(i32::from(u16::arbitrary(data)?)).end();
    Ok(body)
}
