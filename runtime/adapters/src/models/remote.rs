//! A language model at the other end of a connection.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use hearth_domain::model::{DeltaSink, Model, ModelError, ModelReply, ModelRequest};
use hearth_domain::secret::SecretName;
use rig_core::completion::{CompletionRequest, CompletionResponse};
use rig_core::driver::DynModel;
use rig_core::error::ProviderError;
use rig_core::operation::Completion;
use rig_core::streaming::{Item, StreamEvent};

use crate::models::config::{Bounds, ConfigError, ProviderConfig};
use crate::models::transport::{Address, Transport, asking, key_header};
use crate::models::{failure, prompt, reply, wires};
use crate::ways::Ways;

/// One configured provider. Cheap to clone.
#[derive(Clone)]
pub struct RemoteModel {
    inner: Arc<Inner>,
}

struct Inner {
    config: ProviderConfig,
    /// The address as the wire format wants it.
    base: String,
    transport: Transport,
    bounds: Bounds,
}

impl std::fmt::Debug for RemoteModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let config = &self.inner.config;
        f.debug_struct("RemoteModel").field("name", &config.name).field("kind", &config.kind).finish_non_exhaustive()
    }
}

impl RemoteModel {
    /// A provider that sends through one of the `ways` out: with a key through the vault, without one through the other. Whether there is a
    /// secret of the key's name, and whether it may be sent there, is seen at the first request.
    ///
    /// # Errors
    ///
    /// When the address, the key's name or a price is missing or wrong. Nothing is sent.
    pub fn new(config: ProviderConfig, ways: &Ways, bounds: Bounds) -> Result<Self, ConfigError> {
        config.check()?;
        let configured = config.base_url.as_deref().or(config.kind.default_address());
        let Some(configured) = configured else { return Err(ConfigError::NoAddress(config.name)) };
        let base = config.kind.address(configured);
        let Some(address) = Address::read(&base) else { return Err(ConfigError::BadAddress(config.name)) };
        let key = key(&config)?;
        let bad_name = || ConfigError::BadKey(config.name.clone());
        let asking = asking(&config.name).ok_or_else(bad_name)?;
        let header = match &key {
            Some(key) => Some(key_header(wires::key_place(config.kind), key).ok_or_else(bad_name)?),
            None => None,
        };
        let client = if key.is_some() { &ways.vault } else { &ways.egress };
        let transport = Transport::new(client.clone(), address, asking, header, bounds.silence, bounds.wire_bytes());
        Ok(Self { inner: Arc::new(Inner { config, base, transport, bounds }) })
    }
}

/// The address of a provider that needs no credential, as an origin: its requests go the way out that has none.
#[must_use]
pub fn open_origin(config: &ProviderConfig) -> Option<String> {
    let without_key = key(config).is_ok_and(|key| key.is_none());
    let address = config.base_url.as_deref().or(config.kind.default_address()).filter(|_| without_key)?;
    reqwest::Url::parse(address).ok().map(|url| url.origin().ascii_serialization())
}

/// The secret that is the key. One that the configuration does not name belongs to the kind's own address and to no other: elsewhere (a
/// gateway on the LAN) it has to be named.
fn key(config: &ProviderConfig) -> Result<Option<SecretName>, ConfigError> {
    let of_kind = config.kind.default_key().filter(|_| config.base_url.is_none());
    let named = config.key.as_deref().or(of_kind).map(SecretName::new);
    named.transpose().map_err(|_| ConfigError::BadKey(config.name.clone()))
}

impl Model for RemoteModel {
    fn name(&self) -> &str {
        &self.inner.config.name
    }

    fn costs_at_most(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        self.inner.config.prices.map_or(0, |prices| reply::cost(prices, input_tokens, 0, output_tokens))
    }

    fn complete(&self, request: Arc<ModelRequest>, deltas: DeltaSink) -> BoxFuture<'static, Result<ModelReply, ModelError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let total = inner.bounds.total;
            match tokio::time::timeout(total, inner.attempt(&request, &deltas)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(ModelError::Timeout(total)),
            }
        })
    }
}

/// Why an attempt gave no answer.
enum Stopped {
    Failed(Box<ProviderError>),
    TooLong,
}

impl From<ProviderError> for Stopped {
    fn from(error: ProviderError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl Inner {
    async fn attempt(&self, request: &ModelRequest, deltas: &DeltaSink) -> Result<ModelReply, ModelError> {
        let request = prompt::completion(&self.config, request);
        let transport = self.transport.for_a_call();
        let model = wires::model(&self.config, &self.base, transport.clone());
        let answer = if self.config.streaming { self.streamed(&model, request, deltas).await } else { whole(&model, request).await };
        let reply = match answer {
            Ok(answer) => reply::read(&self.config, &answer)?,
            Err(Stopped::TooLong) => return Err(failure::too_long()),
            Err(Stopped::Failed(error)) if refuses(&error) => reply::refused(&self.config),
            Err(Stopped::Failed(error)) => return Err(self.failed(&error)),
        };
        if reply::bytes(&reply) > self.bounds.reply_bytes {
            return Err(failure::too_long());
        }
        if !self.config.streaming && !reply.text.is_empty() {
            deltas(&reply.text);
        }
        transport.finish().await;
        Ok(reply)
    }

    async fn streamed(
        &self,
        model: &DynModel<Completion>,
        request: CompletionRequest,
        deltas: &DeltaSink,
    ) -> Result<CompletionResponse, Stopped> {
        let mut stream = model.stream(request)?;
        let mut room = self.bounds.reply_bytes;
        while let Some(item) = stream.next().await {
            let Item::Event(event) = item? else { continue };
            let said = match &event {
                StreamEvent::Text { text, .. } => {
                    deltas(text);
                    text.len()
                }
                StreamEvent::Arguments { json, .. } => json.len(),
                // Reasoning is bounded by the bytes on the wire.
                StreamEvent::Start { .. } | StreamEvent::Reasoning { .. } | StreamEvent::End { .. } => 0,
            };
            room = room.checked_sub(said).ok_or(Stopped::TooLong)?;
        }
        Ok(stream.finish().await?)
    }

    fn failed(&self, error: &ProviderError) -> ModelError {
        failure::of(error)
    }
}

async fn whole(model: &DynModel<Completion>, request: CompletionRequest) -> Result<CompletionResponse, Stopped> {
    Ok(model.call(request).await?)
}

/// The provider's filter stopped the request before the model saw it.
fn refuses(error: &ProviderError) -> bool {
    error.provider_response().is_some_and(|answer| answer.refusal)
}
