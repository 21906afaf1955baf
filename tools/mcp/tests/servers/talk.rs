//! What a server says, and what becomes of it.

use hearth_domain::sandbox::{
    CompileError, Ended, Fault, Heard, Level, Line, Outcome, Part, SandboxError, Sandboxes as _, Tell, ToolRefusalKind,
};
use hearth_domain::tool::Effect;
use hearth_domain::tool::name::Version;
use hearth_mcp::component;
use hearth_mcp::config::{Limits, Server};
use hearth_mcp::operations::manifest_of;

use crate::house::{NAME, TOOL, Talk, hostile, port};
use crate::{Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("a_server_is_installed_by_the_ordinary_path", a_server_is_installed_by_the_ordinary_path),
    ("a_component_that_names_no_server_is_refused", a_component_that_names_no_server_is_refused),
    ("calls_are_answered_one_after_the_other", calls_are_answered_one_after_the_other),
    ("a_refusal_of_the_server_is_its_own", a_refusal_of_the_server_is_its_own),
    ("progress_and_log_are_said_on_the_way", progress_and_log_are_said_on_the_way),
    ("pages_are_put_together", pages_are_put_together),
    ("a_server_that_is_none_is_unfit", a_server_that_is_none_is_unfit),
    ("a_server_that_is_silent_is_ended", a_server_that_is_silent_is_ended),
    ("a_server_that_breaks_off_is_told_by_its_code", a_server_that_breaks_off_is_told_by_its_code),
    ("a_command_that_is_not_there_is_told", a_command_that_is_not_there_is_told),
    ("what_breaks_the_protocol_ends_the_server", what_breaks_the_protocol_ends_the_server),
    ("an_answer_before_the_breach_counts", an_answer_before_the_breach_counts),
    ("a_call_that_is_late_ends_the_server", a_call_that_is_late_ends_the_server),
    ("a_call_that_is_given_up_ends_the_server", a_call_that_is_given_up_ends_the_server),
    ("a_result_that_is_too_large_is_a_fault", a_result_that_is_too_large_is_a_fault),
    ("sampling_roots_and_elicitation_are_refused", sampling_roots_and_elicitation_are_refused),
    ("tools_that_change_show_at_the_next_start", tools_that_change_show_at_the_next_start),
];

fn text(text: &str) -> Outcome {
    Outcome::Parts(vec![Part::Text(text.to_owned())])
}

fn a_server_is_installed_by_the_ordinary_path() {
    let below = tempfile::tempdir().unwrap();
    run(async {
        let port = port(hostile("plain", below.path()));
        let compiled = port.compile(component::of(NAME)).await.unwrap();
        assert_eq!(compiled.digest, component::digest(&component::of(NAME)));
        let manifest = manifest_of(NAME, Version { major: 1, minor: 0, patch: 0 }, &compiled.operations).unwrap();
        assert_eq!((manifest.check(), manifest.name.to_string()), (Ok(()), TOOL.to_owned()));
        assert!(manifest.operations.iter().all(|operation| operation.effect == Effect::ExternalSend && !operation.idempotent));
        let mut talk = Talk::start(&port).await;
        let (operations, confined) = talk.ready().await;
        assert_eq!(manifest.agrees(&operations), Ok(()), "every start is compared with what was granted");
        for part in ["no new privileges", "files", "network", "system calls", "no capabilities", "signals and abstract sockets of others"] {
            println!("  {part}: {}", confined[part]);
        }
        assert!(confined["system calls"] == "done" && confined["network"] != "not wanted" && confined["files"] != "not wanted");
    });
}

fn a_component_that_names_no_server_is_refused() {
    let below = tempfile::tempdir().unwrap();
    run(async {
        let port = port(hostile("plain", below.path()));
        let compile = |component: &[u8]| port.compile(component.to_vec());
        assert_eq!(compile(br#"{ "mcp_server": "test" }"#).await, Err(CompileError::Unfit(Fault::NotLoadable)));
        assert!(matches!(compile(&component::of("other")).await, Err(CompileError::Process(why)) if why.contains("configuration")));
        assert!(matches!(compile(&[b'{'; 10_000]).await, Err(CompileError::TooLarge { .. })));
        assert!(matches!(compile(b"\0asm").await, Err(CompileError::Process(why)) if why.contains("no tools")), "another port's");
        let digest = component::digest(&component::of(NAME));
        let other = port.start("evil/test", &digest, hearth_domain::sandbox::SandboxLimits::default()).await;
        assert!(matches!(other.map(|_| ()), Err(SandboxError::NotStarted(_))), "a server is its own tool's alone");
    });
}

fn calls_are_answered_one_after_the_other() {
    run(async {
        let mut talk = Talk::with("plain").await;
        for n in 0..20 {
            let arguments = format!("{{\"n\":{n}}}");
            assert_eq!(talk.call_with("echo", &arguments).await, (Ok(text(&arguments)), Vec::new()));
        }
        let (refused, _) = talk.call_with("echo", "[1]").await;
        assert!(matches!(refused, Ok(Outcome::Refused(refusal)) if refusal.kind == ToolRefusalKind::BadArguments));
        let (refused, _) = talk.call("other").await;
        assert!(matches!(refused, Ok(Outcome::Refused(refusal)) if refusal.kind == ToolRefusalKind::NotFound));
        talk.ask("hang", "{}", 50_000);
        talk.ask("echo", "{}", 50_000);
        assert_eq!(talk.end().await, Ended::Protocol("a second call while one runs".to_owned()));
    });
}

fn a_refusal_of_the_server_is_its_own() {
    run(async {
        let mut talk = Talk::with("plain").await;
        let (Ok(Outcome::Refused(refusal)), _) = talk.call("fail").await else { panic!("no refusal") };
        assert_eq!((refusal.kind, refusal.sentence.as_str()), (ToolRefusalKind::Failed, "it does not work"));
        assert_eq!(talk.call("echo").await.0, Ok(text("{}")), "and it lives on");
    });
}

fn progress_and_log_are_said_on_the_way() {
    run(async {
        let (outcome, lines) = Talk::with("plain").await.call("lines").await;
        assert_eq!(outcome, Ok(text("done")));
        let progress = |n| Line::Progress(format!("{n} of 3: step"));
        assert_eq!(lines, [progress(1), progress(2), progress(3), Line::Log(Level::Warn, "odd [2J".to_owned())]);
    });
}

fn pages_are_put_together() {
    run(async {
        let below = tempfile::tempdir().unwrap();
        let whole = Talk::start(&port(hostile("plain", below.path()))).await.ready().await.0;
        for mode in ["paged", "once"] {
            assert_eq!(Talk::start(&port(hostile(mode, below.path()))).await.ready().await.0, whole, "{mode}");
        }
    });
}

/// The first that is heard of a server in that mode, and its end.
async fn beginning(server: Server) -> (Option<Heard>, Option<Ended>) {
    let mut talk = Talk::start(&port(server)).await;
    match talk.hear().await {
        Some(Heard::Ended(ended)) => (None, Some(ended)),
        first => (first, Some(talk.end().await)),
    }
}

fn a_server_that_is_none_is_unfit() {
    let below = tempfile::tempdir().unwrap();
    run(async {
        for (mode, fault) in [
            ("shadow", Fault::Malformed),
            ("endless", Fault::Malformed),
            ("none", Fault::Exports),
            ("toolless", Fault::Exports),
            ("later", Fault::Exports),
        ] {
            let (first, _) = beginning(hostile(mode, below.path())).await;
            assert_eq!(first, Some(Heard::Tell(Tell::Unfit(fault))), "{mode}");
        }
        for (mode, end) in [
            ("noisy", Ended::Protocol("a line that is no JSON".to_owned())),
            ("flood", Ended::Flood),
            ("restless", Ended::Protocol("its tools change all the time".to_owned())),
        ] {
            assert_eq!(beginning(hostile(mode, below.path())).await, (None, Some(end)), "{mode}");
        }
        Talk::with("sampling").await;
    });
}

fn a_server_that_is_silent_is_ended() {
    let below = tempfile::tempdir().unwrap();
    let limits = Limits { start: std::time::Duration::from_millis(500), ..Limits::default() };
    let (first, end) = run(beginning(Server { limits, ..hostile("mute", below.path()) }));
    assert_eq!((first, end), (Some(Heard::Tell(Tell::Unfit(Fault::Deadline))), Some(Ended::Signal(9))));
}

fn a_server_that_breaks_off_is_told_by_its_code() {
    let below = tempfile::tempdir().unwrap();
    run(async {
        assert_eq!(beginning(hostile("crash", below.path())).await, (None, Some(Ended::Code(3))));
        assert_eq!(Talk::with("plain").await.call("exit").await.0, Err(Ended::Code(5)));
    });
}

fn a_command_that_is_not_there_is_told() {
    let below = tempfile::tempdir().unwrap();
    let mut server = hostile("plain", below.path());
    if let hearth_mcp::config::What::Stdio(stdio) = &mut server.what {
        stdio.command = vec!["/usr/bin/no-such-program".to_owned()];
    }
    run(async {
        let compiled = port(server.clone()).compile(component::of(NAME)).await;
        assert!(matches!(compiled, Err(CompileError::Process(why)) if why.contains("look at both in the configuration")));
        assert_eq!(beginning(server).await, (None, Some(Ended::Code(hearth_mcp::server::NO_COMMAND.into()))));
    });
}

fn what_breaks_the_protocol_ends_the_server() {
    run(async {
        for (operation, why) in [
            ("wrong_id", "an answer to no open question"),
            ("no_json", "a line that is no JSON"),
            ("no_utf8", "bytes that are no UTF-8"),
            ("deep", "JSON nested deeper than allowed"),
            ("many", "JSON of more values than allowed"),
            ("endless", "a message longer than allowed"),
            ("change", "its tools changed"),
        ] {
            let (outcome, _) = Talk::with("plain").await.call(operation).await;
            assert_eq!(outcome, Err(Ended::Protocol(why.to_owned())), "{operation}");
        }
        assert_eq!(Talk::with("plain").await.call("flood").await.0, Err(Ended::Flood));
    });
}

fn an_answer_before_the_breach_counts() {
    run(async {
        let mut talk = Talk::with("plain").await;
        assert_eq!(talk.call("twice").await.0, Ok(text("first")));
        assert_eq!(talk.end().await, Ended::Protocol("an answer to no open question".to_owned()));
    });
}

fn a_call_that_is_late_ends_the_server() {
    run(async {
        let mut talk = Talk::with("plain").await;
        let id = talk.ask("hang", "{}", 200);
        assert_eq!(talk.outcome(id).await.0, Ok(Outcome::Fault(Fault::Deadline)));
        assert_eq!(talk.end().await, Ended::Signal(9));
    });
}

fn a_call_that_is_given_up_ends_the_server() {
    run(async {
        let mut talk = Talk::with("plain").await;
        let id = talk.ask("hang", "{}", 50_000);
        talk.line.kill();
        assert_eq!(talk.outcome(id).await.0, Err(Ended::Signal(9)));
        assert!(!talk.line.ask(hearth_domain::sandbox::Ask::Beat { id: 1 }));
    });
}

fn a_result_that_is_too_large_is_a_fault() {
    run(async {
        let mut talk = Talk::with("plain").await;
        assert_eq!(talk.call("large").await.0, Ok(Outcome::Fault(Fault::ResultSize)));
        assert_eq!(talk.call("echo").await.0, Ok(text("{}")));
    });
}

fn sampling_roots_and_elicitation_are_refused() {
    run(async {
        let (outcome, _) = Talk::with("plain").await.call("ask").await;
        assert_eq!(outcome, Ok(text("[-32601,-32601,-32601,-32601] {}")), "and a ping is answered");
    });
}

fn tools_that_change_show_at_the_next_start() {
    let below = tempfile::tempdir().unwrap();
    run(async {
        let port = port(hostile("changing", below.path()));
        let granted = port.compile(component::of(NAME)).await.unwrap().operations;
        let manifest = manifest_of(NAME, Version { major: 1, minor: 0, patch: 0 }, &granted).unwrap();
        let (operations, _) = Talk::start(&port).await.ready().await;
        assert!(manifest.agrees(&operations).is_err());
    });
}
