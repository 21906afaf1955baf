//! Grants: what is asked, what is allowed, and that nothing is allowed that nobody granted.

use proptest::prelude::*;

use super::*;
use crate::household::Member;
use crate::sandbox::{Role, Trust};
use crate::secret::Scheme;
use crate::tool::Effect;
use crate::tool::manifest::tests::example;
use crate::tool::manifest::{Declared, WantedPlace, WantedSecret};
use crate::tool::reach::{Host, Rule};

fn release(author: Option<u8>) -> Release {
    Release { component: Digest::of(b"component"), manifest: Digest::of(b"manifest"), author: author.map(|byte| AuthorKey([byte; 32])) }
}

fn answer() -> Answer {
    Answer {
        slots: BTreeMap::from([("token".to_owned(), SecretName::new("my-token").unwrap())]),
        places: BTreeMap::from([("server".to_owned(), "http://192.168.1.9:8123 lan".parse().unwrap())]),
        memory: true,
        by: Member::id_of("Ada"),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn grant() -> Grant {
    Grant::given(example(), release(Some(1)), answer())
}

fn request(method: &str, url: &str) -> RequestParts {
    RequestParts::read(method, url).unwrap()
}

#[test]
fn an_adult_is_asked_in_plain_words() {
    let sentences: Vec<_> = ask(&example(), &release(None)).into_iter().map(|question| question.sentence).collect();
    let expected = [
        "Nobody signed it: it may come from anybody.",
        "It may ask api.example.com for something (GET): /v1/*",
        "It may ask the host that you name as `server` for something (GET): /api/**",
        "It may send POST requests to the host that you name as `server`: /api/**",
        "It reaches a host that you name as `server`: “your server”",
        "It gets the key that you name for `token`, without ever seeing it: “its password”",
        "It may keep up to 64 KiB for each member",
        "It may search what the house remembers, as far as the member who asks may know it",
        "The model may call `look`, which only looks something up: “Does look.”",
        "The model may call `send`, which sends something out of the house: “Does send.”",
    ];
    assert_eq!(sentences, expected);
}

#[test]
fn what_was_granted_is_allowed_and_nothing_else() {
    let grant = grant();
    let url = "http://192.168.1.9:8123/api/states";
    let reach = grant.may("send", &request("POST", url)).unwrap();
    assert!(matches!(&reach.at, super::super::reach::At::Host(place) if place.lan));
    assert!(grant.may("look", &request("GET", "https://api.example.com/v1/x")).is_ok());
    let sentence = |operation: &str, method: &str, url: &str| grant.may(operation, &request(method, url)).unwrap_err().sentence;
    assert!(sentence("look", "POST", url).contains("the method sends something"));
    assert!(sentence("pay", "GET", url).contains("operation was not granted"));
    assert!(sentence("send", "DELETE", url).contains("no granted rule"));
    assert!(sentence("send", "POST", "https://api.example.com/v1/x").contains("no granted rule"));
}

#[test]
fn nothing_is_allowed_any_more_when_the_grant_was_taken_back() {
    let (by, at) = (Member::id_of("Ben"), Timestamp::UNIX_EPOCH);
    let grant = grant().revoked(by, at);
    assert!(grant.may("look", &request("GET", "https://api.example.com/v1/x")).is_err());
    assert!(grant.secret("token").is_err() && grant.may_look().is_err() && grant.may_keep(0).is_err() && grant.may_search().is_err());
    assert!(grant.may_mention(b"").is_err() && grant.specs().is_empty());
    assert_eq!(widening(&grant, &example(), &release(Some(1))), ask(&example(), &release(Some(1))));
    assert_eq!(grant.clone().revoked(Member::id_of("Eve"), at), grant);
}

#[test]
fn a_slot_gives_a_name_and_other_secrets_cannot_be_mentioned() {
    let grant = grant();
    assert_eq!(grant.secret("token").unwrap().as_str(), "my-token");
    assert_eq!(grant.secret("other").unwrap_err().kind, RefusalKind::Unknown);
    for good in ["", "Bearer hearth_secret_my-token_", "hearth_secret_my-token_hearth_secret_my-token_", "hearth secret bank"] {
        assert!(grant.may_mention(good.as_bytes()).is_ok(), "{good}");
    }
    let bad = [
        "hearth_secret_bank_",
        "hearth_secret_my-token",
        "hearth_secret_my-token-2_",
        "hearth_secret_",
        "xhearth_secret_my-token_ hearth_secret_my_",
    ];
    for bad in bad {
        assert_eq!(grant.may_mention(bad.as_bytes()).unwrap_err().kind, RefusalKind::Denied, "{bad}");
    }
    let none = Grant::given(example(), release(None), Answer { slots: BTreeMap::new(), ..answer() });
    assert_eq!(none.secret("token").unwrap_err().kind, RefusalKind::Denied);
    assert!(none.may_mention(b"hearth_secret_my-token_").is_err());
}

#[test]
fn a_quota_is_kept_and_none_is_none() {
    let grant = grant();
    assert!(grant.may_keep(64 * 1024).is_ok());
    assert_eq!(grant.may_keep(64 * 1024 + 1).unwrap_err().kind, RefusalKind::Limit);
    let mut manifest = example();
    manifest.wants.keyvalue_bytes = 0;
    let none = Grant::given(manifest, release(None), answer());
    assert_eq!(none.may_keep(0).unwrap_err().kind, RefusalKind::Denied);
    assert!(none.may_look().is_err());
}

#[test]
fn an_adult_may_leave_memory_out() {
    let grant = Grant::given(example(), release(None), Answer { memory: false, ..answer() });
    assert!(grant.may_search().is_err());
    let mut manifest = example();
    manifest.wants.memory = false;
    assert!(Grant::given(manifest, release(None), answer()).may_search().is_err());
}

type Change = fn(&mut Manifest);

#[test]
fn everything_that_is_more_is_asked_again() {
    use Kind::{Author, Description, Keep, Limits, Memory, Network, Operation, Place, Secret};
    let table: [(Change, Kind); 22] = [
        (|m| m.version = "1.1.9".parse().unwrap(), Kind::Release),
        (|m| m.name = "evil/example".parse().unwrap(), Kind::Release),
        (|m| m.title.push('!'), Description),
        (|m| m.description.push('!'), Description),
        (|m| m.wants.http.push("GET https://evil.example/".parse().unwrap()), Network),
        (|m| m.wants.http.push("POST https://api.example.com/v1/*".parse().unwrap()), Network),
        (|m| m.wants.http.push("GET https://api.example.com/v1/**".parse().unwrap()), Network),
        (|m| m.wants.http.push("GET https://api.example.com:8443/v1/*".parse().unwrap()), Network),
        (|m| m.wants.http.push("GET https://*/v1/*".parse().unwrap()), Network),
        (|m| m.wants.places.values_mut().for_each(|place| place.purpose.push('!')), Place),
        (|m| drop(m.wants.places.insert("other".to_owned(), WantedPlace { purpose: "x".to_owned() })), Place),
        (|m| drop(m.wants.secrets.insert("bank".to_owned(), WantedSecret { purpose: "x".to_owned(), service: None })), Secret),
        (|m| m.wants.secrets.values_mut().for_each(|secret| secret.service = Some("slack".to_owned())), Secret),
        (|m| m.wants.keyvalue_bytes += 1, Keep),
        (|m| m.limits.host_calls += 1, Limits),
        (|m| m.operations[0].description.push('!'), Operation),
        (|m| m.operations[0].parameters.push(' '), Operation),
        (|m| m.operations[1].effect = Effect::Read, Operation),
        (|m| m.operations[1].effect = Effect::Pay, Operation),
        (|m| m.operations[1].idempotent = true, Operation),
        (|m| m.operations[1].arguments.clear(), Operation),
        (|m| m.operations[1].fields.extend([("/days/*/text".to_owned(), Trust::Service)]), Operation),
    ];
    for (change, kind) in table {
        let mut manifest = example();
        change(&mut manifest);
        let questions = widening(&grant(), &manifest, &release(Some(1)));
        assert!(questions.iter().any(|question| question.kind == kind), "{kind:?} {questions:?}");
        assert_eq!(grant().updated(manifest, release(Some(1))), Err(questions));
    }
    let without = Grant::given(example(), release(Some(1)), Answer { memory: false, ..answer() });
    assert_eq!(widening(&without, &example(), &release(Some(1))).first().map(|question| question.kind), Some(Memory));
    let kind_of = |author| widening(&grant(), &example(), &release(author)).first().map(|question| question.kind);
    assert_eq!((kind_of(Some(1)), kind_of(Some(2)), kind_of(None)), (None, Some(Author), Some(Author)));
}

#[test]
fn an_update_that_nobody_signed_is_asked_unless_it_is_the_same_component() {
    let grant = Grant::given(example(), release(None), answer());
    assert_eq!(widening(&grant, &example(), &release(None)), []);
    let other = Release { component: Digest::of(b"another"), ..release(None) };
    assert_eq!(widening(&grant, &example(), &other).len(), 1);
    assert_eq!(widening(&grant, &example(), &release(Some(1))).len(), 1);
}

#[test]
fn less_needs_no_asking() {
    let mut manifest = example();
    manifest.version = "1.3.0".parse().unwrap();
    manifest.wants.http = vec!["GET https://api.example.com/v1/day".parse().unwrap(), "POST {server}/api/states/*".parse().unwrap()];
    manifest.wants.secrets.clear();
    manifest.wants.keyvalue_bytes = 1;
    manifest.wants.memory = false;
    manifest.limits.fuel -= 1;
    manifest.operations.remove(0);
    let other = Release { component: Digest::of(b"another"), ..release(Some(1)) };
    let updated = grant().updated(manifest, other).unwrap();
    assert!(updated.may("send", &request("POST", "http://192.168.1.9:8123/api/states/x")).is_ok());
    assert!(updated.may("send", &request("POST", "http://192.168.1.9:8123/api/config")).is_err());
    assert!(updated.secret("token").is_err() && updated.may_search().is_err() && updated.may_keep(2).is_err());
}

#[test]
fn a_grant_is_kept_as_it_is() {
    let text = serde_json::to_string(&grant()).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&text).unwrap(), grant());
}

fn rule() -> impl Strategy<Value = Rule> {
    let methods = prop::sample::select(vec!["GET", "POST", "GET,POST", "DELETE,GET"]);
    let host = prop::sample::select(vec!["https://a.com", "https://b.com", "https://b.com:444", "https://*", "{server}", "{other}"]);
    let path = prop::sample::select(vec!["/", "/a", "/a/*", "/a/**", "/**", "/*/b", "/a/b"]);
    (methods, host, path).prop_map(|(methods, host, path)| format!("{methods} {host}{path}").parse().unwrap())
}

fn some_request() -> impl Strategy<Value = RequestParts> {
    let host =
        prop::sample::select(vec!["https://a.com", "https://b.com", "https://b.com:444", "https://c.org", "http://192.168.1.9:8123"]);
    let path = prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/x/b", "/a/b;c"]);
    (prop::sample::select(vec!["GET", "POST", "DELETE", "HEAD"]), host, path)
        .prop_map(|(method, host, path)| request(method, &format!("{host}{path}")))
}

fn declared() -> impl Strategy<Value = Declared> {
    let effect = prop::sample::select(vec![Effect::Read, Effect::WriteOwn, Effect::ExternalSend, Effect::Pay]);
    (prop::sample::select(vec!["look", "send"]), effect, any::<bool>(), any::<bool>()).prop_map(|(name, effect, idempotent, annotated)| {
        Declared {
            name: name.to_owned(),
            effect,
            idempotent,
            arguments: if annotated { BTreeMap::from([("/a".to_owned(), Role::Recipient)]) } else { BTreeMap::new() },
            ..example().operations[0].clone()
        }
    })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let rules = prop::collection::vec(rule(), 0..5);
    let operations = prop::collection::btree_map("look|send", declared(), 0..3);
    (rules, operations, 0..3_u64, any::<bool>(), 1..3_u32, prop::sample::subsequence(vec!["token", "other"], 0..=2)).prop_map(
        |(http, operations, keyvalue_bytes, memory, resources, slots)| {
            let mut manifest = example();
            manifest.operations = operations.into_iter().map(|(name, operation)| Declared { name, ..operation }).collect();
            manifest.limits.resources = resources;
            let purpose = || "x".to_owned();
            let places = ["server", "other"].map(|place| (place.to_owned(), WantedPlace { purpose: purpose() })).into();
            let secrets = slots.into_iter().map(|slot| (slot.to_owned(), WantedSecret { purpose: purpose(), service: None })).collect();
            manifest.wants = super::super::manifest::Wants { http, keyvalue_bytes, memory, places, secrets };
            manifest
        },
    )
}

fn some_answer() -> impl Strategy<Value = Answer> {
    let place = prop::sample::select(vec!["http://192.168.1.9:8123 lan", "https://a.com", "https://c.org lan"]);
    let places = prop::collection::btree_map("server|other|more", place.prop_map(|text| text.parse().unwrap()), 0..3);
    let slots = prop::collection::btree_map("token|other|more", Just(SecretName::new("mine").unwrap()), 0..3);
    (places, slots, any::<bool>()).prop_map(|(places, slots, memory)| Answer { slots, places, memory, ..answer() })
}

/// The next version: the same with a few things changed, mostly fewer.
fn next(old: &Manifest) -> impl Strategy<Value = Manifest> + use<> {
    let old = old.clone();
    (manifest(), prop::collection::vec(0..9_u8, 0..4), any::<prop::sample::Index>()).prop_map(move |(other, changes, index)| {
        let mut new = old.clone();
        for change in changes {
            match change {
                0 if !new.wants.http.is_empty() => drop(new.wants.http.remove(index.index(new.wants.http.len()))),
                1 => new.wants.http.extend(other.wants.http.first().cloned()),
                2 => new.wants.keyvalue_bytes = other.wants.keyvalue_bytes,
                3 => new.wants.memory = other.wants.memory,
                4 => new.limits = other.limits,
                5 => new.wants.secrets.clone_from(&other.wants.secrets),
                6 if !new.operations.is_empty() => drop(new.operations.pop()),
                7 => new.operations.clone_from(&other.operations),
                8 => new.wants.http.reverse(),
                _ => {}
            }
        }
        new
    })
}

/// Says the same as a manifest's rules with these places, by itself.
fn wanted(manifest: &Manifest, answer: &Answer, request: &RequestParts) -> bool {
    manifest.wants.http.iter().any(|rule| {
        let there = match rule.host() {
            Host::Exact { host, port } => request.scheme == Scheme::Https && (host, *port) == (&request.host, request.port),
            Host::Public => request.scheme == Scheme::Https && request.port == 443 && !request.host.contains("192"),
            Host::Place(place) => {
                let named = answer.places.get(place);
                named.is_some_and(|place| (place.scheme, &place.host, place.port) == (request.scheme, &request.host, request.port))
            }
        };
        let (p, q): (Vec<_>, Vec<_>) = (rule.path().split('/').collect(), request.path.split('/').collect());
        let open = p.last() == Some(&"**");
        let long = if open { q.len() >= p.len() } else { q.len() == p.len() };
        let same = p.iter().zip(&q).all(|(p, q)| p == q || *p == "**" || *p == "*" && !q.is_empty() && !q.contains(';'));
        let rest = !open || q.iter().skip(p.len() - 1).all(|segment| !segment.contains(';'));
        there && rule.methods().contains(&request.method) && long && same && rest
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_grant_allows_exactly_what_was_wanted_and_answered(manifest in manifest(), answer in some_answer(), request in some_request()) {
        let grant = Grant::given(manifest.clone(), release(None), answer.clone());
        for operation in ["look", "send", "none"] {
            let declared = manifest.operation(operation).map(|operation| operation.effect);
            let sends = !["GET", "HEAD"].contains(&request.method.as_str());
            let effect = declared.is_some_and(|effect| !sends || effect >= Effect::ExternalSend);
            prop_assert_eq!(grant.may(operation, &request).is_ok(), effect && wanted(&manifest, &answer, &request));
        }
        prop_assert!(grant.may_search().is_err() || manifest.wants.memory);
        for slot in ["token", "other", "more"] {
            prop_assert!(grant.secret(slot).is_err() || manifest.wants.secrets.contains_key(slot));
        }
        prop_assert!(grant.may_keep(manifest.wants.keyvalue_bytes + 1).is_err());
        prop_assert_eq!(grant.limits, manifest.limits);
    }

    #[test]
    fn an_update_without_a_question_allows_nothing_that_was_refused(
        (old, new) in manifest().prop_flat_map(|old| { let new = next(&old); (Just(old), new) }),
        answer in some_answer(),
        requests in prop::collection::vec(some_request(), 20),
    ) {
        let grant = Grant::given(old, release(Some(1)), answer);
        if let Ok(updated) = grant.updated(new, release(Some(1))) {
            for request in &requests {
                for operation in ["look", "send"] {
                    prop_assert!(updated.may(operation, request).is_err() || grant.may(operation, request).is_ok());
                }
            }
            for slot in ["token", "other", "more"] {
                prop_assert!(updated.secret(slot).is_err() || updated.secret(slot) == grant.secret(slot));
            }
            prop_assert!(updated.may_search().is_err() || grant.may_search().is_ok());
            for bytes in 0..4 {
                prop_assert!(updated.may_keep(bytes).is_err() || grant.may_keep(bytes).is_ok());
            }
            prop_assert!(updated.limits.resources <= grant.limits.resources);
            prop_assert!(updated.specs().iter().all(|spec| grant.specs().contains(spec)));
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter(manifest in manifest(), answer in some_answer(), other in manifest()) {
        let mut twice = manifest.clone();
        twice.wants.http.reverse();
        twice.wants.http.extend(manifest.wants.http.clone());
        twice.operations.reverse();
        prop_assert_eq!(ask(&twice, &release(None)), ask(&manifest, &release(None)));
        prop_assert_eq!(twice.specs(), manifest.specs());
        let of = |manifest: &Manifest| Grant::given(manifest.clone(), release(None), answer.clone());
        prop_assert_eq!(&of(&twice).reaches, &of(&manifest).reaches);
        prop_assert_eq!(widening(&of(&other), &twice, &release(None)), widening(&of(&other), &manifest, &release(None)));
        prop_assert_eq!(widening(&of(&twice), &other, &release(None)), widening(&of(&manifest), &other, &release(None)));
    }
}
