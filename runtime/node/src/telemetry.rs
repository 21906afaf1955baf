//! The log: pretty in a terminal, JSON otherwise, always on standard error.
//!
//! Secrets are of `secrecy` types, which print as `[REDACTED]`, and no type that holds one derives `Debug`. What others write is not bound
//! by that: a provider may say a key back, a library may log what it sends. So every line passes the [`Redactor`] on its way out.

use std::io::{IsTerminal as _, Write};
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::config::{Config, LogFormat};
use crate::redactor::Redactor;

/// The secrets of this process; there is one log as well.
static REDACTOR: Redactor = Redactor::new();
/// Set once the log has begun.
static BEGUN: OnceLock<()> = OnceLock::new();

/// Begins to log, when it has not begun. `usual` is the filter when none is configured.
pub fn begin(config: &Config, usual: &str) -> anyhow::Result<()> {
    if BEGUN.set(()).is_err() {
        return Ok(());
    }
    let short = learn(config);
    let filter = EnvFilter::try_new(config.log.filter.as_deref().unwrap_or(usual))?;
    let pretty = match config.log.format {
        Some(format) => format == LogFormat::Pretty,
        None => std::io::stderr().is_terminal(),
    };
    let layer = fmt::layer().with_writer(|| Redacting(std::io::stderr())).with_target(false);
    let layer =
        if pretty { layer.compact().with_ansi(std::io::stderr().is_terminal()).boxed() } else { layer.json().flatten_event(true).boxed() };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()?;
    for variable in short {
        tracing::warn!(variable, "this secret is too short to be recognised in a log; use a longer one");
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// Has the log keep every secret that the configuration names to itself; the variables of those that are too short for it. Keys of models
/// are in the vault and never come here.
fn learn(config: &Config) -> Vec<String> {
    let names = [&config.store.password_env, &config.web.metrics_token_env];
    let unfit = |name: &&String| std::env::var(name).is_ok_and(|secret| !secret.is_empty() && !REDACTOR.keep(secret.into()));
    names.into_iter().flatten().filter(unfit).cloned().collect()
}

/// The secrets of this process.
#[must_use]
pub fn redactor() -> &'static Redactor {
    &REDACTOR
}

/// Random bytes for login links and sessions, whose tokens are these as hexadecimal digits. None of them comes into the log.
pub fn random(bytes: &mut [u8]) {
    hearth_adapters::system::random(bytes);
    REDACTOR.remember_hex(bytes);
}

/// Standard error without secrets. The formatter hands over one whole event at a time.
struct Redacting<W>(W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(REDACTOR.clean(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
