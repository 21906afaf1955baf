//! What the command of a server cannot do, whatever it tries.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hearth_domain::sandbox::{Ended, Outcome, Part, SandboxError, SandboxLimits, Sandboxes as _};
use hearth_mcp::component;
use hearth_mcp::config::{Limits, Server};
use hearth_supervisor::process::spawner::Spawner;
use hearth_supervisor::process::starter::{Allowed, Starter};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::house::{NAME, TOOL, Talk, hostile, port, port_over};
use crate::{Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("a_server_reaches_its_folder_and_the_system_alone", a_server_reaches_its_folder_and_the_system_alone),
    ("a_server_reaches_nobody", a_server_reaches_nobody),
    ("a_server_knows_what_it_was_given_alone", a_server_knows_what_it_was_given_alone),
    ("a_server_that_looks_into_another_process_is_refused", a_server_that_looks_into_another_process_is_refused),
    ("the_limits_of_a_server_hold", the_limits_of_a_server_hold),
    ("a_starter_starts_the_configured_command_and_no_other", a_starter_starts_the_configured_command_and_no_other),
    ("what_a_server_started_ends_with_it", what_a_server_started_ends_with_it),
    ("what_a_server_started_ends_with_the_house", what_a_server_started_ends_with_the_house),
];

const EPERM: &str = "1";
const EACCES: &str = "13";

async fn attempt(talk: &mut Talk, operation: &str, at: &str) -> String {
    let (outcome, _) = talk.call_with(operation, &json!({ "at": at }).to_string()).await;
    match outcome {
        Ok(Outcome::Parts(parts)) => match parts.as_slice() {
            [Part::Text(text)] => text.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Prints what was tried, for the page.
async fn refused(talk: &mut Talk, what: &str, operation: &str, at: &str, expected: &[&str]) {
    let came = attempt(talk, operation, at).await;
    println!("  {what}: {came}");
    assert!(expected.contains(&came.as_str()), "{what}: {came}");
}

fn a_server_reaches_its_folder_and_the_system_alone() {
    let other = tempfile::tempdir().unwrap();
    let secret = other.path().join("secret");
    std::fs::write(&secret, "the secret").unwrap();
    run(async {
        let mut talk = Talk::with("plain").await;
        let inside = talk.folder.join("file");
        assert_eq!(attempt(&mut talk, "write", inside.to_str().unwrap()).await, "done");
        assert_eq!(attempt(&mut talk, "read", inside.to_str().unwrap()).await, "x");
        assert_eq!(attempt(&mut talk, "write", "relative").await, "done", "it stands in its folder");
        assert_eq!(attempt(&mut talk, "start", "/usr/bin/env").await, "done");
        let link = talk.folder.join("link");
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        std::fs::copy("/usr/bin/env", talk.folder.join("program")).unwrap();
        let code = talk.folder.with_file_name("code").join("part");
        assert_eq!(attempt(&mut talk, "read", code.to_str().unwrap()).await, "code");
        for (what, operation, at) in [
            ("a file of somebody else", "read", secret.as_path()),
            ("the same by a link of its own", "read", &link),
            ("the users of the machine", "read", Path::new("/etc/passwd")),
            ("the passwords of the machine", "read", Path::new("/etc/shadow")),
            ("the names of the machine", "read", Path::new("/etc/hosts")),
            ("the list of processes", "read", Path::new("/proc/1/cmdline")),
            ("a disk", "read", Path::new("/dev/vda")),
            ("a file beside its folder", "write", &talk.folder.with_file_name("beside")),
            ("its own code", "write", &code),
            ("a file of the system", "write", Path::new("/usr/bin/new")),
            ("a folder for everybody", "write", Path::new("/tmp/hearth-mcp-test")),
            ("a program that it wrote", "start", &talk.folder.join("program")),
        ] {
            refused(&mut talk, what, operation, at.to_str().unwrap(), &[EACCES, "2"]).await;
        }
    });
}

fn a_server_reaches_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (stream, datagram) = (folder.path().join("stream"), folder.path().join("datagram"));
    let _listeners = (UnixListener::bind(&stream).unwrap(), UnixDatagram::bind(&datagram).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    run(async {
        let mut talk = Talk::with("plain").await;
        for (what, operation, at) in [
            ("a server on this machine", "connect", address.as_str()),
            ("a server elsewhere", "connect", "192.0.2.1:80"),
            ("a packet", "send", ""),
            ("a socket in its folder", "listen", "socket"),
            ("a socket in the file system", "path_socket", stream.to_str().unwrap()),
            ("a datagram to a path", "datagram", datagram.to_str().unwrap()),
        ] {
            refused(&mut talk, what, operation, at, &[EPERM]).await;
        }
    });
}

fn a_server_knows_what_it_was_given_alone() {
    run(async {
        let mut talk = Talk::with("plain").await;
        let folder = talk.folder.to_str().unwrap().to_owned();
        let given = format!("COLOUR=blue\nHOME={folder}\nLANG=C.UTF-8\nPATH=/usr/local/bin:/usr/bin:/bin\nTMPDIR={folder}");
        assert_eq!(attempt(&mut talk, "environment", "").await, given);
    });
}

fn a_server_that_looks_into_another_process_is_refused() {
    run(async {
        let mut talk = Talk::with("plain").await;
        let own = std::process::id().to_string();
        refused(&mut talk, "the memory of the house", "trace", &own, &[EACCES, "2"]).await;
        // Numbers of its own: the house has none there. Without: it is out of scope.
        refused(&mut talk, "a signal to the house", "signal", &own, &[EPERM, "3"]).await;
    });
}

fn the_limits_of_a_server_hold() {
    let below = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes: 64 << 20, file_bytes: 1 << 20, processor_s: 1, ..Limits::default() };
    let port = port(Server { limits, ..hostile("plain", below.path()) });
    run(async {
        let mut talk = Talk::start(&port).await;
        talk.ready().await;
        assert_eq!(attempt(&mut talk, "allocate", "1000000").await, "done");
        assert_eq!(attempt(&mut talk, "allocate", "100000000").await, "out of memory");
        assert_eq!(attempt(&mut talk, "fill", "1000000").await, "done");
        let (spun, _) = talk.call("spin").await;
        assert!(matches!(spun, Err(Ended::Code(137) | Ended::Signal(9))), "{spun:?}");
        let mut talk = Talk::start(&port).await;
        talk.ready().await;
        let (filled, _) = talk.call_with("fill", r#"{ "at": "2000000" }"#).await;
        println!("  a file that is too large: {filled:?}");
        let refused = Outcome::Parts(vec![Part::Text("27".to_owned())]);
        // The init of its numbers heeds no signal that it does not want; without such, it is ended (SIGXFSZ).
        assert!(filled == Ok(refused) || filled == Err(Ended::Code(128 + 25)), "{filled:?}");
    });
}

fn a_starter_starts_the_configured_command_and_no_other() {
    let below = tempfile::tempdir().unwrap();
    let configured = hostile("plain", below.path());
    let allowed = Allowed { exactly: vec![configured.arguments().unwrap()], ..Allowed::default() };
    let starter = Starter::launch(&allowed).unwrap();
    run(async {
        let spawner = Arc::new(Spawner::over(starter).unwrap());
        let mut talk = Talk::start(&port_over(Arc::clone(&spawner), configured)).await;
        talk.ready().await;
        assert_eq!(attempt(&mut talk, "environment", "").await.lines().count(), 5);
        talk.line.kill();
        assert_eq!(talk.end().await, Ended::Signal(9));
        // A house that was taken over and has put another command into its own memory.
        let other = port_over(spawner, hostile("changing", below.path()));
        let digest = component::digest(&component::of(NAME));
        let started = other.start(TOOL, &digest, SandboxLimits::default()).await;
        assert!(matches!(started.map(|_| ()), Err(SandboxError::NotStarted(_))));
    });
}

/// Whether somebody holds it. The file is there.
fn is_held(lock: &Path) -> bool {
    flock(File::open(lock).unwrap(), FlockOperation::NonBlockingLockExclusive).is_err()
}

/// Waits until nobody does.
async fn until_free(lock: &Path) {
    let lock = File::open(lock).unwrap();
    tokio::task::spawn_blocking(move || flock(lock, FlockOperation::LockExclusive)).await.unwrap().unwrap();
}

fn has_namespaces() -> bool {
    run(async {
        let below = tempfile::tempdir().unwrap();
        let (_, confined) = Talk::start(&port(hostile("plain", below.path()))).await.ready().await;
        println!("  namespaces of its own: {}", confined["namespaces of its own"]);
        confined["namespaces of its own"] == "done"
    })
}

fn what_a_server_started_ends_with_it() {
    if !has_namespaces() {
        return;
    }
    run(async {
        let mut talk = Talk::with("plain").await;
        let lock = talk.folder.join("lock");
        assert_eq!(attempt(&mut talk, "last", lock.to_str().unwrap()).await, "it lasts");
        assert!(is_held(&lock));
        talk.line.kill();
        assert_eq!(talk.end().await, Ended::Signal(9));
        until_free(&lock).await;
    });
}

fn what_a_server_started_ends_with_the_house() {
    if !has_namespaces() {
        return;
    }
    let below = tempfile::tempdir().unwrap();
    let mut house = Command::new("/proc/self/exe");
    let mut house = house.arg("house").arg(below.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut up = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(house.stdout.take().unwrap()), &mut up).unwrap();
    assert_eq!(up, "up\n");
    let lock = below.path().join("own/lock");
    assert!(is_held(&lock));
    house.kill().unwrap();
    house.wait().unwrap();
    run(until_free(&lock));
}

/// A house that is killed.
pub(crate) fn house(below: &str) -> ! {
    run(async {
        let mut talk = Talk::start(&port(hostile("plain", below.as_ref()))).await;
        talk.ready().await;
        let lock = Path::new(below).join("own/lock");
        assert_eq!(attempt(&mut talk, "last", lock.to_str().unwrap()).await, "it lasts");
        println!("up");
        std::future::pending().await
    })
}
