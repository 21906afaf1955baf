//! Calls that go as they should.

use hearth_domain::sandbox::{Ask, Heard, HostAsk, Level, Line, SandboxLimits, Tell};

use crate::house::{call, house, text};
use crate::{Test, run, wat};

pub(crate) const TESTS: &[Test] = &[
    ("a_call_goes_there_and_back", round_trip),
    ("a_host_call_goes_there_and_back", host_round_trip),
    ("every_call_starts_from_nothing", fresh),
    ("chance_is_the_calls_own_and_the_same_when_repeated", chance),
    ("what_confines_the_process_is_said", confined),
    ("it_says_that_it_is_alive", beats),
];

fn round_trip() {
    run(async {
        let house = house();
        let mut tool = house.tool(wat::echo(), SandboxLimits::default()).await;
        for text_in in ["", "{}", "grün 🌿", &"x".repeat(100_000)] {
            let (outcome, used) = tool.call(text_in).await;
            assert_eq!(text(&outcome), text_in);
            assert!(used.fuel > 0 && used.memory_bytes >= 131_072 && used.host_calls == 0, "{used:?}");
        }
    });
}

fn host_round_trip() {
    run(async {
        let house = house();
        // get("k") into 512: ok(some(value)): the pointer at 520, the length at 524.
        let get = r#"(call $log (i32.const 2) (i32.const 600) (i32.const 1)) (call $progress (i32.const 600) (i32.const 1))
            (call $get (i32.const 600) (i32.const 1) (i32.const 512))"#;
        let answer = wat::part("(i32.load (i32.const 520))", "(i32.load (i32.const 524))");
        let component = wat::tool(&format!("{get} {answer}"), r#"(data (i32.const 600) "k")"#);
        let mut tool = house.tool(component, SandboxLimits::default()).await;
        for _ in 0..3 {
            let (outcome, used) = tool.call("").await;
            assert_eq!(text(&outcome), "value");
            assert_eq!(used.host_calls, 1);
        }
        assert_eq!(tool.asked, vec![HostAsk::Get { key: "k".to_owned() }; 3]);
        assert_eq!(tool.lines[..2], [Line::Log(Level::Warn, "k".to_owned()), Line::Progress("k".to_owned())]);
    });
}

fn fresh() {
    run(async {
        let house = house();
        // Counts in a global and in memory: each call must find both at the beginning.
        let count = "(global.set $n (i32.add (global.get $n) (i32.const 1)))
            (i32.store8 (i32.const 700) (i32.add (i32.load8_u (i32.const 700)) (global.get $n)))";
        let component = wat::tool(
            &format!("{count} {}", wat::part("(i32.const 700)", "(i32.const 1)")),
            r#"(global $n (mut i32) (i32.const 0)) (data (i32.const 700) "a")"#,
        );
        let mut tool = house.tool(component, SandboxLimits::default()).await;
        for _ in 0..5 {
            assert_eq!(text(&tool.call("").await.0), "b");
        }
    });
}

fn chance() {
    run(async {
        let house = house();
        // Two draws of 4 bytes, as 8 letters from `a` to `p`.
        let draw = "(call $random (i32.const 4) (i32.const 512))
            (loop $more
              (i32.store8 (i32.add (i32.const 700) (local.get $i))
                (i32.add (i32.const 97) (i32.and (i32.const 15) (i32.load8_u (i32.add (i32.load (i32.const 512)) (local.get $i))))))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br_if $more (i32.lt_u (local.get $i) (i32.const 4))))";
        let mut tool = house.tool(wat::answers(draw, "(i32.const 700)", "(i32.const 4)"), SandboxLimits::default()).await;
        let first = text(&tool.call("").await.0).to_owned();
        assert_eq!(text(&tool.call("").await.0), first);
        let mut other = call(tool.next, "", 1_000);
        other.seed = [4; 32];
        assert!(tool.line.ask(Ask::Call(other)));
        let Heard::Tell(Tell::Done { outcome, .. }) = tool.hear().await else { panic!("no end") };
        assert_ne!(text(&outcome), first);
    });
}

fn confined() {
    run(async {
        let house = house();
        let compiled = house.compiled(wat::echo()).await;
        let mut tool = house.start(&compiled.digest, SandboxLimits::default()).await;
        let confined = tool.ready().await;
        let says = |part: &str| confined.iter().find(|(name, _)| name == part).map(|(_, outcome)| outcome.as_str());
        println!("{confined:#?}");
        for part in ["no new privileges", "system calls", "memory hidden from other processes", "number of descriptors", "amount of memory"]
        {
            assert_eq!(says(part), Some("done"), "{part}");
        }
    });
}

fn beats() {
    run(async {
        let house = house();
        let mut tool = house.tool(wat::echo(), SandboxLimits::default()).await;
        for id in [7, 9] {
            assert!(tool.line.ask(Ask::Beat { id }));
            assert_eq!(tool.hear().await, Heard::Tell(Tell::Beat { id }));
        }
    });
}
