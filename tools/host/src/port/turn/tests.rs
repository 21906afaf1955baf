use hearth_domain::sandbox::{Call, Fault, HostAnswer, HostAsk, Level, Line, Usage};

use super::*;

fn call(id: u64) -> Ask {
    Ask::Call(Call {
        id,
        operation: String::new(),
        arguments: String::new(),
        key: String::new(),
        member: String::new(),
        locale: String::new(),
        zone: String::new(),
        deadline_ms: 0,
        wall_ms: 0,
        seed: [0; 32],
    })
}

fn ready() -> Tell {
    Tell::Ready { operations: Vec::new(), confined: Vec::new() }
}

fn asks(call: u64, question: u32) -> Tell {
    Tell::Host { call, question, ask: HostAsk::Get { key: String::new() } }
}

fn gives(call: u64, question: u32) -> Ask {
    Ask::Given { call, question, answer: HostAnswer::Done }
}

fn said(call: u64) -> Tell {
    Tell::Said { call, line: Line::Log(Level::Info, String::new()) }
}

fn done(call: u64) -> Tell {
    Tell::Done { call, outcome: Outcome::Fault(Fault::Trap), used: Usage::default() }
}

fn calling(limits: SandboxLimits) -> Turn {
    let mut turn = Turn::new(limits);
    turn.hears(&ready()).unwrap();
    assert_eq!(turn.asks(&call(1)), Say::Pass);
    turn
}

fn out_of_turn(turn: &mut Turn, tell: &Tell) {
    assert!(matches!(turn.hears(tell), Err(Ended::Protocol(_))), "{tell:?}");
}

#[test]
fn a_call_with_questions_runs_to_its_end() {
    let mut turn = calling(SandboxLimits::default());
    for question in 0..3 {
        turn.hears(&asks(1, question)).unwrap();
        turn.hears(&said(1)).unwrap();
        assert_eq!(turn.asks(&gives(1, question)), Say::Pass);
    }
    turn.hears(&done(1)).unwrap();
    assert_eq!(turn.asks(&call(2)), Say::Pass);
}

#[test]
fn a_forged_id_ends_it() {
    for forged in [asks(2, 0), asks(1, 1), said(2), done(2), done(0), ready(), Tell::Unfit(Fault::Trap), Tell::Beat { id: 1 }] {
        out_of_turn(&mut calling(SandboxLimits::default()), &forged);
    }
}

#[test]
fn nothing_is_said_before_it_is_ready_or_between_calls() {
    for tell in [asks(1, 0), said(1), done(1)] {
        out_of_turn(&mut Turn::new(SandboxLimits::default()), &tell);
        let mut idle = calling(SandboxLimits::default());
        idle.hears(&done(1)).unwrap();
        out_of_turn(&mut idle, &tell);
    }
}

#[test]
fn one_question_is_open_at_a_time() {
    let mut turn = calling(SandboxLimits::default());
    turn.hears(&asks(1, 0)).unwrap();
    out_of_turn(&mut turn, &asks(1, 1));
}

#[test]
fn a_flood_ends_it() {
    let mut turn = calling(SandboxLimits::default());
    for _ in 0..LINES {
        turn.hears(&said(1)).unwrap();
    }
    assert_eq!(turn.hears(&said(1)), Err(Ended::Flood));
    let mut turn = calling(SandboxLimits { host_calls: 1, ..SandboxLimits::default() });
    turn.hears(&asks(1, 0)).unwrap();
    turn.asks(&gives(1, 0));
    assert_eq!(turn.hears(&asks(1, 1)), Err(Ended::Flood));
}

#[test]
fn a_result_beyond_its_limit_is_no_result() {
    let mut turn = calling(SandboxLimits { result_bytes: 3, ..SandboxLimits::default() });
    let outcome = Outcome::Parts(vec![Part::Text("four".to_owned())]);
    out_of_turn(&mut turn, &Tell::Done { call: 1, outcome, used: Usage::default() });
}

#[test]
fn a_late_answer_is_dropped_and_a_second_call_ends_it() {
    let mut turn = calling(SandboxLimits::default());
    assert_eq!(turn.asks(&gives(1, 0)), Say::Drop);
    assert!(matches!(turn.asks(&call(2)), Say::End(_)));
    turn.hears(&done(1)).unwrap();
    assert_eq!(turn.asks(&gives(1, 0)), Say::Drop);
}
