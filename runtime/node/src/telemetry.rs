//! The log: pretty in a terminal, JSON otherwise, always on standard error.
//!
//! Secrets are of `secrecy` types, which print as `[REDACTED]`; no type that holds one derives `Debug`.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::config::{LogConfig, LogFormat};

/// Begins to log. `usual` is the filter when none is configured.
pub fn begin(config: &LogConfig, usual: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(config.filter.as_deref().unwrap_or(usual))?;
    let pretty = match config.format {
        Some(format) => format == LogFormat::Pretty,
        None => std::io::stderr().is_terminal(),
    };
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer =
        if pretty { layer.compact().with_ansi(std::io::stderr().is_terminal()).boxed() } else { layer.json().flatten_event(true).boxed() };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()?;
    Ok(())
}
