//! Where a member is logged in: seen and ended on a page of its own. A grown-up sees those of children and teens as well.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use hearth_domain::household::Member;
use hearth_domain::ids::SessionId;
use hearth_domain::session::{Session, Which, end, may_see};
use serde::Deserialize;

use crate::face::Face;
use crate::gate::{Nothing, gone};
use crate::principal::{Posted, Principal};
use crate::problem::{Problem, Refusal, mime};
use crate::view;

/// Which session.
#[derive(Debug, Deserialize)]
pub(crate) struct One {
    session: String,
}

/// A member with their sessions, oldest first.
pub(crate) type Theirs = (Member, Vec<Session>);

/// `GET /sessions`
pub(crate) async fn page(who: Principal, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let all = all(&face, &who).await.map_err(|refusal| Problem::new(&request, refusal))?;
    let shown = view::devices::page(&face.household, &face.assets, &who, &all);
    Ok(HttpResponse::Ok().content_type(mime()).body(shown.into_string()))
}

/// Sessions that are good, by their members: whoever asks first.
async fn all(face: &Face, who: &Principal) -> Result<Vec<Theirs>, Refusal> {
    let (members, sessions, now) = (face.members().await?, face.read(face.store.sessions(None)).await?, face.now());
    let seen = members.into_iter().filter(|member| may_see(who.member(), member));
    let mut all: Vec<Theirs> = seen
        .map(|member| {
            let good = sessions.iter().filter(|session| session.check(Some(&member), now).is_ok()).cloned().collect();
            (member, good)
        })
        .collect();
    all.sort_by_key(|(member, _)| (member.id != who.member().id, member.name.clone()));
    Ok(all)
}

/// `POST /sessions/end`
pub(crate) async fn end_one(form: Posted<One>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let (who, One { session }) = form.open();
    let refuse = |refusal| Problem::new(&request, refusal);
    let id: SessionId = session.parse().map_err(|_| refuse(Refusal::Garbled))?;
    let all = all(&face, &who).await.map_err(refuse)?;
    let of = all.into_iter().find(|(_, sessions)| sessions.iter().any(|session| session.id == id));
    let (of, sessions) = of.ok_or_else(|| refuse(Refusal::NoSession))?;
    ended(&face, &who, &of, Which::One(id), &sessions).await.map_err(refuse)?;
    Ok(if id == who.session().id { gone(&request) } else { back() })
}

/// `POST /sessions/end-others`
pub(crate) async fn end_others(form: Posted<Nothing>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let (who, Nothing {}) = form.open();
    let refuse = |refusal| Problem::new(&request, refusal);
    let sessions = face.read(face.store.sessions(Some(who.member().id))).await.map_err(refuse)?;
    ended(&face, &who, who.member(), Which::AllBut(who.session().id), &sessions).await.map_err(refuse)?;
    Ok(back())
}

async fn ended(face: &Face, who: &Principal, of: &Member, which: Which, sessions: &[Session]) -> Result<(), Refusal> {
    let (commit, _) = end(who.member(), of, which, sessions, face.now()).map_err(|_| Refusal::NoSession)?;
    // The streams look again when it is written.
    face.save(commit).await
}

fn back() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/sessions")).finish()
}
