//! Faults on links: late, full, reply lost, sender dead.

use std::sync::{Arc, Mutex};

use hearth_supervisor::wires::{Interceptor, Manner, Passage, Verdict};

use crate::seed::Draw;
use crate::world::{World, crash, is_outside, lock};

/// The wires of one life of the house.
#[derive(Debug)]
pub struct SimWires {
    world: Arc<World>,
    chance: Mutex<Draw>,
}

impl SimWires {
    /// Wires with this world's faults.
    #[must_use]
    pub fn new(world: &Arc<World>, life: usize) -> Self {
        Self { world: Arc::clone(world), chance: Mutex::new(Draw::of(&world.seed.child("wires"), &life.to_string())) }
    }

    fn draw(&self, manner: Manner) -> Verdict {
        let (mix, mut draw) = (&self.world.plan.wires, lock(&self.chance));
        if draw.happens(mix.refuse) {
            Verdict::Refuse
        } else if draw.happens(mix.delay) {
            Verdict::Delay(draw.millis(1, mix.delay_ms))
        } else if manner == Manner::Ask && draw.happens(mix.lose_reply) {
            Verdict::LoseReply
        } else {
            Verdict::Pass
        }
    }
}

impl Interceptor for SimWires {
    fn judge(&self, passage: &Passage<'_>) -> Verdict {
        let message = passage.message.rsplit("::").next().unwrap_or(passage.message);
        if self.world.is_calm() {
            self.world.note(format!("{message} to {}", passage.to));
            return Verdict::Pass;
        }
        let crashes = self.world.plan.wires.crash;
        if crashes > 0 && !is_outside() && lock(&self.chance).happens(crashes) {
            self.world.note(format!("crash: whoever sends {message} to {}", passage.to));
            crash("wires");
        }
        let verdict = match self.draw(passage.manner) {
            // One sender's messages stay in their order, on whatever links they go; the store itself is slow instead.
            Verdict::Delay(_) if passage.to == "store" => Verdict::Pass,
            verdict @ (Verdict::Pass | Verdict::Refuse | Verdict::Delay(_) | Verdict::LoseReply) => verdict,
        };
        match verdict {
            Verdict::Pass => self.world.note(format!("{message} to {}", passage.to)),
            Verdict::Refuse | Verdict::Delay(_) | Verdict::LoseReply => {
                self.world.note(format!("{message} to {}: {verdict:?}", passage.to))
            }
        }
        verdict
    }
}
