//! A house for a test: its folders, its processes, its clients.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use hearth::client::Client;
use hearth::places;
use hearth::wire::{ClientFrame, HouseFrame, Said};
use hearth_domain::ids::{AnswerId, TurnId};
use hearth_scripted::server::Scripted;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take, on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
/// The key of every provider here.
pub(crate) const KEY: &str = "sk-canary-8d2f6b1e0c";
/// Two members, so that there is an owner and somebody else.
const MEMBERS: &str = "[[members]]\nname = \"Ada\"\nzone = \"UTC\"\n[[members]]\nname = \"Bo\"\nzone = \"UTC\"\n";

/// The folders of a house: data and configuration.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    /// Variables in addition to those that every process here gets.
    pub(crate) variables: BTreeMap<&'static str, String>,
}

/// What a process that ended has said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    /// With the defaults and two members.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With this configuration after the members.
    pub(crate) fn with(config: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), variables: BTreeMap::new() };
        home.configure(&format!("{MEMBERS}{config}"));
        home
    }

    /// Replaces the whole configuration.
    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.config(), config).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("hearth.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the houses here have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The binary, with these arguments and nothing of this process's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_hearth")), arguments)
    }

    /// Another program in the same surroundings.
    pub(crate) fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("USER", "ada")
            .env("TERM", "xterm-256color")
            .env("HEARTH_DATA", self.data())
            .env("HEARTH_CONFIG", self.config())
            .env("HEARTH_WEB_LISTEN", "127.0.0.1:0")
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Puts the key of a provider at this server into the vault, under the provider's name.
    pub(crate) fn key(&self, server: &Scripted, provider: &str) {
        let url = server.base_url();
        let (user, rule) = (format!("provider/{provider}"), format!("POST {url}/** lan"));
        self.secret_done(KEY, &["add", provider, "--value-env", "THE_VALUE", "--use", &user, "--allow", &rule]);
    }

    /// `hearth secret` with a value in the variable `THE_VALUE`.
    pub(crate) fn secret(&self, value: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(&[&["secret"], arguments].concat());
        command.env("THE_VALUE", value);
        run(command)
    }

    /// The same, when it has to succeed; what it said.
    pub(crate) fn secret_done(&self, value: &str, arguments: &[&str]) -> String {
        let ran = self.secret(value, arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}: {}", ran.out);
        ran.out
    }

    /// The same, when it has to be refused; the sentence.
    pub(crate) fn secret_refused(&self, value: &str, arguments: &[&str]) -> String {
        let ran = self.secret(value, arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}");
        ran.err
    }

    /// The answer of `hearth chat --once`.
    pub(crate) fn once(&self, text: &str) -> String {
        let ran = self.run(&["chat", "--once", text]);
        assert_eq!(ran.code, Some(0), "{text}: {}{}", ran.out, ran.err);
        ran.out.trim_end().to_owned()
    }

    /// A house that serves.
    pub(crate) fn start(&self) -> House {
        self.start_as(self.command(&["up"]))
    }

    /// A house that is served by this process, once it is up.
    pub(crate) fn start_as(&self, mut command: Command) -> House {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let house = House { process, lines, socket: places::path_for(&self.data()), log: self.log_path() };
        house.line("Data: ");
        house
    }
}

/// Runs a process to its end.
pub(crate) fn run(mut command: Command) -> Ran {
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits for a process whose output is piped.
pub(crate) fn finish(process: Child) -> Ran {
    let id = pid(&process);
    let (send, ended) = channel();
    std::thread::spawn(move || send.send(process.wait_with_output()));
    let Ok(output) = ended.recv_timeout(DEADLINE) else {
        kill_process(id, Signal::KILL).unwrap();
        panic!("the process did not end within {DEADLINE:?}");
    };
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Every process here: its id, its parent's, and what stands first in its arguments.
fn processes() -> Vec<(u32, u32, String)> {
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        // One that has just ended is none.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        let arguments = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let name = arguments.split(|byte| *byte == 0).next()?;
        Some((id, parent, String::from_utf8_lossy(name).into_owned()))
    })
    .collect()
}

fn pid(process: &Child) -> Pid {
    Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap()
}

/// Waits until the wall clock has gone on by this much: for what is due at a time, not for something to happen.
pub(crate) fn let_pass(time: Duration) {
    let until = SystemTime::now() + time;
    while let Ok(left) = until.duration_since(SystemTime::now()) {
        std::thread::sleep(left);
    }
}

/// A house that runs. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct House {
    process: Child,
    lines: Receiver<String>,
    socket: PathBuf,
    log: PathBuf,
}

impl House {
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The id of its process that is named so (`hearth vault`), once there is one that is none of these.
    pub(crate) fn part(&self, name: &str, not: &[u32]) -> u32 {
        let began = Instant::now();
        loop {
            let all = processes();
            let is_starter = |of: u32| all.iter().any(|(id, parent, named)| *id == of && *parent == self.id() && named == "hearth starter");
            let ours = |parent: u32| parent == self.id() || is_starter(parent);
            let found = all.iter().find(|(id, parent, named)| ours(*parent) && named == name && !not.contains(id));
            if let Some(&(id, _, _)) = found {
                return id;
            }
            assert!(began.elapsed() < DEADLINE, "no {name}\n{}", self.tail());
        }
    }

    /// Where its socket is seen from here, when it is not where the data folder says.
    pub(crate) fn seen_at(&mut self, socket: PathBuf) {
        self.socket = socket;
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The next line that it prints with this in it.
    pub(crate) fn line(&self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(error) => panic!("the house did not print `{part}` ({error})\n{}", self.tail()),
            }
        }
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    pub(crate) fn talk(&self) -> Talk {
        Talk::connect(&self.socket)
    }

    /// A connection that says bytes.
    pub(crate) fn raw(&self) -> Raw {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Raw { stream }
    }

    pub(crate) fn status(&self) -> Value {
        match self.talk().ask(&ClientFrame::Status) {
            HouseFrame::Status { status } => status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        let status = self.status();
        status["counts"][what].as_u64().unwrap_or_else(|| panic!("no count of {what} in {status}"))
    }

    /// Waits until there are so many, by asking.
    pub(crate) fn until(&self, what: &str, count: u64) {
        let began = Instant::now();
        while self.count(what) != count {
            assert!(began.elapsed() < DEADLINE, "{} {what}, not {count}\n{}", self.count(what), self.tail());
        }
    }

    /// Ends it well; its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        kill_process(pid(&self.process), Signal::TERM).unwrap();
        self.ended()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits until its output has ended and it has; its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.process.wait().unwrap().code(),
                Err(RecvTimeoutError::Timeout) => panic!("the house did not end\n{}", self.tail()),
            }
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            eprintln!("--- the end of the house's log\n{}\n---", self.tail());
        }
    }
}

/// What a message was accepted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) turn: TurnId,
    pub(crate) answer: AnswerId,
    pub(crate) seq: u64,
}

/// A client, and everything that it was told.
#[derive(Debug)]
pub(crate) struct Talk {
    client: Client,
    runtime: tokio::runtime::Runtime,
    pub(crate) frames: Vec<HouseFrame>,
}

/// What was said so far, so that nothing is taken for said before.
static SAID: AtomicUsize = AtomicUsize::new(1);

impl Talk {
    fn connect(socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(Client::connect(socket)).unwrap().expect("no house listens");
        Self { client, runtime, frames: Vec::new() }
    }

    pub(crate) fn send(&mut self, frame: &ClientFrame) {
        self.runtime.block_on(self.client.send(frame)).unwrap();
    }

    /// The first thing that is found in what it is told, from the beginning on.
    pub(crate) fn wait<T>(&mut self, what: &str, found: impl Fn(&[HouseFrame]) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.frames) {
                return found;
            }
            let next = self.runtime.block_on(async { tokio::time::timeout(DEADLINE, self.client.next()).await });
            match next {
                Ok(Ok(Some(frame))) => self.frames.push(frame),
                Ok(other) => panic!("the connection ended before {what}: {other:?}\n{:?}", self.frames),
                Err(_) => panic!("no {what} within {DEADLINE:?}; so far: {:?}", self.frames),
            }
        }
    }

    /// The answer to a frame that is answered with one frame.
    pub(crate) fn ask(&mut self, frame: &ClientFrame) -> HouseFrame {
        let before = self.frames.len();
        self.send(frame);
        self.wait("an answer", |frames| {
            let answers = frames[before..].iter();
            answers
                .filter(|frame| !matches!(frame, HouseFrame::Message(_) | HouseFrame::Delta { .. } | HouseFrame::Reset { .. }))
                .last()
                .cloned()
        })
    }

    /// Opens the member's main conversation from this place on; what was said there before.
    pub(crate) fn open(&mut self, member: Option<&str>, cursor: Option<u64>) -> Vec<Said> {
        let before = self.frames.len();
        self.send(&ClientFrame::Open { member: member.map(str::to_owned), thread: String::new(), cursor });
        self.wait("the end of what was said before", |frames| frames[before..].contains(&HouseFrame::CaughtUp).then_some(()));
        messages(&self.frames[before..])
    }

    /// Says something; the nonce.
    pub(crate) fn say(&mut self, text: &str) -> String {
        let nonce = format!("{}-{}", std::process::id(), SAID.fetch_add(1, Ordering::Relaxed));
        self.say_as(&nonce, text);
        nonce
    }

    /// The same, when it may not be sent.
    pub(crate) fn try_say(&mut self, text: &str) -> anyhow::Result<()> {
        let say = ClientFrame::Say { nonce: "tried".to_owned(), text: text.to_owned(), images: Vec::new() };
        self.runtime.block_on(self.client.send(&say))
    }

    pub(crate) fn say_as(&mut self, nonce: &str, text: &str) {
        self.send(&ClientFrame::Say { nonce: nonce.to_owned(), text: text.to_owned(), images: Vec::new() });
    }

    /// What the house said to that: accepted, or refused with this sentence.
    pub(crate) fn verdict(&mut self, nonce: &str) -> Result<Taken, String> {
        self.wait("a verdict", |frames| {
            frames.iter().find_map(|frame| verdict(frame).filter(|(of, _)| *of == nonce).map(|(_, verdict)| verdict))
        })
    }

    pub(crate) fn taken(&mut self, nonce: &str) -> Taken {
        self.verdict(nonce).expect("it was refused")
    }

    /// The answer of that id, once it is said.
    pub(crate) fn answer_of(&mut self, answer: AnswerId) -> Said {
        self.wait("the answer", |frames| messages(frames).into_iter().find(|said| said.answer == Some(answer)))
    }

    /// Says something and gives its answer.
    pub(crate) fn answer(&mut self, text: &str) -> Said {
        let nonce = self.say(text);
        let taken = self.taken(&nonce);
        self.answer_of(taken.answer)
    }

    /// Everything of a turn's answer that was streamed and not withdrawn.
    pub(crate) fn preview(&self, of: TurnId) -> String {
        let mut text = String::new();
        for frame in &self.frames {
            match frame {
                HouseFrame::Delta { turn, text: piece } if *turn == of => text.push_str(piece),
                HouseFrame::Reset { turn } if *turn == of => text.clear(),
                _ => {}
            }
        }
        text
    }
}

/// The messages among frames.
pub(crate) fn messages(frames: &[HouseFrame]) -> Vec<Said> {
    let message = |frame: &HouseFrame| if let HouseFrame::Message(said) = frame { Some(said.clone()) } else { None };
    frames.iter().filter_map(message).collect()
}

/// What a frame says about a message: its nonce, and whether it was accepted.
pub(crate) fn verdict(frame: &HouseFrame) -> Option<(&str, Result<Taken, String>)> {
    match frame {
        HouseFrame::Accepted { nonce, turn, answer, seq, .. } => Some((nonce, Ok(Taken { turn: *turn, answer: *answer, seq: *seq }))),
        HouseFrame::Refused { nonce, error, .. } => Some((nonce, Err(error.clone()))),
        _ => None,
    }
}

/// A connection that says any bytes.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: UnixStream,
}

impl Raw {
    /// A frame of these bytes.
    pub(crate) fn frame(&mut self, bytes: &[u8]) {
        self.stream.write_all(&u32::try_from(bytes.len()).unwrap().to_be_bytes()).unwrap();
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn say(&mut self, frame: &ClientFrame) {
        self.frame(&serde_json::to_vec(frame).unwrap());
    }

    pub(crate) fn hello(&mut self) {
        self.say(&ClientFrame::Hello { version: hearth::wire::VERSION });
        assert!(matches!(self.next(), Some(HouseFrame::Welcome { .. })));
    }

    /// The next frame; none when the house has closed the connection.
    pub(crate) fn next(&mut self) -> Option<HouseFrame> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset) => return None,
            read => read.unwrap(),
        }
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut bytes).unwrap();
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    /// The sentence of the error that comes next.
    pub(crate) fn error(&mut self) -> String {
        match self.next() {
            Some(HouseFrame::Error { error }) => error,
            other => panic!("no error but {other:?}"),
        }
    }
}

/// What a shell does with the house: becomes it.
pub(crate) const BECOME: &str = "exec \"$0\" \"$@\"";
/// What a shell does with the house: starts it again when it has failed, as a service manager does. The house ends with the shell.
pub(crate) const KEEP_UP: &str = "until setpriv --pdeathsig KILL \"$0\" \"$@\"; do :; done";

/// A shell in namespaces of its own, which mounts something and then runs the house; or why there is none. Its end is the house's.
pub(crate) fn in_own_mounts(home: &Home, mount: &str, then: &str) -> Result<Command, String> {
    const OWN: [&str; 2] = ["-rmpf", "--kill-child"];
    let probe = Command::new("unshare").args(OWN).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    std::fs::create_dir_all(home.data()).unwrap();
    let script = format!("{mount} && {then}");
    let mut command = Command::new("unshare");
    command.args(OWN);
    Ok(home.prepared(command, &["sh", "-c", &script, env!("CARGO_BIN_EXE_hearth"), "up"]))
}

/// A house that may read its data folder and not write it, whoever runs this: where that is root, whom no mode binds, it goes without
/// root's privileges. The folder is as it was when the house has ended.
pub(crate) fn without_write_permission(home: &Home) -> Command {
    std::fs::create_dir_all(home.data()).unwrap();
    let drop_privileges = if geteuid().is_root() { "setpriv --bounding-set=-all --inh-caps=-all" } else { "" };
    let script =
        format!("chmod -R u-w,go= \"$HEARTH_DATA\" && {drop_privileges} \"$0\" \"$@\"; code=$?; chmod -R u+w \"$HEARTH_DATA\"; exit $code");
    home.prepared(Command::new("sh"), &["-c", &script, env!("CARGO_BIN_EXE_hearth"), "up"])
}
