//! How the house is, for whoever may ask: the faces and the `house` tool.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::store::{Counts, Store};

use crate::memory::within;

/// What the house says of itself.
#[derive(Clone)]
pub struct Inquire {
    store: Arc<dyn Store>,
    deadline: Duration,
    providers: Arc<Vec<String>>,
}

impl std::fmt::Debug for Inquire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquire").field("providers", &self.providers).finish_non_exhaustive()
    }
}

impl Inquire {
    /// Over this store, with these providers.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, deadline: Duration, providers: Vec<String>) -> Self {
        Self { store, deadline, providers: Arc::new(providers) }
    }

    /// How many rows there are; none when the store does not answer.
    pub async fn counts(&self) -> Option<Counts> {
        within(self.deadline, self.store.counts()).await.ok()
    }

    /// The configured providers, in order.
    #[must_use]
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    /// The state of the house in sentences.
    pub async fn lines(&self) -> Vec<String> {
        let mut lines = vec![if self.providers.is_empty() {
            "No language model is configured; house commands work.".to_owned()
        } else {
            format!("Language models, in order: {}.", self.providers.join(", "))
        }];
        match self.counts().await {
            None => lines.push("The store does not answer just now.".to_owned()),
            Some(counts) => lines.push(format!(
                "{} remembered, {} reminders to come, {} messages in {} conversations; {} turns at work, {} deliveries not confirmed.",
                counts.memories,
                counts.pending_reminders,
                counts.messages,
                counts.conversations,
                counts.open_turns,
                counts.pending_deliveries
            )),
        }
        lines
    }
}
