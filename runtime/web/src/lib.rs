//! The web face of the house: the page on which members talk to it, the streams behind that page, and what an owner
//! or a collector of metrics may look at.
//!
//! ```text
//! request ─▶ guard (Host, Origin, headers) ─▶ route ─▶ proof (Principal, Posted, Owner, Scraper) ─▶ handler ─▶ Doors
//! ```
//!
//! The house's actors are reached through links only ([`hearth_actors::tree::Doors`]); nothing is decided here but who asks.
//! Invariants: a handler cannot be mounted without a proof among its arguments (`routes`); what a person or a model wrote
//! reaches a browser as inert text (`markdown`, `view`); tokens are known here by their digests only; a session is looked up at each
//! request, and a stream of one that ended ends when the store has it so (`sessions`, `events`).

pub mod hosts;
pub mod login;
pub mod metrics;
pub mod server;

mod assets;
mod bucket;
mod chat;
mod devices;
mod events;
mod face;
mod gate;
mod guard;
mod live;
mod markdown;
mod ops;
mod principal;
mod problem;
mod routes;
mod sessions;
mod view;
