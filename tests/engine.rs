//! The engine through its interface: lower, compress, instantiate, call.

use precast::lower::{compress, lower};
use precast::runtime::instance::{Fault, Host, Instance, Limits};
use precast::runtime::memory::Memory;

struct NoHost;

impl Host for NoHost {
    fn call(&mut self, call: u32, _: &[u64], _: &mut Memory) -> Result<u64, Fault> {
        Err(Fault::Denied(format!("host call {call}")))
    }
}

fn embedded(wat: &str) -> &'static [u8] {
    let wasm = wat::parse_str(wat).unwrap();
    Box::leak(compress(&lower(&wasm).unwrap()).unwrap().into_boxed_slice())
}

fn run(wat: &str, name: &str, args: &[u64], limits: Limits) -> Result<u64, Fault> {
    let mut instance = Instance::new(embedded(wat), limits)?;
    let func = instance.export(name).unwrap();
    instance.call(func, args, &mut NoHost)
}

#[test]
fn recursion_and_loops() {
    let wat = r#"(module
        (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                               (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func (export "sum") (param i64) (result i64) (local i64)
            (loop (local.set 1 (i64.add (local.get 1) (local.get 0)))
                (br_if 0 (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
            (local.get 1)))"#;
    assert_eq!(run(wat, "fib", &[20], Limits::default()).unwrap(), 6765);
    assert_eq!(run(wat, "sum", &[1000], Limits::default()).unwrap(), 500500);
}
