//! Access tokens whose signature was checked a moment ago.
//!
//! Only the signature is remembered. Whether the token was revoked since, or its
//! account disabled, is looked up each time.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_core::{Reason, UnixTime, VerifiedAccessToken};
use quick_cache::sync::Cache;

/// How many tokens are remembered.
const REMEMBERED: usize = 65_536;
/// How long one is remembered.
const LIFETIME: Duration = Duration::from_mins(1);

/// Remembers tokens by the SHA-256 of all of their text. What was refused is not
/// remembered: strangers could push out what was accepted.
pub(super) struct VerifiedTokens(Cache<[u8; 32], Remembered>);

#[derive(Clone)]
struct Remembered {
    token: Arc<VerifiedAccessToken>,
    /// The state of the key ring under which it was checked.
    generation: u64,
    until: UnixTime,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl VerifiedTokens {
    /// The token, from memory if it was checked under the same key ring not long ago.
    pub(super) fn get_or_verify(
        &self,
        text: &str,
        generation: u64,
        now: UnixTime,
        verify: impl FnOnce() -> Result<VerifiedAccessToken, Reason>,
    ) -> Result<Arc<VerifiedAccessToken>, Reason> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        if let Some(known) = self.0.get(&key)
            && known.generation == generation
            && now < known.until
        {
            return Ok(known.token);
        }
        let token = Arc::new(verify()?);
        let until = (now + LIFETIME).min(token.claims().expires_at);
        self.0.insert(key, Remembered { token: Arc::clone(&token), generation, until });
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use countersign_core::{
        AccessTokenPolicy, AccountId, Algorithm, Grant, KeyKind, KeyRing, PrivateKey, SigningKey,
    };
    use uuid::Uuid;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

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
        let (cache, token, checks) = (VerifiedTokens::default(), verified(), Cell::new(0));
        let ask = |text: &str, generation, seconds| {
            let verify = || {
                checks.set(checks.get() + 1);
                Ok(token.clone())
            };
            let now = NOW + Duration::from_secs(seconds);
            cache.get_or_verify(text, generation, now, verify).unwrap();
            checks.get()
        };
        assert_eq!(ask("a", 1, 0), 1);
        assert_eq!(ask("a", 1, 59), 1);
        assert_eq!(ask("b", 1, 59), 2, "another text");
        assert_eq!(ask("a", 2, 59), 3, "another ring");
        assert_eq!(ask("a", 2, 89), 3);
        assert_eq!(ask("a", 2, 90), 4, "it has expired");
    }

    #[test]
    fn what_was_refused_is_not_remembered() {
        let cache = VerifiedTokens::default();
        let refused = cache.get_or_verify("a", 1, NOW, || Err(Reason::SignatureInvalid));
        assert_eq!(refused, Err(Reason::SignatureInvalid));
        assert!(cache.get_or_verify("a", 1, NOW, || Ok(verified())).is_ok());
    }
}
