//! The owner: passphrase, recovery key, attempts.

use std::time::Duration;

use secrecy::SecretString;

use super::crypto::Cost;
use super::passphrase::Verifier;
use super::proof::TRIES_FREE;
use super::recovery::RecoverError;
use super::rotate::RotateError;
use super::*;

/// Far below the floor, for tests alone.
const QUICK: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn words(text: &str) -> SecretString {
    SecretString::from(text)
}

fn verifier(text: &str) -> Verifier {
    Verifier::new(&words(text), QUICK, &SystemEntropy).unwrap()
}

fn prove(house: &mut House, text: &str, now: Mono) -> Result<OwnerProof, ProofError> {
    let compared = house.seal.attempt(now)?.passphrase(&words(text))?;
    house.seal.judge(&compared)
}

fn at(seconds: u64) -> Mono {
    Mono(Duration::from_secs(seconds))
}

#[test]
fn the_owner_s_passphrase_is_set_once_and_proves_the_owner() {
    let mut house = House::with_secrets();
    assert_eq!(prove(&mut house, "correct horse", at(0)).unwrap_err(), ProofError::NotSet);
    house.seal.set_owner(verifier("correct horse")).unwrap();
    assert!(matches!(house.seal.set_owner(verifier("another horse")), Err(RotateError::Proof(ProofError::AlreadySet))));
    house.restart();
    assert!(prove(&mut house, "correct horse", at(0)).is_ok());
    for wrong in ["correct horsf", "", "correct horse "] {
        assert_eq!(prove(&mut house, wrong, at(0)).unwrap_err(), ProofError::Wrong);
    }
    assert!(matches!(prove(&mut house, "correct horse", at(0)), Err(ProofError::TooSoon { .. })), "even the right one has to wait");
    assert!(prove(&mut house, "correct horse", at(2)).is_ok());
}

#[test]
fn attempts_at_once_are_counted_before_they_are_compared() {
    let mut house = House::new();
    house.seal.set_owner(verifier("correct horse")).unwrap();
    let begun: Vec<_> = (0..10).map(|_| house.seal.attempt(at(0))).collect();
    assert_eq!(begun.iter().filter(|attempt| attempt.is_ok()).count(), usize::try_from(TRIES_FREE).unwrap());
}

#[test]
fn a_comparison_of_another_vault_proves_nothing() {
    let (mut house, mut other) = (House::new(), House::new());
    house.seal.set_owner(verifier("correct horse")).unwrap();
    other.seal.set_owner(verifier("wrong horse...")).unwrap();
    let compared = other.seal.attempt(at(0)).unwrap().passphrase(&words("wrong horse...")).unwrap();
    assert_eq!(house.seal.judge(&compared).unwrap_err(), ProofError::Elsewhere);
}

#[test]
fn a_changed_passphrase_is_the_only_one() {
    let mut house = House::new();
    house.seal.set_owner(verifier("correct horse")).unwrap();
    let proof = prove(&mut house, "correct horse", at(0)).unwrap();
    house.seal.change_owner(proof, verifier("battery staple")).unwrap();
    house.restart();
    assert!(prove(&mut house, "battery staple", at(0)).is_ok());
    assert_eq!(prove(&mut house, "correct horse", at(0)).unwrap_err(), ProofError::Wrong);
}

#[test]
fn the_recovery_key_stands_for_the_passphrase_and_for_the_vault_key() {
    let mut house = House::with_secrets();
    let old = house.seal.set_owner(verifier("correct horse")).unwrap();
    house.restart();
    let compared = house.seal.attempt(at(0)).unwrap().recovery(&old);
    let proof = house.seal.judge(&compared).unwrap();
    let new = house.seal.new_recovery(proof).unwrap();
    // A new machine, with a backup of the manifest and of the records, and no key.
    let manifest = house.memory.disk().manifest.clone().unwrap();
    let head = Head::read(&manifest).unwrap();
    assert_eq!(old.unlock(&head).unwrap_err(), RecoverError::Wrong);
    let typed = recovery::RecoveryKey::read(&new.text()).unwrap();
    let seal = Seal::open(typed.unlock(&head).unwrap(), &manifest, Box::<Memory>::default(), Box::new(SystemEntropy)).unwrap();
    assert_eq!(text_of(&seal, &house.record("mail")), Ok("one".to_owned()));
    let compared = house.seal.attempt(at(0)).unwrap().recovery(&old);
    assert_eq!(house.seal.judge(&compared).unwrap_err(), ProofError::Wrong);
}

#[test]
fn a_passphrase_vault_opens_by_its_passphrase_also_after_a_rotation() {
    let memory = Memory::default();
    let (household, key) = (Household::fresh(&SystemEntropy).unwrap(), VaultKey::fresh(&SystemEntropy).unwrap());
    let under = |text: &str| PassphraseKey::new(&words(text), QUICK, &SystemEntropy).unwrap();
    let mut seal = Seal::create(household, key, Some(&under("correct horse")), Box::new(memory.clone()), Box::new(SystemEntropy)).unwrap();
    let unlock = |text: &str| {
        let manifest = memory.disk().manifest.clone().unwrap();
        let head = Head::read(&manifest).unwrap();
        let key = head.passphrase().unwrap().unlock(head.household(), &words(text)).ok()?;
        Some(Seal::open(key, &manifest, Box::new(memory.clone()), Box::new(SystemEntropy)).unwrap())
    };
    assert!(unlock("correct horse").is_some() && unlock("correct horsf").is_none());
    let proof = || OwnerProof { household };
    assert!(matches!(seal.rotate_vault_key(proof(), None), Err(RotateError::PassphraseNeeded)));
    let rotated = seal.rotate_vault_key(proof(), Some(&under("battery staple"))).unwrap();
    assert!(unlock("battery staple").is_some() && unlock("correct horse").is_none());
    assert!(rotated.recovery.unlock(&Head::read(memory.disk().manifest.as_ref().unwrap()).unwrap()).is_ok());
    seal.change_passphrase(proof(), Some(&under("a third one"))).unwrap();
    assert!(unlock("a third one").is_some() && unlock("battery staple").is_none());
}
