//! A tool of an author's JavaScript, without any compiler: the component of the tool `script` (`tools/guests/script`), with the source
//! written into the place that it has for one.
//!
//! The place lies in the component's data and has a fixed size; it begins with a mark that stands nowhere else. Everything around it
//! stays as it is, so that what was checked of the engine holds for every such tool; and the same source gives the same component.

use hearth_domain::error::{Class, Classified};

/// The engine: the committed component, whose digest is in `tools/guests/built.lock`.
const ENGINE: &[u8] = include_bytes!("../../guests/built/script.wasm");
/// What the place begins with: then its room and the length of what is in it, both in bytes (u32, little-endian).
const MARK: &[u8] = b"hearth:tool javascript source 1\n";
/// Bytes of a number.
const NUMBER: usize = size_of::<u32>();

/// Longest source, in bytes.
pub const SOURCE_MAX: usize = 64 * 1024;

/// Why a source becomes no tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing is in it.
    #[error("the source is empty: declare an operation in it with operation({{…}})")]
    Empty,
    /// It is too long.
    #[error("the source has {bytes} bytes, at most {SOURCE_MAX} are allowed: leave out what is not needed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A letter that ends a text for the engine.
    #[error("the source has a NUL in it: remove it")]
    Nul,
    /// The component of the engine is not the one that this was written for.
    #[error("the engine has no place for a source: this build of Hearth is broken")]
    Engine,
}

impl Classified for SourceError {
    fn class(&self) -> Class {
        Class::Permanent
    }
}

/// The component of a source. The same source always gives the same bytes.
///
/// # Errors
///
/// What is wrong with the source. Whether it is JavaScript shows when the component says what it can do: one that is not declares the
/// operation `broken_source`, described by what is wrong and in which line.
pub fn component_of(source: &str) -> Result<Vec<u8>, SourceError> {
    if source.trim().is_empty() {
        return Err(SourceError::Empty);
    }
    if source.len() > SOURCE_MAX {
        return Err(SourceError::TooLong { bytes: source.len() });
    }
    if source.contains('\0') {
        return Err(SourceError::Nul);
    }
    let mut component = ENGINE.to_vec();
    write(&mut component, source).ok_or(SourceError::Engine)?;
    Ok(component)
}

/// The source of a component, if it is one of [`component_of`]: for whoever wants to read what they install.
#[must_use]
pub fn source_of(component: &[u8]) -> Option<&str> {
    // Another engine may have been made to say that it runs this source.
    let source = std::str::from_utf8(Place::find(component)?.source(component)?).ok()?;
    (component_of(source).as_deref() == Ok(component)).then_some(source)
}

fn write(component: &mut [u8], source: &str) -> Option<()> {
    let place = Place::find(component)?;
    let length = u32::try_from(source.len()).ok().filter(|length| *length <= place.room)?;
    if !place.source(component)?.is_empty() {
        return None;
    }
    component.get_mut(place.length_at..place.text_at)?.copy_from_slice(&length.to_le_bytes());
    component.get_mut(place.text_at..place.text_at.checked_add(source.len())?)?.copy_from_slice(source.as_bytes());
    Some(())
}

/// The place for a source in a component.
struct Place {
    room: u32,
    length_at: usize,
    text_at: usize,
}

impl Place {
    /// The one place, all of which is in the component.
    fn find(component: &[u8]) -> Option<Self> {
        let mut marks = component.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK);
        let (Some((at, _)), None) = (marks.next(), marks.next()) else { return None };
        let room_at = at.checked_add(MARK.len())?;
        let length_at = room_at.checked_add(NUMBER)?;
        let text_at = length_at.checked_add(NUMBER)?;
        let room = number(component, room_at)?;
        let end = text_at.checked_add(usize::try_from(room).ok()?)?;
        (end <= component.len()).then_some(Self { room, length_at, text_at })
    }

    fn source<'a>(&self, component: &'a [u8]) -> Option<&'a [u8]> {
        let length = number(component, self.length_at).filter(|length| *length <= self.room)?;
        component.get(self.text_at..self.text_at.checked_add(usize::try_from(length).ok()?)?)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at.checked_add(NUMBER)?)?;
    Some(u32::from_le_bytes(digits.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_engine_is_a_component_with_one_empty_place_of_that_size() {
        assert!(ENGINE.starts_with(&crate::COMPONENT_BEGIN));
        let place = Place::find(ENGINE).unwrap();
        assert_eq!(place.room as usize, SOURCE_MAX);
        assert_eq!(place.source(ENGINE), Some(&[][..]));
        assert_eq!(source_of(ENGINE), None);
    }

    #[test]
    fn a_source_that_does_not_fit_is_refused() {
        assert_eq!(component_of(" \n"), Err(SourceError::Empty));
        assert_eq!(component_of("a\0b"), Err(SourceError::Nul));
        let longest = "x".repeat(SOURCE_MAX);
        assert_eq!(source_of(&component_of(&longest).unwrap()), Some(longest.as_str()));
        assert_eq!(component_of(&format!("{longest}x")), Err(SourceError::TooLong { bytes: SOURCE_MAX + 1 }));
    }

    #[test]
    fn what_is_no_such_component_has_no_source() {
        let component = component_of("operation({})").unwrap();
        for at in [8, component.len() / 2, component.len() - 1] {
            let mut other = component.clone();
            other[at] ^= 1;
            assert_eq!(source_of(&other), None);
        }
        assert_eq!(source_of(&[component.as_slice(), MARK].concat()), None);
        assert_eq!(source_of(&component[..component.len() / 2]), None);
        assert_eq!(source_of(MARK), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_source_is_read_as_it_was_written_and_nothing_else_changes(source in "[^\0]{1,200}") {
            prop_assume!(!source.trim().is_empty());
            let component = component_of(&source).unwrap();
            prop_assert_eq!(source_of(&component), Some(source.as_str()));
            let place = Place::find(ENGINE).unwrap();
            prop_assert_eq!(&component[..place.length_at], &ENGINE[..place.length_at]);
            let end = place.text_at + place.room as usize;
            prop_assert_eq!(&component[end..], &ENGINE[end..]);
        }
    }
}
