//! Supervision for actors on actix, with the full meaning of OTP's supervisors. Knows no concrete actor.
//!
//! ```text
//! SupervisorSpec ─► root::Root::start ─► shell (task per supervisor) ─► rules (pure: OTP's decisions)
//!                                          └─► life (task per actor) ─► context ◄─ inbox ◄─ slot ◄─ Link
//! ```
//!
//! Children that are processes, which an actor starts and watches, are in [`process`].
//!
//! # Messages
//! - **Order.** Messages offered on links to one slot from one thread are handled in that order. Between threads there is
//!   none. Futures spawned on a context, `ResponseActFuture` and `ctx.notify` interleave with later messages;
//!   `AtomicResponse` and `ctx.wait` hold them back. `ctx.notify` and `ctx.address()` go past mailbox, bound and count.
//! - **Bound.** A mailbox never holds more than its capacity. A message counts from its offer until its handler begins.
//!   What is refused is given back at once, `Full` or `Down`; nothing is queued for an actor that is not there, also not
//!   while its factory runs.
//! - **Asks.** `Full` and `Down`: not taken. `TimedOut`: may have been handled, or may still be, unless its handler had
//!   not begun, in which case it is skipped. `Lost`: the receiver died or dropped the reply; may have been handled.
//! - **Fairness.** After 64 messages an actor lets the other tasks of its thread run.
//!
//! # Start
//! - A factory builds a fresh actor for every start. An actor is *ready* when `started` has run and everything `started`
//!   put on `ctx.wait` has ended; only then does the next child start. An actor that waits there for a later sibling
//!   waits until its start deadline.
//! - As in OTP, a child of the spec whose very first start fails makes its supervisor fail to start; one that cannot be
//!   started again later is a failure like any other and counts. A child added by a handle whose first start fails is
//!   reported to the caller and forgotten.
//!
//! # End
//! - A **panic** in a handler, in `started`, in a future on the context or in `Drop` ends the actor and is told apart.
//!   `stopping` and `stopped` do not run after a panic or a kill. A `ResponseFuture` runs outside of its actor (actix
//!   spawns it): a panic there loses only its reply. What an actor spawned elsewhere is not ended with it.
//! - **Stuck.** With a probe, an actor that does not attend its mailbox for the deadline (because of something it waits
//!   for) is cut off. Without a probe, and for a handler that blocks the thread, only [`watchdog`] notices.
//! - **Stop.** A child that is asked to stop runs `stopping`; returning `Running::Continue` there lets it drain its
//!   mailbox, which stays open, until it calls `ctx.stop()` or its deadline has it cut off. Cutting off takes effect when
//!   the thread is next free.
//!
//! # Restart
//! - Lost: the actor's value, its context with everything spawned on it, its mailbox, messages still on their way.
//!   Kept: slot, links, name, high-water mark.
//! - `Permanent` is always started again, `Transient` after anything but `Normal` and `Shutdown`, `Temporary` never.
//!   A transient child of the spec that ended normally is *parked*; a sweep (`OneForAll`, `RestForOne`) starts it again,
//!   and forgets temporary children, as in OTP. A child added by a handle is forgotten when it ends for good.
//! - A sweep stops in reverse order, waits for each, waits for the back-off, then starts in order. Deaths of children that
//!   the sweep was going to stop are not counted; any other failure counts and widens the sweep. (OTP would finish the
//!   first sweep and then begin another; the outcome is the same.)
//! - More than `max_restarts` within any `period`: the supervisor stops its children and fails towards the one above
//!   (`GaveUp`, which is abnormal, also for a transient supervisor; OTP's `shutdown` is not). Limits multiply downwards.
//! - Children added while it ran are gone when their supervisor restarts. They are stopped together, before the others.
//!
//! # Time and chance
//! - All timers are tokio timers: a paused clock drives everything but the watchdog. Jitter comes from the seed, with a
//!   stream per supervisor path and incarnation. One thread, one seed: one order of events.
//!
//! # Not guaranteed
//! - Delivery, exactly once, or an order between links from different threads. That `Lost` or `TimedOut` mean "not done".
//! - That memory an actor leaked, or a thread it started, is gone. That a second panic while unwinding is survived.

#![forbid(unsafe_code)]

pub mod bench;
pub mod child;
pub mod context;
pub mod exit;
mod inbox;
mod life;
pub mod link;
mod post;
pub mod process;
pub mod root;
mod rules;
mod shell;
pub mod slot;
pub mod spec;
pub mod tree;
pub mod watchdog;
pub mod wires;
