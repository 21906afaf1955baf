//! Secrets that are signed in for: a real provider on loopback, a real broker, a house that stores or does not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "in a test a failure is the message, and its tasks are its own"
)]

#[path = "keeper/books.rs"]
mod books;
#[path = "egress/support.rs"]
#[expect(dead_code, reason = "shared with the broker's own tests")]
mod net;
#[path = "keeper/provider.rs"]
mod provider;
#[path = "keeper/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the gate")]
mod support;

use std::time::Duration;

use books::Mood;
use futures_util::future::join_all;
use hearth_vault::keeper::KEPT_MAX;
use hearth_vault::keeper::change::{Allowance, ChangeError};
use hearth_vault::keeper::login::Provider;
use hearth_vault::keeper::renew::{BOUNDS, PAUSE, RenewError};
use hearth_vault::keeper::sign_in::{Aim, SIGN_IN, SIGN_INS_MAX, SignInError};
use hearth_vault::sign::oauth2::OAuthError;
use provider::{Storing, World};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use support::{name, owner, policy, told, value};

use crate::net::{INSIDE, Server, always, text};

async fn status(request: reqwest::RequestBuilder) -> (u16, String) {
    told(&request.send().await.unwrap())
}

fn fine() -> (u16, String) {
    (200, String::new())
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The guard finds each of these.
fn guarded(world: &World, token: &str) -> bool {
    world.vault.keeper.look(&format!("it is {token}, no?")).iter().any(|span| span.name == name("key"))
}

fn outcomes(world: &World) -> Vec<String> {
    world.vault.used().into_iter().map(|used| used.outcome).collect()
}

// === signing in ===

#[tokio::test]
async fn a_person_signs_in_and_the_placeholder_is_the_access_token() {
    let world = World::signed_in().await;
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(status(world.post()).await, fine());
    let form = world.books.lock().unwrap().forms.concat();
    assert!(form.contains("client_id=my%20client") && form.contains("client_secret=client-secret-Xc8Jq20LmW"), "{form}");
    assert_eq!(outcomes(&world), ["signed-in", "sent", "sent"]);
    for token in world.books.lock().unwrap().tokens() {
        assert!(guarded(&world, &token), "{token}");
    }
    assert!(guarded(&world, "client-secret-Xc8Jq20LmW"));
    let list = world.vault.keeper.list();
    assert!(list.iter().all(|info| info.guarded && info.version == 1) && list.len() == 1, "{list:?}");
}

#[tokio::test]
async fn nothing_that_the_house_is_told_holds_a_token() {
    let world = World::signed_in().await;
    world.pass(3600);
    assert_eq!(status(world.get()).await, fine());
    let mut told = world.shelf.told.lock().unwrap().clone();
    told.push_str(&serde_json::to_string(&world.vault.used()).unwrap());
    told.push_str(&serde_json::to_string(&world.vault.keeper.list()).unwrap());
    let mut tokens = world.books.lock().unwrap().tokens();
    tokens.push("client-secret-Xc8Jq20LmW".to_owned());
    assert!(tokens.len() >= 4 && told.contains("access token renewed"));
    for token in tokens {
        assert!(!told.contains(&token) && !told.contains(&hex::encode(&token)), "{token}");
    }
}

#[tokio::test]
async fn a_wrong_state_is_refused_and_the_right_one_still_serves_once() {
    let world = World::new().await;
    let (secret, aim) = (name("key"), world.aim());
    let address = world.sign_ins.begin(&secret, aim).unwrap();
    let right = world.agreed(&address);
    let wrong = SecretString::from(right.expose_secret().replace("state=", "state=x"));
    let finish = async |answer: &SecretString| world.sign_ins.finish(&name("key"), answer).await;
    assert!(matches!(finish(&wrong).await, Err(SignInError::OAuth(OAuthError::State))));
    assert!(matches!(world.sign_ins.finish(&name("other"), &right).await, Err(SignInError::None)));
    finish(&right).await.unwrap();
    assert!(matches!(finish(&right).await, Err(SignInError::None)), "a code that is given again");
    assert_eq!(world.books.lock().unwrap().forms.len(), 1);
}

#[tokio::test]
async fn a_sign_in_that_took_too_long_or_was_denied_is_begun_anew() {
    let world = World::new().await;
    let begin = || world.sign_ins.begin(&name("key"), world.aim()).unwrap();
    let late = world.agreed(&begin());
    world.pass(SIGN_IN.as_secs());
    assert!(matches!(world.sign_ins.finish(&name("key"), &late).await, Err(SignInError::None)));
    let address = begin();
    let denied = world.agreed(&address).expose_secret().replace("code=code-1", "error=access_denied");
    let denied = world.sign_ins.finish(&name("key"), &SecretString::from(denied)).await;
    assert!(matches!(denied, Err(SignInError::OAuth(OAuthError::NotGranted))), "{denied:?}");
    let (first, second) = (begin(), begin());
    let (first, second) = (world.agreed(&first), world.agreed(&second));
    assert!(world.sign_ins.finish(&name("key"), &first).await.is_err(), "the second took its place");
    world.sign_ins.finish(&name("key"), &second).await.unwrap();
    assert_eq!(world.books.lock().unwrap().forms.len(), 1, "nothing but the last was sent anywhere");
}

#[tokio::test]
async fn a_sign_in_belongs_to_the_process_that_began_it_and_there_are_not_many() {
    let world = World::new().await;
    let address = world.sign_ins.begin(&name("key"), world.aim()).unwrap();
    let answer = world.agreed(&address);
    let (world, _) = world.restarted();
    assert!(matches!(world.sign_ins.finish(&name("key"), &answer).await, Err(SignInError::None)));
    (0..SIGN_INS_MAX).for_each(|n| drop(world.sign_ins.begin(&name(&format!("key{n}")), world.aim()).unwrap()));
    assert!(matches!(world.sign_ins.begin(&name("key"), world.aim()), Err(SignInError::Busy)));
    world.pass(SIGN_IN.as_secs());
    world.sign_ins.begin(&name("key"), world.aim()).unwrap();
}

#[tokio::test]
async fn a_policy_that_does_not_allow_the_address_of_the_tokens_ends_it_before_anything_is_sent() {
    let world = World::new().await;
    let rules = world.rules();
    let other = format!("{}x", rules[1].split(" lan").next().unwrap());
    for rules in [vec![rules[0].clone()], vec![rules[0].clone(), format!("{other} lan")]] {
        let aim = Aim::New { owner: owner(), policy: Box::new(policy("key", &rules)), provider: Box::new(world.provider()) };
        let refused = world.sign_ins.begin(&name("key"), aim);
        assert!(matches!(refused, Err(SignInError::Renew(RenewError::Policy(_)))), "{refused:?}");
    }
    for authorize in ["http://accounts.example.com/", "https://192.168.1.7/", "javascript:alert(1)", "https://a.example/#b"] {
        let mut provider = world.provider();
        provider.authorize = authorize.into();
        let aim = Aim::New { owner: owner(), policy: Box::new(policy("key", &rules)), provider: Box::new(provider) };
        assert!(matches!(world.sign_ins.begin(&name("key"), aim), Err(SignInError::OAuth(OAuthError::Endpoint))), "{authorize}");
    }
    assert!(world.books.lock().unwrap().forms.is_empty());
}

#[tokio::test]
async fn a_code_comes_back_to_this_machine_or_over_tls_and_nowhere_else() {
    let world = World::new().await;
    for (redirect, taken) in [
        ("http://127.0.0.1:8123/back", true),
        ("http://[::1]:8123/", true),
        ("http://localhost:8123/", true),
        ("https://home.example.com/back", true),
        ("http://home.example.com/back", false),
        ("http://192.168.1.7/back", false),
        ("http://localhost.example.com/", false),
        ("http://127.0.0.1@example.com/", false),
        ("http://127.0.0.1:8123/#back", false),
        ("javascript:alert(1)", false),
        ("", false),
    ] {
        let provider = Box::new(Provider { redirect: redirect.into(), ..world.provider() });
        let aim = Aim::New { owner: owner(), policy: Box::new(policy("key", &world.rules())), provider };
        let begun = world.sign_ins.begin(&name("key"), aim);
        assert!(begun.is_ok() == taken && (taken || matches!(begun, Err(SignInError::Redirect))), "{redirect}: {begun:?}");
    }
}

#[tokio::test]
async fn a_sign_in_waits_for_a_renewal_that_is_being_stored_before_its_code_is_spent() {
    let world = World::signed_in().await;
    world.pass(3600);
    let address = world.sign_ins.begin(&name("key"), Aim::Again).unwrap();
    let answer = world.agreed(&address);
    *world.shelf.storing.lock().unwrap() = Storing::Later;
    let asking = tokio::spawn(world.get().send());
    // The first was the sign-in itself.
    world.shelf.reached.notified().await;
    world.shelf.reached.notified().await;
    *world.shelf.storing.lock().unwrap() = Storing::Yes;
    let secret = name("key");
    let mut finishing = std::pin::pin!(world.sign_ins.finish(&secret, &answer));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut finishing).await.is_err(), "it waits");
    assert_eq!(world.books.lock().unwrap().forms.len(), 2, "the code is not spent");
    world.shelf.go_on();
    finishing.await.unwrap();
    assert_eq!(told(&asking.await.unwrap().unwrap()), fine());
    assert_eq!(world.vault.keeper.list().first().unwrap().version, 3);
}

#[tokio::test]
async fn a_value_that_is_entered_is_never_taken_for_a_login() {
    let mut world = World::signed_in().await;
    let keeper = &world.vault.keeper;
    let like = SecretSlice::from(b"\0hearth-oauth2\0\x01".to_vec());
    assert!(matches!(keeper.begin_add(&name("two"), owner(), policy("two", &[]), &like), Err(ChangeError::Reserved)));
    assert!(matches!(keeper.begin_rotate(&name("key"), &value("sk-plain")), Err(ChangeError::SignedIn)));
    world.vault.add("plain", "sk-plain-8d72hHq2", policy("plain", &[]));
    assert!(matches!(world.sign_ins.begin(&name("plain"), Aim::Again), Err(SignInError::Change(ChangeError::NotSignedIn))));
    assert!(matches!(world.sign_ins.begin(&name("key"), world.aim()), Err(SignInError::Change(ChangeError::Exists))));
}

// === renewing ===

#[tokio::test]
async fn a_hundred_requests_at_once_renew_a_token_once() {
    let world = World::signed_in().await;
    world.pass(3600);
    let all = join_all((0..100).map(|_| status(world.get()))).await;
    assert!(all.iter().all(|one| *one == fine()), "{all:?}");
    let books = world.books.lock().unwrap();
    assert_eq!((books.refreshes(), books.asked), (1, 100));
    assert!(books.forms.last().unwrap().contains("refresh-0001"));
    drop(books);
    let list = world.vault.keeper.list();
    assert_eq!(list.first().unwrap().version, 2);
    assert!(outcomes(&world).contains(&"refreshed".to_owned()));
}

#[tokio::test]
async fn a_token_that_will_end_soon_is_renewed_while_requests_go_on_with_it() {
    let world = World::signed_in().await;
    world.pass(3600 - 30);
    let reached = world.shelf.reached.notified();
    world.mood(Mood::Lenient);
    assert_eq!(status(world.get()).await, fine());
    reached.await;
    assert_eq!(world.refreshes(), 1);
    world.pass(60);
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn the_guard_knows_new_tokens_at_once_and_old_ones_until_their_end() {
    let world = World::signed_in().await;
    world.pass(3600 - 30);
    *world.shelf.storing.lock().unwrap() = Storing::No;
    let reached = world.shelf.reached.notified();
    assert_eq!(status(world.get()).await, fine());
    reached.await;
    assert!(guarded(&world, "access-0002-Hd02nPzx71LmWvTe") && guarded(&world, "refresh-0002-q83Kd0NzPx7LmW5r"), "though it is not stored");
    *world.shelf.storing.lock().unwrap() = Storing::Yes;
    world.pass(60);
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.refreshes(), 1, "what was in hand is stored, and the provider not asked again");
    assert!(guarded(&world, "access-0001-Hd02nPzx71LmWvTe") && guarded(&world, "access-0002-Hd02nPzx71LmWvTe"));
    world.pass(3000);
    world.vault.keeper.forget_old();
    assert!(!guarded(&world, "access-0001-Hd02nPzx71LmWvTe") && guarded(&world, "refresh-0001-q83Kd0NzPx7LmW5r"));
    world.pass(3600);
    world.vault.keeper.forget_old();
    assert!(!guarded(&world, "refresh-0001-q83Kd0NzPx7LmW5r") && guarded(&world, "refresh-0002-q83Kd0NzPx7LmW5r"));
}

#[tokio::test]
async fn a_401_renews_once_and_only_what_may_be_sent_twice_is_sent_again() {
    let world = World::signed_in().await;
    let withdraw = || world.books.lock().unwrap().access.clear();
    let (asked, counted) = (|| world.books.lock().unwrap().asked, |n: usize| n);
    withdraw();
    assert_eq!(status(world.post()).await, code(401, ""));
    assert_eq!((world.refreshes(), asked()), (0, counted(1)));
    let all = join_all((0..20).map(|_| status(world.get()))).await;
    assert!(all.iter().all(|one| *one == fine()), "{all:?}");
    assert_eq!(world.refreshes(), 1);
    withdraw();
    assert_eq!(status(world.get()).await, code(401, ""), "not twice within a minute");
    assert_eq!(world.refreshes(), 1);
    world.pass(60);
    assert_eq!(status(world.post().header("hearth-idempotent", "yes")).await, fine());
    assert_eq!(world.refreshes(), 2);
}

#[tokio::test]
async fn a_token_whose_life_is_none_is_used_until_it_is_not_accepted() {
    let world = World::new().await;
    world.books.lock().unwrap().life = 0;
    let address = world.sign_ins.begin(&name("key"), world.aim()).unwrap();
    world.sign_ins.finish(&name("key"), &world.agreed(&address)).await.unwrap();
    let all = join_all((0..20).map(|_| status(world.get()))).await;
    assert!(all.iter().all(|one| *one == fine()), "{all:?}");
    assert_eq!(world.refreshes(), 0);
    world.books.lock().unwrap().access.clear();
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn what_could_not_be_stored_is_stored_later_though_nobody_asks() {
    let world = World::signed_in().await;
    world.shelf.reached.notified().await;
    world.pass(3600);
    *world.shelf.storing.lock().unwrap() = Storing::No;
    assert_eq!(status(world.get()).await, code(503, "not_renewed"));
    world.shelf.reached.notified().await;
    *world.shelf.storing.lock().unwrap() = Storing::Yes;
    world.pass(PAUSE.as_secs());
    tokio::time::timeout(Duration::from_secs(60), world.shelf.reached.notified()).await.unwrap();
    let (world, _) = world.restarted();
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.refreshes(), 1, "what the provider gave was stored");
}

#[tokio::test]
async fn a_new_refresh_token_with_the_same_access_token_is_not_taken_for_stored() {
    let mut world = World::signed_in().await;
    world.pass(3600);
    let answer = r#"{"access_token":"access-0001-Hd02nPzx71LmWvTe","refresh_token":"refresh-new-q83Kd0NzPx7LmW5r"}"#;
    world.mood(Mood::Says(200, answer.to_owned()));
    *world.shelf.storing.lock().unwrap() = Storing::No;
    assert_eq!(status(world.get()).await, code(503, "not_renewed"));
    let narrower = Allowance { bytes_out_max: Some(1000), ..Allowance::default() };
    let begun = world.vault.keeper.begin_allow(&name("key"), &narrower, None).unwrap();
    world.vault.store(begun).unwrap();
    *world.shelf.storing.lock().unwrap() = Storing::Yes;
    world.pass(PAUSE.as_secs());
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.refreshes(), 1, "it was in hand");
    assert!(guarded(&world, "refresh-new-q83Kd0NzPx7LmW5r"));
}

#[tokio::test]
async fn tokens_that_come_and_go_push_no_other_secret_out_of_the_guard() {
    let mut world = World::signed_in().await;
    world.vault.add("plain", "sk-plain-8d72hHq2-0mNx", policy("plain", &[]));
    let begun = world.vault.keeper.begin_rotate(&name("plain"), &value("sk-other-8d72hHq2-0mNx")).unwrap();
    world.vault.store(begun).unwrap();
    // Without an end they are kept for as long as a value that was entered.
    world.books.lock().unwrap().life = 0;
    for _ in 0..KEPT_MAX {
        world.books.lock().unwrap().access.clear();
        world.pass(61);
        assert_eq!(status(world.get()).await, fine());
    }
    let found = world.vault.keeper.look("it is sk-plain-8d72hHq2-0mNx, no?");
    assert!(found.iter().any(|span| span.name == name("plain")), "{found:?}");
}

#[tokio::test]
async fn what_a_policy_refuses_renews_nothing() {
    let world = World::signed_in().await;
    world.pass(3600);
    assert_eq!(status(world.get().header("hearth-as", "tool/t")).await.0, 400, "two of them");
    let other = world.door.client().get("http://127.0.0.1:9/").header("hearth-as", "provider/p").bearer_auth(name("key").placeholder());
    assert_eq!(status(other).await.0, 403);
    let stranger = world.get().build().unwrap();
    let stranger = world.door.client().get(stranger.url().clone()).header("hearth-as", "tool/t").bearer_auth(name("key").placeholder());
    assert_eq!(status(stranger).await, code(403, "user"));
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_policy_that_was_narrowed_meanwhile_stops_renewing() {
    let mut world = World::signed_in().await;
    let narrower = Allowance { remove_targets: vec![world.rules()[1].clone()], ..Allowance::default() };
    let begun = world.vault.keeper.begin_allow(&name("key"), &narrower, None).unwrap();
    world.vault.store(begun).unwrap();
    assert_eq!(status(world.get()).await, fine());
    world.pass(3600);
    assert_eq!(status(world.get()).await, code(503, "not_renewed"));
    assert!(world.said().contains("policy"), "{}", world.said());
    assert_eq!(world.refreshes(), 0);
}

// === what goes wrong ===

#[tokio::test]
async fn failures_make_each_other_wait_and_never_show_what_was_answered() {
    let world = World::signed_in().await;
    world.pass(3600);
    let huge = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(1 << 20));
    let answers = [
        (500, String::new()),
        (429, "{}".to_owned()),
        (200, "<html>sk-leak</html>".to_owned()),
        (200, r#"{"access_token":"bad token","token_type":"bearer"}"#.to_owned()),
        (200, r#"{"access_token":""}"#.to_owned()),
        (200, huge),
        (400, r#"{"error":"invalid_client","error_description":"sk-leak"}"#.to_owned()),
    ];
    for (round, (status_code, body)) in (0_u32..).zip(answers) {
        world.mood(Mood::Says(status_code, body));
        let before = world.refreshes();
        let answer = world.get().send().await.unwrap();
        assert_eq!(told(&answer), code(503, "not_renewed"), "{round}");
        assert!(!answer.text().await.unwrap().contains("sk-leak"));
        assert_eq!(status(world.get()).await, code(503, "not_renewed"));
        assert_eq!(world.refreshes(), before + 1, "{round}: not again within the pause");
        assert!(!world.said().contains("sk-leak") && world.said().contains("tried again"), "{}", world.said());
        world.pass(PAUSE.as_secs() << round);
    }
    world.mood(Mood::Strict);
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.said(), "");
    assert!(outcomes(&world).contains(&"refresh-failed".to_owned()));
}

#[tokio::test]
async fn a_provider_that_is_silent_holds_nobody_for_long() {
    let bounds = hearth_vault::egress::limits::Bounds { answer: Duration::from_millis(200), ..BOUNDS };
    let world = World::signed_in().await.within(bounds);
    world.pass(3600);
    world.mood(Mood::Silent);
    let all = join_all((0..10).map(|_| status(world.get()))).await;
    assert!(all.iter().all(|one| *one == code(503, "not_renewed")), "{all:?}");
    assert_eq!(world.refreshes(), 1);
    world.let_go.notify_waiters();
}

#[tokio::test]
async fn a_provider_that_redirects_is_not_followed() {
    let world = World::signed_in().await;
    let elsewhere = Server::http(INSIDE, always(|| text("never"))).await;
    world.pass(3600);
    world.mood(Mood::Elsewhere(format!("http://127.0.0.1:{}/token", elsewhere.port())));
    assert_eq!(status(world.get()).await, code(503, "not_renewed"));
    assert!(world.said().contains("sends on to another one"), "{}", world.said());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_sign_in_that_ended_says_so_until_its_owner_signs_in_again() {
    let world = World::signed_in().await;
    world.books.lock().unwrap().refresh.clear();
    world.pass(3600);
    assert_eq!(status(world.get()).await, code(403, "sign_in"));
    assert_eq!(status(world.get()).await, code(403, "sign_in"));
    assert!(outcomes(&world).contains(&"sign-in-ended".to_owned()));
    let (world, findings) = world.restarted();
    assert!(findings.is_empty(), "{findings:?}");
    assert!(world.said().contains("hearth secret sign-in key"), "{}", world.said());
    assert_eq!(status(world.get()).await, code(403, "sign_in"));
    assert_eq!(world.refreshes(), 1, "nobody is asked again");
    let address = world.sign_ins.begin(&name("key"), Aim::Again).unwrap();
    world.sign_ins.finish(&name("key"), &world.agreed(&address)).await.unwrap();
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.said(), "");
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_lose_the_answer() {
    let world = World::signed_in().await;
    world.pass(3600);
    world.mood(Mood::Held);
    let asking = tokio::spawn(world.get().send());
    while world.books.lock().unwrap().held == 0 {
        tokio::task::yield_now().await;
    }
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    let reached = world.shelf.reached.notified();
    world.let_go.notify_one();
    reached.await;
    assert_eq!(status(world.get()).await, fine());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_vault_that_is_killed_between_answer_and_storing_goes_on_or_says_that_its_owner_is_needed() {
    for (mood, after) in [(Mood::Lenient, fine()), (Mood::Strict, code(403, "sign_in"))] {
        let world = World::signed_in().await;
        world.pass(3600);
        world.mood(mood);
        *world.shelf.storing.lock().unwrap() = Storing::Never;
        let asking = tokio::spawn(world.get().send());
        world.shelf.reached.notified().await;
        world.shelf.reached.notified().await;
        asking.abort();
        let (world, findings) = world.restarted();
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(status(world.get()).await, after);
        assert_eq!(world.refreshes(), 2);
        let forms = world.books.lock().unwrap().forms.clone();
        assert!(forms.iter().filter(|form| form.contains("refresh_token=refresh-0001")).count() == 2, "{forms:?}");
    }
}

#[tokio::test]
async fn a_policy_changed_while_a_token_is_renewed_is_the_one_that_counts() {
    let mut world = World::signed_in().await;
    let narrower = Allowance { bytes_out_max: Some(1000), ..Allowance::default() };
    let begun = world.vault.keeper.begin_allow(&name("key"), &narrower, None).unwrap();
    world.pass(3600);
    let asking = tokio::spawn(world.get().send());
    // The change is still on its way to the house when the answer comes.
    while world.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    world.vault.store(begun).unwrap();
    assert_eq!(told(&asking.await.unwrap().unwrap()), fine());
    let list = world.vault.keeper.list();
    assert_eq!((list.first().unwrap().version, world.vault.keeper.policy(&name("key")).unwrap().bytes_out_max), (3, 1000));
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_revoked_login_stays_guarded_and_is_not_renewed() {
    let mut world = World::signed_in().await;
    let begun = world.vault.keeper.begin_revoke(&name("key")).unwrap();
    world.vault.store(begun).unwrap();
    world.pass(100);
    assert_eq!(status(world.get()).await, code(403, "unknown"));
    assert!(guarded(&world, "access-0001-Hd02nPzx71LmWvTe") && guarded(&world, "refresh-0001-q83Kd0NzPx7LmW5r"));
    assert_eq!(world.refreshes(), 0);
}
