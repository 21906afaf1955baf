//! Secrets that are signed in for: a person at a browser, a provider of tokens on loopback, and a service that takes them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_domain::journal::Digest;
use reqwest::Url;
use rustix::process::geteuid;
use serde_json::json;

use crate::memory::{Needles, stored};
use crate::standins;
use crate::support::{DEADLINE, Home, KEY, Ran, finish, let_pass};

/// The secret of the client.
const CLIENT_SECRET: &str = "client-secret-Xc8Jq20LmW";
const AT_TOKEN: &str = "POST /token ";

/// What a provider knows.
#[derive(Debug, Default)]
struct Books {
    /// The challenge of each code.
    codes: BTreeMap<String, String>,
    access: Vec<String>,
    refresh: Vec<String>,
    /// Every token that was given.
    given: Vec<String>,
    refreshes: usize,
    life_s: u64,
}

impl Books {
    fn exchange(&mut self, form: &BTreeMap<String, String>) -> Option<String> {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        if field("grant_type") == "refresh_token" {
            let at = self.refresh.iter().position(|token| *token == field("refresh_token"))?;
            // It serves once.
            self.refresh.remove(at);
            self.refreshes += 1;
        } else {
            let challenge = URL_SAFE_NO_PAD.encode(Digest::of(field("code_verifier").as_bytes()).bytes());
            self.codes.remove(&field("code")).filter(|known| *known == challenge)?;
        }
        let n = self.given.len();
        let (access, refresh) = (format!("access-{n:04}-Hd02nPzx71LmWvTe"), format!("refresh-{n:04}-q83Kd0NzPx7LmW5r"));
        self.access.push(access.clone());
        self.refresh.push(refresh.clone());
        self.given.extend([access.clone(), refresh.clone()]);
        Some(json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": self.life_s}).to_string())
    }
}

/// A provider, and beside it a service that takes its tokens.
#[derive(Debug, Clone)]
struct Provider {
    port: u16,
    books: Arc<Mutex<Books>>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let provider = Self { port, books: Arc::new(Mutex::new(Books { life_s: 3600, ..Books::default() })) };
        let serving = provider.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        provider
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        loop {
            let (head, body) = standins::message(&mut stream)?;
            let sent = |line: &str| head.lines().any(|had| had.eq_ignore_ascii_case(line));
            let (status, answer) = if head.starts_with(AT_TOKEN) {
                let client = STANDARD.encode(format!("my%20client:{CLIENT_SECRET}"));
                let form = Url::parse(&format!("http://form/?{}", String::from_utf8(body).unwrap())).unwrap();
                let form = form.query_pairs().into_owned().collect();
                let known = head.lines().any(|had| had.to_lowercase().starts_with("authorization: basic ") && had.ends_with(&client));
                match self.books().exchange(&form).filter(|_| known) {
                    Some(tokens) => ("200 OK", tokens),
                    None => ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_owned()),
                }
            } else if self.books().access.iter().any(|token| sent(&format!("authorization: Bearer {token}"))) {
                ("200 OK", "{}".to_owned())
            } else {
                ("401 Unauthorized", "{}".to_owned())
            };
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).ok()?;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The person agrees: where the browser is sent back to.
    fn agree(&self, address: &str) -> Url {
        let fields: BTreeMap<String, String> = Url::parse(address).unwrap().query_pairs().into_owned().collect();
        assert!(address.starts_with(&self.url("/authorize?")), "{address}");
        assert_eq!((fields["code_challenge_method"].as_str(), fields["scope"].as_str()), ("S256", "read write"));
        let code = format!("code-{}", self.books().codes.len());
        self.books().codes.insert(code.clone(), fields["code_challenge"].clone());
        let mut back = Url::parse(&fields["redirect_uri"]).unwrap();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &fields["state"]);
        back
    }

    /// The status that a use of the secret has.
    fn used(&self, home: &Home) -> String {
        let headers = [("authorization", "Bearer hearth_secret_calendar_"), ("hearth-idempotent", "yes")];
        let head = standins::post(&home.data().join("vault.sock"), "tool/weather", &self.url("/v1/events"), &headers, "{}");
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

/// `hearth secret sign-in`, which waits.
struct Waiting {
    process: Child,
    /// Where it says that the browser is to go.
    address: String,
}

impl Waiting {
    fn begin(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command(&[&["secret", "sign-in"], arguments].concat());
        command.env("THE_VALUE", CLIENT_SECRET).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // Byte by byte: what comes after the address stays for whoever reads the rest.
        let mut out = BufReader::with_capacity(1, process.stdout.as_mut().unwrap());
        let mut line = String::new();
        while !line.starts_with("http") {
            line.clear();
            if out.read_line(&mut line).unwrap() == 0 {
                panic!("it did not wait: {:?}", finish(process));
            }
        }
        // What is said next is said once it listens.
        let mut told = String::new();
        while !told.contains("the address at which") {
            assert!(out.read_line(&mut told).unwrap() > 0, "{told}");
        }
        Self { process, address: line.trim().to_owned() }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ends(self) -> Ran {
        finish(self.process)
    }
}

/// A browser opens an address; what it is shown.
fn browse(address: &Url) -> String {
    let mut stream = TcpStream::connect((address.host_str().unwrap(), address.port().unwrap())).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {}?{} HTTP/1.1\r\nhost: x\r\n\r\n", address.path(), address.query().unwrap_or_default()).unwrap();
    let mut shown = String::new();
    stream.read_to_string(&mut shown).unwrap();
    shown
}

/// A port that nobody has.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// What is said of a new sign-in at this provider.
fn arguments(provider: &Provider, port: u16) -> Vec<String> {
    let (token, back) = (format!("{} lan", provider.url("/token")), format!("http://127.0.0.1:{port}/back"));
    let rule = format!("POST {} lan", provider.url("/v1/**"));
    let authorize = provider.url("/authorize");
    let said = ["calendar", "--authorize", &authorize, "--token", &token, "--client", "my client", "--scope", "read", "--scope", "write"];
    let more = ["--redirect", &back, "--use", "tool/weather", "--allow", &rule];
    [&said[..], &more].concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_person_signs_in_at_a_browser_and_nobody_but_the_vault_has_a_token() {
    let (provider, home) = (Provider::start(), Home::new());
    let house = home.start();
    let arguments = arguments(&provider, free_port());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--client-secret", "--value-env", "THE_VALUE"]).collect();
    let waiting = Waiting::begin(&home, &arguments);
    let back = provider.agree(&waiting.address);
    for (from, to) in [("state=", "state=x"), ("/back", "/favicon.ico")] {
        let other = Url::parse(&back.as_str().replace(from, to)).unwrap();
        assert!(browse(&other).starts_with("HTTP/1.1 404"), "{other}");
    }
    let shown = browse(&back);
    assert!(shown.starts_with("HTTP/1.1 200") && shown.contains("no-store") && shown.contains("no-referrer"), "{shown}");
    let ran = waiting.ends();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("calendar is signed in for. Where it is used, write hearth_secret_calendar_"), "{}", ran.out);

    assert_eq!(provider.used(&home), "200");
    let listed = home.secret_done("", &["list"]);
    assert!(listed.starts_with("calendar (version 1, signed in for, renewed from 2"), "{listed}");
    // Not accepted any more, and renewed; the next one lives for a second, and after it the provider knows of no sign-in.
    provider.books().access.clear();
    provider.books().life_s = 1;
    assert_eq!(provider.used(&home), "200");
    assert!(home.secret_done("", &["list"]).starts_with("calendar (version 2, signed in for"));
    provider.books().refresh.clear();
    let_pass(Duration::from_secs(2));
    assert_eq!(provider.used(&home), "403");
    let listed = home.secret_done("", &["list"]);
    assert!(listed.contains("its sign-in has ended: sign in again with `hearth secret sign-in calendar`"), "{listed}");
    assert!(!listed.contains("forget"), "{listed}");
    let json = home.secret_done("", &["list", "--json"]);
    assert!(json.contains("\"signed_in\"") && json.contains("its sign-in has ended"), "{json}");

    provider.books().life_s = 3600;
    let mut waiting = Waiting::begin(&home, &["calendar"]);
    let back = provider.agree(&waiting.address);
    waiting.types("code-0");
    waiting.types(back.as_str());
    let ran = waiting.ends();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    assert!(ran.out.contains("That is no address of this sign-in"), "{}", ran.out);
    assert_eq!(provider.used(&home), "200");
    house.kill();

    let house = home.start();
    // Which waits for the vault: a house is up before it.
    home.secret_done("", &["list"]);
    assert_eq!((provider.used(&home), provider.books().refreshes), ("200".to_owned(), 1));
    let mut given = provider.books().given.clone();
    assert_eq!(given.len(), 6);
    given.push(CLIENT_SECRET.to_owned());
    let needles = Needles::of(&given.iter().map(String::as_str).collect::<Vec<_>>());
    for (named, id) in [("house", house.id()), ("egress", house.part("hearth egress", &[]))] {
        match needles.in_process(id) {
            Ok((size, hits)) => assert!(size > 1 << 20 && hits.is_empty(), "{named}: {hits:?}"),
            Err(error) if !geteuid().is_root() => eprintln!("NOT SHOWN: the memory of {named} may only be looked at by root ({error})"),
            Err(error) => panic!("{named}: {error}"),
        }
    }
    assert_eq!((house.status()["restarts"].as_u64(), house.stop()), (Some(0), Some(0)));
    assert_eq!(needles.in_files(home.folder()).1, BTreeMap::new());
    let rows = stored(&home);
    // What a house that is killed had not written yet of uses is not among them; changes are.
    for what in ["signed in", "access token renewed", "its sign-in has ended", "signed in again", "signed-in", "refreshed"] {
        assert!(rows.contains(what), "{what}: not in the audit");
    }
    assert!(needles.in_bytes(rows.as_bytes()).is_empty());
}

#[test]
fn a_sign_in_that_cannot_be_is_refused_with_a_sentence() {
    let (provider, home) = (Provider::start(), Home::new());
    let _house = home.start();
    let all = arguments(&provider, free_port());
    let with = |option: &str, value: &str| {
        let mut changed = all.clone();
        let at = changed.iter().position(|argument| argument == option).unwrap();
        changed[at + 1] = value.to_owned();
        changed
    };
    for (arguments, expected) in [
        (with("--redirect", "http://home.example.com/back"), "https, or http at 127.0.0.1"),
        (with("--token", "http://tokens.example.com/token"), "plain http is for hosts of the LAN only"),
        (with("--token", "tokens"), "target 2: "),
        (with("--authorize", "http://accounts.example.com/"), "no public https address"),
        (with("--client", ""), "a client's identifier is needed"),
        (with("--use", "everybody"), "not a user of secrets"),
        (vec!["calendar".to_owned()], "there is no secret of this name"),
        (["calendar", "--use", "tool/sky"].map(str::to_owned).to_vec(), "change it with `hearth secret allow`"),
    ] {
        let arguments: Vec<&str> = ["sign-in"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let said = home.secret_refused("", &arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let ran = home.secret("", &["sign-in", "calendar", "--authorize", "https://accounts.example.com/"]);
    assert!(ran.code == Some(2) && ran.err.contains("--token"), "{}", ran.err);
    home.secret_done(KEY, &["add", "plain", "--value-env", "THE_VALUE", "--use", "tool/a", "--allow", "@openai"]);
    assert!(home.secret_refused("", &["sign-in", "plain"]).contains("not one that is signed in for"));

    // Denied at the browser: nothing is asked of the provider.
    let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
    let waiting = Waiting::begin(&home, &arguments);
    let denied = Url::parse(&provider.agree(&waiting.address).as_str().replace("code=code-0", "error=access_denied")).unwrap();
    assert!(browse(&denied).starts_with("HTTP/1.1 200"));
    let ran = waiting.ends();
    assert!(ran.code == Some(1) && ran.err.contains("did not agree to the login"), "{}", ran.err);
    // A client without a secret, where the provider wants one.
    let waiting = Waiting::begin(&home, &arguments);
    browse(&provider.agree(&waiting.address));
    let ran = waiting.ends();
    assert!(ran.code == Some(1) && ran.err.contains("the login at the provider has ended"), "{}", ran.err);
    assert!(home.secret_done("", &["list"]).starts_with("plain (version 1)"));
    assert!(provider.books().access.len() <= 1, "what was given to nobody");
}
