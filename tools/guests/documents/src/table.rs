//! A table of text (RFC 4180) as a table of Markdown.

use csv::ReaderBuilder;
use hearth_tool::Failure;

/// The most columns that are shown.
const COLUMNS: usize = 100;

/// At most so many characters; whether that is all.
pub(crate) fn text(source: &str, parted_by: u8, limit_chars: usize) -> Result<(String, bool), Failure> {
    let mut reader = ReaderBuilder::new().delimiter(parted_by).flexible(true).has_headers(false).from_reader(source.as_bytes());
    let mut text = String::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(|_broken| Failure::bad_arguments("this is no table: a row of it cannot be read"))?;
        let cells: Vec<String> =
            record.iter().take(COLUMNS).map(|cell| cell.trim().replace('|', "\\|").replace(['\n', '\r'], " ")).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if row == 0 {
            text.push_str(&format!("|{}\n", " --- |".repeat(cells.len())));
        }
        if text.len() > limit_chars {
            return Ok((text, false));
        }
    }
    Ok((text, true))
}
