//! Whom a name means. The household says, for only it knows who was added, removed, and added again under the same name.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use hearth_actors::household::Stranger;
use hearth_domain::household::Member;
use hearth_domain::ids::MemberId;

use super::UNEXPECTED;
use crate::client::Client;
use crate::config::Config;
use crate::places;
use crate::wire::household::{HouseholdAnswer, HouseholdAsk};
use crate::wire::{ClientFrame, HouseFrame};

/// The household of a house that runs.
#[derive(Debug)]
pub(super) struct Members {
    house: PathBuf,
}

impl Members {
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { house: places::path_for(&config.data()?) })
    }

    /// Who lives here and is called so; the owner when nobody is named.
    pub(super) fn named(&self, name: Option<&str>) -> anyhow::Result<MemberId> {
        let frame = ClientFrame::Household { member: name.map(str::to_owned), ask: HouseholdAsk::Who };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(async {
            let mut client = Client::connect(&self.house).await?.context("the house has stopped; try again")?;
            client.ask(&frame).await
        })?;
        let HouseFrame::Household { answer: HouseholdAnswer::Done { member, .. } } = answer else { bail!(UNEXPECTED) };
        member.parse().context(UNEXPECTED)
    }

    /// The same of somebody who may have left: then an id is taken, as the report of their removal has it, or the id that the first one of
    /// that name had. The vault says whether it knows them.
    pub(super) fn whoever(&self, named: &str) -> anyhow::Result<MemberId> {
        if let Ok(id) = named.trim().parse() {
            return Ok(id);
        }
        match self.named(Some(named)) {
            Err(error) if error.to_string() == Stranger.to_string() => Ok(Member::id_of(named)),
            found => found,
        }
    }
}
