//! The chat: the page with what was said, and the forms that it sends.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use hearth_actors::household::glass::WhoReads;
use hearth_actors::local::{ChannelError, Halt, Seen, Subscribe, Tell, Unsubscribe};
use hearth_domain::conversation::{Accepted, SayError};
use hearth_domain::household::Place;
use hearth_domain::ids::{ConversationId, MessageId};
use hearth_domain::message::Message;
use hearth_supervisor::link::AskError;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::face::Face;
use crate::gate::Nothing;
use crate::principal::{Posted, Principal};
use crate::problem::{Problem, Refusal, mime, wants_json};
use crate::view;

/// Messages of one page.
const PAGE: usize = 100;
/// The thread that the page shows.
pub(crate) const THREAD: &str = "";
/// Characters of a message's own id that a page may choose.
const NONCE: usize = 64;

/// Which page of what was said.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    before: Option<u64>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(crate) struct Say {
    nonce: String,
    text: String,
    /// The last message on the page, when it was sent without the script.
    #[serde(default)]
    shown: String,
}

/// Up to where a stream has arrived.
#[derive(Debug, Deserialize)]
pub(crate) struct Arrived {
    client: String,
    upto: String,
}

/// What stands above and in the composer when a message was not taken.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) notice: Option<String>,
    pub(crate) text: String,
}

/// The conversation that the page shows.
pub(crate) fn conversation(who: &Principal) -> ConversationId {
    Place::private(who.member(), THREAD).conversation
}

/// `GET /`
pub(crate) async fn page(
    who: Principal,
    which: Result<Query<Which>, actix_web::Error>,
    request: HttpRequest,
    face: Data<Face>,
) -> Result<HttpResponse, Problem> {
    let before = which.map(|Query(which)| which.before).unwrap_or_default();
    let page = render(&face, &who, before, &Draft::default()).await;
    let page = page.map_err(|refusal| Problem::new(&request, refusal))?;
    Ok(HttpResponse::Ok().content_type(mime()).body(page))
}

async fn render(face: &Face, who: &Principal, before: Option<u64>, draft: &Draft) -> Result<String, Refusal> {
    let messages = face.read(read(face, conversation(who), before)).await?;
    let readers = face.doors.household.who_reads.ask(WhoReads(who.member().id), face.limits.ask_deadline).await;
    let shown = view::chat::Shown {
        household: &face.household,
        assets: &face.assets,
        who,
        messages: &messages,
        readers: &readers.map_err(|_| Refusal::Busy)?,
        archive: before.is_some(),
        // Any id of the house's will do for what has to be new.
        nonce: &MessageId::fresh(&*face.ids).uuid().to_string(),
        limit: face.limits.message_bytes,
        draft,
    };
    Ok(view::chat::page(&shown).into_string())
}

fn read(face: &Face, conversation: ConversationId, before: Option<u64>) -> hearth_domain::store::StoreFuture<Vec<Message>> {
    let Some(before) = before else {
        return face.store.recent(conversation, PAGE);
    };
    let last = before.saturating_sub(1);
    let after = last.saturating_sub(u64::try_from(PAGE).unwrap_or(u64::MAX));
    face.store.messages(conversation, after, usize::try_from(last.saturating_sub(after)).unwrap_or(PAGE))
}

/// `GET /me`
pub(crate) async fn me(who: Principal) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "name": who.member().name }))
}

/// `POST /say`
pub(crate) async fn say(form: Posted<Say>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let (who, form) = form.open();
    let (told, text) = tell(&face, &who, &form).await.map_err(|refusal| Problem::new(&request, refusal))?;
    if told.is_ok() {
        face.live.nudge(who.member().id);
    }
    match (told, wants_json(&request)) {
        (Ok(accepted), true) => Ok(HttpResponse::Ok().json(serde_json::json!({ "seq": accepted.seq, "turn": accepted.turn }))),
        (Ok(_), false) => {
            confirm(&face, &who, &form.shown).await;
            Ok(back())
        }
        (Err(error), true) => Err(Problem::new(&request, Refusal::Told(status(&error), sentence(&error)))),
        (Err(error), false) => {
            let draft = Draft { notice: Some(sentence(&error)), text };
            let page = render(&face, &who, None, &draft).await.map_err(|refusal| Problem::new(&request, refusal))?;
            Ok(HttpResponse::build(status(&error)).content_type(mime()).body(page))
        }
    }
}

async fn tell(face: &Face, who: &Principal, form: &Say) -> Result<(Result<Accepted, SayError>, String), Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if form.nonce.is_empty() || form.nonce.len() > NONCE || !form.nonce.bytes().all(plain) {
        return Err(Refusal::Garbled);
    }
    // Browsers send the lines of a form as network lines.
    let text = form.text.replace("\r\n", "\n");
    let tell = Tell {
        identity: Some(who.member().name.clone()),
        thread: THREAD.to_owned(),
        nonce: form.nonce.clone(),
        text: text.clone(),
        images: Vec::new(),
    };
    let deadline = face.limits.commit_deadline.saturating_add(face.limits.ask_deadline);
    let told = face.doors.tell.ask(tell, deadline).await.unwrap_or(Err(SayError::Unavailable));
    Ok((told, text))
}

const fn status(error: &SayError) -> StatusCode {
    match error {
        SayError::Empty => StatusCode::BAD_REQUEST,
        SayError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        SayError::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
        SayError::Store(_) | SayError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        SayError::Unknown => StatusCode::FORBIDDEN,
    }
}

/// An error as a sentence of its own.
fn sentence(error: &SayError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

/// Who reads without the script has seen what the page showed.
async fn confirm(face: &Face, who: &Principal, shown: &str) {
    let Ok(upto) = shown.parse::<u64>() else {
        return;
    };
    let (events, arriving) = mpsc::channel(hearth_actors::local::QUEUE);
    if let Ok(Ok(subscribed)) = subscribe(face, who, Some(upto), events).await {
        // What is not taken is confirmed with the next message.
        drop(face.doors.seen.offer(Seen { client: subscribed.client, upto }));
        drop(face.doors.unsubscribe.offer(Unsubscribe(subscribed.client)));
    }
    drop(arriving);
}

/// Subscribes to the conversation that the page shows.
pub(crate) fn subscribe(
    face: &Face,
    who: &Principal,
    cursor: Option<u64>,
    events: mpsc::Sender<hearth_actors::local::Event>,
) -> impl Future<Output = Result<Result<hearth_actors::local::Subscribed, ChannelError>, AskError>> + use<> {
    let subscribe = Subscribe { identity: Some(who.member().name.clone()), thread: THREAD.to_owned(), cursor, events };
    face.doors.subscribe.ask(subscribe, face.limits.ask_deadline)
}

/// `POST /stop`
pub(crate) async fn stop(form: Posted<Nothing>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let (who, Nothing {}) = form.open();
    let halt = Halt { identity: Some(who.member().name.clone()), thread: THREAD.to_owned() };
    let deadline = face.limits.ask_deadline.saturating_mul(2);
    let stopped = face.doors.halt.ask(halt, deadline).await.map_err(|_| Problem::new(&request, Refusal::Busy))?;
    if wants_json(&request) { Ok(HttpResponse::Ok().json(serde_json::json!({ "stopped": stopped }))) } else { Ok(back()) }
}

/// `POST /seen`
pub(crate) async fn seen(form: Posted<Arrived>, request: HttpRequest, face: Data<Face>) -> Result<HttpResponse, Problem> {
    let (who, form) = form.open();
    let (Ok(client), Ok(upto)) = (form.client.parse(), form.upto.parse()) else {
        return Err(Problem::new(&request, Refusal::Garbled));
    };
    if face.live.is_of(client, who.session().id) {
        // What is not taken is confirmed with the next message.
        drop(face.doors.seen.offer(Seen { client, upto }));
    }
    Ok(HttpResponse::NoContent().finish())
}

fn back() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).finish()
}
