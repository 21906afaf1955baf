//! Changes in two phases, and what a house that fails in the middle leaves.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "in a test a failure is the message")]

#[path = "egress/support.rs"]
#[expect(dead_code, reason = "shared with the broker's own tests")]
mod net;
#[path = "keeper/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the gate")]
mod support;

use hearth_domain::secret::Principal;
use hearth_domain::vault::Tell;
use hearth_vault::keeper::change::{Allowance, Begun, ChangeError};
use hearth_vault::seal::crypto::{Cost, SystemEntropy};
use hearth_vault::seal::passphrase::Verifier;
use hearth_vault::seal::proof::ProofError;
use secrecy::SecretString;
use support::{VALUE, Vault, name, owner, policy, value};

const RULE: &str = "POST https://api.example.com/v1/**";

fn vault() -> Vault {
    let mut vault = Vault::new();
    vault.add("key", VALUE, policy("key", &[RULE.to_owned()]));
    vault
}

/// What the house was told, without its storing it.
fn lost(vault: &Vault, begun: Begun) -> Result<(), ChangeError> {
    let Begun { write, mut done } = begun;
    let Tell::Write { ticket, .. } = write else { panic!("not a write") };
    vault.keeper.written(ticket, false);
    done.try_recv().unwrap()
}

#[test]
fn a_write_that_the_house_lost_leaves_the_old_state() {
    let mut vault = vault();
    let newer = "sk-newer-8Wq0zR4tYb6Vn2";
    let begun = vault.keeper.begin_rotate(&name("key"), &value(newer)).unwrap();
    assert!(matches!(lost(&vault, begun), Err(ChangeError::NotStored)));
    let begun = vault.keeper.begin_revoke(&name("key")).unwrap();
    assert!(matches!(lost(&vault, begun), Err(ChangeError::NotStored)));
    let begun = vault.keeper.begin_add(&name("two"), owner(), policy("two", &[]), &value("another one 8273")).unwrap();
    assert!(matches!(lost(&vault, begun), Err(ChangeError::NotStored)));
    assert_eq!(vault.keeper.list().iter().map(|secret| (secret.name.as_str(), secret.version)).collect::<Vec<_>>(), [("key", 1)]);
    assert!(!vault.keeper.look(VALUE).is_empty() && vault.keeper.look(newer).is_empty());
    let (restarted, findings) = vault.restarted();
    vault = restarted;
    assert!(findings.is_empty(), "{findings:?}");
    let begun = vault.keeper.begin_rotate(&name("key"), &value(newer)).unwrap();
    vault.store(begun).unwrap();
    assert_eq!((vault.keeper.list()[0].version, vault.stored.len()), (2, 1));
}

#[test]
fn whatever_the_house_has_when_the_vault_is_killed_opens_afterwards() {
    let newer = "sk-newer-8Wq0zR4tYb6Vn2";
    for stored in [false, true] {
        let mut vault = vault();
        let Begun { write, .. } = vault.keeper.begin_rotate(&name("key"), &value(newer)).unwrap();
        let Tell::Write { put, .. } = write else { panic!("not a write") };
        if stored {
            vault.stored = put;
        }
        let (vault, findings) = vault.restarted();
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!((vault.keeper.look(VALUE).is_empty(), vault.keeper.look(newer).is_empty()), (stored, !stored));
        let begun = vault.keeper.begin_rotate(&name("key"), &value("sk-third-51Jq9x2Lm0")).unwrap();
        let mut vault = vault;
        vault.store(begun).unwrap();
    }
}

#[test]
fn an_older_record_that_is_put_back_is_refused_and_said() {
    let mut vault = vault();
    let old = vault.stored.clone();
    let begun = vault.keeper.begin_rotate(&name("key"), &value("sk-newer-8Wq0zR4tYb6Vn2")).unwrap();
    vault.store(begun).unwrap();
    vault.add("two", "another one 8273", policy("two", &[]));
    let two = vault.stored.iter().find(|record| record.name == name("two")).unwrap().clone();
    vault.stored = vec![old[0].clone(), two];
    let (vault, findings) = vault.restarted();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with("key: an older version"), "{findings:?}");
    assert_eq!(vault.keeper.list().len(), 1);
}

#[test]
fn narrowing_is_free_and_widening_takes_the_owners_proof() {
    let mut vault = vault();
    let wider = Allowance { add_targets: vec!["GET https://other.example.com/".to_owned()], ..Allowance::default() };
    let user = Allowance { add_users: vec![Principal::Tool("t".into())], ..Allowance::default() };
    let narrower = Allowance { bytes_out_max: Some(1000), ..Allowance::default() };
    for change in [&wider, &user] {
        assert!(matches!(vault.keeper.begin_allow(&name("key"), change, None), Err(ChangeError::NeedsProof)));
    }
    let begun = vault.keeper.begin_allow(&name("key"), &narrower, None).unwrap();
    vault.store(begun).unwrap();
    assert_eq!(vault.keeper.policy(&name("key")).unwrap().bytes_out_max, 1000);
    assert!(matches!(vault.keeper.attempt(), Err(ChangeError::Proof(ProofError::NotSet))));
    let passphrase = SecretString::from("correct horse battery");
    vault.keeper.set_owner(Verifier::new(&passphrase, Cost::FLOOR, &SystemEntropy).unwrap()).unwrap();
    let wrong = vault.keeper.attempt().unwrap().passphrase(&SecretString::from("incorrect horse")).unwrap();
    assert!(matches!(vault.keeper.judge(&wrong), Err(ChangeError::Proof(ProofError::Wrong))));
    let right = vault.keeper.attempt().unwrap().passphrase(&passphrase).unwrap();
    let proof = vault.keeper.judge(&right).unwrap();
    let begun = vault.keeper.begin_allow(&name("key"), &wider, Some(proof)).unwrap();
    vault.store(begun).unwrap();
    assert_eq!(vault.keeper.policy(&name("key")).unwrap().targets.len(), 2);
    assert!(!vault.keeper.look(VALUE).is_empty(), "the value is the same");
    assert_eq!(vault.keeper.census().kept, 0);
}

#[test]
fn a_name_is_given_once_and_unsound_policies_are_refused() {
    let vault = vault();
    let add = |text: &str, rules: &[String]| vault.keeper.begin_add(&name(text), owner(), policy(text, rules), &value("another one 8273"));
    assert!(matches!(add("key", &[]), Err(ChangeError::Exists)));
    let _begun = add("two", &[]).unwrap();
    assert!(matches!(add("two", &[]), Err(ChangeError::Exists)), "also while the first is under way");
    let change = Allowance { add_targets: vec!["GET http://api.example.com/".to_owned()], ..Allowance::default() };
    assert!(matches!(vault.keeper.begin_allow(&name("key"), &change, None), Err(ChangeError::Target { at: 1, .. })));
    let change = Allowance { add_targets: vec!["@nowhere".to_owned()], ..Allowance::default() };
    assert!(matches!(vault.keeper.begin_allow(&name("key"), &change, None), Err(ChangeError::Preset { at: 1 })));
}
