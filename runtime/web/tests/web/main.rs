//! The page as its network peers see it: a real server on loopback, the real actors, doubles behind them.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a failure is the message")]
#![expect(clippy::disallowed_methods, reason = "a test has a real clock, and the house a thread of its own")]
#![expect(clippy::wildcard_enum_match_arm, reason = "the double reads text alone")]

mod chat;
mod glass;
mod guard;
mod http;
mod login;
mod proxy;
mod sessions;
mod support;
