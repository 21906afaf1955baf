//! Sealed secrets: every byte comes back, and only what was written last is there.

use hearth_domain::ids::{ReminderId, SecretId};
use hearth_domain::secret::{NAME_MAX, SealedRecord};
use hearth_domain::store::{Counts, StoreError, Write};

use super::{Check, House, Outcome, boxed, check, same};
use crate::sample::{at, secret, who};

pub(super) const CHECKS: &[Check] = &[
    check("sealed secrets are read back to the byte", |house| boxed(bytes(house))),
    check("sealed secrets come by name, then version", |house| boxed(order(house))),
    check("a sealed secret replaces the one of its id", |house| boxed(replaced(house))),
    check("an erased secret is gone, and erasing it again is no error", |house| boxed(erased(house))),
    check("the last word of a group on a secret wins", |house| boxed(last_word(house))),
    check("a refused group neither writes a secret nor erases one", |house| boxed(refused(house))),
];

async fn bytes(mut house: House) -> Outcome {
    let sizes = [0, 1, 31, 4_096, 64 * 1024];
    let mut rows = vec![secret("all-bytes", 1)?, secret(&"z".repeat(NAME_MAX), u32::MAX)?];
    for size in sizes {
        let envelope = (0..=u8::MAX).rev().cycle().take(size).collect();
        rows.push(SealedRecord { envelope, owner: who("bob"), ..secret(&format!("size-{size:06}"), 7)? });
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    house.write(rows.iter().cloned().map(Write::Secret)).await?;
    same("the secrets", &house.store.secrets().await?, &rows)?;
    house.reopen().await?;
    same("the secrets after a reopening", &house.store.secrets().await?, &rows)
}

async fn order(mut house: House) -> Outcome {
    let mut rows = Vec::new();
    // Neither by the rules of a language nor by the numbers in a name.
    for name in ["0", "9", "a", "a-b", "a0", "ab", "b", "key-10", "key-9"] {
        for version in [1, 2, 10] {
            rows.push(SealedRecord { id: SecretId::derived(&[name, &version.to_string()]), ..secret(name, version)? });
        }
    }
    house.write(rows.iter().rev().cloned().map(Write::Secret)).await?;
    same("the secrets", &house.store.secrets().await?, &rows)
}

async fn replaced(mut house: House) -> Outcome {
    let first = secret("openai", 1)?;
    let next = SealedRecord { envelope: b"sealed anew".to_vec(), ..secret("openai", 2)? };
    let renamed = SealedRecord { id: first.id, owner: who("bob"), envelope: Vec::new(), ..secret("models", 3)? };
    for row in [first, next, renamed] {
        house.write([Write::Secret(row.clone())]).await?;
        same("the secret", &house.store.secrets().await?, &vec![row])?;
    }
    Ok(())
}

async fn erased(mut house: House) -> Outcome {
    let (kept, gone) = (secret("kept", 1)?, secret("gone", 1)?);
    house.write([Write::EraseSecret(gone.id)]).await?;
    house.write([Write::Secret(kept.clone()), Write::Secret(gone.clone())]).await?;
    house.write([Write::EraseSecret(gone.id)]).await?;
    house.write([Write::EraseSecret(gone.id)]).await?;
    same("the secrets", &house.store.secrets().await?, &vec![kept.clone()])?;
    house.reopen().await?;
    same("the secrets after a reopening", &house.store.secrets().await?, &vec![kept])?;
    same("counts", &house.store.counts().await?, &Counts { secrets: 1, ..Counts::default() })
}

async fn last_word(mut house: House) -> Outcome {
    let (old, new) = (secret("openai", 1)?, secret("openai", 2)?);
    let (old, new) = (|| Write::Secret(old.clone()), || Write::Secret(new.clone()));
    let erase = || Write::EraseSecret(SecretId::derived(&["openai"]));
    for (writes, expected) in [
        (vec![old(), erase()], None),
        (vec![erase(), old()], Some(1)),
        (vec![old(), erase(), new()], Some(2)),
        (vec![new(), old(), erase()], None),
        (vec![old(), new()], Some(2)),
    ] {
        house.write(writes).await?;
        let versions: Vec<u32> = house.store.secrets().await?.iter().map(|row| row.version).collect();
        same("versions", &versions, &expected.into_iter().collect())?;
    }
    Ok(())
}

async fn refused(mut house: House) -> Outcome {
    let claim = || Write::Claim { reminder: ReminderId::derived(&["plants"]), due: at(1), at: at(1) };
    let kept = secret("kept", 1)?;
    house.write([Write::Secret(kept.clone()), claim()]).await?;
    let writes = [Write::Secret(secret("new", 1)?), Write::Secret(secret("kept", 2)?), claim()];
    same("the refusal", &house.write(writes).await, &Err(StoreError::Claimed))?;
    same("the refusal", &house.write([Write::EraseSecret(kept.id), claim()]).await, &Err(StoreError::Claimed))?;
    same("the secrets", &house.store.secrets().await?, &vec![kept])
}
