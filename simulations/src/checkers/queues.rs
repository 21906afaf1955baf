//! No mailbox is ever above its capacity.

use std::time::Duration;

use hearth_supervisor::tree::TreeNode;

use super::{Checker, Seen};

/// The checker.
#[derive(Debug)]
pub struct Queues;

fn check(node: &TreeNode) -> Result<(), String> {
    if node.mailbox_capacity > 0 && node.mailbox_high_water > node.mailbox_capacity {
        return Err(format!("{} held {} messages, and {} fit", node.path, node.mailbox_high_water, node.mailbox_capacity));
    }
    node.children.iter().try_for_each(check)
}

impl Checker for Queues {
    fn name(&self) -> &'static str {
        "queues: none above its capacity"
    }

    fn on_event(&mut self, _: Duration, seen: &Seen<'_>) -> Result<(), String> {
        if let Seen::Picture(tree) = seen { check(tree) } else { Ok(()) }
    }
}
