//! Words of the tool: its log, and how far a long call is.

use crate::port;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For its author.
    Debug,
    /// As it should be.
    Info,
    /// Not as it should be.
    Warn,
    /// It failed.
    Error,
}

/// Writes a line into the tool's log. Lines beyond the house's limit are counted, not kept. See also [`crate::log!`].
pub fn line(level: Level, line: &str) {
    port::log(level, line);
}

/// Says how far a long call is; the newest counts.
pub fn progress(line: &str) {
    port::progress(line);
}

/// A line into the tool's log: `log!(warn, "{count} entries without a date")`. Levels: `debug`, `info`, `warn`, `error`.
#[macro_export]
macro_rules! log {
    (debug, $($line:tt)+) => { $crate::log::line($crate::log::Level::Debug, &::std::format!($($line)+)) };
    (info, $($line:tt)+) => { $crate::log::line($crate::log::Level::Info, &::std::format!($($line)+)) };
    (warn, $($line:tt)+) => { $crate::log::line($crate::log::Level::Warn, &::std::format!($($line)+)) };
    (error, $($line:tt)+) => { $crate::log::line($crate::log::Level::Error, &::std::format!($($line)+)) };
}
