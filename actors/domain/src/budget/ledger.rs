//! The accounts: what each member has used of each day, what is reserved, and what the store knows of it.
//!
//! The store's row of a member and day is always ahead of what was used: whatever is reserved is covered by a row that is durable, so a
//! crash at any instant counts at least what was used, and a restart renews nothing. The row goes up by a block when a turn begins, in the
//! commit that accepts the message, and down to what was really used in the commit that ends it: at rest it is exact.

use std::collections::{BTreeMap, BTreeSet};

use super::{Amounts, Budget, Charge, Day, Kind, Notice, Refused, Settings, Span, Spent, WARN_PERCENT};
use crate::household::Role;
use crate::ids::{MemberId, TurnId};

/// What a row goes up by at least. Of payments it goes up by none: they are rare, and each is saved before it is made.
const BLOCK: Amounts = Amounts { tokens: 32_768, tool_calls: 8, cost_micro_usd: 0, paid_cents: 0 };
/// Rows of an account of which nobody knows yet.
const MADE_MAX: usize = 32;
/// Turns whose accounts are kept. One that is forgotten begins at what its steps say.
const TURNS_MAX: usize = 4_096;

/// An account.
#[derive(Debug, Clone, Default)]
struct Account {
    used: Amounts,
    held: Amounts,
    /// What the store's row says at least.
    mark: Amounts,
    /// The number of the last row that is known to be durable.
    known: u64,
    /// The number of the last row that was made.
    number: u64,
    /// Rows of which nobody knows yet whether they are durable, by their numbers.
    made: BTreeMap<u64, Amounts>,
    /// The most that one step needed.
    step: Amounts,
}

impl Account {
    fn open(&self) -> Amounts {
        self.used.plus(self.held)
    }
}

/// Something that is reserved. To be settled, whatever becomes of it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is reserved has to be settled"]
pub struct Hold {
    charge: Charge,
    amounts: Amounts,
}

impl Hold {
    /// How much.
    #[must_use]
    pub const fn amounts(&self) -> Amounts {
        self.amounts
    }

    /// Who pays.
    #[must_use]
    pub const fn charge(&self) -> Charge {
        self.charge
    }
}

/// Why a row is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Work begins or goes on: the row goes up, so that the next step is covered.
    Before,
    /// Work has ended: the row goes down to what was used, unless other work of the member is under way.
    After,
}

/// All accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    settings: Settings,
    days: BTreeMap<(MemberId, Day), Account>,
    turns: BTreeMap<TurnId, (Amounts, Amounts)>,
    told: BTreeSet<(MemberId, Day, Kind)>,
}

impl Ledger {
    /// Accounts without a movement.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Takes in what the store has. What is known already stays where it is further on.
    pub fn load(&mut self, rows: impl IntoIterator<Item = Spent>) {
        for row in rows {
            let account = self.days.entry((row.member, row.day)).or_default();
            if row.number > account.number {
                (account.number, account.known) = (row.number, row.number);
                account.mark = row.amounts;
                account.used = account.used.most(row.amounts);
            }
        }
    }

    /// What this member may use.
    #[must_use]
    pub fn budget(&self, member: MemberId, role: Role) -> Budget {
        self.settings.of(member, role)
    }

    /// What a member has used of a day.
    #[must_use]
    pub fn used(&self, member: MemberId, day: Day) -> Amounts {
        self.days.get(&(member, day)).map(|account| account.used).unwrap_or_default()
    }

    /// What a member has paid on a day and in its month so far, with what is reserved for payments that run, in cents.
    #[must_use]
    pub fn paid(&self, member: MemberId, day: Day) -> (u64, u64) {
        let of = |account: &Account| account.open().paid_cents;
        let month = self.days.range((member, day.first_of_month())..=(member, day.last_of_month())).map(|(_, account)| of(account));
        (self.days.get(&(member, day)).map_or(0, of), month.fold(0, u64::saturating_add))
    }

    /// Reserves so much, of turn and day, or of none.
    ///
    /// # Errors
    ///
    /// With what does not fit any more.
    pub fn reserve(&mut self, charge: Charge, amounts: Amounts) -> Result<Hold, Refused> {
        let budget = self.budget(charge.member, charge.role);
        let account = self.days.entry((charge.member, charge.day)).or_default();
        check(account.open(), amounts, budget.day, Span::Day)?;
        if let Some(turn) = charge.turn {
            if self.turns.len() >= TURNS_MAX && !self.turns.contains_key(&turn) {
                self.turns.pop_first();
            }
            let (used, held) = self.turns.entry(turn).or_default();
            *used = used.most(charge.before);
            check(used.plus(*held), amounts, budget.turn, Span::Turn)?;
            *held = held.plus(amounts);
        }
        account.held = account.held.plus(amounts);
        account.step = account.step.most(amounts);
        Ok(Hold { charge, amounts })
    }

    /// Whether all that is reserved and used is covered by what the store has: what was reserved may begin only then.
    #[must_use]
    pub fn is_covered(&self, charge: &Charge) -> bool {
        self.days.get(&(charge.member, charge.day)).is_none_or(|account| account.open().fits(&account.mark))
    }

    /// What was reserved took that much. More than was reserved counts as well: a provider says what it used.
    pub fn settle(&mut self, hold: Hold, used: Amounts) -> Vec<Notice> {
        let Hold { charge, amounts } = hold;
        let account = self.days.entry((charge.member, charge.day)).or_default();
        account.held = account.held.minus(amounts);
        account.used = account.used.plus(used);
        let now = account.used;
        if let Some((of_turn, held)) = charge.turn.and_then(|turn| self.turns.get_mut(&turn)) {
            *held = held.minus(amounts);
            *of_turn = of_turn.plus(used);
        }
        let cap = self.budget(charge.member, charge.role).day;
        let crossed = |kind: Kind| {
            let (used, cap) = (now.of(kind), cap.of(kind));
            let is_much = cap > 0 && used.saturating_mul(100) >= cap.saturating_mul(WARN_PERCENT);
            is_much.then_some(Notice { member: charge.member, day: charge.day, kind, used, cap })
        };
        let notices: Vec<_> = Kind::ALL.into_iter().filter_map(crossed).collect();
        notices.into_iter().filter(|notice| self.told.insert((notice.member, notice.day, notice.kind))).collect()
    }

    /// The row of a member's day, when the store has to have another one: to be written with the next commit, and then told by [`Self::saved`].
    pub fn row(&mut self, charge: &Charge, moment: Moment) -> Option<Spent> {
        let cap = self.budget(charge.member, charge.role).day;
        let account = self.days.entry((charge.member, charge.day)).or_default();
        let open = account.open();
        let amounts = match moment {
            Moment::Before => {
                let block = without_payments(BLOCK.most(account.step));
                let wanted = open.most(cap.least(open.plus(block)));
                if wanted.fits(&account.mark) {
                    return None;
                }
                wanted.most(account.mark)
            }
            Moment::After if account.held == Amounts::default() && account.mark != account.used => {
                // From here on the store may have less: what is reserved next needs a row again.
                account.mark = account.mark.least(account.used);
                account.used
            }
            Moment::After => return None,
        };
        account.number = account.number.saturating_add(1);
        account.made.insert(account.number, amounts);
        while account.made.len() > MADE_MAX {
            // Nobody will hear of it any more; that it may be there counts on.
            let (Some((_, oldest)), Some(mut next)) = (account.made.pop_first(), account.made.first_entry()) else { break };
            let least = next.get().least(oldest);
            next.insert(least);
        }
        Some(Spent { member: charge.member, day: charge.day, number: account.number, amounts })
    }

    /// A row is durable.
    pub fn saved(&mut self, row: &Spent) {
        let Some(account) = self.days.get_mut(&(row.member, row.day)).filter(|account| row.number > account.known) else { return };
        account.known = row.number;
        account.made = account.made.split_off(&row.number.saturating_add(1));
        // One that was made later may be there already, and say less.
        account.mark = account.made.values().fold(row.amounts, |mark, later| mark.least(*later));
    }

    /// A turn has ended.
    pub fn ended(&mut self, turn: TurnId) {
        self.turns.remove(&turn);
    }
}

/// What one payment took says nothing of the next.
const fn without_payments(amounts: Amounts) -> Amounts {
    Amounts { paid_cents: 0, ..amounts }
}

fn check(open: Amounts, needs: Amounts, cap: Amounts, span: Span) -> Result<(), Refused> {
    let over = |kind: &Kind| needs.of(*kind) > 0 && open.of(*kind).saturating_add(needs.of(*kind)) > cap.of(*kind);
    match Kind::ALL.into_iter().find(over) {
        None => Ok(()),
        Some(kind) => Err(Refused { kind, span, used: open.of(kind), cap: cap.of(kind), needs: needs.of(kind) }),
    }
}
