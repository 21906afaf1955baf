//! Addresses put together from parts that somebody else wrote.

use std::fmt::{self, Write};

/// Escapes everything but letters, digits and `-._~` (RFC 3986, section 2.3), so that it can stand in a path segment or a query.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// An address that grows by escaped parts: `Url::new("https://host/v1").segment("a b").query("q", "x&y")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    path: String,
    query: String,
}

impl Url {
    /// Begins with this address, which is taken as it is.
    #[must_use]
    pub fn new(base: &str) -> Self {
        match base.split_once('?') {
            Some((path, query)) => Self { path: path.to_owned(), query: query.to_owned() },
            None => Self { path: base.to_owned(), query: String::new() },
        }
    }

    /// One more segment of the path.
    #[must_use]
    pub fn segment(mut self, segment: &str) -> Self {
        if !self.path.ends_with('/') {
            self.path.push('/');
        }
        // A server would read these two as a step up or none at all, escaped or not.
        let segment = if matches!(segment, "." | "..") { "" } else { segment };
        self.path.push_str(&encode(segment));
        self
    }

    /// One more pair of the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(&encode(name));
        self.query.push('=');
        self.query.push_str(&encode(value));
        self
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if !self.query.is_empty() { write!(f, "?{}", self.query) } else { Ok(()) }
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.to_string()
    }
}

impl From<&Url> for String {
    fn from(url: &Url) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_wrote_stays_in_its_part() {
        let url = Url::new("https://host/v1?a=1").segment("../b?c").segment("..").query("q", "x&y=ü #");
        assert_eq!(url.to_string(), "https://host/v1/..%2Fb%3Fc/?a=1&q=x%26y%3D%C3%BC%20%23");
    }
}
