//! A channel: what was written before somebody came to a room, and told after that.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt as _;
use hearth_actors::household::Change;
use hearth_domain::channel::{Attendance, Heard, Incoming, Post, Posted, Receipt, To, Transport, TransportFuture};
use hearth_domain::household::audience::Group;
use hearth_domain::household::identity::{Identity, Platform};
use hearth_domain::household::pairing::Setting;
use hearth_domain::household::wish::Wish;
use hearth_domain::household::{Member, MemberId};
use hearth_domain::label::Readers;
use hearth_domain::store::StoreError;
use hearth_domain::time::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::support::{Doubles, House, PATIENCE};

/// A platform on which things happen when the test says so.
#[derive(Debug, Clone)]
struct Talk {
    tell: mpsc::UnboundedSender<Heard>,
    heard: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Heard>>>,
    posts: watch::Sender<Vec<Post>>,
    receipts: watch::Sender<Vec<Receipt>>,
}

impl Transport for Talk {
    fn name(&self) -> &str {
        "talk"
    }

    fn platform(&self) -> Platform {
        Platform::Telegram
    }

    fn begin(&self) {}

    fn next(&self) -> TransportFuture<Heard> {
        let heard = Arc::clone(&self.heard);
        async move { heard.lock().await.recv().await.unwrap() }.boxed()
    }

    fn receipt(&self, _: &str, receipt: Receipt) {
        self.receipts.send_modify(|all| all.push(receipt));
    }

    fn post(&self, post: Post) -> TransportFuture<Posted> {
        self.posts.send_modify(|all| all.push(post));
        std::future::ready(Posted::Sent).boxed()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// Ada's account is 1.
fn message(id: &str, room: Option<&str>, text: &str, written: i64) -> Heard {
    let (id, room) = (id.to_owned(), room.map(str::to_owned));
    Heard::Message(Incoming { id, from: "1".to_owned(), room, text: text.to_owned(), written: at(written) })
}

impl Talk {
    fn new() -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let heard = Arc::new(tokio::sync::Mutex::new(heard));
        Self { tell, heard, posts: watch::Sender::new(Vec::new()), receipts: watch::Sender::new(Vec::new()) }
    }

    fn tells(&self, heard: Heard) {
        self.tell.send(heard).unwrap();
    }

    fn happens(&self, event: Attendance, second: i64) {
        self.tells(Heard::Presence { room: "fam".to_owned(), event, at: at(second) });
    }

    /// The receipt of that number, from 1.
    async fn receipt_of(&self, number: usize) -> Receipt {
        self.receipts.subscribe().wait_for(|all| all.len() >= number).await.unwrap()[number - 1].clone()
    }

    /// What was said there of that number, from 1.
    async fn said(&self, to: &To, number: usize) -> String {
        let there = |all: &Vec<Post>| all.iter().filter(|post| post.to == *to).nth(number - 1).map(|post| post.text.clone());
        there(&self.posts.subscribe().wait_for(|all| there(all).is_some()).await.unwrap()).unwrap()
    }
}

async fn change(house: &House, wish: Wish) {
    let change = Change { by: Member::id_of("Ada"), from: Setting::Private, wish };
    house.doors.household.change.ask(change, PATIENCE).await.unwrap().unwrap();
}

/// A house with Ada's account paired and alone in a room into which she has let it.
async fn admitted(doubles: &Doubles, talk: &Talk) -> House {
    let house = House::raise(doubles).await;
    talk.tells(Heard::Came { at: at(0) });
    talk.happens(Attendance::Snapshot { accounts: BTreeSet::from(["1".to_owned()]), complete: true }, 0);
    talk.tells(Heard::Ready);
    talk.tells(message("0", None, "hello", 0));
    let shown = talk.said(&To::Account("1".to_owned()), 1).await;
    let code = shown.rsplit_once(' ').unwrap().1.to_owned();
    change(&house, Wish::PairWith { code, name: "Ada".to_owned() }).await;
    change(&house, Wish::Admit { group: Group::new("talk", "fam", at(0)).id }).await;
    house
}

#[test]
fn a_message_that_waited_while_somebody_came_was_not_said_to_them() {
    actix::System::new().block_on(async {
        let talk = Talk::new();
        let doubles = Doubles { channels: vec![Arc::new(talk.clone())], ..Doubles::faulty() };
        doubles.tool.finish();
        let house = admitted(&doubles, &talk).await;
        let room = To::Room("fam".to_owned());
        talk.receipt_of(1).await;

        // The house is busy when it is told first; then somebody comes, and it is told again.
        doubles.disk.fail_with(Some(StoreError::Busy));
        talk.tells(message("1", Some("fam"), "do it", 10));
        assert!(matches!(talk.receipt_of(2).await, Receipt::Again(_)));
        doubles.disk.fail_with(None);
        talk.happens(Attendance::Joined("2".to_owned()), 20);
        talk.tells(message("1", Some("fam"), "do it", 10));
        let answer = talk.said(&room, 1).await;
        assert!(answer.contains("not everybody here may see"), "{answer}");
        assert_eq!(doubles.tool.calls(), 0, "before them nothing is done that follows from it");

        // What is written when they are there is said to them, and answered.
        talk.tells(message("2", Some("fam"), "do it then", 20));
        let answer = talk.said(&room, 2).await;
        assert!(answer.starts_with("I was told: "), "{answer}");

        let eve = Identity::guest(Identity::id_of("talk", "2"));
        let readers = |text: &str| {
            let rows = doubles.store.rows();
            let found = rows.messages_of(Group::new("talk", "fam", at(0)).conversation(), 0).find(|row| row.text == text);
            found.unwrap().label.readers.clone()
        };
        let only = |who: &[MemberId]| Readers::only(who.iter().copied());
        assert_eq!((readers("do it"), readers("do it then")), (only(&[Member::id_of("Ada")]), only(&[Member::id_of("Ada"), eve])));
        house.stop().await;
    });
}
