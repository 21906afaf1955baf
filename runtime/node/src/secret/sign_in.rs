//! Signing in for a secret: the address for the browser, and what the browser is sent back with, which goes to the vault unread.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use hearth_vault::admin::{AdminAnswer, AdminAsk, Hidden, NewSecret, NewSignIn};
use hearth_vault::keeper::login::ClientAuth;
use hearth_vault::keeper::renew::SignedIn;
use reqwest::Url;
use zeroize::Zeroizing;

use super::command::{PolicyOptions, SignInOptions};
use super::members::Members;
use super::{UNEXPECTED, ask, done, entry, name, named, new};
use crate::terminal::{Terminal, harmless};

/// Where a browser is sent back to when nothing else is said: to this machine.
const BACK: &str = "http://127.0.0.1:17171/";
/// Most bytes of a browser's request, or of a line that is entered.
const HEAD_BYTES: u64 = 16 * 1024;
/// How long a browser may say nothing.
const SILENCE: Duration = Duration::from_secs(5);
/// What a browser shows that came back. It loads nothing, and leaves the address with the code nowhere.
const PAGE: &str = "<!doctype html><title>Hearth</title><p>That is all here: the terminal says how it went.</p>";

pub(super) fn sign_in(members: &Members, socket: &Path, terminal: &Terminal, options: SignInOptions) -> anyhow::Result<String> {
    let of = name(&options.name)?;
    let asked = match options.authorize.clone() {
        Some(authorize) => AdminAsk::SignIn(Box::new(first(members, authorize, options)?)),
        None if options.policy != PolicyOptions::default() => {
            bail!("the policy of a secret that is there stays: change it with `hearth secret allow`; a new one needs --authorize too")
        }
        None => AdminAsk::SignInAgain { name: of.clone() },
    };
    let AdminAnswer::Open { address, seconds } = ask(socket, &asked)? else { bail!(UNEXPECTED) };
    let back = Back::of(&address).context(UNEXPECTED)?;
    let answer = back.wait(terminal, &address, Duration::from_secs(seconds))?;
    done(socket, &AdminAsk::SignedIn { name: of.clone(), answer })?;
    Ok(format!("{of} is signed in for. Where it is used, write {} in its place.", of.placeholder()))
}

fn first(members: &Members, authorize: String, options: SignInOptions) -> anyhow::Result<NewSignIn> {
    named(&options.policy)?;
    let (token, client) = (options.token.unwrap_or_default(), options.client.unwrap_or_default());
    let (token, lan) = token.split_once(' ').map_or((token.as_str(), ""), |(token, lan)| (token, lan.trim()));
    let secret = new(members, name(&options.name)?, options.policy)?;
    let client_secret = if options.client_secret || options.value.is_given() {
        Some(entry::value(&options.value, "Secret of the client: ")?)
    } else {
        None
    };
    let place = token.split(['?', '#']).next().unwrap_or_default();
    let rule = format!("POST {place} {lan} in signature");
    Ok(NewSignIn {
        secret: NewSecret { targets: secret.targets.iter().cloned().chain([rule]).collect(), ..secret },
        authorize,
        token: token.to_owned(),
        client,
        client_secret,
        auth: if options.secret_in_form { ClientAuth::Form } else { ClientAuth::Basic },
        scope: options.scopes.join(" "),
        redirect: options.redirect.unwrap_or_else(|| BACK.to_owned()),
    })
}

/// How a secret stands that is signed in for, as a part of its line.
pub(super) fn shown(how: &SignedIn) -> String {
    let until = how.until.map(|until| until.to_string());
    match (&how.trouble, until, how.renewed) {
        (Some(trouble), _, _) => format!(", signed in for: {trouble}"),
        (None, Some(until), true) => format!(", signed in for, renewed from {until} on"),
        (None, Some(until), false) => format!(", signed in for until {until}"),
        (None, None, true) => ", signed in for, renewed when it is not accepted any more".to_owned(),
        (None, None, false) => ", signed in for".to_owned(),
    }
}

/// Where a browser comes back to, and what it has to bring.
#[derive(Debug, Clone)]
struct Back {
    redirect: Url,
    state: String,
}

impl Back {
    /// As the address says that is opened in the browser.
    fn of(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok()?;
        // The service's own address may have fields of the same name; the vault's stand at the end.
        let field = |wanted: &str| url.query_pairs().filter(|(name, _)| name == wanted).last().map(|(_, value)| value.into_owned());
        Some(Self { redirect: Url::parse(&field("redirect_uri")?).ok()?, state: field("state")? })
    }

    /// The place on this machine, if it is one.
    fn here(&self) -> Option<SocketAddr> {
        if self.redirect.scheme() != "http" {
            return None;
        }
        let port = self.redirect.port_or_known_default()?;
        match self.redirect.host_str()? {
            "[::1]" => Some((Ipv6Addr::LOCALHOST, port).into()),
            _ => Some((Ipv4Addr::LOCALHOST, port).into()),
        }
    }

    /// Whether an address belongs to this sign-in. Whether it is right, the vault says.
    fn belongs(&self, address: &str) -> bool {
        let url = self.redirect.join(address);
        url.is_ok_and(|url| {
            url.path() == self.redirect.path() && url.query_pairs().any(|(name, value)| name == "state" && value == self.state)
        })
    }

    /// Waits for the browser, or for a line with the address at which it ended, whichever is first.
    fn wait(&self, terminal: &Terminal, address: &str, time: Duration) -> anyhow::Result<Hidden> {
        let (send, answers) = channel();
        let listener = self.here().map(TcpListener::bind);
        terminal.line("Open this address in a browser, and agree there:\n");
        terminal.line(&harmless(address));
        match listener {
            Some(Ok(listener)) => {
                terminal.line("\nFrom a browser on another machine, copy the address at which it ends, and enter it here:");
                self.apart("browser", send.clone(), move |back, send| listener.incoming().flatten().any(|stream| back.met(stream, send)))?;
            }
            Some(Err(error)) => {
                terminal.line(&format!("\nA browser cannot come back by itself ({error}). Enter the address at which it ends:"));
            }
            None => terminal.line("\nEnter the address at which the browser ends:"),
        }
        self.apart("entered", send, |back, send| back.entered(send))?;
        // Both are gone, or the time is.
        let answer = answers.recv_timeout(time);
        answer.map(|answer| Hidden::new(answer.as_bytes().to_vec())).context("nothing came back from the browser; begin the sign-in again")
    }

    fn apart(
        &self,
        named: &str,
        send: Sender<Zeroizing<String>>,
        work: impl FnOnce(&Self, &Sender<Zeroizing<String>>) -> bool + Send + 'static,
    ) -> anyhow::Result<()> {
        let back = self.clone();
        #[expect(clippy::disallowed_methods, reason = "a command of its own, which ends with whichever of the two has an answer")]
        let spawned = std::thread::Builder::new().name(named.to_owned()).spawn(move || work(&back, &send));
        spawned.map(drop).context("no thread could be started")
    }

    /// Reads lines until one belongs here.
    fn entered(&self, send: &Sender<Zeroizing<String>>) -> bool {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Zeroizing::new(String::new());
            match input.by_ref().take(HEAD_BYTES).read_line(&mut line) {
                Ok(0) | Err(_) => return false,
                Ok(_) if self.belongs(line.trim()) => return send.send(line).is_ok(),
                Ok(_) if line.trim().is_empty() => {}
                Ok(_) => Terminal::new().line("That is no address of this sign-in. The whole address at which the browser ends:"),
            }
        }
    }

    /// Answers a browser; whether it brought what is waited for.
    fn met(&self, mut stream: TcpStream, send: &Sender<Zeroizing<String>>) -> bool {
        let target = self.read(&stream);
        let (status, page) = if target.is_some() { ("200 OK", PAGE) } else { ("404 Not Found", "") };
        let head = "content-type: text/html; charset=utf-8\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\n\
                    content-security-policy: default-src 'none'\r\nconnection: close";
        drop(write!(stream, "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len()));
        target.is_some_and(|target| send.send(target).is_ok())
    }

    fn read(&self, stream: &TcpStream) -> Option<Zeroizing<String>> {
        stream.set_read_timeout(Some(SILENCE)).and_then(|()| stream.set_write_timeout(Some(SILENCE))).ok()?;
        let mut lines = std::io::BufReader::new(stream.take(HEAD_BYTES));
        let mut first = Zeroizing::new(String::new());
        lines.read_line(&mut first).ok()?;
        let mut rest = Zeroizing::new(String::new());
        // To the end of the head: a browser whose request was not read does not show the answer.
        while lines.read_line(&mut rest).ok()? > 2 {
            rest.clear();
        }
        let target = first.strip_prefix("GET ")?.split(' ').next()?;
        self.belongs(target).then(|| Zeroizing::new(target.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back() -> Back {
        let fields = "client_id=c&redirect_uri=http%3A%2F%2F127.0.0.1%3A17171%2Fback&state=s-1";
        Back::of(&format!("https://accounts.example.com/authorize?state=own&{fields}")).unwrap()
    }

    #[test]
    fn only_what_comes_back_with_the_state_belongs_to_a_sign_in() {
        let back = back();
        assert_eq!(back.here().unwrap().to_string(), "127.0.0.1:17171");
        for (address, belongs) in [
            ("/back?code=c&state=s-1", true),
            ("http://127.0.0.1:17171/back?state=s-1&code=c", true),
            ("/back?error=access_denied&state=s-1", true),
            ("/back?code=c&state=own", false),
            ("/back?code=c", false),
            ("/favicon.ico?state=s-1", false),
            ("code=c", false),
            ("", false),
        ] {
            assert_eq!(back.belongs(address), belongs, "{address}");
        }
    }

    #[test]
    fn an_address_elsewhere_is_not_listened_at() {
        let redirect = |url: &str| Back { redirect: Url::parse(url).unwrap(), state: "s".to_owned() };
        assert_eq!(redirect("https://home.example.com/back").here(), None);
        assert_eq!(redirect("http://[::1]:9/").here().unwrap().to_string(), "[::1]:9");
        assert_eq!(redirect("http://localhost/").here().unwrap().to_string(), "127.0.0.1:80");
    }
}
