//! House commands as a provider in the chain: [`hearth_domain::house::provider`] behind the model port.

use std::sync::Arc;

use futures_util::future::{self, BoxFuture, FutureExt};
use hearth_domain::house::provider::{self, NoModel, Place};
use hearth_domain::model::{DeltaSink, Model, ModelError, ModelReply, ModelRequest};

/// The deterministic interpreter at one place of the chain.
#[derive(Debug, Clone, Copy)]
pub struct HouseModel {
    place: Place,
}

impl HouseModel {
    /// Before the language models: answers commands and leaves the rest to them.
    #[must_use]
    pub const fn first() -> Self {
        Self { place: Place::First }
    }

    /// After them: always answers, if need be that nobody else does.
    #[must_use]
    pub const fn last(reason: NoModel) -> Self {
        Self { place: Place::Last(reason) }
    }
}

impl Model for HouseModel {
    fn name(&self) -> &str {
        provider::NAME
    }

    fn complete(&self, request: Arc<ModelRequest>, deltas: DeltaSink) -> BoxFuture<'static, Result<ModelReply, ModelError>> {
        let outcome = provider::complete(&request, self.place);
        if let Ok(reply) = &outcome
            && !reply.text.is_empty()
        {
            deltas(&reply.text);
        }
        future::ready(outcome).boxed()
    }
}
