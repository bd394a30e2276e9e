//! Access tokens that were shown a moment ago.
//!
//! What is remembered for a while is that the signature is ours. Who the caller is holds
//! only as long as the directory's answers do: whether the token was revoked since, or its
//! account disabled, is known at once.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_core::{Identity, UnixTime, VerifiedAccessToken};
use quick_cache::sync::Cache;

/// How many tokens are remembered.
const REMEMBERED: usize = 65_536;
/// How long one is remembered.
const LIFETIME: Duration = Duration::from_mins(1);

/// Remembers tokens by the SHA-256 of all of their text. What was refused is not
/// remembered: strangers could push out what was accepted.
pub(super) struct VerifiedTokens(Cache<[u8; 32], Arc<Remembered>>);

/// What is known of a token.
pub(super) struct Remembered {
    token: VerifiedAccessToken,
    /// The state of the key ring under which its signature was checked.
    generation: u64,
    until: UnixTime,
    caller: Identity,
    /// Of the directory that said who the caller is.
    version: Option<u64>,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl VerifiedTokens {
    /// What stands for the text of a token.
    pub(super) fn digest(text: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        bytes
    }

    /// What is known of a token, if its signature was checked under the same key ring not
    /// long ago.
    pub(super) fn get(
        &self,
        digest: &[u8; 32],
        generation: u64,
        now: UnixTime,
    ) -> Option<Arc<Remembered>> {
        let known = self.0.get(digest)?;
        (known.generation == generation && now < known.until).then_some(known)
    }

    /// Remembers a token.
    pub(super) fn insert(&self, digest: [u8; 32], known: Remembered) {
        self.0.insert(digest, Arc::new(known));
    }
}

impl Remembered {
    /// A token whose signature was checked just now.
    pub(super) fn new(
        token: VerifiedAccessToken,
        (generation, version): (u64, Option<u64>),
        caller: Identity,
        now: UnixTime,
    ) -> Self {
        let until = (now + LIFETIME).min(token.claims().expires_at);
        Self { token, generation, until, caller, version }
    }

    /// The same token after the directory was asked again.
    pub(super) fn with_caller(&self, version: Option<u64>, caller: Identity) -> Self {
        Self { token: self.token.clone(), caller, version, ..*self }
    }

    /// What has a good signature.
    pub(super) fn token(&self) -> &VerifiedAccessToken {
        &self.token
    }

    /// Whose it is, if the directory still has the version that said so.
    pub(super) fn caller(&self, version: Option<u64>) -> Option<&Identity> {
        (version.is_some() && version == self.version).then_some(&self.caller)
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::ports::{AccountKeys, Random};
    use countersign_core::{
        AccessTokenPolicy, AccountId, AccountName, Algorithm, Grant, HashingSecret, KeyKind,
        KeyRing, PrivateKey, SigningKey, TokenIds,
    };
    use uuid::Uuid;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn verified() -> VerifiedAccessToken {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        let key = SigningKey::new(key, Algorithm::EdDsa, NOW);
        let policy =
            AccessTokenPolicy { lifetime: Duration::from_secs(90), ..AccessTokenPolicy::default() };
        let (account, token_id) = (AccountId(Uuid::from_u128(1)), Uuid::from_u128(2));
        let grant = Grant { account, identifier: account.0, groups: [].into(), token_id };
        let token = policy.issue(&key, &grant, NOW).unwrap();
        policy.verify(&token, &KeyRing::new(vec![key]).unwrap(), NOW).unwrap()
    }

    fn caller() -> Identity {
        let account = AccountKeys {
            id: verified().account(),
            name: AccountName::new("robot").unwrap(),
            groups: [].into(),
            disabled: false,
            keys: Vec::new(),
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        };
        let ids = TokenIds::new(&HashingSecret::generate(&Sevens));
        verified().admit(Some(Arc::new(account)), &ids, NOW).unwrap()
    }

    #[test]
    fn a_token_is_checked_again_after_a_while_and_under_another_ring() {
        let (cache, at) = (VerifiedTokens::default(), |seconds| NOW + Duration::from_secs(seconds));
        let (first, other) = (VerifiedTokens::digest("a"), VerifiedTokens::digest("b"));
        cache.insert(first, Remembered::new(verified(), (1, None), caller(), at(0)));
        assert!(cache.get(&first, 1, at(59)).is_some());
        assert!(cache.get(&other, 1, at(0)).is_none(), "another text");
        assert!(cache.get(&first, 2, at(0)).is_none(), "another ring");
        assert!(cache.get(&first, 1, at(60)).is_none());
        cache.insert(first, Remembered::new(verified(), (2, None), caller(), at(59)));
        assert!(cache.get(&first, 2, at(89)).is_some());
        assert!(cache.get(&first, 2, at(90)).is_none(), "it has expired");
    }

    #[test]
    fn a_caller_is_known_as_long_as_the_directory_has_the_same_version() {
        let (cache, digest) = (VerifiedTokens::default(), VerifiedTokens::digest("a"));
        let known = Remembered::new(verified(), (1, None), caller(), NOW);
        assert!(known.caller(None).is_none() && known.caller(Some(7)).is_none());
        cache.insert(digest, known.with_caller(Some(7), caller()));
        let known = cache.get(&digest, 1, NOW).unwrap();
        assert_eq!(known.caller(Some(7)).unwrap().account().as_str(), "robot");
        assert!(known.caller(Some(8)).is_none(), "something has changed");
        assert!(known.caller(None).is_none(), "something is changing");
        let late = NOW + LIFETIME;
        assert!(cache.get(&digest, 1, late).is_none(), "the time goes on");
    }
}
