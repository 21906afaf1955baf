//! The store without a removed member: every row is looked at, and what stays is written into a new folder, which then takes the place of
//! the old one. A row that was only deleted would stay in the engine's files for as long as it likes.
//!
//! ```text
//! store ──(rows that stay)──▶ store.new      a crash here: store.new is thrown away, and it begins again at the next opening
//! store ──▶ store.old                        a crash here: store.old is put back
//! store.new ──▶ store                        a crash here: store.old is thrown away
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use hearth_domain::household::erase::{Changed, Eraser, Fate, Report, Row as Kept};
use hearth_domain::household::record::GoneRow;
use hearth_domain::ids::{MemberId, ReminderId};
use hearth_domain::store::StoreError;
use hearth_domain::time::Timestamp;
use hearth_domain::tool::record::ToolValue;
use surrealdb::types::{Array, Object, RecordIdKey, Value};

use super::apply::bytes;
use super::decode::{self, Decoded, Row};
use super::failure::{Failure, io_failure};
use super::link::Link;
use super::read::with;
use super::{encode, household};

/// The folder that is being written.
const NEW: &str = "store.new";
/// The folder that it takes the place of.
const OLD: &str = "store.old";
/// Where reports are, one for each member who was removed.
const REPORTS: &str = "erased";

/// Every table but the one row about the store itself. What others are learnt from comes first.
const TABLES: [&str; 24] = [
    "conversation",
    "identity",
    "turn",
    "reminder",
    "member",
    "gone",
    "pairing",
    "room",
    "message",
    "step",
    "memory",
    "claim",
    "delivery",
    "session",
    "secret",
    "tool",
    "tool_component",
    "tool_value",
    "approval",
    "endorsement",
    "permit",
    "result",
    "freeze",
    "entry",
];
/// How many of them.
const LEARNT: usize = 4;
/// Rows that are read at once. A message may hold pictures.
const ROWS: usize = 32;
/// Bytes after which a transaction is ended.
const BYTES: usize = 8 * 1024 * 1024;

/// The members who were removed and whose rows may still be in the engine's files.
pub(super) async fn pending(link: &Link) -> Result<(Vec<MemberId>, BTreeSet<MemberId>), StoreError> {
    let gone: Vec<GoneRow> = household::rows(link).await?.gone;
    let pending = gone.iter().filter(|row| !row.erased).map(|row| row.id).collect();
    Ok((pending, gone.iter().map(|row| row.id).collect()))
}

/// Copies what stays into an empty database that has been migrated.
pub(super) async fn copy(
    from: &Link,
    to: &Link,
    members: &[MemberId],
    gone: &BTreeSet<MemberId>,
) -> Result<Vec<(MemberId, Report)>, StoreError> {
    // The vault erases a member's key, so that a secret of theirs is of no use to anybody.
    let mut erasers: Vec<_> = members.iter().map(|id| (*id, Eraser::new(*id, gone, BTreeSet::new()), Report::default())).collect();
    for table in TABLES.iter().take(LEARNT) {
        for chunk in ids(from, table).await?.chunks(ROWS) {
            for row in rows(from, chunk).await? {
                let row = known(table, &row)?;
                erasers.iter_mut().for_each(|(_, eraser, _)| row.shown(|row| eraser.learn(row)));
            }
        }
    }
    for table in TABLES {
        let mut batch = Vec::new();
        let mut size = 0_usize;
        for chunk in ids(from, table).await?.chunks(ROWS) {
            for row in rows(from, chunk).await? {
                let Some(row) = left(table, row, &mut erasers)? else { continue };
                size = size.saturating_add(bytes(&row));
                batch.push(row);
                if size >= BYTES || batch.len() >= ROWS.saturating_mul(8) {
                    insert(to, std::mem::take(&mut batch)).await?;
                    size = 0;
                }
            }
        }
        insert(to, batch).await?;
    }
    Ok(erasers.into_iter().map(|(id, _, report)| (id, report)).collect())
}

/// A row as it stays, if it does.
fn left(table: &str, mut value: Value, erasers: &mut [(MemberId, Eraser, Report)]) -> Result<Option<Value>, StoreError> {
    for (_, eraser, report) in erasers {
        let row = known(table, &value)?;
        let mut fate = None;
        row.shown(|row| fate = Some(eraser.count(row, report)));
        value = match fate {
            None | Some(Fate::Keep(_)) => value,
            Some(Fate::Erase(_)) => return Ok(None),
            Some(Fate::Change(_, changed)) => match *changed {
                Changed::MemberRow(row) => household::member(&row)?.1,
                Changed::Conversation(row) => encode::conversation(&row)?.1,
                Changed::Reminder(row) => encode::reminder(&row)?.1,
            },
        };
    }
    Ok(Some(value))
}

/// A row as the domain knows it.
enum Known {
    Member(hearth_domain::household::record::MemberRow),
    Identity(hearth_domain::household::record::IdentityRow),
    Pairing(hearth_domain::household::pairing::Pairing),
    Group(hearth_domain::household::audience::Group),
    Conversation(hearth_domain::store::Conversation),
    Message(Box<hearth_domain::message::Message>),
    Turn(hearth_domain::store::Turn),
    Step(Box<hearth_domain::store::Step>),
    Memory(hearth_domain::memory::Memory),
    Reminder(hearth_domain::schedule::Reminder),
    Claim(ReminderId, Timestamp),
    Delivery(hearth_domain::delivery::Delivery),
    Session(hearth_domain::store::Session),
    Secret(hearth_domain::secret::SealedRecord),
    Tool(hearth_domain::tool::record::ToolInfo),
    ToolValue(ToolValue),
    Approval(Box<hearth_domain::approval::Approval>),
    Endorsement(Box<hearth_domain::flow::endorse::Endorsement>),
    Grant(Box<hearth_domain::approval::grant::Grant>),
    Result(Box<hearth_domain::store::StoredResult>),
    /// Ids, digests and components: of nobody.
    Nobodys,
}

impl Known {
    fn shown(&self, mut to: impl FnMut(Kept<'_>)) {
        match self {
            Self::Member(row) => to(Kept::MemberRow(row)),
            Self::Identity(row) => to(Kept::Identity(row)),
            Self::Pairing(row) => to(Kept::Pairing(row)),
            Self::Group(row) => to(Kept::Group(row)),
            Self::Conversation(row) => to(Kept::Conversation(row)),
            Self::Message(row) => to(Kept::Message(row)),
            Self::Turn(row) => to(Kept::Turn(row)),
            Self::Step(row) => to(Kept::Step(row)),
            Self::Memory(row) => to(Kept::Memory(row)),
            Self::Reminder(row) => to(Kept::Reminder(row)),
            Self::Claim(reminder, due) => to(Kept::Claim(*reminder, *due)),
            Self::Delivery(row) => to(Kept::Delivery(row)),
            Self::Session(row) => to(Kept::Session(row)),
            Self::Secret(row) => to(Kept::Secret(row)),
            Self::Tool(row) => to(Kept::Tool(row)),
            Self::ToolValue(row) => to(Kept::ToolValue(row)),
            Self::Approval(row) => to(Kept::Approval(row)),
            Self::Endorsement(row) => to(Kept::Endorsement(row)),
            Self::Grant(row) => to(Kept::Grant(row)),
            Self::Result(row) => to(Kept::Result(row)),
            Self::Nobodys => {}
        }
    }
}

fn known(table: &str, value: &Value) -> Decoded<Known> {
    let row = |table| Row::of(table, value.clone());
    Ok(match table {
        "member" => Known::Member(household::member_row(row("member")?)?),
        "identity" => Known::Identity(decode::body(row("identity")?)?),
        "pairing" => Known::Pairing(decode::body(row("pairing")?)?),
        "room" => Known::Group(decode::body(row("room")?)?),
        "conversation" => Known::Conversation(decode::conversation(row("conversation")?)?),
        "message" => Known::Message(Box::new(decode::message(row("message")?)?)),
        "turn" => Known::Turn(decode::turn(row("turn")?)?),
        "step" => Known::Step(Box::new(decode::step(row("step")?)?)),
        "memory" => Known::Memory(decode::memory(row("memory")?)?),
        "reminder" => Known::Reminder(decode::reminder(row("reminder")?)?),
        "claim" => claim(row("claim")?)?,
        "delivery" => Known::Delivery(decode::delivery(row("delivery")?)?),
        "session" => Known::Session(decode::session(row("session")?)?),
        "secret" => Known::Secret(decode::secret(row("secret")?)?),
        "tool" => Known::Tool(decode::tool(row("tool")?)?),
        "tool_value" => Known::ToolValue(kept(row("tool_value")?)?),
        "approval" => Known::Approval(Box::new(decode::body(row("approval")?)?)),
        "endorsement" => Known::Endorsement(Box::new(decode::body(row("endorsement")?)?)),
        "permit" => Known::Grant(Box::new(decode::body(row("permit")?)?)),
        "result" => Known::Result(Box::new(decode::body(row("result")?)?)),
        _ => Known::Nobodys,
    })
}

/// Whose it is; what it is, nobody asks.
fn kept(mut row: Row) -> Decoded<ToolValue> {
    Ok(ToolValue { tool: String::new(), member: MemberId::from_uuid(row.uuid("member")?), key: String::new(), value: Vec::new() })
}

fn claim(mut row: Row) -> Decoded<Known> {
    let damage = || StoreError::Damaged("claim.id cannot be read".to_owned());
    let RecordIdKey::Array(parts) = row.key()? else { return Err(damage()) };
    let parts = parts.into_vec();
    let [Value::Uuid(reminder), Value::Datetime(_)] = parts.as_slice() else { return Err(damage()) };
    // When it was due decides nothing.
    Ok(Known::Claim(ReminderId::from_uuid(reminder.into_inner()), Timestamp::UNIX_EPOCH))
}

/// The ids of a table.
async fn ids(link: &Link, table: &str) -> Result<Vec<Value>, StoreError> {
    let found = link.ask(format!("SELECT VALUE id FROM {table}"), Object::new()).await?;
    if let Value::Array(ids) = found { Ok(ids.into_vec()) } else { Ok(Vec::new()) }
}

/// The rows of these ids.
async fn rows(link: &Link, ids: &[Value]) -> Result<Vec<Value>, StoreError> {
    let found = link.ask("SELECT * FROM $ids", with([("ids", Value::Array(Array::from(ids.to_vec())))])).await?;
    let Value::Array(rows) = found else { return Err(StoreError::Damaged("rows that are there cannot be read".to_owned())) };
    if rows.len() == ids.len() { Ok(rows.into_vec()) } else { Err(StoreError::Damaged("a row that is there cannot be read".to_owned())) }
}

async fn insert(link: &Link, rows: Vec<Value>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let variables = with([("rows", Value::Array(Array::from(rows)))]);
    link.ask("BEGIN; INSERT $rows RETURN NONE; COMMIT;", variables).await.map(drop)
}

/// Tidies up after a crash, as the head of this file says.
pub(super) fn recover(folder: &Path) -> Result<(), StoreError> {
    let (now, new, old) = (folder.join(super::FOLDER), folder.join(NEW), folder.join(OLD));
    let put_back = !now.exists() && old.exists();
    let tidied = if put_back { std::fs::rename(&old, &now) } else { Ok(()) };
    tidied.and_then(|()| remove(&new)).and_then(|()| remove(&old)).map_err(|error| io_failure(&error))
}

/// Makes the folder for the new database.
pub(super) fn begin(folder: &Path) -> Result<std::path::PathBuf, StoreError> {
    remove(&folder.join(NEW)).map_err(|error| io_failure(&error))?;
    super::lock::make_lasting(folder, NEW)
}

/// Throws away what was begun.
pub(super) fn give_up(folder: &Path) {
    // What stays is thrown away at the next opening.
    drop(remove(&folder.join(NEW)));
}

/// Puts the new folder in the place of the old one; both are closed.
pub(super) fn swap(folder: &Path) -> Result<(), StoreError> {
    let (now, new, old) = (folder.join(super::FOLDER), folder.join(NEW), folder.join(OLD));
    let sync = || File::open(folder)?.sync_all();
    let swapped = sync().and_then(|()| std::fs::rename(&now, &old)).and_then(|()| std::fs::rename(&new, &now)).and_then(|()| sync());
    swapped.and_then(|()| remove(&old)).and_then(|()| sync()).map_err(|error| io_failure(&error))
}

/// Leaves the reports in the data folder, for a person: they count, and quote nothing.
pub(super) fn report(folder: &Path, reports: &[(MemberId, Report)]) {
    for (member, report) in reports {
        let path = folder.join(REPORTS).join(format!("{member}.txt"));
        let written = std::fs::create_dir_all(folder.join(REPORTS)).and_then(|()| std::fs::write(&path, report.to_string()));
        if let Err(error) = written {
            tracing::warn!(target: "hearth::store", %member, %error, "the report of an erasure could not be written");
        }
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use hearth_conformance::sample;
    use hearth_domain::delivery::DeliveryState;
    use hearth_domain::household::Role;
    use hearth_domain::household::erase::{Kind, What};
    use hearth_domain::household::record::{HouseholdWrite, MemberRow};
    use hearth_domain::label::{Integrity, Label, Readers};
    use hearth_domain::memory::{Memory, MemorySearch};
    use hearth_domain::message::{Author, Message};
    use hearth_domain::schedule::ReminderState;
    use hearth_domain::store::{Conversation, Store as _, Write};

    use super::super::{Location, StoreConfig, SurrealStore};
    use super::*;

    #[test]
    fn every_table_of_the_schema_is_looked_at() {
        let text = super::super::schema::MIGRATIONS.concat();
        let defined: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("DEFINE TABLE ")?.split_whitespace().next()).collect();
        assert_eq!(defined, TABLES.into_iter().collect());
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Rows of every kind: one of each of ada's, who goes, and as many of bob's, who stays.
    fn lived_in() -> Vec<Write> {
        let shared = Label::new(Readers::household(), Integrity::Member);
        let own =
            |name: &str, whose: &str| Memory { member: sample::who(whose), label: sample::said_to(&[whose]), ..sample::fact(name, name) };
        let row =
            |name: &str, role| MemberRow { member: sample::member(name, role), guardians: BTreeSet::new(), by: None, at: sample::at(0) };
        let child = MemberRow { guardians: [sample::who("ada"), sample::who("bob")].into(), ..row("mia", Role::Child) };
        let bobs = Conversation { owner: Some(sample::who("bob")), audience: sample::adults(&["bob"]), ..sample::conversation("garden") };
        let said = Message {
            author: Author::Member(sample::who("bob")),
            label: sample::said_to(&["bob"]),
            ..sample::message("garden", 1, "bobs-canary-words")
        };
        let household = [row("ada", Role::Adult), row("bob", Role::Owner), child].map(|row| Write::Household(HouseholdWrite::Member(row)));
        let mut writes = vec![
            Write::Conversation(sample::conversation("kitchen")),
            Write::Message(sample::message("kitchen", 1, "adas-canary-words")),
            Write::Turn(sample::turn("kitchen", 1)),
            Write::Result(sample::result("kitchen", 1, 1)),
            Write::Delivery(sample::delivery(1, DeliveryState::Pending)),
            Write::Conversation(bobs),
            Write::Message(said),
            Write::Memory(own("adas-canary-fact", "ada")),
            Write::Memory(own("bobs-canary-fact", "bob")),
            Write::Memory(Memory { label: shared, ..sample::fact("common", "a common fact") }),
            Write::Reminder(sample::reminder("adas", 5, ReminderState::Pending)),
            Write::Claim { reminder: ReminderId::derived(&["adas"]), due: sample::at(1), at: sample::at(1) },
            Write::Claim { reminder: ReminderId::derived(&["bobs"]), due: sample::at(1), at: sample::at(1) },
            Write::Session(sample::session("phone")),
            Write::Secret(sample::secret("adas-canary-key", 1).unwrap()),
            Write::Tool(sample::tool("hearth/feeds", "1.0.0")),
            Write::Endorsement(sample::endorsement("ada", 1).unwrap()),
            Write::Endorsement(sample::endorsement("bob", 1).unwrap()),
        ];
        writes.extend(household);
        for name in ["ada", "bob"] {
            writes.push(Write::ToolValue(sample::kept("hearth/feeds", name, &format!("{name}s-canary-value"), b"1")));
            writes.push(Write::Approval(sample::approval(name, 1)));
            writes.push(Write::Grant(sample::grant(name, name)));
        }
        writes
    }

    /// Whether a text is in a file of a folder.
    fn holds(folder: &Path, text: &str) -> bool {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
            if path.is_dir() {
                holds(&path, text)
            } else {
                std::fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
            }
        })
    }

    #[test]
    fn a_removed_member_is_in_no_byte_after_the_next_opening_and_everything_of_the_others_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = SurrealStore::new(StoreConfig { location: Location::Embedded(folder.path().to_owned()) });
        let mut head = wait(store.open()).unwrap().head;
        wait(store.apply(sample::group(&mut head, lived_in()))).unwrap();
        let gone = |erased| Write::Household(HouseholdWrite::Gone(GoneRow { id: sample::who("ada"), at: sample::at(9), erased }));
        wait(store.apply(sample::group(&mut head, [gone(false)]))).unwrap();
        let data = folder.path().join("store");
        for text in ["adas-canary-words", "adas-canary-fact", "adas-canary-key", "adas-canary-value", "bobs-canary-words"] {
            assert!(holds(&data, text), "{text} was not written");
        }
        let opened = wait(store.open()).unwrap();
        assert_eq!((opened.head, opened.migrated_from), (head, None));
        let [(member, report)] = opened.erased.as_slice() else { panic!("{:?}", opened.erased) };
        assert_eq!(*member, sample::who("ada"));
        assert_eq!((report.of(What::Erased, Kind::Messages), report.of(What::Kept, Kind::Messages)), (1, 1));
        assert_eq!((report.of(What::Erased, Kind::Claims), report.of(What::Changed, Kind::Members)), (1, 1));
        for text in ["adas-canary-words", "adas-canary-fact", "adas-canary-key", "adas-canary-value"] {
            assert!(!holds(folder.path(), text), "{text} is still there");
        }
        assert!(holds(&data, "bobs-canary-words"));
        assert_eq!(wait(store.open_approvals()).unwrap(), [sample::approval("bob", 1)]);
        assert_eq!(wait(store.open_endorsements()).unwrap(), [sample::endorsement("bob", 1).unwrap()]);
        assert_eq!(wait(store.grants(None)).unwrap(), [sample::grant("bob", "bob")]);
        assert_eq!(wait(store.tool_keys("hearth/feeds".to_owned(), sample::who("bob"), String::new(), 9)).unwrap(), ["bobs-canary-value"]);
        assert!(wait(store.tool_component("hearth/feeds".to_owned())).unwrap().is_some());
        let words = MemorySearch { words: "common canary fact".to_owned(), audience: sample::adults(&["bob"]), limit: 9 };
        assert_eq!(wait(store.search(words)).unwrap().len(), 2, "the index of words is there again");
        let mia = wait(store.household()).unwrap().members.into_iter().find(|row| row.member.name == "mia").unwrap();
        assert_eq!(mia.guardians, [sample::who("bob")].into());
        // The chain goes on where it stood; what is done is not done again.
        let entries = wait(store.journal(0, 9)).unwrap();
        assert_eq!(hearth_domain::journal::verify(hearth_domain::journal::Head::EMPTY, &entries), Ok(head));
        wait(store.apply(sample::group(&mut head, [gone(true)]))).unwrap();
        assert_eq!(wait(store.open()).unwrap().erased, []);
        wait(store.close()).unwrap();
    }

    #[test]
    fn a_crash_at_any_point_of_the_swap_leaves_one_store() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let make = |name: &str, what: &str| {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            std::fs::write(folder.join(name).join("rows"), what).unwrap();
        };
        let read = || std::fs::read_to_string(folder.join("store/rows")).unwrap();
        make("store", "old");
        make(NEW, "half");
        recover(folder).unwrap();
        assert_eq!((read().as_str(), folder.join(NEW).exists()), ("old", false));
        make(NEW, "new");
        std::fs::rename(folder.join("store"), folder.join(OLD)).unwrap();
        recover(folder).unwrap();
        assert_eq!((read().as_str(), folder.join(NEW).exists(), folder.join(OLD).exists()), ("old", false, false));
        make(NEW, "new");
        swap(folder).unwrap();
        assert_eq!((read().as_str(), folder.join(NEW).exists(), folder.join(OLD).exists()), ("new", false, false));
        make(OLD, "old");
        recover(folder).unwrap();
        assert_eq!((read().as_str(), folder.join(OLD).exists()), ("new", false));
    }
}
