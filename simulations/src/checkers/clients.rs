//! I-10 at the clients: each message once, in order, and none of what the house says is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_domain::ids::{AnswerId, ConversationId};
use hearth_domain::message::{Author, Message};
use hearth_domain::store::Write;

use super::{Checker, Device, Rest, Seen};

/// The checker.
#[derive(Debug, Default)]
pub struct Clients {
    devices: BTreeMap<Device, Client>,
    /// What the house has said, durably.
    said: BTreeSet<(ConversationId, u64)>,
}

#[derive(Debug)]
struct Client {
    conversation: ConversationId,
    connected: bool,
    /// Everything after this is due to it.
    first: Option<u64>,
    last: u64,
    got: BTreeSet<u64>,
    answers: BTreeSet<AnswerId>,
}

impl Clients {
    fn connected(&mut self, device: Device, conversation: ConversationId, cursor: Option<u64>) {
        let new = || Client { conversation, connected: true, first: cursor, last: 0, got: BTreeSet::new(), answers: BTreeSet::new() };
        self.devices.entry(device).or_insert_with(new).connected = true;
    }

    fn shown(&mut self, device: Device, message: &Message) -> Result<(), String> {
        let Some(client) = self.devices.get_mut(&device) else {
            return Err(format!("client {device} was shown something before it was connected"));
        };
        if message.conversation != client.conversation {
            return Err(format!("client {device} was shown a message of {}", message.conversation));
        }
        if message.seq <= client.last {
            return Err(format!("client {device} was shown {} after {}", message.seq, client.last));
        }
        if message.answer.is_some_and(|answer| !client.answers.insert(answer)) {
            return Err(format!("client {device} was shown the answer {:?} twice", message.answer));
        }
        client.first.get_or_insert(message.seq.saturating_sub(1));
        client.last = message.seq;
        client.got.insert(message.seq);
        Ok(())
    }
}

impl Checker for Clients {
    fn name(&self) -> &'static str {
        "I-10 a client sees every answer, once and in order"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Connected { device, conversation, cursor } => self.connected(*device, *conversation, *cursor),
            Seen::Disconnected(device) => {
                if let Some(client) = self.devices.get_mut(device) {
                    client.connected = false;
                }
            }
            Seen::CaughtUp(device) => {
                if let Some(client) = self.devices.get_mut(device) {
                    client.first.get_or_insert(0);
                }
            }
            Seen::Shown(device, message) => return self.shown(*device, message),
            Seen::Written(group) => {
                let messages = group.writes.iter().filter_map(|write| if let Write::Message(row) = write { Some(row) } else { None });
                self.said.extend(messages.filter(|row| row.author == Author::House).map(|row| (row.conversation, row.seq)));
            }
            _ => {}
        }
        Ok(())
    }

    fn unrest(&self, _: &Rest<'_>) -> Option<String> {
        self.devices.iter().find_map(|(device, client)| {
            if !client.connected {
                return Some(format!("client {device} cannot connect"));
            }
            // One that came without a cursor and was shown nothing yet catches up first.
            let first = client.first?;
            let due = self.said.range((client.conversation, first.saturating_add(1))..=(client.conversation, u64::MAX));
            let missing = due.map(|(_, seq)| *seq).find(|seq| !client.got.contains(seq))?;
            Some(format!("client {device} of {} has seen up to {} and lacks {missing}", client.conversation, client.last))
        })
    }
}
