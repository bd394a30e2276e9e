//! The secret that hashes of API keys and refresh tokens are keyed with.

use countersign_core::ports::{Random, SecretName, SigningKeyStore, StoreError};
use countersign_core::{EncryptionKey, HashingSecret};

use super::OpenRingError;

/// What it is sealed as, and called.
pub(super) const HASHING_SECRET: &str = "hashing-secret";

/// The installation's secret: drawn at the first start, the same ever after. Who writes
/// hashes into the store beside a server must use this one.
///
/// # Errors
/// [`OpenRingError::WrongEncryptionKey`] if it was sealed under another key.
pub async fn hashing_secret(
    store: &dyn SigningKeyStore,
    encryption_key: &EncryptionKey,
    random: &dyn Random,
) -> Result<HashingSecret, OpenRingError> {
    let candidate = HashingSecret::generate(random);
    let sealed = encryption_key.seal(HASHING_SECRET, "", candidate.reveal(), random);
    let sealed = store.secret(HASHING_SECRET, &sealed).await?;
    let wrong =
        || OpenRingError::WrongEncryptionKey("the secret that hashes are keyed with".into());
    let secret = encryption_key.open(HASHING_SECRET, "", &sealed).map_err(|_| wrong())?;
    HashingSecret::from_bytes(&secret).ok_or_else(wrong)
}

/// Whether it has been drawn: then it tells the right encryption key from a wrong one.
pub(super) async fn has_hashing_secret(store: &dyn SigningKeyStore) -> Result<bool, StoreError> {
    let hashing_secret = SecretName::Named(HASHING_SECRET.into());
    Ok(store.sealed().await?.iter().any(|(name, _)| *name == hashing_secret))
}
