//! Ids from the seed.

use std::sync::Mutex;

use hearth_domain::ids::Ids;
use uuid::Uuid;

use crate::seed::Draw;
use crate::world::lock;

/// The source of ids of one life of the house.
#[derive(Debug)]
pub struct SimIds {
    draw: Mutex<Draw>,
    /// Planted: now and then an id comes again.
    repeats: bool,
    last: Mutex<Vec<Uuid>>,
}

impl SimIds {
    /// A source over this stream.
    #[must_use]
    pub const fn new(draw: Draw, repeats: bool) -> Self {
        Self { draw: Mutex::new(draw), repeats, last: Mutex::new(Vec::new()) }
    }
}

impl Ids for SimIds {
    fn fresh(&self) -> Uuid {
        let mut draw = lock(&self.draw);
        let id = uuid::Builder::from_custom_bytes(draw.bytes()).into_uuid();
        if !self.repeats {
            return id;
        }
        let mut last = lock(&self.last);
        last.push(id);
        // Turns take message, turn and answer ids in threes: the one of that kind before comes again.
        let again = last.len().checked_sub(5).and_then(|at| last.get(at)).copied();
        again.filter(|_| draw.happens(500)).unwrap_or(id)
    }
}
