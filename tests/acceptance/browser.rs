//! A browser, as far as the page of the house needs one: requests over HTTP, and a cookie.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::DEADLINE;

/// A browser at the page of a house.
#[derive(Debug)]
pub(crate) struct Browser {
    /// Host and port.
    host: String,
}

impl Browser {
    pub(crate) fn at(page: &str) -> Self {
        Self { host: page.strip_prefix("http://").unwrap().to_owned() }
    }

    /// Host and port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What is shown at this path.
    pub(crate) fn get(&self, path: &str, cookie: Option<&str>) -> String {
        let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{cookie}", self.host), "").1
    }

    /// Sends what stands behind the `#` of a login link; the session's cookie when it is good.
    pub(crate) fn log_in(&self, token: &str) -> Option<String> {
        let body = format!("token={token}");
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {1}\r\n",
            self.host,
            body.len()
        );
        let (head, _) = self.send(&head, &body);
        let cookie = head.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")))?.1;
        Some(cookie.split(';').next().unwrap().to_owned())
    }

    /// Says something on the page, as its form does.
    pub(crate) fn say(&self, cookie: &str, nonce: &str, text: &str) {
        let page = self.get("/", Some(cookie));
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = format!("csrf={csrf}&nonce={nonce}&text={escaped}");
        let head = format!(
            "POST /say HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {cookie}\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {1}\r\n",
            self.host,
            body.len()
        );
        let (head, body) = self.send(&head, &body);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}: {body}");
    }

    /// Head and body of the answer.
    fn send(&self, head: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}
