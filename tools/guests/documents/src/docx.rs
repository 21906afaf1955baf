//! The text of a Word document (ECMA-376 part 1, section 17): headings, lists, tables. What its reader would not see (hidden text, what a
//! revision deleted, comments) is left out.

use hearth_tool::Failure;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::archive::{self, Error};

/// The largest text part, when it is not compressed any more, in bytes.
const PART_BYTES: usize = 24 << 20;
/// Where the text is.
const PART: &str = "word/document.xml";

fn damaged() -> Failure {
    Failure::bad_arguments("this document is damaged")
}

/// The part with the text.
fn part(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    archive::file(bytes, PART, PART_BYTES).map_err(|error| match error {
        Error::Damaged => damaged(),
        Error::Missing => Failure::bad_arguments("this is an archive of another kind, not a Word document (.docx)"),
        Error::Method => Failure::bad_arguments("this document is locked, or packed in a way that is not known here"),
        Error::TooLarge => Failure::bad_arguments("this document is larger inside than it may be"),
    })
}

/// The text, while it is put together.
#[derive(Default)]
struct Writer {
    text: String,
    /// Of the paragraph.
    line: String,
    mark: &'static str,
    /// Of the row; none outside of tables.
    cells: Option<Vec<String>>,
    tables: u32,
    run_is_hidden: bool,
    in_text: bool,
}

impl Writer {
    fn paragraph(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mark = std::mem::take(&mut self.mark);
        match self.cells.as_mut().and_then(|cells| cells.last_mut()) {
            Some(cell) if !line.trim().is_empty() => {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&line.trim().replace('|', "\\|"));
            }
            Some(_) => {}
            None if line.trim().is_empty() => {}
            None => {
                self.text.push_str(mark);
                self.text.push_str(line.trim_end());
                self.text.push_str(if mark == "- " { "\n" } else { "\n\n" });
            }
        }
    }

    fn row(&mut self) {
        if let Some(cells) = self.cells.take() {
            self.text.push_str(&format!("| {} |\n", cells.join(" | ").replace('\n', " ")));
        }
    }

    fn begin(&mut self, element: &BytesStart<'_>, is_empty: bool) {
        match element.local_name().as_ref() {
            b"r" => self.run_is_hidden = false,
            b"vanish" => self.run_is_hidden = value(element).is_none_or(|value| value != "0" && value != "false"),
            b"t" => self.in_text = !is_empty,
            b"tab" if !self.in_properties(element) => self.line.push('\t'),
            b"br" | b"cr" => self.line.push('\n'),
            b"noBreakHyphen" => self.line.push('-'),
            b"pStyle" => self.mark = value(element).map_or("", |style| heading(&style)),
            b"numPr" if self.mark.is_empty() => self.mark = "- ",
            b"tbl" => self.tables = self.tables.saturating_add(1),
            b"tc" => self.cells.get_or_insert_default().push(String::new()),
            _ => {}
        }
    }

    /// A tab stop of a paragraph has a position; a tab of the text has none.
    fn in_properties(&self, element: &BytesStart<'_>) -> bool {
        element.attributes().flatten().any(|attribute| attribute.key.local_name().as_ref() == b"pos")
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"t" => self.in_text = false,
            b"p" => self.paragraph(),
            b"tr" => self.row(),
            b"tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.text.push('\n');
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, text: &str) {
        if self.in_text && !self.run_is_hidden {
            self.line.push_str(text);
        }
    }
}

fn value(element: &BytesStart<'_>) -> Option<String> {
    let attribute = element.attributes().flatten().find(|attribute| attribute.key.local_name().as_ref() == b"val")?;
    Some(String::from_utf8_lossy(&attribute.value).into_owned())
}

/// The mark of a style by its id, which is English in every Word.
fn heading(style: &str) -> &'static str {
    match style.to_ascii_lowercase().as_str() {
        "title" | "heading1" => "# ",
        "heading2" => "## ",
        "heading3" => "### ",
        "heading4" | "heading5" | "heading6" => "#### ",
        style if style.starts_with("list") => "- ",
        _ => "",
    }
}

/// At most so many characters; whether that is all.
pub(crate) fn text(bytes: &[u8], limit_chars: usize) -> Result<(String, bool), Failure> {
    let part = part(bytes)?;
    let mut reader = Reader::from_reader(part.as_slice());
    let mut writer = Writer::default();
    loop {
        match reader.read_event().map_err(|_not_xml| damaged())? {
            Event::Eof => return Ok((writer.text, true)),
            Event::Start(element) => writer.begin(&element, false),
            Event::Empty(element) => {
                writer.begin(&element, true);
                // An empty paragraph or cell ends where it begins.
                if element.local_name().as_ref() != b"t" {
                    writer.end(element.local_name().as_ref());
                }
            }
            Event::End(element) => writer.end(element.local_name().as_ref()),
            Event::Text(said) => writer.say(&said.decode().map_err(|_not_text| damaged())?),
            Event::CData(said) => writer.say(&said.decode().map_err(|_not_text| damaged())?),
            Event::GeneralRef(named) => writer.say(&resolved(&named)),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        if writer.text.len() > limit_chars {
            return Ok((writer.text, false));
        }
    }
}

/// The five names of XML, and numbers. A document has no others.
fn resolved(named: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(letter)) = named.resolve_char_ref() {
        return letter.to_string();
    }
    let name: &[u8] = named.as_ref();
    match name {
        b"amp" => "&",
        b"lt" => "<",
        b"gt" => ">",
        b"quot" => "\"",
        b"apos" => "'",
        _ => "",
    }
    .to_owned()
}
