//! Where an author's source stands in the component: a place of fixed size in its data, which begins with a mark. Whoever makes a tool of
//! a source writes it there (`hearth_tool_package::javascript`); nothing else of the component changes.
//!
//! ```text
//! mark (32 bytes) │ room in bytes (u32, little-endian) │ length in bytes (u32, little-endian) │ the source, UTF-8, and zeros
//! ```

use std::hint::black_box;

/// Room for a source, in bytes.
const ROOM: usize = 64 * 1_024;
/// What the place begins with.
const MARK: &[u8; 32] = b"hearth:tool javascript source 1\n";
/// Where the source begins.
const HEAD: usize = MARK.len() + 8;

#[used]
static SLOT: [u8; HEAD + ROOM] = empty();

#[expect(clippy::indexing_slicing, reason = "at compile time, where it would be an error of the compiler")]
const fn empty() -> [u8; HEAD + ROOM] {
    let mut slot = [0; HEAD + ROOM];
    let mut at = 0;
    while at < MARK.len() {
        slot[at] = MARK[at];
        at += 1;
    }
    let room = (ROOM as u32).to_le_bytes();
    let mut digit = 0;
    while digit < room.len() {
        slot[MARK.len() + digit] = room[digit];
        digit += 1;
    }
    slot
}

/// The source that was written here.
pub(crate) fn source() -> Option<&'static str> {
    // What is read is what stands in the component, not what the compiler knew of it.
    read(black_box(&SLOT))
}

fn read(slot: &[u8]) -> Option<&str> {
    let length = slot.get(MARK.len() + 4..HEAD)?.try_into().map(u32::from_le_bytes).ok()?;
    let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
    std::str::from_utf8(slot.get(HEAD..HEAD.checked_add(length)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_place_has_no_source_and_a_written_one_has_it() {
        assert_eq!(source(), None);
        let mut slot = empty();
        slot[HEAD..HEAD + 2].copy_from_slice("é".as_bytes());
        slot[MARK.len() + 4] = 2;
        assert_eq!(read(&slot), Some("é"));
        slot[MARK.len() + 4] = 1;
        assert_eq!(read(&slot), None);
        slot[MARK.len() + 7] = 255;
        assert_eq!(read(&slot), None);
    }
}
