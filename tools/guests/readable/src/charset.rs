//! Bytes of a page as text.

/// What the bytes 0x80 to 0x9f are in windows-1252, which is also what pages mean that say ISO-8859-1 (WHATWG Encoding).
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// How far into a page its own word on its encoding may stand, in bytes (HTML, section 4.2.5.4).
const PRESCAN_BYTES: usize = 1_024;

fn western(byte: u8) -> char {
    let high = byte.checked_sub(0x80).map(usize::from);
    high.and_then(|high| WINDOWS_1252.get(high).copied()).unwrap_or(char::from(byte))
}

fn named(text: &str) -> Option<&'static str> {
    let (_, name) = text.split_once("charset")?;
    let name = name.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let name: String = name.chars().take_while(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_')).collect();
    match name.as_str() {
        "iso-8859-1" | "iso8859-1" | "latin1" | "windows-1252" | "cp1252" | "us-ascii" | "ascii" => Some("western"),
        "utf-16" | "utf-16le" => Some("utf-16le"),
        "utf-16be" => Some("utf-16be"),
        _ => None,
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)]));
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The text of a body: by its byte order mark, what its server says (`content_type`), what it says of itself, and else UTF-8. Of other
/// encodings only windows-1252 and its like are known; what cannot be read becomes U+FFFD.
#[must_use]
pub fn decode(bytes: &[u8], content_type: Option<&str>) -> String {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return String::from_utf8_lossy(rest).into_owned();
    }
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(rest, u16::from_be_bytes);
    }
    let said = content_type.map(str::to_ascii_lowercase);
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(PRESCAN_BYTES)).unwrap_or_default()).to_ascii_lowercase();
    let charset = match said.filter(|said| said.contains("charset")) {
        Some(said) => named(&said),
        // A page that is valid UTF-8 is meant so, whatever it says of itself.
        None if std::str::from_utf8(bytes).is_ok() => None,
        None => named(&head).filter(|name| *name == "western"),
    };
    match charset {
        Some("western") => bytes.iter().copied().map(western).collect(),
        Some("utf-16le") => utf16(bytes, u16::from_le_bytes),
        Some("utf-16be") => utf16(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_were_meant() {
        assert_eq!(decode(b"caf\xe9 \x80", Some("text/html; charset=ISO-8859-1")), "café €");
        assert_eq!(decode(b"<meta charset=\"latin1\">caf\xe9", None), "<meta charset=\"latin1\">café");
        assert_eq!(decode("<meta charset=latin1>café".as_bytes(), None), "<meta charset=latin1>café");
        assert_eq!(decode(b"\xff\xfeh\0i\0", None), "hi");
        assert_eq!(decode(b"a\xffb", Some("text/html; charset=utf-8")), "a\u{fffd}b");
    }
}
