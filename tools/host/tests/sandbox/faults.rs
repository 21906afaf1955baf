//! Components that break, each in its own way.

use std::time::Duration;

use hearth_domain::sandbox::{CompileError, Fault, Outcome, SandboxError, SandboxLimits, Sandboxes as _};
use hearth_tool_host::compile::COMPONENT_BYTES;

use crate::house::{house, text};
use crate::{Test, run, wat};

pub(crate) const TESTS: &[Test] = &[
    ("a_call_that_breaks_says_how_and_the_next_one_is_served", breaks),
    ("a_component_that_cannot_be_used_says_why", unfit),
    ("what_is_no_component_is_refused", refused),
    ("a_thousand_thousand_lines_are_counted_and_not_kept", lines),
    ("a_deadline_holds_whatever_it_does", deadlines),
    ("a_compiled_form_that_was_touched_is_not_run", touched),
];

fn small() -> SandboxLimits {
    SandboxLimits { memory_bytes: 16 << 20, compute: Duration::from_millis(300), fuel: 2_000_000_000, ..SandboxLimits::default() }
}

fn breaks() {
    let forever = "(loop $l (br $l)) unreachable";
    let recurse = "(func $deep (param i32) (result i32) (local i64 i64 i64 i64) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    let tables = "(table $t 1 funcref)";
    // A list of a million parts that all are the same 64 KiB.
    let aliases = "(loop $l
            (i32.store8 (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 20))) (i32.const 0))
            (i32.store (i32.add (i32.const 1048580) (i32.mul (local.get $i) (i32.const 20))) (i32.const 0))
            (i32.store (i32.add (i32.const 1048584) (i32.mul (local.get $i) (i32.const 20))) (i32.const 65536))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 16384))))
        (i32.store8 (i32.const 256) (i32.const 0)) (i32.store (i32.const 260) (i32.const 1048576)) (i32.store (i32.const 264) (i32.const 16384)) (i32.const 256)";
    let big = |bytes: &str| wat::answers("(drop (memory.grow (i32.const 128)))", "(i32.const 0)", bytes);
    let asks = "(loop $l (call $get (i32.const 600) (i32.const 1) (i32.const 512)) (br $l)) unreachable";
    let cases: Vec<(&str, Vec<u8>, SandboxLimits, Fault)> = vec![
        ("a trap", wat::tool("unreachable", ""), small(), Fault::Trap),
        ("forever", wat::tool(forever, ""), SandboxLimits { fuel: u64::MAX, ..small() }, Fault::Deadline),
        ("all its fuel", wat::tool(forever, ""), SandboxLimits { fuel: 1_000_000, ..small() }, Fault::OutOfFuel),
        ("deep", wat::tool("(call $deep (i32.const 0))", recurse), small(), Fault::Stack),
        (
            "memory",
            wat::tool("(loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable", ""),
            small(),
            Fault::Memory,
        ),
        (
            "4 GiB at once",
            wat::tool("(if (i32.eq (i32.const -1) (memory.grow (i32.const 65000))) (then unreachable)) (i32.const 0)", ""),
            small(),
            Fault::Memory,
        ),
        (
            "tables",
            wat::tool("(loop $l (br_if $l (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 4096))))) unreachable", tables),
            small(),
            Fault::Memory,
        ),
        ("a result of 2 MiB", big("(i32.const 2097152)"), small(), Fault::ResultSize),
        ("a result of 6 MiB", big("(i32.const 6291456)"), small(), Fault::ResultSize),
        (
            "a result of 1 GiB made of 64 KiB",
            wat::tool(&format!("(drop (memory.grow (i32.const 32))) {aliases}"), ""),
            small(),
            Fault::ResultSize,
        ),
        ("a result of 1 GiB that is not there", big("(i32.const 1073741824)"), small(), Fault::Malformed),
        (
            "no UTF-8",
            wat::answers("(i32.store8 (i32.const 700) (i32.const 255))", "(i32.const 700)", "(i32.const 1)"),
            small(),
            Fault::Malformed,
        ),
        ("a result out of bounds", wat::tool("(i32.const -8)", ""), small(), Fault::Malformed),
        ("no such variant", wat::tool("(i32.store8 (i32.const 256) (i32.const 9)) (i32.const 256)", ""), small(), Fault::Malformed),
        ("too many questions", wat::tool(asks, r#"(data (i32.const 600) "k")"#), small(), Fault::HostCalls),
        ("too much chance", wat::tool("(call $random (i32.const -1) (i32.const 512)) unreachable", ""), small(), Fault::HostCalls),
        ("a start function that loops", wat::tool("unreachable", ""), small(), Fault::Trap),
    ];
    run(async {
        let house = house();
        for (what, component, limits, expected) in cases {
            println!("  {what}");
            let mut tool = house.tool(component, limits).await;
            for round in 0..2 {
                assert_eq!(tool.fault().await, expected, "{what}, {round}");
            }
        }
    });
}

fn unfit() {
    let module = |more: &str| {
        format!(
            r#"(module (memory (export "memory") 1) (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "describe") (result i32) (i32.const 16))
            (func (export "call") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable) {more})"#
        )
    };
    let text = |text: &str| wat::parse(text);
    let cases: Vec<(&str, Vec<u8>, Fault)> = vec![
        ("a start function that never ends", wat::component(&module("(func $s (loop $l (br $l))) (start $s)")), Fault::OutOfFuel),
        ("a start function that traps", wat::component(&module("(func $s unreachable) (start $s)")), Fault::Trap),
        ("4 GiB at the start", wat::component(&module("").replace("\"memory\") 1", "\"memory\") 65536")), Fault::Memory),
        ("a table of a million", wat::component(&module("(table 1000000 funcref)")), Fault::Memory),
        ("an import of files", text(r#"(component (import "wasi:filesystem/types@0.2.0" (instance)))"#), Fault::Imports),
        ("an import by another name", text(r#"(component (import "hearth" (func)))"#), Fault::Imports),
        ("nothing", text("(component)"), Fault::Exports),
        (
            "an interface that we do not have",
            text(
                r#"(component (import "hearth:tool/shell@0.1.0" (instance (export "run" (func))))
                (core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))
                (export "describe" (func $f)) (export "call" (func $f)))"#,
            ),
            Fault::Imports,
        ),
        (
            "functions of another type",
            text(
                r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f"))) (export "describe" (func $f)) (export "call" (func $f)))"#,
            ),
            Fault::Exports,
        ),
    ];
    run(async {
        let house = house();
        for (what, component, expected) in cases {
            let said = house.port.compile(component).await;
            let met = match said {
                Err(CompileError::Unfit(fault)) => fault,
                other => panic!("{what}: {other:?}"),
            };
            // The time may be over before the fuel is.
            let met = if expected == Fault::OutOfFuel && met == Fault::Deadline { expected } else { met };
            assert_eq!(met, expected, "{what}");
        }
    });
}

fn refused() {
    let echo = wat::echo();
    let core = wat::parse("(module)");
    let precompiled = {
        let engine = hearth_tool_host::engine::compiling().unwrap();
        engine.precompile_component(&echo).unwrap()
    };
    let noise: Vec<u8> = (0..10_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let noisy = [&echo[..8], &noise[..]].concat();
    run(async {
        let house = house();
        for bytes in [vec![], core, precompiled, noise, noisy, b"(component)".to_vec()] {
            assert_eq!(house.port.compile(bytes).await, Err(CompileError::Unfit(Fault::NotLoadable)));
        }
        for length in [9, echo.len() / 2, echo.len() - 1] {
            assert!(matches!(house.port.compile(echo[..length].to_vec()).await, Err(CompileError::Unfit(_))), "{length}");
        }
        let bytes = 500 << 20;
        let huge = house.port.compile(vec![0; bytes]).await;
        assert_eq!(huge, Err(CompileError::TooLarge { bytes, limit: COMPONENT_BYTES }));
        assert!(matches!(house.port.start("x", "../../etc/passwd", SandboxLimits::default()).await, Err(SandboxError::NotCompiled)));
    });
}

fn lines() {
    run(async {
        let house = house();
        let log = "(loop $l (call $log (i32.const 0) (i32.const 0) (i32.const 60000)) (call $progress (i32.const 0) (i32.const 10))
            (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (i32.const 1000000))))";
        let component = wat::answers(log, "(i32.const 0)", "(i32.const 0)");
        let limits = SandboxLimits { compute: Duration::from_secs(60), ..SandboxLimits::default() };
        let mut tool = house.tool(component, limits).await;
        let (outcome, used) = tool.call("").await;
        assert_eq!(text(&outcome), "");
        assert_eq!(used.lines_lost as usize + tool.lines.len(), 1_000_000 + 64);
        assert!(tool.lines.len() < 64 + 20, "{}", tool.lines.len());
    });
}

fn deadlines() {
    run(async {
        let house = house();
        let limits = SandboxLimits { fuel: u64::MAX, ..SandboxLimits::default() };
        let mut tool = house.tool(wat::tool("(loop $l (br $l)) unreachable", ""), limits).await;
        let from = std::time::Instant::now();
        let (outcome, _) = tool.call_within("", 100).await.unwrap();
        assert_eq!(outcome, Outcome::Fault(Fault::Deadline));
        assert!(from.elapsed() >= Duration::from_millis(100) && from.elapsed() < Duration::from_secs(5), "{:?}", from.elapsed());
    });
}

fn touched() {
    run(async {
        let house = house();
        let compiled = house.compiled(wat::echo()).await;
        let folder = house.folder.path().join("compiled");
        let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let started = house.port.start("x", &compiled.digest, SandboxLimits::default()).await;
        assert!(matches!(started, Err(SandboxError::NotCompiled)));
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        house.start(&compiled.digest, SandboxLimits::default()).await.ready().await;
    });
}
