//! A browser, driven over the WebDriver protocol by chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{PATIENCE, send};

/// Which browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Desktop,
    Phone,
    WithoutScript,
}

pub(crate) struct Driver {
    process: Child,
    port: u16,
    session: String,
}

impl Driver {
    pub(crate) fn new(kind: Kind) -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need the packages chromium and chromium-driver: {error}"));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port =
            lines.map_while(Result::ok).find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        let mut driver = Self { process, port: port.unwrap_or_else(|| panic!("chromedriver did not start")), session: String::new() };
        let mut options = json!({ "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1280,860"] });
        match kind {
            Kind::Desktop => (),
            Kind::Phone => {
                options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true } })
            }
            Kind::WithoutScript => options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 }),
        }
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } } });
        driver.session = driver.call("POST", "/session", &wanted)["sessionId"].as_str().unwrap().to_owned();
        driver
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let host = format!("localhost:{}", self.port);
        let headers = [("Host", host.as_str()), ("Content-Type", "application/json")];
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let answer = send(self.port, method, path, &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()["value"].clone()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    pub(crate) fn go(&self, address: &str) {
        self.post("/url", &json!({ "url": address }));
    }

    fn find(&self, css: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": css }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Waits for an element without the help of scripts.
    pub(crate) fn wait_element(&self, css: &str) {
        let until = Instant::now() + PATIENCE;
        let look = json!({ "using": "css selector", "value": css });
        while self.post("/elements", &look).as_array().is_none_or(Vec::is_empty) {
            assert!(Instant::now() < until, "never there: {css}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn click(&self, css: &str) {
        self.post(&format!("/element/{}/click", self.find(css)), &json!({}));
    }

    pub(crate) fn keys(&self, css: &str, text: &str) {
        self.post(&format!("/element/{}/value", self.find(css)), &json!({ "text": text }));
    }

    /// What an expression comes to in the page.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": format!("return ({expression});"), "args": [] }))
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.eval(expression) != true {
            assert!(Instant::now() < until, "never true: {expression}\n{}", self.eval("document.body.innerText"));
            std::thread::yield_now();
        }
    }

    pub(crate) fn wait_text(&self, text: &str) {
        self.wait(&format!("document.body.innerText.includes({})", json!(text)));
    }

    pub(crate) fn dark(&self) {
        let params = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
        self.post("/goog/cdp/execute", &json!({ "cmd": "Emulation.setEmulatedMedia", "params": params }));
    }

    /// Keeps a picture for people to look at.
    pub(crate) fn picture(&self, name: &str) {
        let picture = self.post("/goog/cdp/execute", &json!({ "cmd": "Page.captureScreenshot", "params": {} }));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(folder.join(format!("{name}.png")), base64(picture["data"].as_str().unwrap())).unwrap();
    }

    /// What the browser complained about: refused scripts, errors.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Chromium ends with its session, not with chromedriver; a test that fails must leave none behind.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            drop(stream.set_read_timeout(Some(PATIENCE)));
            let (session, port) = (&self.session, self.port);
            let asked = write!(stream, "DELETE /session/{session} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
            drop(asked.and_then(|()| stream.read(&mut [0; 1])));
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|known| *known == byte);
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(|digit| u32::try_from(digit).unwrap()).collect();
    let group = |four: &[u32]| {
        let sum = four.iter().fold(0, |sum, digit| (sum << 6) | digit) << (6 * (4 - four.len()));
        sum.to_be_bytes().into_iter().skip(1).take(four.len() - 1).collect::<Vec<_>>()
    };
    digits.chunks(4).flat_map(group).collect()
}
