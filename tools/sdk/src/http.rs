//! HTTP, to granted hosts, by granted methods and paths. The house authorises each request; another process makes it.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Failure, port};

mod url;

pub use url::{Url, encode};

/// Why there is no answer of a server, or not one that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not granted, or a request that nobody may make. The house's sentence.
    Denied(String),
    /// The server cannot be reached, or the connection ended. The house's sentence.
    Unreachable(String),
    /// Larger or longer than allowed. The house's sentence, or that of `text_limited` and its like.
    Limit(String),
    /// The server answered with another status than success.
    Status(u16),
    /// The body is not what the caller expects.
    Unreadable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(why) | Self::Unreachable(why) | Self::Limit(why) => f.write_str(why),
            Self::Status(status) => write!(f, "the service answered with status {status}"),
            Self::Unreadable => f.write_str("the service answered in a form that this tool does not know"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let why = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(why),
            Error::Unreachable(_) => Self::unavailable(why),
            Error::Status(404 | 410) => Self::not_found(why),
            Error::Status(408 | 425 | 429 | 500..=599) => Self::unavailable(why),
            Error::Limit(_) | Error::Status(_) | Error::Unreadable => Self::failed(why),
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `REPORT`: in capitals.
    pub method: String,
    /// `https://host/path?query`; a secret's place is taken by what `secrets::slot` gave.
    pub url: String,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// None sends none.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// By any method.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: None }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With this value as JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON, because a map has keys that are not text.
    pub fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|_unwritable| Error::Unreadable)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Makes it, and waits for the head of the answer.
    ///
    /// # Errors
    /// The house refuses it, or no server answers.
    pub fn send(&self) -> Result<Response, Error> {
        port::send(self)
    }
}

/// Asks for a page. Any status is an answer: see [`Response::success`].
///
/// # Errors
/// The house refuses it, or no server answers.
pub fn get(url: impl Into<String>) -> Result<Response, Error> {
    Request::get(url).send()
}

/// What a server answers: its head, and a body that is read as it comes.
#[derive(Debug)]
pub struct Response {
    /// 200 and its like.
    pub status: u16,
    /// As the server sent them.
    pub headers: Vec<(String, String)>,
    pub(crate) body: port::Body,
}

impl Response {
    /// This answer, if the server says that it did what was asked (2xx).
    ///
    /// # Errors
    /// [`Error::Status`] otherwise.
    pub fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(Error::Status(self.status)) }
    }

    /// The first header of this name, whatever the case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The next piece of the body, at most 64 KiB; none at the end.
    ///
    /// # Errors
    /// The connection ended, or the body is larger or slower than the house allows.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        port::read(&mut self.body)
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Error::Limit`] if it is longer than `limit_bytes`; those of [`Self::read`].
    pub fn bytes_limited(self, limit_bytes: usize) -> Result<Vec<u8>, Error> {
        let (bytes, whole) = self.bytes_up_to(limit_bytes)?;
        if whole { Ok(bytes) } else { Err(Error::Limit(format!("the service's answer is longer than {limit_bytes} bytes"))) }
    }

    /// The beginning of the body, and whether that is all of it.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn bytes_up_to(mut self, limit_bytes: usize) -> Result<(Vec<u8>, bool), Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.read()? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > limit_bytes {
                bytes.truncate(limit_bytes);
                return Ok((bytes, false));
            }
        }
        Ok((bytes, true))
    }

    /// The whole body as text; what is not UTF-8 becomes U+FFFD.
    ///
    /// # Errors
    /// Those of [`Self::bytes_limited`].
    pub fn text_limited(self, limit_bytes: usize) -> Result<String, Error> {
        let bytes = self.bytes_limited(limit_bytes)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|not_utf8| String::from_utf8_lossy(not_utf8.as_bytes()).into_owned()))
    }

    /// The whole body, read as JSON.
    ///
    /// # Errors
    /// Those of [`Self::bytes_limited`]; [`Error::Unreadable`] if it is not JSON of this form.
    pub fn json_limited<T: DeserializeOwned>(self, limit_bytes: usize) -> Result<T, Error> {
        serde_json::from_slice(&self.bytes_limited(limit_bytes)?).map_err(|_other_shape| Error::Unreadable)
    }
}
