//! What a secret's policy allows, and which changes of it allow more.

#![expect(clippy::unwrap_used, reason = "a test: a failure is the message")]

use std::collections::BTreeSet;

use hearth_domain::household::MemberId;
use hearth_domain::secret::{Principal, Rate, Scheme, SecretName, SecretPolicy, Slot, TargetRule};
use hearth_vault::policy::change::{self, PolicyError, RuleError, widens};
use hearth_vault::policy::decide::{Asking, Refusal, decide, scheme_for};
use hearth_vault::policy::rule;
use hearth_vault::policy::target::{Target, TargetError};
use proptest::prelude::*;

fn name() -> SecretName {
    SecretName::new("mine").unwrap()
}

fn rules(texts: &[&str]) -> Vec<TargetRule> {
    texts.iter().map(|text| rule::parse(text, &name()).unwrap()).collect()
}

fn policy(texts: &[&str]) -> SecretPolicy {
    SecretPolicy {
        users: BTreeSet::from([Principal::Tool("mail".to_owned())]),
        members: None,
        targets: rules(texts),
        rate: None,
        bytes_out_max: 1000,
        until: None,
        canary: false,
    }
}

fn at(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap()
}

fn member(name: &str) -> MemberId {
    MemberId::derived(&[name])
}

#[derive(Debug)]
struct Ask {
    who: Principal,
    member: Option<MemberId>,
    now: i64,
    uses: u32,
    bytes: u64,
    slots: BTreeSet<Slot>,
}

fn ask() -> Ask {
    Ask { who: Principal::Tool("mail".to_owned()), member: None, now: 100, uses: 0, bytes: 10, slots: Slot::usual() }
}

fn asked<'p>(policy: &'p SecretPolicy, ask: &Ask, target: &Target) -> Result<&'p TargetRule, Refusal> {
    let asking =
        Asking { who: &ask.who, member: ask.member, now: at(ask.now), uses_in_window: ask.uses, bytes_out: ask.bytes, slots: &ask.slots };
    decide(policy, &asking, target)
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

#[test]
fn only_the_exact_origin_passes() {
    let policy = policy(&["GET https://api.x.com/v1/me"]);
    let passes = |text: &str| text.parse().map_err(|_| None).and_then(|target| asked(&policy, &ask(), &target).map(drop).map_err(Some));
    assert_eq!(passes("GET https://api.x.com/v1/me"), Ok(()));
    assert_eq!(passes("GET https://API.X.COM:443/v1/me?a=b"), Ok(()));
    let refused = [
        ("GET https://api.x.com.evil.com/v1/me", Some(Refusal::Host)),
        ("GET https://xapi.x.com/v1/me", Some(Refusal::Host)),
        ("GET https://x.com/v1/me", Some(Refusal::Host)),
        ("GET https://\u{430}pi.x.com/v1/me", Some(Refusal::Host)),
        ("GET https://93.184.216.34/v1/me", Some(Refusal::Host)),
        ("GET https://api.x.com:8443/v1/me", Some(Refusal::Port)),
        ("GET http://api.x.com/v1/me", Some(Refusal::Scheme)),
        ("GET http://api.x.com:443/v1/me", Some(Refusal::Scheme)),
        ("POST https://api.x.com/v1/me", Some(Refusal::Method)),
        ("GET https://api.x.com/v1/mean", Some(Refusal::Path)),
        ("GET https://api.x.com/v1/me/", Some(Refusal::Path)),
        ("GET https://api.x.com/v1/me;x", Some(Refusal::Path)),
        ("GET https://api.x.com/V1/me", Some(Refusal::Path)),
        ("GET https://api.x.com/v1/%6de", Some(Refusal::Path)),
        ("GET https://API.X.COM./v1/me", None),
        ("GET https://user@api.x.com/v1/me", None),
        ("GET https://evil.com\\@api.x.com/v1/me", None),
        ("GET https://evil.com#@api.x.com/v1/me", None),
        ("GET https://api.x.com/v1/me/../admin", None),
        ("GET https://api.x.com/v1/me/%2e%2e/admin", None),
        ("GET https://api.x.com/v1/me%2f..%2fadmin", None),
        ("GET https://api.x.com//v1/me", None),
        ("GET https://api%2ex.com/v1/me", None),
        ("GET file:///etc/passwd", None),
        ("CONNECT https://api.x.com/v1/me", None),
        ("TRACE https://api.x.com/v1/me", None),
    ];
    for (text, refusal) in refused {
        assert_eq!(passes(text), Err(refusal), "{text}");
    }
}

#[test]
fn everything_else_in_a_policy_has_to_agree_as_well() {
    let sound = SecretPolicy {
        members: Some(BTreeSet::from([member("ann")])),
        rate: Some(Rate { uses: 3, window_s: 60 }),
        until: Some(at(200)),
        ..policy(&["POST https://api.x.com/**"])
    };
    let place = target("POST https://api.x.com/a");
    let ann = || Ask { member: Some(member("ann")), uses: 2, bytes: 1000, now: 199, ..ask() };
    assert_eq!(asked(&sound, &ann(), &place).map(|rule| rule.path.as_str()), Ok("/**"));
    let table = [
        (Ask { who: Principal::Tool("mails".to_owned()), ..ann() }, Refusal::User),
        (Ask { who: Principal::Channel("mail".to_owned()), ..ann() }, Refusal::User),
        (Ask { member: Some(member("bob")), ..ann() }, Refusal::Member),
        (Ask { member: None, ..ann() }, Refusal::Member),
        (Ask { now: 200, ..ann() }, Refusal::Expired),
        (Ask { uses: 3, ..ann() }, Refusal::Rate),
        (Ask { bytes: 1001, ..ann() }, Refusal::Bytes),
        (Ask { slots: BTreeSet::from([Slot::Header, Slot::Body]), ..ann() }, Refusal::Slot),
        (Ask { slots: BTreeSet::from([Slot::Query]), ..ann() }, Refusal::Slot),
        (Ask { slots: BTreeSet::new(), ..ann() }, Refusal::Slot),
    ];
    for (ask, refusal) in table {
        assert_eq!(asked(&sound, &ask, &place), Err(refusal));
    }
    assert_eq!(asked(&SecretPolicy { canary: true, ..sound.clone() }, &ann(), &place), Err(Refusal::Canary));
    assert_eq!(asked(&SecretPolicy { targets: Vec::new(), ..sound }, &ann(), &place), Err(Refusal::NoTarget));
}

#[test]
fn a_decoy_is_told_even_to_those_who_may_not_ask() {
    let decoy = SecretPolicy { canary: true, users: BTreeSet::new(), ..policy(&[]) };
    assert_eq!(asked(&decoy, &ask(), &target("GET https://evil.com/")), Err(Refusal::Canary));
}

#[test]
fn a_rule_that_was_never_checked_still_opens_no_way_inside() {
    let mut unsound = policy(&["GET https://api.x.com/**"]);
    for (host, text) in [("localhost", "GET https://localhost/"), ("169.254.169.254", "GET https://169.254.169.254/")] {
        unsound.targets[0].host = host.to_owned();
        assert!(matches!(asked(&unsound, &ask(), &target(text)), Err(Refusal::NotPublic(_))), "{host}");
    }
    let rule = TargetRule { scheme: Scheme::Http, port: 80, host: "api.x.com".to_owned(), ..unsound.targets[0].clone() };
    unsound.targets = vec![rule];
    assert_eq!(asked(&unsound, &ask(), &target("GET http://api.x.com/")), Err(Refusal::Scheme));
}

#[test]
fn a_named_lan_host_is_reached_in_plain_text_and_only_it() {
    let policy = policy(&["GET http://nas.local:8080/** lan", "GET https://10.0.0.7/** lan"]);
    assert!(asked(&policy, &ask(), &target("GET http://nas.local:8080/x")).is_ok());
    assert!(asked(&policy, &ask(), &target("GET https://10.0.0.7/x")).is_ok());
    assert_eq!(asked(&policy, &ask(), &target("GET http://10.0.0.7/x")), Err(Refusal::Scheme));
    let scheme = |authority| scheme_for([&policy].into_iter(), authority);
    assert_eq!(scheme("nas.local:8080"), Scheme::Http);
    assert_eq!(scheme("nas.local"), Scheme::Https);
    assert_eq!(scheme("10.0.0.7"), Scheme::Https);
    assert_eq!(scheme("api.x.com"), Scheme::Https);
    assert_eq!(scheme("not a host"), Scheme::Https);
}

#[test]
fn a_path_token_belongs_to_its_own_secret() {
    let policy = SecretPolicy { targets: rule::preset("telegram", &name()).unwrap(), ..policy(&[]) };
    let path = Ask { slots: BTreeSet::from([Slot::Path]), ..ask() };
    assert!(asked(&policy, &path, &target("POST https://api.telegram.org/bothearth_secret_mine_/sendMessage")).is_ok());
    assert_eq!(asked(&policy, &path, &target("POST https://api.telegram.org/bothearth_secret_other_/sendMessage")), Err(Refusal::Path));
    assert_eq!(asked(&policy, &path, &target("POST https://api.telegram.org/bot1:2/hearth_secret_mine_")), Err(Refusal::Path));
}

#[test]
fn an_unsound_policy_says_what_is_wrong() {
    let sound = policy(&["GET https://api.x.com/**"]);
    assert_eq!(change::check(&sound), Ok(()));
    let with = |change: fn(&mut TargetRule)| {
        let mut policy = sound.clone();
        change(&mut policy.targets[0]);
        match change::check(&policy) {
            Err(PolicyError::Rule { at: 1, error }) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(|rule| rule.port = 0), RuleError::Port);
    assert_eq!(with(|rule| rule.scheme = Scheme::Http), RuleError::PlainWithoutLan);
    assert_eq!(with(|rule| rule.methods.clear()), RuleError::Methods);
    assert_eq!(with(|rule| rule.methods.extend(["get".to_owned()])), RuleError::Methods);
    assert_eq!(with(|rule| rule.methods.extend(["CONNECT".to_owned()])), RuleError::Methods);
    assert_eq!(with(|rule| rule.slots.clear()), RuleError::Slots);
    assert_eq!(with(|rule| rule.path = "/hearth_secret_mine_".to_owned()), RuleError::PlaceholderWithoutSlot);
    assert_eq!(with(|rule| rule.authority = Some("pem".to_owned())), RuleError::AuthorityWithoutLan);
    assert!(matches!(with(|rule| rule.path = "/a/../b".to_owned()), RuleError::Path(_)));
    assert!(matches!(with(|rule| rule.host = "localhost".to_owned()), RuleError::NotPublic(TargetError::LocalName)));
    for host in ["", "API.x.com", "api.x.com.", "api.x.com:1", "a b", "*.x.com", "0x7f.1", "b\u{fc}cher.example", "user@x.com", "x.com/"] {
        let mut policy = sound.clone();
        policy.targets[0].host = host.to_owned();
        assert_eq!(change::check(&policy), Err(PolicyError::Rule { at: 1, error: RuleError::Host }), "{host}");
    }
    let lan = |rule: &mut TargetRule| (rule.lan, rule.authority) = (true, Some("no pem".to_owned()));
    assert_eq!(with(lan), RuleError::Authority);
    for (policy, error) in [
        (SecretPolicy { rate: Some(Rate { uses: 0, window_s: 1 }), ..sound.clone() }, PolicyError::Rate),
        (SecretPolicy { rate: Some(Rate { uses: 1, window_s: 0 }), ..sound.clone() }, PolicyError::Rate),
        (SecretPolicy { bytes_out_max: 0, ..sound.clone() }, PolicyError::Bytes),
        (SecretPolicy { bytes_out_max: u64::MAX, ..sound.clone() }, PolicyError::Bytes),
        (SecretPolicy { targets: vec![sound.targets[0].clone(); 65], ..sound.clone() }, PolicyError::Targets),
        (SecretPolicy { users: (0..65).map(|n| Principal::Tool(n.to_string())).collect(), ..sound.clone() }, PolicyError::Users),
        (SecretPolicy { members: Some((0..257).map(|n| member(&n.to_string())).collect()), ..sound.clone() }, PolicyError::Members),
    ] {
        assert_eq!(change::check(&policy), Err(error));
    }
}

type Change = fn(&mut SecretPolicy);
type Move = fn(&mut TargetRule);

#[test]
fn every_kind_of_more_is_wider_and_every_kind_of_less_is_not() {
    let base = SecretPolicy {
        members: Some(BTreeSet::from([member("ann")])),
        rate: Some(Rate { uses: 3, window_s: 60 }),
        until: Some(at(200)),
        ..policy(&["GET,POST https://a.com/a/** in header,query"])
    };
    let changes: [(&str, Change, Change); 14] = [
        ("users", |p| p.users.extend([Principal::Tool("b".to_owned())]), |p| p.users.clear()),
        ("members", |p| p.members = None, |p| p.members = Some(BTreeSet::new())),
        ("member", |p| p.members = Some(BTreeSet::from([member("ann"), member("bob")])), |p| p.members = Some(BTreeSet::new())),
        ("uses", |p| p.rate = Some(Rate { uses: 4, window_s: 60 }), |p| p.rate = Some(Rate { uses: 2, window_s: 60 })),
        ("window", |p| p.rate = Some(Rate { uses: 3, window_s: 59 }), |p| p.rate = Some(Rate { uses: 3, window_s: 61 })),
        ("rate", |p| p.rate = None, |p| p.rate = Some(Rate { uses: 1, window_s: 60 })),
        ("until", |p| p.until = Some(at(201)), |p| p.until = Some(at(199))),
        ("end", |p| p.until = None, |p| p.until = Some(at(0))),
        ("bytes", |p| p.bytes_out_max += 1, |p| p.bytes_out_max -= 1),
        ("methods", |p| p.targets[0].methods.extend(["PUT".to_owned()]), |p| p.targets[0].methods.retain(|method| method == "GET")),
        ("slots", |p| p.targets[0].slots.extend([Slot::Body]), |p| p.targets[0].slots.retain(|slot| *slot == Slot::Query)),
        ("path", |p| p.targets[0].path = "/**".to_owned(), |p| p.targets[0].path = "/a/b".to_owned()),
        ("lan", |p| p.targets[0].lan = true, |p| p.targets[0].lan = false),
        ("targets", |p| p.targets.extend(rules(&["GET https://b.com/"])), |p| p.targets.clear()),
    ];
    for (what, more, less) in changes {
        let (mut wider, mut narrower) = (base.clone(), base.clone());
        more(&mut wider);
        less(&mut narrower);
        assert!(widens(&base, &wider), "{what}");
        assert!(!widens(&base, &narrower), "{what}");
    }
    let moved: [(&str, Move); 4] = [
        ("host", |rule| rule.host = "b.com".to_owned()),
        ("port", |rule| rule.port = 444),
        ("scheme", |rule| rule.scheme = Scheme::Http),
        ("authority", |rule| rule.authority = Some("pem".to_owned())),
    ];
    for (what, change) in moved {
        let mut other = base.clone();
        change(&mut other.targets[0]);
        assert!(widens(&base, &other) && widens(&other, &base), "{what}");
    }
    let decoy = SecretPolicy { canary: true, ..base.clone() };
    assert!(widens(&decoy, &base) && !widens(&base, &decoy));
}

fn some_rule() -> impl Strategy<Value = TargetRule> {
    let host = prop_oneof![Just("a.com"), Just("b.com"), Just("nas.local"), Just("10.0.0.1")];
    let path = prop_oneof![Just("/**"), Just("/*"), Just("/a"), Just("/a/**"), Just("/a/*"), Just("/a/b"), Just("/")];
    let methods = prop::collection::btree_set(prop_oneof![Just("GET".to_owned()), Just("POST".to_owned())], 1..3);
    let slots = prop::collection::btree_set(prop_oneof![Just(Slot::Header), Just(Slot::Body)], 1..3);
    let authority = prop::option::weighted(0.2, Just("pem".to_owned()));
    (any::<bool>(), host, prop_oneof![Just(443u16), Just(80)], methods, path, slots, any::<bool>(), authority).prop_map(
        |(tls, host, port, methods, path, slots, lan, authority)| TargetRule {
            scheme: if tls { Scheme::Https } else { Scheme::Http },
            host: host.to_owned(),
            port,
            methods,
            path: path.to_owned(),
            slots,
            lan,
            authority,
        },
    )
}

fn people() -> impl Strategy<Value = BTreeSet<Principal>> {
    prop::collection::btree_set(prop_oneof![Just(Principal::Tool("a".to_owned())), Just(Principal::Channel("a".to_owned()))], 0..3)
}

fn some_policy() -> impl Strategy<Value = SecretPolicy> {
    let members = prop::option::of(prop::collection::btree_set(prop_oneof![Just(member("ann")), Just(member("bob"))], 0..3));
    let rate = prop::option::of((1u32..4, 1u32..4).prop_map(|(uses, window_s)| Rate { uses, window_s }));
    (people(), members, prop::collection::vec(some_rule(), 0..4), rate, 1u64..4, prop::option::of(0i64..4), prop::bool::weighted(0.1))
        .prop_map(|(users, members, targets, rate, bytes_out_max, until, canary)| SecretPolicy {
            users,
            members,
            targets,
            rate,
            bytes_out_max,
            until: until.map(at),
            canary,
        })
}

/// A policy and a small change of it: two that have nothing in common prove little.
fn a_change() -> impl Strategy<Value = (SecretPolicy, SecretPolicy)> {
    (some_policy(), some_policy(), any::<[bool; 7]>()).prop_map(|(old, other, take)| {
        let [users, members, targets, rate, bytes, until, canary] = take.map(|take| take);
        let mut new = old.clone();
        if users {
            new.users.clone_from(&other.users);
        }
        if members {
            new.members.clone_from(&other.members);
        }
        if targets {
            new.targets.clone_from(&other.targets);
        }
        if rate {
            new.rate = other.rate;
        }
        if bytes {
            new.bytes_out_max = other.bytes_out_max;
        }
        if until {
            new.until = other.until;
        }
        if canary {
            new.canary = other.canary;
        }
        (old, new)
    })
}

fn some_ask() -> impl Strategy<Value = (Ask, Target)> {
    let who = prop_oneof![Just(Principal::Tool("a".to_owned())), Just(Principal::Channel("a".to_owned()))];
    let whom = prop_oneof![Just(None), Just(Some(member("ann"))), Just(Some(member("bob")))];
    let slots = prop::collection::btree_set(prop_oneof![Just(Slot::Header), Just(Slot::Body)], 1..3);
    let target = (
        prop_oneof![Just("GET"), Just("POST")],
        prop_oneof![Just("https"), Just("http")],
        prop_oneof![Just("a.com"), Just("b.com"), Just("nas.local"), Just("10.0.0.1")],
        prop_oneof![Just(443), Just(80)],
        prop_oneof![Just("/"), Just("/a"), Just("/a/"), Just("/a/b"), Just("/a/b/c"), Just("/x")],
    )
        .prop_map(|(method, scheme, host, port, path)| target(&format!("{method} {scheme}://{host}:{port}{path}")));
    ((who, whom, 0i64..5, 0u32..4, 0u64..5, slots), target)
        .prop_map(|((who, member, now, uses, bytes, slots), target)| (Ask { who, member, now, uses, bytes, slots }, target))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_only_the_new_policy_allows_makes_it_wider((old, new) in a_change(), asks in prop::collection::vec(some_ask(), 20)) {
        for (ask, target) in asks {
            if asked(&new, &ask, &target).is_ok() && asked(&old, &ask, &target).is_err() {
                prop_assert!(widens(&old, &new), "{target}");
            }
        }
    }

    #[test]
    fn a_policy_does_not_widen_itself_nor_by_losing_something(policy in some_policy()) {
        prop_assert!(!widens(&policy, &policy));
        let mut fewer = policy.clone();
        fewer.targets.pop();
        fewer.users.pop_first();
        prop_assert!(!widens(&policy, &fewer));
        if !policy.canary && !policy.targets.is_empty() {
            let bare = SecretPolicy { targets: Vec::new(), ..policy.clone() };
            prop_assert!(widens(&bare, &policy));
        }
    }
}
