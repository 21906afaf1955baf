//! The supervisor with real actors, in paused tokio time.
//!
//! `exits`: each way to end is seen, told apart and acted on. `order`: start, stop and restart order of real trees.
//! `links`: bounds, counts, deadlines, faults. `children`: children that come and go. `hang`: the watchdog.

#![expect(clippy::disallowed_methods, reason = "links and handles are used from other threads here")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a puppet ignores what it has no part in")]

#[cfg(test)]
mod children;
#[cfg(test)]
mod exits;
#[cfg(test)]
mod hang;
#[cfg(test)]
mod links;
#[cfg(test)]
mod order;
#[cfg(test)]
mod support;
