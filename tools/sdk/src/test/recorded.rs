//! HTTP that was recorded, one exchange in a file `*.http`:
//!
//! ```text
//! POST https://host/path?query
//! authorization: Bearer hearth-secret-token
//! content-type: application/*
//!
//! {"a": 1}
//! ---
//! 200
//! content-type: application/json
//!
//! {"b": 2}
//! ```
//!
//! Above the line `---` stands what the request must be: its method and address, headers that it must carry (a `*` at the end of a value
//! stands for anything), and its body, if there is a blank line and something after it (compared as JSON where both are JSON). Below it
//! the status, headers and the body. A body `@name` is the file `name` beside it, byte for byte. Files are taken in the order of their
//! names; of equal requests the first gets the first answer, and the last answer is given again and again.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use crate::http::Request;

/// What parts request and answer.
const LINE: &str = "---";

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// In capitals.
    pub method: String,
    /// With its query.
    pub url: String,
    /// Headers that the request must carry, names in lower case.
    pub request_headers: Vec<(String, String)>,
    /// The body that it must have; none asks for nothing.
    pub request_body: Option<String>,
    /// Of the answer.
    pub status: u16,
    /// Of the answer.
    pub response_headers: Vec<(String, String)>,
    /// Of the answer.
    pub response_body: Vec<u8>,
}

impl Exchange {
    /// Whether this is the request that was recorded.
    ///
    /// # Errors
    /// It is not; with the reason if method and address fit.
    pub fn fits(&self, request: &Request) -> Result<(), Option<String>> {
        if self.method != request.method || self.url != request.url {
            return Err(None);
        }
        for (name, wanted) in &self.request_headers {
            let given = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
            let fits = match (given, wanted.strip_suffix('*')) {
                (None, _) => false,
                (Some(given), Some(start)) => given.starts_with(start),
                (Some(given), None) => given == wanted,
            };
            if !fits {
                return Err(Some(format!("the header {name} is {given:?}, not {wanted:?}")));
            }
        }
        let Some(wanted) = &self.request_body else { return Ok(()) };
        let given = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
        if same(wanted, &given) { Ok(()) } else { Err(Some(format!("the body is {given:?}, not {wanted:?}"))) }
    }
}

fn same(wanted: &str, given: &str) -> bool {
    match (serde_json::from_str::<serde_json::Value>(wanted), serde_json::from_str::<serde_json::Value>(given)) {
        (Ok(wanted), Ok(given)) => wanted == given,
        _ => wanted.lines().map(str::trim_end).eq(given.trim_end().lines().map(str::trim_end)),
    }
}

/// Why a recording cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The folder or a file cannot be read.
    Read(PathBuf, io::Error),
    /// The text is not a recording: what is missing.
    Form(PathBuf, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Form(path, what) => write!(f, "{} is not a recording: {what}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(_, error) => Some(error),
            Self::Form(..) => None,
        }
    }
}

/// The exchanges of a folder.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// In the order of their files' names.
    pub exchanges: Vec<Exchange>,
}

impl Recording {
    /// Reads every `*.http` of a folder.
    ///
    /// # Errors
    /// One of them cannot be read or is not a recording.
    pub fn folder(folder: &Path) -> Result<Self, Error> {
        let entries = fs::read_dir(folder).map_err(|error| Error::Read(folder.to_owned(), error))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| Error::Read(folder.to_owned(), error))?.path();
            if path.extension().is_some_and(|extension| extension == "http") {
                files.push(path);
            }
        }
        files.sort();
        let exchanges = files.into_iter().map(|file| {
            let text = fs::read_to_string(&file).map_err(|error| Error::Read(file.clone(), error))?;
            parse_named(&text, folder, &file)
        });
        Ok(Self { exchanges: exchanges.collect::<Result<_, _>>()? })
    }
}

/// Reads one exchange; `folder` is where its `@name` are.
///
/// # Errors
/// It is not a recording, or names a file that cannot be read.
pub fn parse(text: &str, folder: &Path) -> Result<Exchange, Error> {
    parse_named(text, folder, Path::new("the text"))
}

/// The first line, the headers and, after a blank line, the body.
type Half<'a> = (&'a str, Vec<(String, String)>, Option<String>);

fn half(text: &str) -> Result<Half<'_>, &'static str> {
    let (head, body) = match text.split_once("\n\n") {
        Some((head, body)) => (head, Some(body.to_owned())),
        None => (text, None),
    };
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().trim();
    let headers = lines.filter(|line| !line.trim().is_empty()).map(|line| {
        let (name, value) = line.split_once(':').ok_or("a header is `name: value`")?;
        Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    });
    Ok((first, headers.collect::<Result<_, &'static str>>()?, body))
}

fn parse_named(text: &str, folder: &Path, file: &Path) -> Result<Exchange, Error> {
    let form = |what| Error::Form(file.to_owned(), what);
    let text = text.replace("\r\n", "\n");
    let parting = format!("\n{LINE}\n");
    let (request, response) = text.trim_start().split_once(&parting).ok_or_else(|| form("the line `---` is missing"))?;
    let (first, request_headers, request_body) = half(request).map_err(form)?;
    let (method, url) = first.split_once(' ').ok_or_else(|| form("the first line is `METHOD address`"))?;
    let (status, response_headers, response_body) = half(response).map_err(form)?;
    let status = status.split(' ').next().unwrap_or_default().parse().map_err(|_not_a_number| form("the status is a number"))?;
    let response_body = match response_body {
        None => Vec::new(),
        Some(body) => match body.trim().strip_prefix('@') {
            Some(name) if !name.contains(['\n', '/', ' ']) => {
                let path = folder.join(name);
                fs::read(&path).map_err(|error| Error::Read(path, error))?
            }
            _ => body.into_bytes(),
        },
    };
    let request_body = request_body.filter(|body| !body.trim().is_empty());
    Ok(Exchange {
        method: method.to_owned(),
        url: url.trim().to_owned(),
        request_headers,
        request_body,
        status,
        response_headers,
        response_body,
    })
}
