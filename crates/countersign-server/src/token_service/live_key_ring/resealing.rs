//! Everything that is sealed, sealed anew under another encryption key.

use countersign_core::ports::{Act, Random, Resealed, SecretName, SigningKeyStore};
use countersign_core::{EncryptionKey, Sealed};

use super::hashing_secret::HASHING_SECRET;
use super::{OpenRingError, SIGNING_KEY};

/// Replaces the encryption key of an installation that no server works on; how many
/// secrets there are. All of them change, or none does.
///
/// # Errors
/// [`OpenRingError`] if the former key is wrong, a secret is not known to this version,
/// or the store does not answer.
pub async fn change_encryption_key(
    store: &dyn SigningKeyStore,
    act: &Act,
    (former, next): (&EncryptionKey, &EncryptionKey),
    random: &dyn Random,
) -> Result<usize, OpenRingError> {
    let sealed = store.sealed().await?;
    let anew = |(name, sealed): (SecretName, Sealed)| {
        let (purpose, id) = place(&name)?;
        let wrong = |_| OpenRingError::WrongEncryptionKey(format!("{name:?}"));
        let secret = former.open(purpose, id, &sealed).map_err(wrong)?;
        let next = next.seal(purpose, id, &secret, random);
        Ok(Resealed { name: name.clone(), former: sealed, next })
    };
    let all = sealed.into_iter().map(anew).collect::<Result<Vec<_>, OpenRingError>>()?;
    if store.reseal(act, &all).await? { Ok(all.len()) } else { Err(OpenRingError::Contended) }
}

/// What a secret was sealed as, and under which id.
fn place(name: &SecretName) -> Result<(&'static str, &str), OpenRingError> {
    match name {
        SecretName::SigningKey(kid) => Ok((SIGNING_KEY, kid)),
        SecretName::Named(name) if **name == *HASHING_SECRET => Ok((HASHING_SECRET, "")),
        SecretName::Named(name) => Err(OpenRingError::UnknownSecret(name.clone())),
    }
}
