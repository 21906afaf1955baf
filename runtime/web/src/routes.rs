//! The map of the page. A route is mounted by [`read`] or [`act`], which compile only for handlers that take a proof of who asks,
//! or by [`open`], which stands for the four things that anybody may have.
//!
//! | route | proof | |
//! |---|---|---|
//! | `GET /` | `Principal` | the chat |
//! | `GET /events` | `Principal` | the stream of what is said |
//! | `GET /me` | `Principal` | whether the session is good |
//! | `GET /sessions` | `Principal` | where one is logged in |
//! | `POST /say` `/stop` `/seen` `/logout` `/sessions/end` `/sessions/end-others` | `Posted` | |
//! | `GET /tree` | `Owner` | the supervision tree, JSON |
//! | `GET /metrics` | `Scraper` | OpenMetrics text |
//! | `GET`, `POST /login` | none | a link becomes a session |
//! | `GET /assets/…` `/healthz` | none | no data |

use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Responder, Route};

use crate::principal::{Owner, Posted, Principal, Scraper};
use crate::{assets, chat, devices, events, gate, ops};

/// Arguments that begin with a proof of who asks.
pub(crate) trait Proved {}

impl Proved for (Principal,) {}
impl<A> Proved for (Principal, A) {}
impl<A, B> Proved for (Principal, A, B) {}
impl<A, B, C> Proved for (Principal, A, B, C) {}
impl<A> Proved for (Owner, A) {}
impl<A> Proved for (Scraper, A) {}

/// Arguments that begin with a form of our own page, sent by a member.
pub(crate) trait Signed {}

impl<T, A> Signed for (Posted<T>, A) {}
impl<T, A, B> Signed for (Posted<T>, A, B) {}

fn read<F, A>(handler: F) -> Route
where
    F: Handler<A>,
    A: FromRequest + Proved + 'static,
    F::Output: Responder + 'static,
{
    web::get().to(handler)
}

fn act<F, A>(handler: F) -> Route
where
    F: Handler<A>,
    A: FromRequest + Signed + 'static,
    F::Output: Responder + 'static,
{
    web::post().to(handler)
}

/// Mounts everything.
pub(crate) fn mount(config: &mut ServiceConfig) {
    open(config);
    config
        .route("/", read(chat::page))
        .route("/events", read(events::stream))
        .route("/me", read(chat::me))
        .route("/say", act(chat::say))
        .route("/stop", act(chat::stop))
        .route("/seen", act(chat::seen))
        .route("/logout", act(gate::logout))
        .route("/sessions", read(devices::page))
        .route("/sessions/end", act(devices::end_one))
        .route("/sessions/end-others", act(devices::end_others))
        .route("/tree", read(ops::tree))
        .route("/metrics", read(ops::metrics));
}

/// What anybody may have. Nothing here knows what the house knows.
fn open(config: &mut ServiceConfig) {
    config
        .route("/login", web::get().to(gate::page))
        .route("/login", web::post().to(gate::login))
        .route("/assets/{name}", web::get().to(assets::serve))
        .route("/healthz", web::get().to(ops::healthz))
        .default_service(web::to(gate::nothing_here));
}
