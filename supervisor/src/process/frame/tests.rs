use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 64 * 1024;

fn message(text: &str) -> Frame<String> {
    Frame::Message(text.to_owned())
}

fn bytes_of(frames: &[Frame<String>]) -> Vec<u8> {
    frames.iter().flat_map(|frame| encode(frame, 0, LIMIT).unwrap().to_vec()).collect()
}

fn read_all(bytes: &[u8], limit: usize) -> (Vec<Frame<String>>, Option<FrameError>) {
    let (mut from, mut assembler, mut frames) = (Cursor::new(bytes), Assembler::new(limit), Vec::new());
    loop {
        match read(&mut from, &mut assembler) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(ReadError::Frame(error)) => return (frames, Some(error)),
            Err(ReadError::Io(error)) => panic!("{error}"),
        }
    }
}

/// A stream that gives its bytes in pieces of these sizes.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes.pop().unwrap_or(usize::MAX).max(1).min(into.len()).min(self.bytes.len());
        into[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        Ok(size)
    }
}

#[test]
fn what_is_written_is_read() {
    let frames = [message("a"), Frame::Life(Life::Ping { nonce: 7 }), message(""), Frame::Life(Life::Stop)];
    assert_eq!(read_all(&bytes_of(&frames), LIMIT), (frames.to_vec(), None));
}

#[test]
fn a_header_is_as_documented() {
    let bytes = encode(&message("hi"), 3, LIMIT).unwrap();
    assert_eq!(&bytes[..], b"\xb7\x01\x02\x03\x00\x00\x00\x04\"hi\"");
}

#[test]
fn a_report_travels_when_a_child_is_ready() {
    let frame: Frame<()> = Frame::Life(Life::Ready { report: Report::default() });
    let bytes = encode(&frame, 0, LIMIT).unwrap();
    assert_eq!(read(&mut Cursor::new(&bytes[..]), &mut Assembler::new(LIMIT)).unwrap(), Some(frame));
}

#[test]
fn malformed_frames_are_told_apart() {
    let good = bytes_of(&[message("hello")]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        read_all(&bytes, LIMIT).1
    };
    assert_eq!(with(0, 0), Some(FrameError::Magic));
    assert_eq!(with(1, 2), Some(FrameError::Version));
    assert_eq!(with(2, 9), Some(FrameError::Kind));
    assert_eq!(with(3, 1), Some(FrameError::Descriptors));
    assert_eq!(with(4, 0xff), Some(FrameError::TooLarge { limit: LIMIT }));
    assert_eq!(with(7, 200), Some(FrameError::Truncated));
    assert!(matches!(with(8, b'x'), Some(FrameError::Body { .. })));
    assert!(matches!(with(2, 1), Some(FrameError::Body { .. })), "a message is not a sign of life");
    assert_eq!(read_all(&good[..3], LIMIT).1, Some(FrameError::Truncated));
}

#[test]
fn an_error_does_not_repeat_what_arrived() {
    #[derive(Debug, Deserialize)]
    enum Known {
        A,
    }
    let bytes = bytes_of(&[message("hunter2")]);
    let error = read::<Known>(&mut Cursor::new(bytes), &mut Assembler::new(LIMIT)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_there_is_room_for_it() {
    let header = [MAGIC, VERSION, Kind::Message as u8, 0, 0xff, 0xff, 0xff, 0xff];
    let mut assembler = Assembler::new(LIMIT);
    assembler.space().unwrap().copy_from_slice(&header);
    assert_eq!(assembler.advance(HEADER_BYTES).unwrap_err(), FrameError::TooLarge { limit: LIMIT });
    assert_eq!(assembler.body.capacity(), 0);
    assert_eq!(assembler.space().unwrap_err(), FrameError::TooLarge { limit: LIMIT }, "and remains so");
}

#[test]
fn a_long_body_gets_room_only_as_it_arrives() {
    let limit = 1 << 30;
    let mut assembler = Assembler::new(limit);
    assembler.space().unwrap().copy_from_slice(&[MAGIC, VERSION, Kind::Message as u8, 0, 0x3f, 0xff, 0xff, 0xff]);
    assembler.advance(HEADER_BYTES).unwrap();
    let mut arrived = 0;
    while arrived < 100_000 {
        let bytes = assembler.space().unwrap().len().min(1000);
        assembler.advance(bytes).unwrap();
        arrived += bytes;
        assert!(assembler.body.capacity() <= (2 * arrived).max(CHUNK_BYTES), "{} for {arrived}", assembler.body.capacity());
    }
}

#[test]
fn a_message_beyond_the_limit_is_not_sent() {
    let long = message(&"x".repeat(100));
    assert_eq!(encode(&long, 0, 101).unwrap_err(), EncodeError::TooLarge { limit: 101 });
    assert_eq!(encode(&long, 0, 102).unwrap().len(), HEADER_BYTES + 102);
    assert!(read_all(&bytes_of(&[long]), 102).1.is_none());
}

#[test]
fn a_value_without_json_is_not_sent() {
    let value = Frame::Message(BTreeMap::from([((1, 2), 3)]));
    assert_eq!(encode(&value, 0, LIMIT).unwrap_err(), EncodeError::NoJson);
}

#[test]
fn nesting_without_end_is_an_error() {
    let bytes = encode(&message(""), 0, LIMIT).unwrap();
    let mut nested = bytes[..4].to_vec();
    nested.extend_from_slice(&60_000_u32.to_be_bytes());
    nested.extend(std::iter::repeat_n(b'[', 60_000));
    let mut assembler = Assembler::new(LIMIT);
    assert!(read::<serde_json::Value>(&mut Cursor::new(nested), &mut assembler).is_err());
}

fn frame() -> impl Strategy<Value = Frame<String>> {
    prop_oneof![
        any::<String>().prop_map(Frame::Message),
        proptest::collection::vec(any::<char>(), 4000..6000).prop_map(|text| Frame::Message(text.into_iter().collect())),
        any::<u64>().prop_map(|nonce| Frame::Life(Life::Pong { nonce })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_a_stream_gives_the_same_frames(
        frames in proptest::collection::vec(frame(), 0..6),
        sizes in proptest::collection::vec(0_usize..3000, 0..64),
    ) {
        let bytes = bytes_of(&frames);
        let (mut pieces, mut assembler) = (Pieces { bytes: &bytes, sizes }, Assembler::new(LIMIT));
        for frame in frames {
            prop_assert_eq!(read(&mut pieces, &mut assembler).unwrap(), Some(frame));
        }
        prop_assert_eq!(read::<String>(&mut pieces, &mut assembler).unwrap(), None);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read_all(&bytes, 100);
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_never_panic(
        kind in 0_u8..4,
        length in 0_u32..300,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut stream = vec![MAGIC, VERSION, kind, 0];
        stream.extend_from_slice(&length.to_be_bytes());
        stream.extend_from_slice(&bytes);
        read_all(&stream, 200);
    }

    #[test]
    fn a_flipped_byte_never_panics_and_never_gives_more_frames(
        frames in proptest::collection::vec(frame(), 1..3),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        let mut bytes = bytes_of(&frames);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // Lengths that shrink leave the rest of a body, which does not begin as a frame does.
        prop_assert!(read_all(&bytes, LIMIT).0.len() <= frames.len());
    }
}

#[tokio::test]
async fn the_async_halves_agree_with_the_others() {
    let (mut one, mut other) = tokio::io::duplex(16);
    let frames = [message(&"long ".repeat(2000)), Frame::Life(Life::Stop)];
    let write = async {
        for frame in &frames {
            write_async(&mut one, frame, LIMIT).await.unwrap();
        }
        drop(one);
    };
    let read = async {
        let (mut assembler, mut read) = (Assembler::new(LIMIT), Vec::new());
        while let Some(frame) = read_async::<String, _>(&mut other, &mut assembler).await.unwrap() {
            read.push(frame);
        }
        read
    };
    let ((), read) = futures_util::future::join(write, read).await;
    assert_eq!(read, frames);
}
