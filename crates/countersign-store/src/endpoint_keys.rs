//! What a directory needs from whoever fetches the JWKS of accounts.

use countersign_core::AccountId;
use countersign_core::ports::{EndpointStatus, RegisteredKey};

/// The keys that accounts publish at their JWKS endpoints.
///
/// A directory tells which endpoints each account is trusted through and asks
/// for the keys at hand. Nothing here waits: the fetching goes on in the
/// background, and whoever implements this tells the directory's
/// [`ChangeListener`] when an account's keys are no longer what they were.
pub trait EndpointKeys: Send + Sync {
    /// Trusts the account through these endpoints from now on, and no others.
    ///
    /// URLs that are new are fetched at once, in the background. Keys of
    /// endpoints left out are gone when this returns. The listener is not told:
    /// the caller knows, and asks for [`keys`](Self::keys) again afterwards.
    fn set_endpoints(&self, account: AccountId, urls: &[String]);

    /// The keys at hand of all the account's endpoints, in the order of the
    /// endpoints. Each expires when its endpoint has been out of reach for too long.
    fn keys(&self, account: AccountId) -> Vec<RegisteredKey>;

    /// Takes note that a token of this account named a key that is not among
    /// [`keys`](Self::keys); its endpoints may be fetched sooner.
    fn unknown_key(&self, account: AccountId);

    /// Tells this listener of changes from now on, in place of an earlier one.
    fn tell(&self, listener: ChangeListener);

    /// How the fetching of a URL goes; `None` if no account is trusted through it.
    fn status(&self, url: &str) -> Option<EndpointStatus>;
}

/// Called with the account whose keys, or their expiry, have changed. It must
/// not wait. It may call [`EndpointKeys::keys`].
pub type ChangeListener = Box<dyn Fn(AccountId) + Send + Sync>;

/// An account's keys: those registered for it and those its endpoints publish.
///
/// What an operator decided about a key holds for the key, wherever it comes
/// from: a key that was revoked, or that expires, does so at the endpoint too.
pub fn merge_keys(
    registered: Vec<RegisteredKey>,
    published: Vec<RegisteredKey>,
) -> Vec<RegisteredKey> {
    let mut keys = registered;
    let decided = keys.len();
    for mut key in published {
        if let Some(same) = keys[..decided].iter().find(|registered| registered.key == key.key) {
            key.revoked |= same.revoked;
            key.expires_at = [key.expires_at, same.expires_at].into_iter().flatten().min();
        }
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use countersign_core::{KeyKind, PrivateKey, PublicKey, UnixTime};

    use super::*;

    fn key(key: &PublicKey, kid: Option<&str>, expires_at: Option<i64>) -> RegisteredKey {
        RegisteredKey {
            key: key.clone(),
            kid: kid.map(Into::into),
            algorithm: None,
            expires_at: expires_at.map(UnixTime::from_secs),
            revoked: false,
        }
    }

    fn fresh() -> PublicKey {
        PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone()
    }

    #[test]
    fn a_revoked_key_stays_revoked_where_an_endpoint_publishes_it() {
        let (a, b) = (fresh(), fresh());
        let registered = RegisteredKey { revoked: true, ..key(&a, None, None) };
        let published = vec![key(&a, Some("a"), Some(9)), key(&b, Some("b"), Some(9))];
        let merged = merge_keys(vec![registered], published);
        let revoked: Vec<bool> = merged.iter().map(|key| key.revoked).collect();
        assert_eq!(revoked, [true, true, false]);
    }

    #[test]
    fn the_earlier_expiry_holds() {
        let a = fresh();
        let expiry = |registered, published| {
            let keys = (vec![key(&a, None, registered)], vec![key(&a, Some("a"), published)]);
            merge_keys(keys.0, keys.1)[1].expires_at.map(UnixTime::as_secs)
        };
        assert_eq!(expiry(Some(5), Some(9)), Some(5));
        assert_eq!(expiry(Some(9), Some(5)), Some(5));
        assert_eq!(expiry(None, Some(5)), Some(5));
    }
}
