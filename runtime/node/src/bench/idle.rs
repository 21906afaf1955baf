//! A house at rest: its memory with few and many stored conversations, and the time from its start to its first answer.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hearth_adapters::store::{Location, StoreConfig, SurrealStore};
use hearth_domain::household::{Audience, Member, Role};
use hearth_domain::ids::{AnswerId, ConversationId, MessageId, TurnId};
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::label::{Integrity, Label, Readers};
use hearth_domain::message::{Author, Message, Purpose};
use hearth_domain::model::Usage;
use hearth_domain::store::{Conversation, Group, Store, Turn, TurnState, Write};
use hearth_domain::time::Timestamp;

use super::house::Scratch;
use super::stats::percentile;
use super::{Figure, progress};
use crate::chat::Seat;
use crate::chat::once::Question;
use crate::wire::ClientFrame;

/// Stored conversations of the second figure.
const STORED: usize = 10_000;
/// Conversations that are written at once.
const GROUP: usize = 50;
/// Starts that are measured.
const STARTS: usize = 20;
/// What a house is given to come to rest before its memory is read.
const REST: Duration = Duration::from_secs(3);
/// A house without models. The page is served: it belongs to a served house.
const CONFIG: &str = "[house]\nzone = \"UTC\"\n[web]\nlisten = \"127.0.0.1:0\"\n[[members]]\nname = \"Bench\"\n";

pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let empty = resident(folder.path()).await?;
        let starts = starts(folder.path()).await?;
        fill(folder.path()).await?;
        let full = resident(folder.path()).await?;
        Ok(vec![Figure::new("rss_mib@0", empty, "MiB", 1), Figure::new(format!("rss_mib@{STORED}"), full, "MiB", 1), starts])
    })
}

/// Memory of a house at rest that has answered one message.
async fn resident(folder: &Path) -> anyhow::Result<f64> {
    let mut house = Scratch::start(folder, CONFIG)?;
    house.client().await?;
    ask(&house).await?;
    tokio::time::sleep(REST).await;
    let resident = house.resident_mib()?;
    let status = house.client().await?.ask(&ClientFrame::Status).await?;
    progress(&format!("{resident:.1} MiB with {status:?}"));
    house.stop()?;
    Ok(resident)
}

async fn ask(house: &Scratch) -> anyhow::Result<()> {
    let said = Question::new(Seat::default(), "what time is it?".to_owned(), Vec::new()).ask(&house.socket).await?;
    said.map(|_| ()).context("the scratch house has gone")
}

/// From the start of the process to the answer of the first message.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn starts(folder: &Path) -> anyhow::Result<Figure> {
    let mut samples = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let began = Instant::now();
        let mut house = Scratch::start(folder, CONFIG)?;
        house.client().await?;
        ask(&house).await?;
        samples.push(began.elapsed().as_secs_f64() * 1_000.0);
        house.stop()?;
    }
    Ok(Figure::new("start_to_answer_ms", percentile(&mut samples, 0.5), "ms", STARTS))
}

/// Writes conversations of a member who has had one turn in each, through the store's own port.
async fn fill(folder: &Path) -> anyhow::Result<()> {
    progress(&format!("writing {STORED} conversations"));
    let store = SurrealStore::new(StoreConfig { location: Location::Embedded(folder.to_owned()) });
    let mut head = store.open().await.context("the scratch store could not be opened")?.head;
    for group in 0..STORED / GROUP {
        let writes = (0..GROUP).flat_map(|n| conversation(group * GROUP + n)).collect();
        let fact = Fact {
            kind: FactKind::TurnAnswered,
            who: None,
            subject: format!("{group}"),
            detail: String::new(),
            content: None,
            at: Timestamp::UNIX_EPOCH,
        };
        let entries = vec![head.append(fact)];
        store.apply(Group { writes, entries }).await.context("a scratch conversation could not be written")?;
    }
    store.close().await.context("the scratch store could not be closed")
}

/// A conversation with one question and its answer.
fn conversation(n: usize) -> Vec<Write> {
    let name = n.to_string();
    let (id, member) = (ConversationId::derived(&["bench", &name]), Member::id_of("Bench"));
    let audience = Audience::of([(member, Role::Owner)]);
    let turn = TurnId::derived(&[&name]);
    let answer = AnswerId::derived(&[&name]);
    let message = |seq: u64, author, purpose, answer, text: &str| Message {
        id: MessageId::derived(&[&name, &seq.to_string()]),
        conversation: id,
        seq,
        turn: Some(turn),
        answer,
        author,
        purpose,
        origin: None,
        text: text.to_owned(),
        images: Vec::new(),
        label: Label::new(Readers::present(&audience), Integrity::Member),
        at: Timestamp::UNIX_EPOCH,
    };
    let asked = message(1, Author::Member(member), Purpose::Said, None, "when do the bins go out, and who takes them this week?");
    let row = Turn {
        id: turn,
        conversation: id,
        member,
        message: asked.id,
        answer,
        channel: "local".to_owned(),
        state: TurnState::Answered,
        sources: Vec::new(),
        usage: Usage::default(),
        at: Timestamp::UNIX_EPOCH,
    };
    let answered = message(2, Author::House, Purpose::Answer, Some(answer), "The bins go out on Tuesday evening; it is your turn.");
    let home = Conversation { id, owner: Some(member), thread: name.clone(), audience, summary: None, at: Timestamp::UNIX_EPOCH };
    vec![Write::Conversation(home), Write::Message(asked), Write::Message(answered), Write::Turn(row)]
}
