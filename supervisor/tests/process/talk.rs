//! Frames and descriptors between processes.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use hearth_supervisor::process::channel::channel;
use hearth_supervisor::process::descriptors::{MAX_DESCRIPTORS, recv_with_fds, send_with_fds};
use hearth_supervisor::process::frame::{EncodeError, Frame, FrameError, ReadError, WriteError, encode};
use hearth_supervisor::process::spawner::Spawner;
use rustix::io::FdFlags;

use crate::roles::{LIMIT, role};
use crate::{Test, run};

pub(crate) const TESTS: &[Test] = &[
    ("a_descriptor_that_is_passed_arrives", a_descriptor_that_is_passed_arrives),
    ("descriptors_stay_with_their_messages", descriptors_stay_with_their_messages),
    ("too_many_descriptors_are_not_sent", too_many_descriptors_are_not_sent),
    ("descriptors_that_were_not_announced_are_refused", descriptors_that_were_not_announced_are_refused),
    ("descriptors_that_were_announced_and_not_sent_are_refused", descriptors_that_were_announced_and_not_sent_are_refused),
    ("a_descriptor_that_arrives_is_closed_at_exec", a_descriptor_that_arrives_is_closed_at_exec),
    ("a_message_that_was_given_up_halfway_is_the_last", a_message_that_was_given_up_halfway_is_the_last),
    ("the_end_of_the_other_side_is_an_end_or_an_error", the_end_of_the_other_side_is_an_end_or_an_error),
];

fn message(text: &str) -> Frame<String> {
    Frame::Message(text.to_owned())
}

fn content(mut file: &File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

fn a_descriptor_that_is_passed_arrives() {
    run(async {
        let file = tempfile::tempfile().unwrap();
        let spawned = Spawner::start().unwrap().spawn(role(&["writer"])).await.unwrap();
        let (mut sender, mut receiver) = channel(spawned.socket, LIMIT).unwrap();
        sender.send(&message("written by another process"), &[file.as_fd()]).await.unwrap();
        let answer = receiver.recv::<usize>().await.unwrap().unwrap();
        assert_eq!(answer.frame, Frame::Message(1));
        assert_eq!(content(&file), "written by another process");
        let back: Vec<_> = answer.descriptors.into_iter().map(File::from).collect();
        assert_eq!(content(&back[0]), "written by another process", "and comes back");
    });
}

fn descriptors_stay_with_their_messages() {
    run(async {
        let (one, other) = UnixStream::pair().unwrap();
        let ((mut sender, _keep), (_other, mut receiver)) = (channel(one, LIMIT).unwrap(), channel(other, LIMIT).unwrap());
        let files: Vec<_> = (0..MAX_DESCRIPTORS)
            .map(|number| {
                let mut file = tempfile::tempfile().unwrap();
                write!(file, "{number}").unwrap();
                file
            })
            .collect();
        let send = async {
            for round in 0..200 {
                let with: Vec<_> = files.iter().take(round % (MAX_DESCRIPTORS + 1)).map(AsFd::as_fd).collect();
                // Long ones among them: more than the socket holds at once.
                let text = "x".repeat(if round % 7 == 0 { 300_000 } else { round });
                sender.send(&message(&text), &with).await.unwrap();
            }
        };
        let recv = async {
            for round in 0..200 {
                let received = receiver.recv::<String>().await.unwrap().unwrap();
                let texts: Vec<_> = received.descriptors.into_iter().map(|one| content(&File::from(one))).collect();
                let expected: Vec<_> = (0..round % (MAX_DESCRIPTORS + 1)).map(|number| number.to_string()).collect();
                assert_eq!(texts, expected, "message {round}");
            }
        };
        futures_util::future::join(send, recv).await;
    });
}

fn too_many_descriptors_are_not_sent() {
    run(async {
        let (one, other) = UnixStream::pair().unwrap();
        let ((mut sender, _keep), (_other, mut receiver)) = (channel(one, LIMIT).unwrap(), channel(other, LIMIT).unwrap());
        let null = File::open("/dev/null").unwrap();
        let too_many = vec![null.as_fd(); MAX_DESCRIPTORS + 1];
        let refused = sender.send(&message("a"), &too_many).await.unwrap_err();
        assert!(matches!(refused, WriteError::Encode(EncodeError::Descriptors)));
        sender.send(&message("b"), &[]).await.unwrap();
        assert_eq!(receiver.recv::<String>().await.unwrap().unwrap().frame, message("b"), "nothing of it was written");
    });
}

fn refusal_of(descriptors_said: u8, sent: usize) -> ReadError {
    run(async {
        let (one, other) = UnixStream::pair().unwrap();
        let (_other, mut receiver) = channel(other, LIMIT).unwrap();
        let null = File::open("/dev/null").unwrap();
        let bytes = encode(&message("a"), descriptors_said, LIMIT).unwrap();
        assert_eq!(send_with_fds(&one, &bytes, &vec![null.as_fd(); sent]).unwrap(), bytes.len());
        receiver.recv::<String>().await.unwrap_err()
    })
}

fn descriptors_that_were_not_announced_are_refused() {
    assert!(matches!(refusal_of(0, 1), ReadError::Frame(FrameError::Descriptors)));
}

fn descriptors_that_were_announced_and_not_sent_are_refused() {
    assert!(matches!(refusal_of(2, 1), ReadError::Frame(FrameError::Descriptors)));
}

fn a_descriptor_that_arrives_is_closed_at_exec() {
    let (one, other) = UnixStream::pair().unwrap();
    let null = File::open("/dev/null").unwrap();
    send_with_fds(&one, b"x", &[null.as_fd()]).unwrap();
    let (bytes, arrived): (usize, Vec<OwnedFd>) = recv_with_fds(&other, &mut [0; 10]).unwrap();
    assert_eq!((bytes, arrived.len()), (1, 1));
    assert!(rustix::io::fcntl_getfd(&arrived[0]).unwrap().contains(FdFlags::CLOEXEC));
    drop(one);
    assert_eq!(recv_with_fds(&other, &mut [0; 10]).unwrap().0, 0, "the end");
}

fn a_message_that_was_given_up_halfway_is_the_last() {
    run(async {
        let (one, _other) = UnixStream::pair().unwrap();
        let (mut sender, _receiver) = channel(one, 8 * LIMIT).unwrap();
        let long = message(&"x".repeat(4 * LIMIT));
        // Nobody reads: the first poll fills the socket and waits.
        assert!(futures_util::future::FutureExt::now_or_never(sender.send(&long, &[])).is_none());
        assert!(matches!(sender.send(&message("a"), &[]).await.unwrap_err(), WriteError::OutOfStep));
    });
}

fn the_end_of_the_other_side_is_an_end_or_an_error() {
    run(async {
        let (mut one, other) = UnixStream::pair().unwrap();
        let (_sender, mut receiver) = channel(other, LIMIT).unwrap();
        let bytes = encode(&message("a"), 0, LIMIT).unwrap();
        one.write_all(&bytes).unwrap();
        one.write_all(&bytes[..5]).unwrap();
        drop(one);
        assert_eq!(receiver.recv::<String>().await.unwrap().unwrap().frame, message("a"));
        assert!(matches!(receiver.recv::<String>().await.unwrap_err(), ReadError::Frame(FrameError::Truncated)));
        let (one, other) = UnixStream::pair().unwrap();
        let (_sender, mut receiver) = channel(other, LIMIT).unwrap();
        drop(one);
        assert!(receiver.recv::<String>().await.unwrap().is_none());
    });
}
