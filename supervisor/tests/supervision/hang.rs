//! A handler that never gives the thread back, on real time: nothing else can show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use actix::{Actor, Handler, Message};
use hearth_supervisor::context::Context;
use hearth_supervisor::root::{Root, RootOptions};
use hearth_supervisor::slot::Slot;
use hearth_supervisor::spec::{ChildSpec, Strategy, SupervisorSpec};
use hearth_supervisor::watchdog::{Hang, WatchdogOptions};
use hearth_supervisor::wires::Wires;

struct Spinner {
    release: Arc<AtomicBool>,
}

impl Actor for Spinner {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Spin;

impl Handler<Spin> for Spinner {
    type Result = ();

    fn handle(&mut self, _: Spin, _: &mut Context<Self>) {
        while !self.release.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_handler_that_blocks_the_thread_is_named_and_the_action_is_called_once() {
    let release = Arc::new(AtomicBool::new(false));
    let (sender, hangs) = channel::<Hang>();
    let in_action = Arc::clone(&release);
    let action = move |hang: &Hang| {
        in_action.store(true, Ordering::Release);
        sender.send(hang.clone()).unwrap();
    };
    let watchdog = WatchdogOptions { deadline: Duration::from_millis(200), action: Arc::new(action) };
    actix::System::new().block_on(async move {
        let slot = Slot::<Spinner>::new("spinner", 4, &Wires::plain());
        let link = slot.link::<Spin>();
        let child = ChildSpec::worker(&slot, move || {
            let release = Arc::clone(&release);
            async move { Ok(Spinner { release }) }
        });
        let spec = SupervisorSpec::new("house", Strategy::OneForOne).child(child);
        let root = Root::start(spec, RootOptions { watchdog: Some(watchdog), ..RootOptions::default() });
        root.started().await.unwrap();
        link.ask(Spin, Duration::from_secs(60)).await.unwrap();
        root.stop().await;
    });
    let hang = hangs.recv().unwrap();
    assert_eq!(hang.actor.as_deref(), Some("house/spinner"));
    assert!(hang.place.unwrap().to_string().contains("Spin"), "{hang:?}");
    assert!(hang.silent_for >= Duration::from_millis(200));
    // The thread of the watchdog has ended with its tree and let go of the action.
    assert!(hangs.recv().is_err());
}
