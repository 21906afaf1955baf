//! The broker against real servers on loopback, through real clients.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a failure is the message")]

#[path = "egress/hostile.rs"]
mod hostile;
#[path = "egress/reach.rs"]
mod reach;
#[path = "egress/requests.rs"]
mod requests;
#[path = "egress/support.rs"]
mod support;
#[path = "egress/websockets.rs"]
mod websockets;
