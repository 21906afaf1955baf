//! What scripts of the component model find in the host: a few functions, a module, and resources whose ends are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Error, Module, Result};

use crate::text::binary;

struct First;
struct Second;

#[derive(Default)]
struct Dropped {
    count: AtomicU32,
    last: AtomicU32,
}

/// The module `simple-module`: a global that is 100 and a function that answers 101.
const SIMPLE: &str = r#"(module (global (export "g") i32 i32.const 100) (func (export "f") (result i32) i32.const 101))"#;

pub fn link(linker: &mut Linker<()>) -> Result<()> {
    let simple = binary(SIMPLE).map_err(Error::msg)?;
    let simple = Module::new(linker.engine(), simple)?;
    let mut root = linker.root();
    root.func_wrap("host-echo-u32", |_, (value,): (u32,)| Ok((value,)))?;
    root.func_wrap("host-return-two", |_, (): ()| Ok((2_u32,)))?;
    let mut host = linker.instance("host")?;
    host.func_wrap("return-three", |_, (): ()| Ok((3_u32,)))?;
    host.func_wrap("return-hi", |_, (): ()| Ok(("hi".to_owned(),)))?;
    host.instance("nested")?.func_wrap("return-four", |_, (): ()| Ok((4_u32,)))?;
    host.module("simple-module", &simple)?;

    let dropped = Arc::new(Dropped::default());
    let drops = Arc::clone(&dropped);
    host.resource("resource1", ResourceType::host::<First>(), move |_, number| {
        drops.count.fetch_add(1, Ordering::SeqCst);
        drops.last.store(number, Ordering::SeqCst);
        Ok(())
    })?;
    host.resource("resource2", ResourceType::host::<Second>(), |_, _| Ok(()))?;
    host.resource("resource1-again", ResourceType::host::<First>(), |_, _| Err(Error::msg("never ended under this name")))?;
    host.func_wrap("[constructor]resource1", |_, (number,): (u32,)| Ok((Resource::<First>::new_own(number),)))?;
    host.func_wrap("[static]resource1.assert", |_, (one, number): (Resource<First>, u32)| holds(one.rep() == number))?;
    let drops = Arc::clone(&dropped);
    host.func_wrap("[static]resource1.last-drop", move |_, (): ()| Ok((drops.last.load(Ordering::SeqCst),)))?;
    host.func_wrap("[static]resource1.drops", move |_, (): ()| Ok((dropped.count.load(Ordering::SeqCst),)))?;
    host.func_wrap("[method]resource1.simple", |_, (one, number): (Resource<First>, u32)| holds(!one.owned() && one.rep() == number))?;
    host.func_wrap("[method]resource1.take-borrow", |_, (one, other): (Resource<First>, Resource<First>)| {
        holds(!one.owned() && !other.owned())
    })?;
    host.func_wrap("[method]resource1.take-own", |_, (one, other): (Resource<First>, Resource<First>)| holds(!one.owned() && other.owned()))
}

fn holds(is: bool) -> Result<()> {
    if is { Ok(()) } else { Err(Error::msg("a resource is not what it was")) }
}
