//! Processes that end: killed at any time, by what was said to them, with their house.

use std::io::{BufRead as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::Command;

use hearth_domain::sandbox::{Ask, Ended, Heard, HostAnswer, MESSAGE_BYTES, SandboxLimits, Tell};
use hearth_supervisor::process::channel::{FrameReceiver, FrameSender, channel};
use hearth_supervisor::process::frame::Frame;
use hearth_supervisor::process::spawn::{Exit, Log, Process, Program};
use hearth_supervisor::process::spawner::Spawner;
use hearth_tool_host::sandbox::{GONE, PROTOCOL};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::house::{call, house, text};
use crate::{Test, run, wat};

pub(crate) const TESTS: &[Test] = &[
    ("killed_at_any_time_it_is_told_and_comes_back", killed),
    ("a_second_call_through_the_port_ends_it", second_call),
    ("what_is_out_of_turn_ends_it", out_of_turn),
    ("a_house_that_lets_go_ends_it", let_go),
    ("a_dropped_line_ends_it", dropped),
    ("no_sandbox_outlives_its_house", orphan),
];

/// With this argument the program is a house that is ended.
pub(crate) const BRIEF: &str = "brief-house";
/// How often a process is killed; `HEARTH_KILLS` says otherwise.
const KILLS: u32 = 40;

fn killed() {
    let kills = std::env::var("HEARTH_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    run(async {
        let house = house();
        let compiled = house.compiled(wat::echo()).await;
        for n in 0..kills {
            let mut tool = house.start(&compiled.digest, SandboxLimits::default()).await;
            // At an instant that moves through start and calls.
            let until = tokio::time::sleep(std::time::Duration::from_micros(u64::from(n) * 617 % 15_000));
            let work = async {
                tool.ready_or_end().await?;
                loop {
                    tool.call_within("x", 1_000).await?;
                }
                #[expect(unreachable_code, reason = "it says of which type")]
                Ok::<(), Ended>(())
            };
            tokio::select! {
                biased;
                () = until => {}
                ended = work => panic!("{ended:?}"),
            }
            tool.line.kill();
            assert_eq!(tool.end().await, Ended::Signal(9), "{n}");
        }
        let mut tool = house.start(&compiled.digest, SandboxLimits::default()).await;
        tool.ready().await;
        assert_eq!(text(&tool.call("still").await.0), "still");
    });
}

fn second_call() {
    run(async {
        let house = house();
        let mut tool = house.tool(wat::tool("(loop $l (br $l)) unreachable", ""), SandboxLimits::default()).await;
        assert!(tool.line.ask(Ask::Call(call(1, "", 60_000))));
        assert!(tool.line.ask(Ask::Call(call(2, "", 60_000))));
        assert!(matches!(tool.end().await, Ended::Protocol(_)));
    });
}

/// A sandbox without the port in between.
struct Raw {
    process: Process,
    sender: FrameSender,
    receiver: FrameReceiver,
}

async fn raw(component: &[u8]) -> Raw {
    let spawner = Spawner::start().unwrap();
    let mut program = Program::new("raw", ["sandbox"]);
    program.log = Log::Null;
    let spawned = spawner.spawn(program).await.unwrap();
    let (mut sender, receiver) = channel(spawned.socket, MESSAGE_BYTES).unwrap();
    let compiled = hearth_tool_host::engine::compiling().unwrap().precompile_component(component).unwrap();
    let memory = memfd_create("raw", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let mut file = std::fs::File::from(memory);
    file.write_all(&compiled).unwrap();
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).unwrap();
    sender.send(&Frame::Message(Ask::Load { limits: SandboxLimits::default() }), &[file.as_fd()]).await.unwrap();
    Raw { process: spawned.process, sender, receiver }
}

impl Raw {
    async fn hear(&mut self) -> Option<Tell> {
        match self.receiver.recv::<Tell>().await.unwrap()?.frame {
            Frame::Message(tell) => Some(tell),
            Frame::Life(life) => panic!("{life:?}"),
        }
    }
}

fn out_of_turn() {
    let given = |call, question| Ask::Given { call, question, answer: HostAnswer::Done };
    let load = || Ask::Load { limits: SandboxLimits::default() };
    let sleeper = wat::tool("(call $get (i32.const 600) (i32.const 1) (i32.const 512)) (loop $l (br $l)) unreachable", "");
    // While nothing runs, and while a call waits for an answer.
    let idle = [load(), given(3, 0)];
    let waiting = [load(), Ask::Call(call(2, "", 1_000)), given(1, 1), given(2, 0)];
    run(async {
        for ask in idle {
            let mut raw = raw(&sleeper).await;
            assert!(matches!(raw.hear().await, Some(Tell::Ready { .. })));
            raw.sender.send(&Frame::Message(&ask), &[]).await.unwrap();
            assert_eq!(raw.process.wait().await.unwrap(), Exit::Code(PROTOCOL.into()), "{ask:?}");
        }
        for ask in waiting {
            let mut raw = raw(&sleeper).await;
            assert!(matches!(raw.hear().await, Some(Tell::Ready { .. })));
            raw.sender.send(&Frame::Message(Ask::Call(call(1, "", 60_000))), &[]).await.unwrap();
            assert!(matches!(raw.hear().await, Some(Tell::Host { question: 0, .. })));
            raw.sender.send(&Frame::Message(&ask), &[]).await.unwrap();
            assert_eq!(raw.process.wait().await.unwrap(), Exit::Code(PROTOCOL.into()), "{ask:?}");
        }
        // A call that computes finds the second one at its end.
        let mut raw = raw(&wat::tool("(loop $l (br $l)) unreachable", "")).await;
        assert!(matches!(raw.hear().await, Some(Tell::Ready { .. })));
        for id in [1, 2] {
            raw.sender.send(&Frame::Message(Ask::Call(call(id, "", 50))), &[]).await.unwrap();
        }
        assert_eq!(raw.process.wait().await.unwrap(), Exit::Code(PROTOCOL.into()));
    });
}

fn let_go() {
    run(async {
        let mut raw = raw(&wat::echo()).await;
        assert!(matches!(raw.hear().await, Some(Tell::Ready { .. })));
        let Raw { process, sender, receiver } = raw;
        drop((sender, receiver));
        assert_eq!(process.wait().await.unwrap(), Exit::Code(GONE.into()));
    });
}

fn dropped() {
    run(async {
        let house = house();
        let mut tool = house.tool(wat::tool("(loop $l (br $l)) unreachable", ""), SandboxLimits::default()).await;
        assert!(tool.line.ask(Ask::Call(call(1, "", 60_000))));
        let crate::house::Running { line, mut heard, .. } = tool;
        drop(line);
        let heard = futures_util::StreamExt::next(&mut heard).await;
        assert_eq!(heard, Some(Heard::Ended(Ended::Signal(9))));
    });
}

/// A house of its own, whose tool computes without end. It says the tool's number and waits to be ended.
pub(crate) fn brief() -> ! {
    run(async {
        let house = house();
        let mut tool = house.tool(wat::tool("(loop $l (br $l)) unreachable", ""), SandboxLimits::default()).await;
        assert!(tool.line.ask(Ask::Call(call(1, "", 60_000))));
        // A call is written when the line is listened to.
        let heard = tokio::time::timeout(std::time::Duration::from_millis(50), tool.hear()).await;
        assert!(heard.is_err(), "{heard:?}");
        println!("{}", tool.line.pid());
        std::future::pending::<()>().await;
    });
    unreachable!("it waits")
}

fn orphan() {
    let mut house = Command::new(std::env::current_exe().unwrap())
        .arg(BRIEF)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    std::io::BufReader::new(house.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let pid = Pid::from_raw(said.trim().parse().unwrap()).unwrap();
    let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    house.kill().unwrap();
    house.wait().unwrap();
    let within = Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&within)), Ok(1), "it outlived its house");
}
