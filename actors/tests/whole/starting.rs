//! What is asked of a house before it knows everything again.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hearth_actors::leash::leash;
use hearth_actors::tools::CallTool;
use hearth_conformance::double::MemoryStore;
use hearth_domain::household::Role;
use hearth_domain::sandbox::{CompileError, Compiled, SandboxError, SandboxLimits, Sandboxes, Started};
use hearth_domain::tool::ToolError;
use serde_json::json;
use tokio::sync::watch;

use crate::support::{Doubles, House, PATIENCE};

/// A place for tools that takes its time to look at what it keeps.
struct Late {
    looked: watch::Sender<bool>,
    open: watch::Sender<bool>,
}

impl Sandboxes for Late {
    fn compile(&self, _: Vec<u8>) -> BoxFuture<'static, Result<Compiled, CompileError>> {
        ready(Err(CompileError::Process("not here".to_owned()))).boxed()
    }
    fn has(&self, _: &str) -> BoxFuture<'static, bool> {
        ready(false).boxed()
    }
    fn retain(&self, _: BTreeSet<String>) -> BoxFuture<'static, ()> {
        self.looked.send_replace(true);
        let mut open = self.open.subscribe();
        async move { drop(open.wait_for(|open| *open).await) }.boxed()
    }
    fn start(&self, _: &str, _: &str, _: SandboxLimits) -> BoxFuture<'static, Result<Started, SandboxError>> {
        ready(Err(SandboxError::NotStarted("not here".to_owned()))).boxed()
    }
}

#[test]
fn a_call_right_after_a_start_waits_until_it_is_known_what_is_installed() {
    actix::System::new().block_on(async {
        let late = Arc::new(Late { looked: watch::Sender::new(false), open: watch::Sender::new(false) });
        let doubles = Doubles { sandboxes: late.clone(), ..Doubles::new(MemoryStore::new()) };
        let house = House::raise(&doubles).await;
        late.looked.subscribe().wait_for(|looked| *looked).await.unwrap();
        let (_tether, held) = leash();
        let member = House::member("Ada", Role::Owner);
        let call = CallTool { function: "hearth__probe__send".to_owned(), arguments: json!({}), member, leash: held };
        let mut called = std::pin::pin!(house.doors.tools.call.ask(call, PATIENCE));
        for _ in 0..100 {
            assert!(called.as_mut().now_or_never().is_none(), "nobody knows yet whether there is such a tool");
            tokio::task::yield_now().await;
        }
        late.open.send_replace(true);
        assert_eq!(called.await.unwrap(), Err(ToolError::Unknown));
        house.stop().await;
    });
}
