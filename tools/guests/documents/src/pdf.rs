//! A PDF's text, page by page. What is only a picture in it has none.

use hearth_tool::{Failure, progress};
use lopdf::{Document, LoadOptions};

/// The most that one stream of a document, and the content of one page, may be when it is not compressed any more, in bytes.
const STREAM_BYTES: usize = 24 << 20;
/// The most pages.
const PAGES: usize = 1_000;
/// Every so many pages the house is told.
const PROGRESS_PAGES: usize = 50;

/// At most so many characters; whether that is all.
pub(crate) fn text(bytes: &[u8], limit_chars: usize) -> Result<(String, bool), Failure> {
    let options = LoadOptions { max_decompressed_size: Some(STREAM_BYTES), ..LoadOptions::default() };
    let document = Document::load_mem_with_options(bytes, options)
        .map_err(|_broken| Failure::bad_arguments("this PDF cannot be read: it is damaged, or larger inside than it may be"))?;
    if document.is_encrypted() {
        return Err(Failure::bad_arguments("this PDF is locked with a password; remove it and try again"));
    }
    let pages: Vec<u32> = document.get_pages().into_keys().take(PAGES).collect();
    let mut text = String::new();
    let mut whole = pages.len() < PAGES;
    for (count, page) in pages.iter().enumerate() {
        if count % PROGRESS_PAGES == PROGRESS_PAGES - 1 {
            progress(&format!("page {page} of {}", pages.len()));
        }
        match document.extract_text_with_limit(&[*page], STREAM_BYTES) {
            Ok(said) => text.push_str(said.trim()),
            Err(_unreadable) => {
                whole = false;
                text.push_str("[this page cannot be read]");
            }
        }
        text.push_str("\n\n");
        if text.len() > limit_chars {
            return Ok((text, false));
        }
    }
    if text.trim().is_empty() {
        return Err(Failure::failed("this PDF has no text: its pages are pictures"));
    }
    Ok((text, whole))
}
