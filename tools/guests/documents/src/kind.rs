//! What a file is: by how it begins, and where that says nothing, by what it is called.

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pdf,
    Docx,
    Html,
    /// With what parts the cells.
    Table(u8),
    Text,
}

impl Kind {
    /// As an answer names it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Html => "html",
            Self::Table(_) => "csv",
            Self::Text => "text",
        }
    }

    /// None for a file that is no text.
    pub(crate) fn of(bytes: &[u8], name: &str, media_type: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let head = bytes.get(..bytes.len().min(1_024)).unwrap_or_default();
        // Some writers put a line before it.
        if head.windows(5).any(|window| window == b"%PDF-") {
            return Some(Self::Pdf);
        }
        if head.starts_with(b"PK\x03\x04") {
            return Some(Self::Docx);
        }
        if head.contains(&0) && !head.starts_with(b"\xff\xfe") && !head.starts_with(b"\xfe\xff") {
            return None;
        }
        if media_type == "text/html" || media_type == "application/xhtml+xml" || name.ends_with(".html") || name.ends_with(".htm") {
            return Some(Self::Html);
        }
        if media_type == "text/tab-separated-values" || name.ends_with(".tsv") {
            return Some(Self::Table(b'\t'));
        }
        if media_type == "text/csv" || name.ends_with(".csv") {
            return Some(Self::Table(if comma(head) { b',' } else { b';' }));
        }
        let begins = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
        let html = begins.starts_with("<!doctype html") || begins.starts_with("<html");
        Some(if html { Self::Html } else { Self::Text })
    }
}

/// Whether the first line is parted by commas rather than by semicolons, as spreadsheets in half of Europe write it.
fn comma(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |of: u8| line.iter().filter(|byte| **byte == of).count();
    count(b',') >= count(b';')
}
