//! Those who install, grant, update and revoke tools, and those who call them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hearth_actors::leash::leash;
use hearth_actors::tools::{
    Answers, CallTool, Change, GrantTool, Install, ListTools, RemoveTool, RevokeTool, ShowTool, Shown, ToolboxError,
};
use hearth_actors::tree::ToolDoors;
use hearth_domain::household::{Member, Role};
use hearth_domain::tool::record::ToolState;
use hearth_domain::tool::{ToolError, ToolOutput};
use hearth_supervisor::link::AskError;
use serde_json::json;

use crate::checkers::sandboxes::NAME;
use crate::client::Front;
use crate::doubles::sandboxes::{TOOLS, VERSIONS, package};
use crate::seed::Draw;
use crate::world::{World, outside};

/// Longest that somebody waits for an answer about tools.
const PATIENCE: Duration = Duration::from_secs(100);
/// Times that a tool is tried when nothing goes wrong any more.
const ATTEMPTS: usize = 80;

/// Lets them in, when this plan has any use for them.
pub fn admit(world: &Arc<World>, front: &Arc<Front>) {
    let mix = &world.plan.sandboxes;
    if mix.tools == 0 {
        return;
    }
    let calls = Arc::new(AtomicU64::new(1));
    let tools = mix.tools.min(TOOLS);
    let spawn = |work: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        front.busy.fetch_add(1, Ordering::Relaxed);
        let front = Arc::clone(front);
        drop(actix::spawn(async move {
            work.await;
            front.busy.fetch_sub(1, Ordering::Relaxed);
        }));
    };
    for n in 0..=mix.callers {
        let draw = Draw::of(&world.seed.child("keeper"), &n.to_string());
        let one = Keeper { world: Arc::clone(world), front: Arc::clone(front), draw, calls: Arc::clone(&calls), tools };
        spawn(if n == 0 { Box::pin(one.keep()) } else { Box::pin(one.call_them()) });
    }
}

struct Keeper {
    world: Arc<World>,
    front: Arc<Front>,
    draw: Draw,
    calls: Arc<AtomicU64>,
    tools: usize,
}

impl Keeper {
    fn adult(&self) -> Member {
        let adult = self.world.plan.members.iter().find(|member| member.role == Role::Owner);
        adult.cloned().unwrap_or_else(|| unreachable!("nobody owns this house"))
    }

    fn doors(&self) -> Option<ToolDoors> {
        self.front.doors().map(|doors| doors.tools)
    }

    /// Changes what is installed, until nothing goes wrong any more; then everything has to work.
    async fn keep(mut self) {
        for tool in 0..self.tools {
            self.change(tool, 0).await;
            self.change(tool, 1).await;
        }
        while !self.world.is_calm() {
            tokio::time::sleep(self.draw.millis(1, self.world.plan.sandboxes.change_ms.max(10))).await;
            let tool = self.draw.size(0, self.tools - 1);
            let what = self.draw.weighted(&[(0, 4), (1, 9), (5, 3), (7, 2), (8, 1), (9, 1)]);
            self.change(tool, what).await;
            // What is installed or updated is mostly granted at once.
            if matches!(what, 0 | 5) && self.draw.happens(7_000) {
                self.change(tool, 1).await;
            }
        }
        for tool in 0..self.tools {
            if !self.works(tool).await {
                self.world.violate(NAME, format!("tool {tool} does not work any more, and nothing goes wrong"));
            }
        }
    }

    async fn change(&mut self, tool: usize, what: u64) -> Option<Result<Shown, ToolboxError>> {
        let (doors, by, name) = (self.doors()?, self.adult(), format!("sim/t{tool}"));
        let version = u32::try_from(self.draw.number(1, u64::from(VERSIONS))).unwrap_or(1);
        let answers = Answers { memory: self.draw.coin(), ..Answers::default() };
        let package = Box::new(package(tool, version));
        let world = Arc::clone(&self.world);
        let (label, changed) = match what {
            0 => ("install", self.wait(outside(|| doors.install.ask(Install { package, change: Change::Install, by }, PATIENCE))).await),
            1..=4 => ("grant", self.wait(outside(|| doors.grant.ask(GrantTool { name, answers, by }, PATIENCE))).await),
            5 | 6 => ("update", self.wait(outside(|| doors.install.ask(Install { package, change: Change::Update, by }, PATIENCE))).await),
            7 => {
                world.checkers().sandboxes.closing(tool);
                ("revoke", self.wait(outside(|| doors.revoke.ask(RevokeTool { name, by }, PATIENCE))).await)
            }
            8 => {
                world.checkers().sandboxes.closing(tool);
                ("remove", self.wait(outside(|| doors.remove.ask(RemoveTool { name, by }, PATIENCE))).await)
            }
            _ => {
                let by = Member { role: Role::Child, ..by };
                let refused = self.wait(outside(|| doors.revoke.ask(RevokeTool { name, by }, PATIENCE))).await;
                if matches!(refused, Ok(Ok(_))) {
                    world.violate(NAME, "a child changed what is installed");
                }
                return None;
            }
        };
        let word = match &changed {
            Ok(Ok(shown)) => format!("{:?}", shown.state),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        world.note(format!("keeper: {label} t{tool}: {word}"));
        changed.ok()
    }

    async fn wait<T>(&self, asked: impl Future<Output = Result<T, AskError>>) -> Result<T, AskError> {
        self.front.wait(&self.world, "a change of tools", asked).await
    }

    /// Whether a tool can be brought to work now.
    async fn works(&mut self, tool: usize) -> bool {
        let name = format!("sim/t{tool}");
        for _ in 0..ATTEMPTS {
            if let Some(doors) = self.doors() {
                let listed = self.wait(outside(|| doors.list.ask(ListTools, PATIENCE))).await;
                let state = match listed {
                    Ok(Ok(all)) => Some(all.into_iter().find(|shown| shown.name == name).map(|shown| shown.state)),
                    Ok(Err(_)) | Err(_) => None,
                };
                match state {
                    Some(None) => drop(self.change(tool, 0).await),
                    Some(Some(ToolState::Granted)) => {
                        if matches!(self.call(tool, false).await, Some(Ok(_))) {
                            let shown = self.wait(outside(|| doors.show.ask(ShowTool(name.clone()), PATIENCE))).await;
                            self.world.note(format!("keeper: t{tool} works: {}", shown.is_ok()));
                            return true;
                        }
                    }
                    Some(Some(ToolState::Waiting | ToolState::Quarantined { .. } | ToolState::Revoked)) => drop(self.change(tool, 1).await),
                    None => {}
                }
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        false
    }

    /// Calls tools until nothing goes wrong any more.
    async fn call_them(mut self) {
        while !self.world.is_calm() {
            tokio::time::sleep(self.draw.millis(1, self.world.plan.sandboxes.pause_ms.max(2))).await;
            let tool = self.draw.size(0, self.tools - 1);
            let stops = self.draw.happens(self.world.plan.sandboxes.stop);
            self.call(tool, stops).await;
        }
    }

    /// One call, which is perhaps stopped on its way.
    async fn call(&mut self, tool: usize, stops: bool) -> Option<Result<ToolOutput, ToolError>> {
        let doors = self.doors()?;
        let people: Vec<_> = self.world.plan.members.iter().filter(|member| member.role != Role::Guest).cloned().collect();
        let member = self.draw.pick(&people).clone();
        let n = self.calls.fetch_add(1, Ordering::Relaxed);
        let function = format!("sim__t{tool}__{}", if self.draw.coin() { "look" } else { "mark" });
        let (tether, leash) = leash();
        let after = self.draw.millis(0, 3_000);
        if stops {
            drop(actix::spawn(async move {
                tokio::time::sleep(after).await;
                drop(tether);
            }));
        } else {
            // Held as long as anybody may wait for it.
            drop(actix::spawn(async move {
                tokio::time::sleep(PATIENCE * 2).await;
                drop(tether);
            }));
        }
        let call = CallTool { function, arguments: json!({ "n": n }), member, leash };
        let asked = outside(|| doors.call.ask(call, PATIENCE));
        let answer = self.front.wait(&self.world, "a call of a tool", asked).await.ok()?;
        self.world.note(format!("caller: {n} of t{tool}: {}", answer.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned())));
        let found = self.world.checkers().sandboxes.ended(self.world.now(), n, tool, &answer);
        if let Err(what) = found {
            self.world.violate(NAME, what);
        }
        Some(answer)
    }
}
