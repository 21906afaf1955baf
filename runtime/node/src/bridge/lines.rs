//! The language of a bridge: one JSON object a line, with one key that says what it is.

use hearth_domain::channel::Attendance;
use hearth_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of this language.
pub const VERSION: u32 = 1;
/// Bytes of one line: a message at its limit, escaped, and room for the rest.
pub const LINE_MAX: usize = 512 * 1024;

/// What a connector says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectorLine {
    /// First of all.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The time by the platform's clock.
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// It has said who is in each room.
    Ready {},
    /// Somebody came to a room or went.
    Presence {
        /// The platform's id of the room.
        room: String,
        /// What happened.
        event: Attendance,
        /// When, by the platform's clock.
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// Somebody said something.
    Message {
        /// The platform's id of the message.
        id: String,
        /// Who.
        from: Account,
        /// Where; none in private.
        #[serde(default)]
        room: Option<Room>,
        /// The text.
        text: String,
        /// When it was written, by the platform's clock.
        #[serde(default)]
        written: Option<Timestamp>,
    },
    /// It was said, now or before.
    Sent {
        /// The delivery.
        delivery: String,
    },
    /// It was not said.
    Failed {
        /// The delivery.
        delivery: String,
        /// Whether it may be said later.
        #[serde(default)]
        again: bool,
        /// Why, for the log.
        #[serde(default)]
        error: String,
    },
    /// Whether it was said is not known, and it may not be said again.
    Unknown {
        /// The delivery.
        delivery: String,
    },
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The platform's stable id.
    pub id: String,
    /// What the sender calls themselves: never believed, and not looked at.
    #[serde(default)]
    pub name: Option<String>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// The platform's id.
    pub id: String,
}

/// What the house says to a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HouseLine {
    /// Answers `hello`.
    Welcome {
        /// [`VERSION`].
        version: u32,
        /// The channel's name.
        channel: String,
    },
    /// A message is dealt with.
    Taken {
        /// The message.
        id: String,
    },
    /// A message is to be told again, later.
    Again {
        /// The message.
        id: String,
        /// Why.
        error: String,
    },
    /// Say this.
    Send {
        /// Its id: the same thing again has the same one.
        delivery: String,
        /// The account, in private.
        to: Option<String>,
        /// The room.
        room: Option<String>,
        /// The text.
        text: String,
        /// For a question, everything that it can be answered with, word for word.
        answers: Vec<String>,
    },
    /// Something was wrong with a line.
    Error {
        /// What, and what to do.
        error: String,
    },
}

pub(super) fn read(line: &str) -> Result<ConnectorLine, String> {
    serde_json::from_str(line).map_err(|error| format!("this line is not understood ({error})"))
}

pub(super) fn written(line: &HouseLine) -> Result<String, serde_json::Error> {
    serde_json::to_string(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_it_is_in_its_one_key() {
        let message = r#"{"message":{"id":"1","from":{"id":"+49151","name":"Ada (owner)"},"room":null,"text":"hi"}}"#;
        let Ok(ConnectorLine::Message { from, room: None, .. }) = read(message) else { panic!("not read") };
        assert_eq!(from.id, "+49151");
        let timed = r#"{"message":{"id":"1","from":{"id":"a"},"text":"hi","written":"2026-05-01T08:00:00+02:00"}}"#;
        let Ok(ConnectorLine::Message { written: Some(written), .. }) = read(timed) else { panic!("not read") };
        assert_eq!(written, "2026-05-01T06:00:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(read(r#"{"ready":{}}"#), Ok(ConnectorLine::Ready {}));
        let snapshot = r#"{"presence":{"room":"r","event":{"snapshot":{"accounts":["a","b"],"complete":true}}}}"#;
        assert!(matches!(read(snapshot), Ok(ConnectorLine::Presence { event: Attendance::Snapshot { complete: true, .. }, .. })));
        assert!(matches!(
            read(r#"{"presence":{"room":"r","event":"missed"}}"#),
            Ok(ConnectorLine::Presence { event: Attendance::Missed, .. })
        ));
        let joined = r#"{"presence":{"room":"r","event":{"joined":"a"},"at":"2026-05-01T06:00:00Z"}}"#;
        assert!(matches!(read(joined), Ok(ConnectorLine::Presence { event: Attendance::Joined(_), at: Some(at), .. }) if at == written));
        assert_eq!(read(r#"{"hello":{"version":1}}"#), Ok(ConnectorLine::Hello { version: 1, at: None }));
        let no_time = r#"{"hello":{"version":1,"at":"yesterday"}}"#;
        for wrong in ["", no_time, "{}", "[]", r#"{"fly":{}}"#, r#"{"ready":{},"hello":{"version":1}}"#, r#"{"ready":{"x":1}}"#] {
            assert!(read(wrong).unwrap_err().contains("not understood"), "{wrong}");
        }
    }
}
