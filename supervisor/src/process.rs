//! A child that is an operating-system process: this very program, started again with other arguments.
//!
//! ```text
//! house                                              child
//! spawner::Spawner (one thread) ── /proc/self/exe verb ─► child::enter     dies with its parent, holds 0, 1, 2 and nothing else
//!    or starter::Starter (a process), which starts them for a house that is confined
//!    └► Spawned { process, socket, log }               └► confine::apply  takes away what it does not need; a report of it
//! channel::channel ◄══ frame::Frame over a socketpair, descriptors beside it ══► channel::channel
//! watch::Watch: start, ping and stop deadlines (pure; an actor drives it)
//! ```
//!
//! # What holds
//! - A child never outlives its house: the kernel kills it with the thread that started it ([`spawner`]), it looks whether
//!   that came too late ([`child`]), and it has to end when its socket does.
//! - A child has descriptors 0 (the socket), 1 and 2 once [`child::enter`] has returned, and no environment but what it was given.
//! - What was not taken away is in the [`confine::Report`]; nothing is skipped silently.
//!
//! # What does not
//! - Landlock and seccomp are inherited: a child is never less confined than whoever started it. A house that is confined and
//!   has children that need what it must not have (a key file, a namespace) has them started by a [`starter::Starter`], which
//!   it launches before; what that starts for whoever has taken the house over is limited only by [`starter::Allowed`].
//! - A child of a starter has no new privileges and leaves no core dump, whether or not it asks for that.
//! - What a child has started in a process group of its own, and not tied to itself, outlives it.
//! - Landlock, before Linux 7.1, does not keep a process from Unix sockets in the file system; their owner looks at who
//!   connects.

pub mod channel;
pub mod child;
pub mod confine;
pub mod descriptors;
pub mod frame;
pub mod inspect;
pub mod spawn;
pub mod spawner;
pub mod starter;
pub mod watch;
