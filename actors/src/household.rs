//! The household actor: who is who, and who is present where.
//!
//! ```text
//! start: configuration and store ─▶ People ──(Resolve, Arrive, Who, List)──▶ answers
//!                                     │
//!                                     └─(Change, a stranger's code)─▶ on a copy ─▶ one commit ─▶ the copy counts
//! ```
//!
//! | in | out | |
//! |---|---|---|
//! | [`Resolve`] | `Result<Resolved, Stranger>` | the local channel asks whose message this is and where it belongs |
//! | [`Arrive`] | `Result<Resolved, Unpaired>` | a channel asks the same of an account; an unknown sender is shown a code, once |
//! | [`rooms::Attend`], [`rooms::Doubt`] | `Result<(), Unwritten>` | a channel says who is in its rooms, or that it does not know |
//! | [`rooms::Gather`] | `Result<Option<Resolved>, Unwritten>` | a channel asks whose message in a room it is |
//! | [`rooms::Locate`] | `Option<Spot>` | a channel asks where a conversation is, and who is there |
//! | [`Change`] | `Result<Granted, ChangeError>` | a member adds, changes, removes or pairs somebody |
//! | [`ListHousehold`] | `Result<Listing, ChangeError>` | who is here, by which accounts, and who waits |
//! | [`glass::BreakGlass`], [`glass::ReadGlass`] | | a grown-up opens and reads a child's private conversations; the child is told first |
//! | [`glass::WhoReads`] | `Vec<(Member, Opening)>` | the page of a child asks who may |
//! | [`Who`] | `Vec<Member>` | everybody who is enrolled |
//!
//! Permanent. What is decided is decided in `domain::household`. Nothing counts before it is durable; the mailbox stands back meanwhile, so
//! that one of two changes at once is the first. When it is not known whether a change was written, the actor ends and reads anew. A restart
//! loses nothing but how often wrong codes were named. Invariant I-9: who is not enrolled is nobody. Limits: `PairingLimits`.

pub mod glass;
pub mod rooms;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Actor, ActorContext as _, ActorFutureExt as _, AtomicResponse, Handler, Message, MessageResult, WrapFuture as _};
use hearth_domain::error::{Class, Classified};
use hearth_domain::household::audience::Speaker;
use hearth_domain::household::glass::Glass;
use hearth_domain::household::identity::Identity;
use hearth_domain::household::open::{Opened, open};
use hearth_domain::household::pairing::{Pairing, PairingLimits, Reply, Setting};
use hearth_domain::household::people::{By, People, PeopleError};
use hearth_domain::household::record::{HouseholdWrite, MemberRow};
use hearth_domain::household::roster::RosterError;
use hearth_domain::household::wish::{Granted, Wish};
use hearth_domain::household::{Member, MemberId, Place, Role, is_grown_up};
use hearth_domain::ids::{IdentityId, Ids, PairingId};
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::label::Readers;
use hearth_domain::store::{Commit, Store, StoreError, Write};
use hearth_domain::time::{Clock, Timestamp};
use hearth_supervisor::context::Context;
use hearth_supervisor::exit::StartError;
use hearth_supervisor::link::Link;
use rand_chacha::ChaCha8Rng;

use crate::ports::{House, Ports};
use crate::scheduler::Announce;
use crate::store::{Save, Settle};
use crate::vault::Part;

/// Whose message is this, and where does it belong?
#[derive(Debug, Message)]
#[rtype(result = "Result<Resolved, Stranger>")]
pub struct Resolve {
    /// By which name the local channel knows the sender; only processes of the house's own user can reach it. None means the owner.
    pub identity: Option<String>,
    /// The thread; empty for the member's main conversation.
    pub thread: String,
}

/// A sender who is enrolled.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Who.
    pub member: Member,
    /// Where, with who is there now.
    pub place: Place,
    /// Who may learn what they said: whoever was there when it was written.
    pub readers: Readers,
}

impl Resolved {
    /// A member alone.
    fn alone(member: Member, thread: &str) -> Self {
        let place = Place::private(&member, thread);
        Self { member, readers: Readers::present(&place.audience), place }
    }
}

/// A sender who is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody of that name lives here; see `hearth member list` for the members")]
pub struct Stranger;

/// Whose message is this, when a channel knows an account and no more? In private.
#[derive(Debug, Message)]
#[rtype(result = "Result<Resolved, Unpaired>")]
pub struct Arrive {
    /// The account, as its platform has it.
    pub identity: Identity,
    /// The thread; empty for the member's main conversation.
    pub thread: String,
}

/// The sender is nobody (I-9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpaired {
    /// This is shown, and nothing else.
    Show(String),
    /// Nothing is shown.
    Nothing,
}

/// A member changes the household.
#[derive(Debug, Message)]
#[rtype(result = "Result<Granted, ChangeError>")]
pub struct Change {
    /// Who.
    pub by: MemberId,
    /// From where.
    pub from: Setting,
    /// What.
    pub wish: Wish,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// It is not decided so.
    #[error(transparent)]
    Refused(#[from] PeopleError),
    /// It could not be written.
    #[error("it could not be written: {0}")]
    Store(#[from] StoreError),
    /// The store does not answer.
    #[error("the house is busy or restarting; try again in a moment")]
    Busy,
}

impl Classified for ChangeError {
    fn class(&self) -> Class {
        match self {
            Self::Refused(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Busy => Class::Transient,
        }
    }
}

/// Who is here?
#[derive(Debug, Message)]
#[rtype(result = "Result<Listing, ChangeError>")]
pub struct ListHousehold {
    /// Who asks: a grown-up sees everybody's accounts, anybody else their own.
    pub by: MemberId,
}

/// Who is here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Members, with their accounts as far as the one who asks may see them.
    pub members: Vec<(MemberRow, Vec<Identity>)>,
    /// Those who were shown a code and wait, oldest first; for grown-ups.
    pub waiting: Vec<Pairing>,
    /// Members of the configuration who were removed.
    pub away: Vec<String>,
    /// The groups that channels told of; for grown-ups.
    pub groups: Vec<rooms::Listed>,
}

/// Who is enrolled?
#[derive(Debug, Message)]
#[rtype(result = "Vec<Member>")]
pub struct Who;

/// Whom the household asks.
#[derive(Debug, Clone)]
pub struct Links {
    /// The store.
    pub save: Link<Save>,
    /// To the store.
    pub settle: Link<Settle>,
    /// The vault: whose key goes.
    pub part: Link<Part>,
    /// The conversations: what a child is told.
    pub announce: Link<Announce>,
}

/// The household actor.
pub struct HouseholdActor {
    people: People,
    /// The first of the configuration, as long as they are here.
    first: Option<MemberId>,
    away: Vec<String>,
    house: House,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    chance: ChaCha8Rng,
    store: Arc<dyn Store>,
    save: Link<Save>,
    part: Link<Part>,
    announce: Link<Announce>,
    /// What a child was told of, and is open.
    glass: Glass,
}

impl std::fmt::Debug for HouseholdActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HouseholdActor").field("members", &self.people.roster.iter().count()).finish_non_exhaustive()
    }
}

impl HouseholdActor {
    /// Reads the household and writes what the configuration changed.
    pub async fn enrol(house: House, ports: Ports, links: Links) -> Result<Self, StartError> {
        let Links { save, settle, part, announce } = links;
        crate::store::settled(&settle, &house.limits).await?;
        let stored = ports.store.household().await.map_err(|error| StartError::caused_by("the members could not be read", error))?;
        let now = ports.clock.wall();
        let before: BTreeMap<MemberId, Role> = stored.members.iter().map(|row| (row.member.id, row.member.role)).collect();
        let Opened { people, changed, away } = open(&house.members, stored, PairingLimits::default(), now).map_err(|error| {
            StartError::caused_by("the members of the configuration and those that were added do not fit together", error)
        })?;
        for row in changed {
            let commit = enrolment(row, &before, now);
            let saved = save.ask(Save(commit), house.limits.commit_deadline).await;
            saved
                .map_err(|error| StartError::caused_by("a member could not be enrolled", error))?
                .map_err(|error| StartError::caused_by("a member could not be enrolled", error))?;
        }
        for name in &away {
            tracing::warn!(name, "the configuration names a member who was removed; they stay removed");
        }
        let first = house.members.first().map(|member| member.id);
        // A stream of its own for each start: a code must not come twice.
        let chance = ports.seed.child("household").child(&PairingId::fresh(&*ports.ids).to_string()).rng();
        let (store, clock, ids) = (ports.store, ports.clock, ports.ids);
        Ok(Self { people, first, away, house, clock, ids, chance, store, save, part, announce, glass: Glass::default() })
    }

    /// Who speaks when nobody is named: the first of the configuration, or whoever owns the house now.
    fn owner(&self) -> Option<&MemberRow> {
        let first = self.first.and_then(|id| self.people.roster.get(id));
        first.or_else(|| self.people.roster.iter().find(|row| row.member.role == Role::Owner))
    }

    fn resolve(&self, asked: &Resolve) -> Result<Resolved, Stranger> {
        let row = asked.identity.as_deref().map_or_else(|| self.owner(), |name| self.people.roster.named(name));
        Ok(Resolved::alone(row.ok_or(Stranger)?.member.clone(), &asked.thread))
    }

    /// Whose account it is; for an unknown sender what is shown, and the row to be written before.
    fn arrived(&mut self, people: &mut People, asked: &Arrive) -> Arrival {
        if let Speaker::Member(id) = people.speaker(&asked.identity)
            && let Some(row) = people.roster.get(id)
        {
            return Arrival::Known(Box::new(Resolved::alone(row.member.clone(), &asked.thread)));
        }
        let (now, id) = (self.clock.wall(), PairingId::fresh(&*self.ids));
        let over = people.pairings.sweep(now).into_iter().map(|id| HouseholdWrite::ForgetPairing { id });
        match people.stranger(now, &mut self.chance, id, &asked.identity, Setting::Private) {
            Some(Reply::Code(code, row)) => {
                let fact = fact(FactKind::PairingAsked, None, row.id.to_string(), asked.identity.channel().to_owned(), now);
                let writes = over.chain([HouseholdWrite::Pairing(row)]).collect();
                let show = format!("This house does not know you. Ask an adult who lives here to approve this code: {code}");
                Arrival::Asked(show, commit(writes, fact))
            }
            Some(Reply::Silence(_)) | None => Arrival::Silent,
        }
    }

    fn changed(&self, people: &mut People, change: Change) -> Result<(Granted, Commit), PeopleError> {
        let by = By { member: change.by, from: change.from, at: self.clock.wall() };
        let fresh = MemberId::fresh(&*self.ids);
        let granted = people.grant(by, change.wish, fresh)?;
        let fact = fact(granted.kind, Some(by.member), granted.subject.clone(), granted.detail.clone(), by.at);
        let commit = commit(granted.changed.writes.clone(), fact);
        Ok((granted, commit))
    }

    /// Writes; then the changed household counts, and this is the answer. Nothing else is handled meanwhile.
    fn written(&self, people: People, commit: Commit, answer: Granted) -> AtomicResponse<Self, Result<Granted, ChangeError>> {
        let saved = self.save.ask(Save(commit), self.house.limits.commit_deadline);
        AtomicResponse::new(Box::pin(saved.into_actor(self).map(move |saved, this, ctx| match saved {
            Ok(Ok(())) => {
                this.people = people;
                if answer.kind == FactKind::MemberRemoved {
                    // What does not arrive, the vault is told at its next start.
                    drop(this.part.offer(Part(answer.changed.member)));
                }
                Ok(answer)
            }
            Ok(Err(error)) if error.nothing_written() => Err(error.into()),
            Ok(Err(error)) => {
                // What counts now, the store says.
                ctx.stop();
                Err(error.into())
            }
            Err(_) => {
                ctx.stop();
                Err(ChangeError::Busy)
            }
        })))
    }

    fn list(&self, by: MemberId) -> Result<Listing, ChangeError> {
        let role = self.people.roster.role(by).ok_or(PeopleError::Roster(RosterError::Unknown))?;
        let grown = is_grown_up(role);
        let accounts = |id: MemberId| if grown || id == by { self.people.identities.of(id).cloned().collect() } else { Vec::new() };
        Ok(Listing {
            members: self.people.roster.iter().map(|row| (row.clone(), accounts(row.member.id))).collect(),
            waiting: if grown { self.people.pairings.open().into_iter().cloned().collect() } else { Vec::new() },
            away: self.away.clone(),
            groups: if grown { rooms::listed(&self.people) } else { Vec::new() },
        })
    }
}

/// Whose an account is.
enum Arrival {
    Known(Box<Resolved>),
    Asked(String, Commit),
    Silent,
}

fn enrolment(row: MemberRow, before: &BTreeMap<MemberId, Role>, at: Timestamp) -> Commit {
    let (id, role) = (row.member.id, row.member.role);
    let fact = fact(FactKind::MemberEnrolled, Some(id), id.to_string(), role.to_string(), at);
    // Nothing that began under the former role goes on.
    let ended = before.get(&id).filter(|before| **before != role).map(|_| HouseholdWrite::EndSessions { member: id });
    commit(std::iter::once(HouseholdWrite::Member(row)).chain(ended).collect(), fact)
}

const fn fact(kind: FactKind, who: Option<MemberId>, subject: String, detail: String, at: Timestamp) -> Fact {
    Fact { kind, who, subject, detail, content: None, at }
}

fn commit(writes: Vec<HouseholdWrite>, fact: Fact) -> Commit {
    Commit { writes: writes.into_iter().map(Write::Household).collect(), fact }
}

/// The account of that id, as somebody typed it: `idn_…`, or channel and account as they are listed.
#[must_use]
pub fn account(listing: &Listing, typed: &str) -> Option<IdentityId> {
    let all = || listing.members.iter().flat_map(|(_, accounts)| accounts);
    let typed = typed.trim();
    all().find(|account| account.to_string() == typed || account.id().to_string() == typed).map(Identity::id)
}

// === impl Actor ===

impl Actor for HouseholdActor {
    type Context = Context<Self>;
}

impl Handler<Resolve> for HouseholdActor {
    type Result = MessageResult<Resolve>;

    fn handle(&mut self, asked: Resolve, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.resolve(&asked))
    }
}

impl Handler<Arrive> for HouseholdActor {
    type Result = AtomicResponse<Self, Result<Resolved, Unpaired>>;

    fn handle(&mut self, asked: Arrive, _: &mut Context<Self>) -> Self::Result {
        let mut people = self.people.clone();
        let answer = match self.arrived(&mut people, &asked) {
            Arrival::Known(resolved) => Ok(*resolved),
            Arrival::Silent => Err(Unpaired::Nothing),
            Arrival::Asked(show, commit) => {
                let saved = self.save.ask(Save(commit), self.house.limits.commit_deadline);
                return AtomicResponse::new(Box::pin(saved.into_actor(self).map(move |saved, this, _| {
                    if let Ok(Ok(())) = saved {
                        this.people = people;
                        return Err(Unpaired::Show(show));
                    }
                    // A code that is not in the store lets nobody in; the sender asks again.
                    Err(Unpaired::Nothing)
                })));
            }
        };
        AtomicResponse::new(Box::pin(actix::fut::ready(answer)))
    }
}

impl Handler<Change> for HouseholdActor {
    type Result = AtomicResponse<Self, Result<Granted, ChangeError>>;

    fn handle(&mut self, change: Change, _: &mut Context<Self>) -> Self::Result {
        let mut people = self.people.clone();
        match self.changed(&mut people, change) {
            Ok((granted, commit)) => self.written(people, commit, granted),
            Err(error) => {
                // How often a wrong code was named counts, too.
                self.people = people;
                AtomicResponse::new(Box::pin(actix::fut::ready(Err(error.into()))))
            }
        }
    }
}

impl Handler<ListHousehold> for HouseholdActor {
    type Result = MessageResult<ListHousehold>;

    fn handle(&mut self, ListHousehold { by }: ListHousehold, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.list(by))
    }
}

impl Handler<Who> for HouseholdActor {
    type Result = MessageResult<Who>;

    fn handle(&mut self, _: Who, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.people.roster.iter().map(|row| row.member.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use hearth_domain::chance::Seed;
    use hearth_domain::household::identity::Platform;
    use hearth_domain::household::record::HouseholdRows;
    use hearth_domain::household::wish::Newcomer;
    use hearth_domain::limits::Limits;
    use hearth_domain::time::Mono;
    use hearth_rules::rules::Rules;
    use hearth_supervisor::slot::Slot;
    use hearth_supervisor::wires::Wires;

    use super::*;
    use crate::store::StoreActor;
    use crate::vault::VaultActor;

    struct Still;

    impl Clock for Still {
        fn wall(&self) -> Timestamp {
            Timestamp::from_second(1_780_000_000).unwrap()
        }

        fn mono(&self) -> Mono {
            Mono::default()
        }
    }

    struct Counted(std::sync::atomic::AtomicU64);

    impl Ids for Counted {
        fn fresh(&self) -> uuid::Uuid {
            uuid::Uuid::from_u128(u128::from(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
        }
    }

    fn member(name: &str, role: Role) -> Member {
        Member { id: Member::id_of(name), name: name.to_owned(), role, zone: "UTC".to_owned() }
    }

    fn actor() -> HouseholdActor {
        let members = vec![member("Ada", Role::Owner), member("Ben", Role::Adult), member("Mia", Role::Child)];
        let house = House {
            name: "home".to_owned(),
            members,
            limits: Limits::default(),
            rules: Arc::new(Rules::new(Rules::DEFAULTS, "").unwrap()),
            budgets: hearth_domain::budget::Settings::default(),
        };
        let opened = open(&house.members, HouseholdRows::default(), PairingLimits::default(), Still.wall()).unwrap();
        let slot: Slot<StoreActor> = Slot::new("store", 8, &Wires::plain());
        HouseholdActor {
            people: opened.people,
            first: Some(Member::id_of("Ada")),
            away: Vec::new(),
            house,
            clock: Arc::new(Still),
            ids: Arc::new(Counted(1.into())),
            chance: Seed::from_u64(7).rng(),
            store: Arc::new(hearth_conformance::double::MemoryStore::new()),
            save: slot.link(),
            part: Slot::<VaultActor>::new("vault", 8, &Wires::plain()).link(),
            announce: Slot::<crate::conversations::ConversationsActor>::new("directory", 8, &Wires::plain()).link(),
            glass: Glass::default(),
        }
    }

    fn from(number: &str) -> Arrive {
        Arrive { identity: Identity::new(Platform::Telegram, "telegram", number).unwrap(), thread: String::new() }
    }

    /// What an account is shown, once; the change counts as if it had been written.
    fn shown(actor: &mut HouseholdActor, number: &str) -> Option<String> {
        let mut people = actor.people.clone();
        match actor.arrived(&mut people, &from(number)) {
            Arrival::Asked(show, _) => {
                actor.people = people;
                Some(show)
            }
            Arrival::Known(_) | Arrival::Silent => None,
        }
    }

    #[test]
    fn an_unknown_account_is_shown_a_code_once_and_is_a_member_after_a_grown_up_says_so() {
        let mut actor = actor();
        let show = shown(&mut actor, "1").unwrap();
        assert_eq!(shown(&mut actor, "1"), None);
        let code = show.rsplit_once(' ').unwrap().1.to_owned();
        let newcomer = Newcomer { name: "Uma".to_owned(), role: Role::Guest, zone: None, guardians: Vec::new() };
        let pair = |by: &str| Change {
            by: Member::id_of(by),
            from: Setting::Private,
            wish: Wish::PairNew { code: code.clone(), newcomer: newcomer.clone() },
        };
        let mut people = actor.people.clone();
        assert!(actor.changed(&mut people, pair("Mia")).is_err());
        let (granted, commit) = actor.changed(&mut people, pair("Ben")).unwrap();
        assert_eq!((granted.kind, commit.fact.who, commit.writes.len()), (FactKind::IdentityLinked, Some(Member::id_of("Ben")), 3));
        actor.people = people;
        let mut people = actor.people.clone();
        let Arrival::Known(resolved) = actor.arrived(&mut people, &from("1")) else { panic!("not known") };
        assert_eq!((resolved.member.name.as_str(), resolved.member.role), ("Uma", Role::Guest));
    }

    #[test]
    fn nobody_is_named_means_the_first_of_the_configuration_or_whoever_owns_the_house() {
        let mut actor = actor();
        let asked = |identity: Option<&str>| Resolve { identity: identity.map(str::to_owned), thread: String::new() };
        assert_eq!(actor.resolve(&asked(None)).unwrap().member.name, "Ada");
        assert_eq!(actor.resolve(&asked(Some(" mia "))).unwrap().member.name, "Mia");
        assert!(matches!(actor.resolve(&asked(Some("Eve"))), Err(Stranger)));
        for (by, wish) in [
            ("Ada", Wish::Role { name: "Ben".to_owned(), role: Role::Owner, guardians: Vec::new() }),
            ("Ben", Wish::Remove { name: "Ada".to_owned() }),
        ] {
            let mut people = actor.people.clone();
            actor.changed(&mut people, Change { by: Member::id_of(by), from: Setting::Private, wish }).unwrap();
            actor.people = people;
        }
        assert_eq!(actor.resolve(&asked(None)).unwrap().member.name, "Ben");
    }

    #[test]
    fn a_child_sees_who_is_here_and_nobody_else_s_accounts() {
        let mut actor = actor();
        let account = from("9").identity;
        actor.people.identities.link(account.clone(), Member::id_of("Ben")).unwrap();
        shown(&mut actor, "1").unwrap();
        let accounts = |listing: &Listing| listing.members.iter().map(|(_, accounts)| accounts.len()).sum::<usize>();
        let (child, adult) = (actor.list(Member::id_of("Mia")).unwrap(), actor.list(Member::id_of("Ada")).unwrap());
        assert_eq!((child.members.len(), accounts(&child), child.waiting.len()), (3, 0, 0));
        assert_eq!((adult.members.len(), accounts(&adult), adult.waiting.len()), (3, 1, 1));
        assert_eq!(super::account(&adult, "telegram/9"), Some(account.id()));
        assert!(actor.list(Member::id_of("Eve")).is_err());
    }
}
