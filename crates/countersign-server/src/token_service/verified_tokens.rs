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
    pub(super) token: VerifiedAccessToken,
    /// The state of the key ring under which its signature was checked.
    generation: u64,
    until: UnixTime,
    /// Whose it is, and the version of the directory that said so.
    caller: Option<(u64, Identity)>,
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

    /// Remembers a token that was checked just now.
    pub(super) fn remember(
        &self,
        digest: [u8; 32],
        token: VerifiedAccessToken,
        generation: u64,
        now: UnixTime,
    ) -> Arc<Remembered> {
        let until = (now + LIFETIME).min(token.claims().expires_at);
        let known = Arc::new(Remembered { token, generation, until, caller: None });
        self.0.insert(digest, Arc::clone(&known));
        known
    }

    /// Remembers whose a token is as long as the directory is of this version.
    pub(super) fn remember_caller(
        &self,
        digest: [u8; 32],
        known: &Remembered,
        version: u64,
        caller: Identity,
    ) {
        let Remembered { token, generation, until, .. } = known;
        let caller = Some((version, caller));
        let known =
            Remembered { token: token.clone(), generation: *generation, until: *until, caller };
        self.0.insert(digest, Arc::new(known));
    }
}

impl Remembered {
    /// Whose it is, if the directory still has the version that said so.
    pub(super) fn caller(&self, version: Option<u64>) -> Option<&Identity> {
        let (then, caller) = self.caller.as_ref()?;
        (Some(*then) == version).then_some(caller)
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

    #[test]
    fn a_token_is_checked_again_after_a_while_and_under_another_ring() {
        let (cache, at) = (VerifiedTokens::default(), |seconds| NOW + Duration::from_secs(seconds));
        let (first, other) = (VerifiedTokens::digest("a"), VerifiedTokens::digest("b"));
        cache.remember(first, verified(), 1, at(0));
        assert!(cache.get(&first, 1, at(59)).is_some());
        assert!(cache.get(&other, 1, at(0)).is_none(), "another text");
        assert!(cache.get(&first, 2, at(0)).is_none(), "another ring");
        assert!(cache.get(&first, 1, at(60)).is_none());
        cache.remember(first, verified(), 2, at(59));
        assert!(cache.get(&first, 2, at(89)).is_some());
        assert!(cache.get(&first, 2, at(90)).is_none(), "it has expired");
    }

    #[test]
    fn a_caller_is_known_as_long_as_the_directory_has_the_same_version() {
        let (cache, digest) = (VerifiedTokens::default(), VerifiedTokens::digest("a"));
        let known = cache.remember(digest, verified(), 1, NOW);
        assert!(known.caller(Some(7)).is_none());
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
        let caller = known.token.admit(Some(Arc::new(account)), &ids, NOW).unwrap();
        cache.remember_caller(digest, &known, 7, caller);
        let known = cache.get(&digest, 1, NOW).unwrap();
        assert_eq!(known.caller(Some(7)).unwrap().account().as_str(), "robot");
        assert!(known.caller(Some(8)).is_none(), "something has changed");
        assert!(known.caller(None).is_none(), "something is changing");
        let late = NOW + LIFETIME;
        assert!(cache.get(&digest, 1, late).is_none(), "the time goes on");
    }
}
