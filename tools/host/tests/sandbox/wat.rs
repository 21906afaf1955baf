//! Components for tests: a core module in text, made a component of the tool's world.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where `describe` finds its empty list, and `call` what it returns.
const HEAD: &str = r#"
  (import "hearth:tool/host@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "hearth:tool/host@0.1.0" "progress" (func $progress (param i32 i32)))
  (import "hearth:tool/host@0.1.0" "random" (func $random (param i32 i32)))
  (import "hearth:tool/host@0.1.0" "wall-ms" (func $wall (result i64)))
  (import "hearth:tool/keyvalue@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "hearth:tool/keyvalue@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
  (import "hearth:tool/http@0.1.0" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
"#;
const DESCRIBE: &str = r#"
  (func (export "describe") (result i32) (i32.const 16))
  (func (export "cabi_post_describe") (param i32))
"#;
/// Gives memory from 64 KiB on, and never takes it back.
const ALLOCATE: &str = r#"
  (global $next (mut i32) (i32.const 65536))
  (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
      (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16))))))
    (local.get $at))
"#;

/// The parameters of `call` in the core: operation, arguments, and the five fields of the context.
const CALL: &str = r#"(param $op i32) (param $op_len i32) (param $args i32) (param $args_len i32)
    (param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (result i32)"#;

/// A tool whose `call` is this code, with these further definitions.
pub(crate) fn tool(call: &str, more: &str) -> Vec<u8> {
    component(&format!(
        r#"(module {HEAD} (memory (export "memory") 2) {ALLOCATE} {DESCRIBE} {more}
        (func (export "call") {CALL} (local $i i32) {call}) (func (export "cabi_post_call") (param i32)))"#
    ))
}

/// A tool that answers with one part of text: the bytes from `at`, so many.
pub(crate) fn answers(prepare: &str, at: &str, bytes: &str) -> Vec<u8> {
    tool(&format!("{prepare} {}", part(at, bytes)), "")
}

/// The code of an answer: `ok([text])` at 256, whose only part is at 288.
pub(crate) fn part(at: &str, bytes: &str) -> String {
    format!(
        "(i32.store8 (i32.const 256) (i32.const 0)) (i32.store (i32.const 260) (i32.const 288)) (i32.store (i32.const 264) (i32.const 1))
         (i32.store8 (i32.const 288) (i32.const 0)) (i32.store (i32.const 292) {at}) (i32.store (i32.const 296) {bytes}) (i32.const 256)"
    )
}

/// Gives back the arguments it was called with.
pub(crate) fn echo() -> Vec<u8> {
    answers("", "(local.get $args)", "(local.get $args_len)")
}

/// A core module in text, made a component of the tool's world.
pub(crate) fn component(text: &str) -> Vec<u8> {
    embed(wat::parse_str(text).unwrap()).unwrap()
}

/// A core module, made a component of the tool's world.
pub(crate) fn embed(mut module: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let world = resolve.select_world(&[package], Some("tool")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|error| format!("{error:#}"))?;
    let encoder = ComponentEncoder::default().validate(false).module(&module).map_err(|error| format!("{error:#}"))?;
    encoder.validate(false).encode().map_err(|error| format!("{error:#}"))
}

/// A module or component as it stands.
pub(crate) fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
