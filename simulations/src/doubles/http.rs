//! The way out in virtual time. Whatever comes here was let out by the house, so it is looked at.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use hearth_domain::http::{Answered, Asked, Http, HttpError, Way};

use crate::checkers::sandboxes::NAME;
use crate::doubles::sandboxes::GRANTED;
use crate::seed::Draw;
use crate::world::{World, lock};

/// The port.
#[derive(Debug)]
pub struct SimHttp {
    world: Arc<World>,
    chance: Arc<Mutex<Draw>>,
}

impl SimHttp {
    /// The way out of one life of the house.
    #[must_use]
    pub fn new(world: &Arc<World>, life: usize) -> Self {
        let chance = Draw::of(&world.seed.child("http"), &life.to_string());
        Self { world: Arc::clone(world), chance: Arc::new(Mutex::new(chance)) }
    }
}

/// A request that is under way.
struct Open(Arc<World>);

impl Open {
    fn new(world: &Arc<World>) -> Self {
        world.checkers().sandboxes.requests(1);
        Self(Arc::clone(world))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.checkers().sandboxes.requests(-1);
    }
}

impl Http for SimHttp {
    fn send(&self, way: Way, asked: Asked) -> BoxFuture<'static, Result<Answered, HttpError>> {
        let (world, mut draw) = (Arc::clone(&self.world), Draw::of(&self.world.seed.child("request"), &next(&self.chance)));
        world.keep(|recording, at| recording.sent(at, &asked));
        world.note(format!("http: {} {} {}", asked.principal, asked.method, asked.url));
        if way != Way::Egress || asked.method != "GET" || !asked.url.starts_with(GRANTED) || asked.member.is_none() {
            world.violate(NAME, format!("a request left the house that nobody granted: {way:?} {} {}", asked.method, asked.url));
        }
        let open = Open::new(&world);
        async move {
            if asked.url.ends_with("hang") {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(draw.millis(1, 300)).await;
            if draw.happens(1_000) {
                return Err(HttpError::Unreachable("it is not there".to_owned()));
            }
            let pieces = draw.number(0, 3);
            let body = stream::unfold((pieces, draw, open), |(left, mut draw, open)| async move {
                tokio::time::sleep(draw.millis(0, 50)).await;
                if draw.happens(300) {
                    tokio::time::sleep(Duration::from_secs(100_000)).await;
                }
                (left > 0).then(|| (Ok(vec![0; 100]), (left - 1, draw, open)))
            });
            Ok(Answered { status: 200, headers: Vec::new(), body: body.boxed() })
        }
        .boxed()
    }
}

fn next(chance: &Mutex<Draw>) -> String {
    lock(chance).number(0, u64::MAX - 1).to_string()
}
