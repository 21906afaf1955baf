//! The store without a removed member: every row is looked at, and what stays is written into a new folder, which then takes the place of
//! the old one. A row that was only deleted would stay in the engine's files for as long as it likes.
//!
//! ```text
//! store ──(rows that stay)──▶ store.new      a crash here: store.new is thrown away, and it begins again at the next opening
//! store ──▶ store.old                        a crash here: store.old is put back
//! store.new ──▶ store                        a crash here: store.old is thrown away
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use hearth_domain::household::erase::{Changed, Eraser, Fate, Foretold, Report};
use hearth_domain::household::record::GoneRow;
use hearth_domain::ids::MemberId;
use hearth_domain::store::StoreError;
use surrealdb::types::{Array, Value};

use super::apply::bytes;
use super::every::{LEARNT, ROWS, TABLES, count, ids, known, rows};
use super::failure::{Failure, io_failure};
use super::link::Link;
use super::read::{self, with};
use super::{encode, household};

/// The folder that is being written.
const NEW: &str = "store.new";
/// The folder that it takes the place of.
const OLD: &str = "store.old";
/// Where reports are, one for each member who was removed.
const REPORTS: &str = "erased";

/// Bytes after which a transaction is ended.
const BYTES: usize = 8 * 1024 * 1024;

/// The members who were removed and whose rows may still be in the engine's files.
pub(super) async fn pending(link: &Link) -> Result<(Vec<MemberId>, BTreeSet<MemberId>), StoreError> {
    let gone: Vec<GoneRow> = household::rows(link).await?.gone;
    let pending = gone.iter().filter(|row| !row.erased).map(|row| row.id).collect();
    Ok((pending, gone.iter().map(|row| row.id).collect()))
}

/// Whose rows go, who decides, and what came of it.
pub(super) type Erasing = (MemberId, Eraser, Report);

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// What was erased, for each member.
    pub(super) reports: Vec<(MemberId, Report)>,
    /// Rows that were left out, by their table.
    without: BTreeMap<&'static str, usize>,
}

/// Copies what stays into an empty database that has been migrated.
pub(super) async fn copy(from: &Link, to: &Link, members: &[MemberId], gone: &BTreeSet<MemberId>) -> Result<Copied, StoreError> {
    let mut erasers = learnt(from, members, gone).await?;
    let mut without = BTreeMap::new();
    for table in TABLES {
        let mut batch = Vec::new();
        let mut size = 0_usize;
        for chunk in ids(from, table).await?.chunks(ROWS) {
            for row in rows(from, chunk).await? {
                let Some(row) = left(table, row, &mut erasers)? else {
                    let count: &mut usize = without.entry(table).or_default();
                    *count = count.saturating_add(1);
                    continue;
                };
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
    let told = super::erase::told(from).await?;
    Ok(Copied { reports: reports(erasers, &told), without })
}

/// What became of the rows, together with what went before.
pub(super) fn reports(erasers: Vec<Erasing>, told: &BTreeMap<MemberId, Foretold>) -> Vec<(MemberId, Report)> {
    let whole = |id, report: Report| if let Some(before) = told.get(&id) { report.after(before) } else { report };
    erasers.into_iter().map(|(id, _, report)| (id, whole(id, report))).collect()
}

/// That a database has everything of another one but what was left out, and the same end of the journal: or the other one is not given up.
pub(super) async fn compare(from: &Link, to: &Link, copied: &Copied) -> Result<(), StoreError> {
    for table in TABLES {
        let (before, after) = (count(from, table).await?, count(to, table).await?);
        let without = copied.without.get(table).copied().unwrap_or_default();
        if before.checked_sub(without) != Some(after) {
            return Err(StoreError::Damaged(format!("of {before} rows of {table}, {without} were to go, and {after} came along")));
        }
    }
    if read::head(from).await? == read::head(to).await? {
        return Ok(());
    }
    Err(StoreError::Damaged("the journal did not come along whole".to_owned()))
}

/// An eraser for each, which has seen what it has to before it decides.
pub(super) async fn learnt(from: &Link, members: &[MemberId], gone: &BTreeSet<MemberId>) -> Result<Vec<Erasing>, StoreError> {
    // The vault destroys a member's key, so that a secret of theirs is of no use to anybody.
    let mut erasers: Vec<_> = members.iter().map(|id| (*id, Eraser::new(*id, gone, BTreeSet::new()), Report::default())).collect();
    for table in TABLES.iter().take(LEARNT) {
        for chunk in ids(from, table).await?.chunks(ROWS) {
            for row in rows(from, chunk).await? {
                let row = known(table, &row)?;
                erasers.iter_mut().for_each(|(_, eraser, _)| row.shown(|row| eraser.learn(row)));
            }
        }
    }
    Ok(erasers)
}

/// A row as it stays, if it does.
pub(super) fn left(table: &str, mut value: Value, erasers: &mut [Erasing]) -> Result<Option<Value>, StoreError> {
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
        // Done a second time, because nobody wrote down that it was done: the first report stands.
        if path.exists() && !report.erased_any() {
            continue;
        }
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
    use hearth_domain::ids::ReminderId;
    use hearth_domain::journal::FactKind;
    use hearth_domain::label::{Integrity, Label, Readers};
    use hearth_domain::memory::{Memory, MemorySearch};
    use hearth_domain::message::{Author, Message};
    use hearth_domain::schedule::ReminderState;
    use hearth_domain::store::{Conversation, Store as _, Write};

    use surrealdb::types::Object;

    use super::super::every::listed;
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
            writes.push(Write::Spent(sample::used(name, 26, 1, 10)));
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
        // Those of bob are there, wherever the engine packs them.
        assert_eq!(wait(store.messages(sample::place("garden"), 0, 9)).unwrap()[0].text, "bobs-canary-words");
        assert_eq!(wait(store.open_approvals()).unwrap(), [sample::approval("bob", 1)]);
        assert_eq!(wait(store.spent()).unwrap(), [sample::used("bob", 26, 1, 10)]);
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
    fn a_table_that_cannot_be_read_is_damage_and_not_an_empty_one() {
        assert_eq!(listed("memory", Value::Array(Array::from(Vec::<Value>::new()))), Ok(Vec::new()));
        assert!(matches!(listed("memory", Value::None), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn what_did_not_come_along_is_noticed_before_the_old_store_is_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (from, to) = (Link::in_memory().await.unwrap(), Link::in_memory().await.unwrap());
            for link in [&from, &to] {
                super::super::schema::migrate(link, None, super::super::schema::MIGRATIONS).await.unwrap();
            }
            let mut head = hearth_domain::journal::Head::EMPTY;
            super::super::apply::apply(&from, None, &sample::group(&mut head, lived_in())).await.unwrap();
            let ada = sample::who("ada");
            let copied = copy(&from, &to, &[ada], &BTreeSet::from([ada])).await.unwrap();
            assert_eq!(compare(&from, &to, &copied).await, Ok(()));
            for lost in ["DELETE message", "DELETE entry", "DELETE permit", "REMOVE TABLE session"] {
                let (to, copied) = (Link::in_memory().await.unwrap(), &copied);
                super::super::schema::migrate(&to, None, super::super::schema::MIGRATIONS).await.unwrap();
                copy(&from, &to, &[ada], &BTreeSet::from([ada])).await.unwrap();
                to.ask(lost, Object::new()).await.unwrap();
                assert!(compare(&from, &to, copied).await.is_err(), "{lost}");
            }
            // As many entries as before, with another end.
            to.ask("DELETE entry", Object::new()).await.unwrap();
            let mut other = hearth_domain::journal::Head::EMPTY;
            let entries = vec![other.append(sample::happened(FactKind::MessageAccepted, "another"))];
            super::super::apply::apply(&to, None, &hearth_domain::store::Group { writes: Vec::new(), entries }).await.unwrap();
            assert!(compare(&from, &to, &copied).await.is_err());
        });
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
