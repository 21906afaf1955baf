//! The two processes as they run: this program is its own child, which is why it has its own `main`.
//!
//! With `vault` or `egress` it is such a process. Otherwise it is a small house: it starts them, stores what it is told to, and asks
//! through their sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "the whole program is a test, though none that the compiler knows as one"
)]

#[path = "process/house.rs"]
mod house;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_domain::household::MemberId;
use hearth_domain::secret::Principal;
use hearth_domain::vault::{Ask, Sent, Tell, VaultState};
use hearth_supervisor::process::frame::Frame;
use hearth_vault::admin::{self, AdminAnswer, AdminAsk, Code, Hidden, NewSecret, Proof};
use hearth_vault::keeper::change::Allowance;
use house::{House, Test, hidden, name, refused, run};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const VALUE: &str = "sk-kq83Hd02nPzx71LmWvTe5r9B";
const PASSPHRASE: &str = "correct horse battery";

const TESTS: [Test; 11] = [
    ("a_secret_is_added_used_and_changed_through_the_sockets", uses),
    ("nothing_is_lost_when_the_vault_is_killed_at_any_moment", kills),
    ("a_passphrase_vault_waits_for_its_owner", waits),
    ("a_manifest_that_is_gone_is_not_covered_up", gone),
    ("a_lock_lasts_until_it_is_ended", locks),
    ("a_forgotten_passphrase_is_replaced_by_the_recovery_key", recovers),
    ("a_lost_key_is_found_by_the_recovery_key", finds),
    ("a_backup_is_restored_and_a_member_erased_through_the_socket", restores),
    ("the_key_of_a_removed_member_is_destroyed_while_the_vault_runs_or_at_its_next_start", parts),
    ("a_member_s_key_is_replaced_though_the_vault_is_killed_meanwhile", rekeys),
    ("the_process_without_keys_serves_and_refuses_placeholders", keyless),
];

fn main() {
    house::main(&TESTS);
}

fn new_secret(secret: &str, value: &str, port: u16) -> AdminAsk {
    AdminAsk::Add(Box::new(NewSecret {
        name: name(secret),
        owner: MemberId::derived(&["owner"]),
        value: Some(Hidden::new(value.as_bytes().to_vec())),
        users: vec![Principal::Provider("p".into())],
        targets: vec![format!("GET,POST http://127.0.0.1:{port}/** lan")],
        authority: None,
        members: None,
        rate: None,
        bytes_out_max: 1 << 20,
        until: None,
        canary: false,
    }))
}

/// A server that counts requests and notes their heads.
async fn server() -> (u16, Arc<AtomicUsize>, Arc<Mutex<String>>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, count, last) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
    let (counted, noted) = (count.clone(), last.clone());
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counted, noted) = (counted.clone(), noted.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                *noted.lock().unwrap() = String::from_utf8(head).unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await);
            });
        }
    });
    (port, count, last, task)
}

fn get(house: &House, port: u16, secret: &str) -> reqwest::RequestBuilder {
    let client = house.client();
    client.get(format!("http://127.0.0.1:{port}/v1/a")).header("hearth-as", "provider/p").bearer_auth(name(secret).placeholder())
}

fn proof(text: &str) -> Proof {
    Proof::Passphrase(hidden(text))
}

fn unseal(passphrase: &str) -> AdminAsk {
    AdminAsk::Unseal { proof: Some(proof(passphrase)) }
}

/// The recovery key of a kit.
fn key_in(kit: &AdminAnswer) -> Hidden {
    let AdminAnswer::Kit { text } = kit else { panic!("no kit: {kit:?}") };
    let text = text.text().unwrap();
    hidden(text.expose_secret().lines().find_map(|line| line.strip_prefix("Recovery key:")).unwrap().trim())
}

fn code(answer: &AdminAnswer) -> Option<Code> {
    match answer {
        AdminAnswer::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

fn uses() {
    run(async {
        let (port, count, last, _server) = server().await;
        let mut house = House::new();
        let (mut line, state, findings, confined) = house.vault().await;
        assert_eq!((state, findings.iter().filter(|finding| !finding.contains("https")).count()), (VaultState::Open, 0), "{findings:?}");
        assert!(confined.iter().any(|(part, outcome)| part == "memory hidden from other processes" && outcome == "done"), "{confined:?}");
        assert_eq!(std::fs::metadata(house.admin()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, port)).await, AdminAnswer::Done));
        assert_eq!(house.store.len(), 1);
        let answer = get(&house, port, "key").send();
        assert_eq!(house.meanwhile(&mut line, answer).await.unwrap().text().await.unwrap(), "ok");
        assert!(last.lock().unwrap().contains(&format!("Bearer {VALUE}")));
        let test = AdminAsk::Test { name: name("key"), url: None, header: Some("x-api-key".into()) };
        assert!(matches!(house.ask(&mut line, test).await, AdminAnswer::Tested { status: 200, broker: None }));
        assert!(last.lock().unwrap().contains(&format!("x-api-key: {VALUE}")));
        let wide = |proof| AdminAsk::Allow {
            name: name("key"),
            change: Box::new(Allowance { add_users: vec![Principal::Tool("t".into())], ..Allowance::default() }),
            proof,
        };
        assert!(refused(&house.ask(&mut line, wide(None)).await).contains("owner's passphrase"));
        let passphrase = Hidden::new(PASSPHRASE.as_bytes().to_vec());
        let set = AdminAsk::SetProof { old: None, new: passphrase.clone() };
        assert!(matches!(house.ask(&mut line, set.clone()).await, AdminAnswer::Kit { .. }));
        assert!(refused(&house.ask(&mut line, set).await).contains("set already"));
        // Each wait is twice the one before: soon it is longer than comparing takes.
        let waiting = loop {
            let wrong = Proof::Passphrase(Hidden::new(b"wrong horse battery".to_vec()));
            let answer = house.ask(&mut line, wide(Some(wrong))).await;
            if !refused(&answer).contains("neither the owner's passphrase") {
                break answer;
            }
        };
        assert!(refused(&waiting).contains("too many wrong attempts"));
        let right = || Some(Proof::Passphrase(passphrase.clone()));
        assert!(refused(&house.ask(&mut line, wide(right())).await).contains("too many wrong attempts"));
        line.to.send(&Frame::Message(Sent { ask: Ask::Look { id: 7, text: format!("it is {VALUE}!") }, more: false }), &[]).await.unwrap();
        loop {
            match line.from.recv::<Tell>().await.unwrap().unwrap().frame {
                Frame::Message(Tell::Found { id: 7, spans }) => {
                    assert_eq!((spans[0].start, spans[0].end, spans[0].name.as_str()), (6, 6 + VALUE.len(), "key"));
                    break;
                }
                Frame::Message(tell) => house.hear(&mut line.to, tell).await,
                Frame::Life(_) => {}
            }
        }
        assert!(matches!(house.ask(&mut line, AdminAsk::Revoke { name: name("key") }).await, AdminAnswer::Done));
        let answer = get(&house, port, "key").send();
        assert_eq!(house.meanwhile(&mut line, answer).await.unwrap().status(), 403);
        assert_eq!((house.store.len(), count.load(Ordering::SeqCst)), (0, 2));
        assert!(matches!(house.ask(&mut line, AdminAsk::Lock).await, AdminAnswer::Done));
        // What was used just before is told all the same.
        while let Some(got) = line.from.recv::<Tell>().await.unwrap() {
            if let Frame::Message(tell) = got.frame {
                house.hear(&mut line.to, tell).await;
            }
        }
        line.process.wait().await.unwrap();
        let told = |outcome: &str| house.used.iter().filter(|used| used.outcome == outcome).map(|used| used.times).sum::<u64>();
        assert_eq!((told("sent"), told("unknown")), (2, 1));
    });
}

fn kills() {
    run(async {
        let (port, _count, last, _server) = server().await;
        let mut house = House::new();
        let (mut line, ..) = house.vault().await;
        assert!(matches!(house.ask(&mut line, new_secret("key", "sk-value-000-Hd02nPzx71", port)).await, AdminAnswer::Done));
        // What counts afterwards is what the house has, or what it had before: a value that was announced as done is never lost.
        let (mut done, mut told) = (0, 0);
        for round in 1..=30_u32 {
            let socket = house.admin();
            let value = format!("sk-value-{round:03}-Hd02nPzx71");
            let ask = AdminAsk::Rotate { name: name("key"), value: Hidden::new(value.into_bytes()) };
            let asking = tokio::task::spawn_blocking(move || admin::ask(&socket, &ask));
            let requests: Vec<_> = (0..4).map(|_| tokio::spawn(get(&house, port, "key").send())).collect();
            let killed = async {
                tokio::time::sleep(Duration::from_micros(u64::from(round) * 7_919 % 60_000)).await;
                line.process.kill().unwrap();
            };
            // Reads what the house is told until the line ends.
            let (mut to, mut from) = (line.to, line.from);
            let hearing = async {
                while let Ok(Some(got)) = from.recv::<Tell>().await {
                    if let Frame::Message(tell) = got.frame {
                        house.hear(&mut to, tell).await;
                    }
                }
            };
            let (answer, (), ()) = futures_util::join!(asking, killed, hearing);
            line.process.wait().await.unwrap();
            if matches!(answer, Ok(Ok(AdminAnswer::Done))) {
                done = round;
                told += 1;
            }
            let (fresh, state, findings, _) = house.vault().await;
            line = fresh;
            // Those that were not taken in yet waited in the socket's queue; the others broke off.
            for request in house.meanwhile(&mut line, futures_util::future::join_all(requests)).await {
                assert!(request.unwrap().map_or(true, |answer| answer.status() == 200));
            }
            assert!(state == VaultState::Open && findings.iter().all(|finding| finding.contains("https")), "{round}: {findings:?}");
            let asked = get(&house, port, "key").send();
            assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().status(), 200, "{round}");
            let head = last.lock().unwrap().clone();
            let at = head.find("sk-value-").unwrap() + 9;
            let now: u32 = head[at..at + 3].parse().unwrap();
            assert!(now >= done && now <= round, "{round}: {now} after {done}");
        }
        println!("of 30 changes {told} were told as done before the kill");
    });
}

fn waits() {
    run(async {
        let mut house = House::new();
        let arguments = ["vault", "--source", "passphrase", "--keys"].map(str::to_owned).into_iter();
        let arguments: Vec<String> = arguments.chain([house.keys().display().to_string()]).collect();
        let (mut line, state, ..) = house.start(arguments.clone()).await;
        assert_eq!(state, VaultState::Sealed);
        let passphrase = || Hidden::new(PASSPHRASE.as_bytes().to_vec());
        assert!(refused(&house.ask(&mut line, unseal(PASSPHRASE)).await).contains("no vault yet"));
        assert!(matches!(house.ask(&mut line, AdminAsk::SetUp { passphrase: passphrase() }).await, AdminAnswer::Done));
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, 9)).await, AdminAnswer::Done));
        line.to.send(&Frame::Message(Sent { ask: Ask::Lock, more: false }), &[]).await.unwrap();
        line.process.wait().await.unwrap();
        let (mut line, state, ..) = house.start(arguments).await;
        assert_eq!(state, VaultState::Sealed);
        let sealed = get(&house, 9, "key").send();
        assert_eq!(house.meanwhile(&mut line, sealed).await.unwrap().headers()["hearth-broker"], "sealed");
        assert!(refused(&house.ask(&mut line, unseal("wrong horse battery")).await).contains("not the passphrase"));
        assert!(matches!(house.ask(&mut line, unseal(PASSPHRASE)).await, AdminAnswer::Done));
        let AdminAnswer::Listed { secrets, .. } = house.ask(&mut line, AdminAsk::List).await else { panic!("no list") };
        assert_eq!(secrets[0].name, name("key"));
    });
}

fn locks() {
    run(async {
        let (port, ..) = server().await;
        let mut house = House::new();
        let (mut line, ..) = house.vault().await;
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, port)).await, AdminAnswer::Done));
        // By its owner, and as the house tells it.
        for by_owner in [true, false] {
            if by_owner {
                assert!(matches!(house.ask(&mut line, AdminAsk::Lock).await, AdminAnswer::Done));
            } else {
                line.to.send(&Frame::Message(Sent { ask: Ask::Lock, more: false }), &[]).await.unwrap();
            }
            line.process.wait().await.unwrap();
            // Not only until the next start.
            for _ in 0..2 {
                let (fresh, state, findings, _) = house.vault().await;
                assert!(
                    state == VaultState::Sealed && findings.iter().any(|finding| finding.contains("hearth secret unseal")),
                    "{findings:?}"
                );
                line = fresh;
                line.to.send(&Frame::Message(Sent { ask: Ask::Stop, more: false }), &[]).await.unwrap();
                line.process.wait().await.unwrap();
            }
            line = house.vault().await.0;
            let asked = get(&house, port, "key").send();
            assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().headers()["hearth-broker"], "sealed");
            if !by_owner {
                break;
            }
            assert!(matches!(house.ask(&mut line, AdminAsk::Unseal { proof: None }).await, AdminAnswer::Done), "no owner is set");
            let asked = get(&house, port, "key").send();
            assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().status(), 200);
            let set = AdminAsk::SetProof { old: None, new: hidden(PASSPHRASE) };
            assert!(matches!(house.ask(&mut line, set).await, AdminAnswer::Kit { .. }));
        }
        assert_eq!(code(&house.ask(&mut line, AdminAsk::Unseal { proof: None }).await), Some(Code::ProofNeeded));
        assert!(refused(&house.ask(&mut line, unseal("wrong horse battery")).await).contains("neither the owner's passphrase"));
        assert!(matches!(house.ask(&mut line, unseal(PASSPHRASE)).await, AdminAnswer::Done));
        line.to.send(&Frame::Message(Sent { ask: Ask::Stop, more: false }), &[]).await.unwrap();
        line.process.wait().await.unwrap();
        assert_eq!(house.vault().await.1, VaultState::Open);
    });
}

fn recovers() {
    run(async {
        let mut house = House::new();
        let arguments = ["vault", "--source", "passphrase", "--keys"].map(str::to_owned).into_iter();
        let arguments: Vec<String> = arguments.chain([house.keys().display().to_string()]).collect();
        let (mut line, ..) = house.start(arguments.clone()).await;
        assert!(matches!(house.ask(&mut line, AdminAsk::SetUp { passphrase: hidden(PASSPHRASE) }).await, AdminAnswer::Done));
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, 9)).await, AdminAnswer::Done));
        let owner = "the owner's own words";
        let first = key_in(&house.ask(&mut line, AdminAsk::SetProof { old: None, new: hidden(owner) }).await);
        let change = |words: &str| AdminAsk::ChangePassphrase { proof: proof(words), new: hidden("a second passphrase") };
        assert!(refused(&house.ask(&mut line, change(PASSPHRASE)).await).contains("neither the owner's"), "the vault's is not the owner's");
        assert!(matches!(house.ask(&mut line, change(owner)).await, AdminAnswer::Done));
        let rotate = |passphrase: Option<&str>| AdminAsk::RotateKey { proof: proof(owner), passphrase: passphrase.map(hidden) };
        assert_eq!(code(&house.ask(&mut line, rotate(None)).await), Some(Code::PassphraseNeeded));
        assert!(refused(&house.ask(&mut line, rotate(Some(PASSPHRASE))).await).contains("not the passphrase"));
        let second = key_in(&house.ask(&mut line, rotate(Some("a second passphrase"))).await);
        let (mut line, state, ..) = {
            line.to.send(&Frame::Message(Sent { ask: Ask::Lock, more: false }), &[]).await.unwrap();
            line.process.wait().await.unwrap();
            house.start(arguments.clone()).await
        };
        assert_eq!(state, VaultState::Sealed);
        assert_eq!(code(&house.ask(&mut line, AdminAsk::Unseal { proof: None }).await), Some(Code::PassphraseNeeded));
        let recover = |key: &Hidden| AdminAsk::Recover { key: key.clone(), new: Some(hidden("a third passphrase")) };
        assert!(refused(&house.ask(&mut line, recover(&first)).await).contains("not this vault's recovery key"));
        assert!(matches!(house.ask(&mut line, recover(&second)).await, AdminAnswer::Done));
        let AdminAnswer::Listed { secrets, troubled, .. } = house.ask(&mut line, AdminAsk::List).await else { panic!("no list") };
        assert_eq!((secrets[0].name.clone(), troubled.len()), (name("key"), 0));
        drop(line.process.kill());
        line.process.wait().await.unwrap();
        let (mut line, ..) = house.start(arguments).await;
        assert!(refused(&house.ask(&mut line, unseal("a second passphrase")).await).contains("not the passphrase"));
        assert!(matches!(house.ask(&mut line, unseal("a third passphrase")).await, AdminAnswer::Done));
    });
}

fn finds() {
    run(async {
        let mut house = House::new();
        let (mut line, ..) = house.vault().await;
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, 9)).await, AdminAnswer::Done));
        let key = key_in(&house.ask(&mut line, AdminAsk::SetProof { old: None, new: hidden(PASSPHRASE) }).await);
        let recover = || AdminAsk::Recover { key: key.clone(), new: None };
        assert!(refused(&house.ask(&mut line, recover()).await).contains("open already"));
        drop(line.process.kill());
        line.process.wait().await.unwrap();
        let file = house.keys().join("vault.key");
        let lost = std::fs::read(&file).unwrap();
        std::fs::write(&file, [7; 45]).unwrap();
        let (mut line, state, ..) = house.vault().await;
        assert_eq!(state, VaultState::Broken);
        assert!(refused(&house.ask(&mut line, recover()).await).contains("move it away"), "a file that is there is left alone");
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(house.ask(&mut line, recover()).await, AdminAnswer::Done));
        let AdminAnswer::Listed { secrets, .. } = house.ask(&mut line, AdminAsk::List).await else { panic!("no list") };
        assert_eq!((secrets.len(), std::fs::read(&file).unwrap()), (1, lost));
        drop(line.process.kill());
        line.process.wait().await.unwrap();
        assert_eq!(house.vault().await.1, VaultState::Open);
    });
}

fn restores() {
    run(async {
        let mut house = House::new();
        let (mut line, ..) = house.vault().await;
        key_in(&house.ask(&mut line, AdminAsk::SetProof { old: None, new: hidden(PASSPHRASE) }).await);
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, 9)).await, AdminAnswer::Done));
        assert!(matches!(house.ask(&mut line, new_secret("two", "another one 8273", 9)).await, AdminAnswer::Done));
        let backup = house.store.clone();
        for secret in ["key", "two"] {
            let rotate = AdminAsk::Rotate { name: name(secret), value: hidden("sk-newer-8Wq0zR4tYb6Vn2") };
            assert!(matches!(house.ask(&mut line, rotate).await, AdminAnswer::Done));
        }
        drop(line.process.kill());
        line.process.wait().await.unwrap();
        house.store = backup;
        house.store.values_mut().find(|record| record.name == name("two")).unwrap().envelope[200] ^= 1;
        let (mut line, ..) = house.vault().await;
        let AdminAnswer::Listed { secrets, troubled, .. } = house.ask(&mut line, AdminAsk::List).await else { panic!("no list") };
        assert_eq!((secrets.len(), troubled.len()), (0, 2));
        let accept = |words: &str| AdminAsk::AcceptRestore { proof: proof(words) };
        assert!(refused(&house.ask(&mut line, accept("wrong horse battery")).await).contains("neither the owner's"));
        let restored = house.ask(&mut line, accept(PASSPHRASE)).await;
        let AdminAnswer::Restored { usable: 1, regained: 1, troubled } = restored else { panic!("{restored:?}") };
        assert_eq!(troubled[0].name, Some(name("two")));
        assert!(refused(&house.ask(&mut line, AdminAsk::Forget { which: "key".into() }).await).contains("can be used"));
        assert!(matches!(house.ask(&mut line, AdminAsk::Forget { which: "two".into() }).await, AdminAnswer::Done));
        assert_eq!(house.store.len(), 1);
        let erase = AdminAsk::Erase { member: MemberId::derived(&["owner"]), proof: proof(PASSPHRASE) };
        assert!(matches!(house.ask(&mut line, erase).await, AdminAnswer::Erased { records: 1 }));
        assert!(house.store.is_empty());
        assert!(refused(&house.ask(&mut line, new_secret("key", VALUE, 9)).await).contains("erased"));
        let admit = AdminAsk::Admit { member: MemberId::derived(&["owner"]), proof: proof(PASSPHRASE) };
        assert!(matches!(house.ask(&mut line, admit).await, AdminAnswer::Done));
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, 9)).await, AdminAnswer::Done));
    });
}

fn parts() {
    run(async {
        let owner = MemberId::derived(&["owner"]);
        for while_it_runs in [true, false] {
            let mut house = House::new();
            let (mut line, ..) = house.vault().await;
            assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, 9)).await, AdminAnswer::Done));
            let backup = std::mem::take(&mut house.store);
            if while_it_runs {
                line.to.send(&Frame::Message(Sent { ask: Ask::Part { gone: vec![owner] }, more: false }), &[]).await.unwrap();
            } else {
                line.to.send(&Frame::Message(Sent { ask: Ask::Stop, more: false }), &[]).await.unwrap();
                line.process.wait().await.unwrap();
                house.gone = vec![owner];
                let findings;
                (line, _, findings, _) = house.vault().await;
                assert!(findings.is_empty(), "{findings:?}");
            }
            let AdminAnswer::Listed { secrets, troubled, .. } = house.ask(&mut line, AdminAsk::List).await else { panic!("no list") };
            assert_eq!((secrets.len(), troubled.len()), (0, 0));
            assert!(refused(&house.ask(&mut line, new_secret("key", VALUE, 9)).await).contains("erased"));
            line.to.send(&Frame::Message(Sent { ask: Ask::Stop, more: false }), &[]).await.unwrap();
            line.process.wait().await.unwrap();
            house.store = backup;
            let (_line, _, findings, _) = house.vault().await;
            assert_eq!(findings.is_empty(), !while_it_runs, "{findings:?}");
        }
    });
}

fn rekeys() {
    run(async {
        let (port, ..) = server().await;
        let mut house = House::new();
        let (mut line, ..) = house.vault().await;
        for n in 0..6 {
            assert!(matches!(house.ask(&mut line, new_secret(&format!("key{n}"), &format!("{VALUE}{n}"), port)).await, AdminAnswer::Done));
        }
        let before = house.store.clone();
        let rekey = || AdminAsk::Rekey { member: MemberId::derived(&["owner"]) };
        for round in 1..=12_u32 {
            let socket = house.admin();
            let asking = tokio::task::spawn_blocking(move || admin::ask(&socket, &rekey()));
            let killed = async {
                tokio::time::sleep(Duration::from_micros(u64::from(round) * 1_733 % 20_000)).await;
                line.process.kill().unwrap();
            };
            let (mut to, mut from) = (line.to, line.from);
            let hearing = async {
                while let Ok(Some(got)) = from.recv::<Tell>().await {
                    if let Frame::Message(tell) = got.frame {
                        house.hear(&mut to, tell).await;
                    }
                }
            };
            let (_, (), ()) = futures_util::join!(asking, killed, hearing);
            line.process.wait().await.unwrap();
            let (fresh, state, findings, _) = house.vault().await;
            line = fresh;
            assert!(state == VaultState::Open && findings.iter().all(|finding| finding.contains("https")), "{round}: {findings:?}");
            for n in 0..6 {
                let asked = get(&house, port, &format!("key{n}")).send();
                assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().status(), 200, "{round}");
            }
        }
        assert!(matches!(house.ask(&mut line, rekey()).await, AdminAnswer::Rewrapped { .. }));
        assert!(before.iter().all(|(id, record)| house.store[id].envelope != record.envelope));
    });
}

fn gone() {
    run(async {
        let mut house = House::new();
        let (mut line, ..) = house.vault().await;
        assert!(matches!(house.ask(&mut line, new_secret("key", VALUE, 9)).await, AdminAnswer::Done));
        drop(line.process);
        std::fs::remove_file(house.keys().join("vault.manifest")).unwrap();
        // The one before may still be on its way out, with its lock.
        let (_line, state, findings, _) = loop {
            let up = house.vault().await;
            if !up.2.iter().any(|finding| finding.contains("another vault is running")) {
                break up;
            }
        };
        assert_eq!(state, VaultState::Broken);
        assert!(findings.iter().any(|finding| finding.contains("has no manifest")), "{findings:?}");
    });
}

fn keyless() {
    run(async {
        let (port, count, ..) = server().await;
        let house = House::new();
        let arguments = ["egress".into(), "--lan".into(), format!("http://127.0.0.1:{port}")];
        let (_line, state, ..) = house.start(arguments.to_vec()).await;
        assert_eq!(state, VaultState::Open);
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(house.client().get(&url).send().await.unwrap().text().await.unwrap(), "ok");
        let answer = house.client().get(&url).bearer_auth("hearth_secret_key_").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), count.load(Ordering::SeqCst)), (403, 1));
    });
}
