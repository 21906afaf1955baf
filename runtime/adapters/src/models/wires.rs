//! Which of the crate's wire formats a configured provider speaks. No key is told to them: [`super::transport`] adds it.

use rig_core::Model;
use rig_core::driver::DynModel;
use rig_core::operation::Completion;
use rig_core::providers::anthropic::completion::CacheTtl;
use rig_core::providers::anthropic::wire::{ANTHROPIC, AnthropicConfig, Messages, ToolInputStreaming};
use rig_core::providers::gemini::GeminiConfig;
use rig_core::providers::gemini::completion::GenerateContent;
use rig_core::providers::ollama::{self, OllamaConfig};
use rig_core::providers::openai::wire::{Auth, BodyRewrite, Chat, Dialect, OPENAI, OPENROUTER, OpenAIConfig, Quirks};

use crate::models::config::{Kind, ProviderConfig};
use crate::models::transport::{KeyPlace, Transport};

/// Chat Completions as most servers understand it: text as plain strings, and `[DONE]` for an end where a server states
/// no reason.
const COMPATIBLE: Dialect = Dialect::gateway("openai-compatible", "", "").with_quirks({
    let mut quirks = Quirks::openai().done_without_finish_reason();
    quirks.auth = Auth::OptionalBearer;
    quirks.rewrite = BodyRewrite::Perplexity;
    quirks
});

/// Where the format puts a key.
pub(super) const fn key_place(kind: Kind) -> KeyPlace {
    match kind {
        Kind::Anthropic => KeyPlace::Header("x-api-key"),
        Kind::Gemini => KeyPlace::Header("x-goog-api-key"),
        Kind::Openai | Kind::Openrouter | Kind::Ollama | Kind::OpenaiCompatible => KeyPlace::Bearer,
    }
}

/// The model behind its wire format, sending through `transport`.
pub(super) fn model(config: &ProviderConfig, address: &str, transport: Transport) -> DynModel<Completion> {
    match config.kind {
        Kind::Anthropic => Model::new(messages(config, address), transport).erase(),
        Kind::Openai => Model::new(chat(&OPENAI, config, address), transport).erase(),
        Kind::Openrouter => Model::new(chat(&OPENROUTER, config, address), transport).erase(),
        Kind::OpenaiCompatible => Model::new(chat(&COMPATIBLE, config, address), transport).erase(),
        Kind::Gemini => {
            let provider = GeminiConfig::new("").with_base_url(address);
            Model::new(GenerateContent::new(provider, &config.model), transport).erase()
        }
        Kind::Ollama => {
            let mut provider = OllamaConfig::new();
            address.clone_into(&mut provider.base_url);
            Model::new(ollama::Chat::new(provider, &config.model), transport).erase()
        }
    }
}

fn chat(dialect: &Dialect, config: &ProviderConfig, address: &str) -> Chat {
    OpenAIConfig::with_key(dialect, "").with_base_url(address).chat(&config.model)
}

fn messages(config: &ProviderConfig, address: &str) -> Messages {
    Messages {
        provider: AnthropicConfig::with_key(&ANTHROPIC, "").with_base_url(address),
        model: config.model.clone(),
        default_max_tokens: None,
        // Marks the last of the tools and the system prompt: the stable prefix.
        static_prefix_cache_ttl: Some(CacheTtl::FiveMinutes),
        prompt_caching: false,
        strict_tools: false,
        tool_input_streaming: ToolInputStreaming::Off,
    }
}
