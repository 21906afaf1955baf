//! What a provider is configured with.

use std::time::Duration;

use hearth_domain::limits::Limits;
use hearth_domain::secret::SecretName;
use rig_core::providers::anthropic::wire::normalize_base_url;
use serde::{Deserialize, Serialize};

use crate::models::transport::Address;

/// Which wire format a provider speaks, and where it is by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Chat Completions.
    Openai,
    /// Google's GenerateContent.
    Gemini,
    /// OpenRouter's Chat Completions.
    Openrouter,
    /// Ollama's own `/api/chat`, which takes the size of the context.
    Ollama,
    /// Any address that speaks Chat Completions: llama.cpp, vLLM, LM Studio, a gateway.
    OpenaiCompatible,
}

impl Kind {
    /// The address when none is configured. An address "compatible with OpenAI's" has none.
    #[must_use]
    pub const fn default_address(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Openai => Some("https://api.openai.com/v1"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com"),
            Self::Openrouter => Some("https://openrouter.ai/api/v1"),
            Self::Ollama => Some("http://127.0.0.1:11434"),
            Self::OpenaiCompatible => None,
        }
    }

    /// A configured address as the wire format wants it.
    pub(super) fn address(self, configured: &str) -> String {
        match self {
            Self::Anthropic => normalize_base_url(configured),
            Self::Openai | Self::Gemini | Self::Openrouter | Self::Ollama | Self::OpenaiCompatible => {
                configured.trim_end_matches('/').to_owned()
            }
        }
    }

    /// The name of the secret that is the key when the configuration gives none.
    #[must_use]
    pub const fn default_key(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("anthropic"),
            Self::Openai => Some("openai"),
            Self::Gemini => Some("gemini"),
            Self::Openrouter => Some("openrouter"),
            Self::Ollama | Self::OpenaiCompatible => None,
        }
    }
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Tokens in.
    pub input: f64,
    /// Tokens in that the provider had cached; the price of tokens in when absent.
    #[serde(default)]
    pub cached: Option<f64>,
    /// Tokens out.
    pub output: f64,
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// The name in logs and in [`hearth_domain::model::ModelReply::provider`].
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// The model's name at the provider.
    pub model: String,
    /// Its address, when it is not the kind's own: for Chat Completions with the `/v1`, for the others without.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The name of the secret in the vault that is its key, when it is not the kind's own.
    #[serde(default)]
    pub key: Option<String>,
    /// What it costs; free when absent.
    #[serde(default)]
    pub prices: Option<Prices>,
    /// Whether replies are streamed.
    #[serde(default = "yes")]
    pub streaming: bool,
    /// The size of the model's context. Told to Ollama, which otherwise cuts the prompt without a word.
    #[serde(default)]
    pub context_tokens: Option<u32>,
}

const fn yes() -> bool {
    true
}

impl ProviderConfig {
    /// A provider of this kind with everything else at its default.
    #[must_use]
    pub fn new(name: &str, kind: Kind, model: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            model: model.to_owned(),
            base_url: None,
            key: None,
            prices: None,
            streaming: true,
            context_tokens: None,
        }
    }

    /// Checks what can be checked without a key: address and prices. Nothing is sent.
    ///
    /// # Errors
    ///
    /// When the address is missing or no address, or a price is negative or not a number.
    pub fn check(&self) -> Result<(), ConfigError> {
        let configured = self.base_url.as_deref().or(self.kind.default_address());
        let configured = configured.ok_or_else(|| ConfigError::NoAddress(self.name.clone()))?;
        if Address::read(&self.kind.address(configured)).is_none() {
            return Err(ConfigError::BadAddress(self.name.clone()));
        }
        if self.key.as_deref().is_some_and(|key| SecretName::new(key).is_err()) {
            return Err(ConfigError::BadKey(self.name.clone()));
        }
        let fits = |price: f64| price.is_finite() && price >= 0.0;
        let all = |prices: Prices| fits(prices.input) && fits(prices.output) && prices.cached.is_none_or(fits);
        if self.prices.is_none_or(all) { Ok(()) } else { Err(ConfigError::BadPrice(self.name.clone())) }
    }
}

/// How long, and how much, one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Until the first byte, and between two.
    pub silence: Duration,
    /// In all.
    pub total: Duration,
    /// Bytes of a reply's text and arguments together.
    pub reply_bytes: usize,
}

/// Bytes on the wire for each byte of a reply that is let in: a streamed token of a few letters comes in a frame of
/// about three hundred, and few replies are as long as they may be.
const FRAMING: usize = 32;

impl Bounds {
    /// Bytes of one answer as it comes over the wire.
    #[must_use]
    pub const fn wire_bytes(&self) -> usize {
        self.reply_bytes.saturating_mul(FRAMING)
    }
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Self { silence: limits.model_silence, total: limits.model_deadline, reply_bytes: limits.reply_bytes }
    }
}

/// Why a provider cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address is missing.
    #[error("provider {0}: base_url is missing")]
    NoAddress(String),
    /// The address is not an `http` or `https` address, or holds a password.
    #[error("provider {0}: base_url is not an http or https address without user and password")]
    BadAddress(String),
    /// The name of the key or of the provider cannot be one.
    #[error(
        "provider {0}: key is the name of a secret in the vault (lower-case letters, digits, hyphens), and its own name has letters and digits only"
    )]
    BadKey(String),
    /// A price is negative or not a number.
    #[error("provider {0}: a price is negative or not a number")]
    BadPrice(String),
}
