//! The ids of access tokens: to everybody random, to us the trace of the API key
//! that each was bought with.
//!
//! Revoking a key must end the tokens that were bought with it, and only those. They
//! are not written down anywhere, and in the original's form have no member to spare,
//! so the id itself says it: a UUID of version 4 (RFC 9562 section 5.4) whose first 48 bits
//! are a keyed hash of the API key's id and of the other bits, which are random.

use aws_lc_rs::constant_time;
use aws_lc_rs::hmac;
use uuid::{Builder, Uuid};

use crate::names::ApiKeyId;
use crate::ports::Random;
use crate::secret::HashingSecret;

/// How many bytes of an id are the trace; the rest is random.
const TRACE_BYTES: usize = 6;

/// Makes the ids of access tokens, and knows its own.
///
/// ```
/// use countersign_core::{ApiKeyId, HashingSecret, TokenIds};
/// use uuid::Uuid;
/// # struct Sevens;
/// # impl countersign_core::Random for Sevens { fn fill(&self, bytes: &mut [u8]) { bytes.fill(7) } }
/// # let random = Sevens;
///
/// let ids = TokenIds::new(&HashingSecret::generate(&random));
/// let (mine, other) = (ApiKeyId(Uuid::from_u128(1)), ApiKeyId(Uuid::from_u128(2)));
/// let id = ids.draw(mine, &random);
/// assert_eq!(id.get_version_num(), 4);
/// assert!(ids.was_bought_with(id, mine));
/// assert!(!ids.was_bought_with(id, other));
/// ```
#[derive(Clone)]
pub struct TokenIds(hmac::Key);

impl TokenIds {
    /// The ids of an installation.
    pub fn new(secret: &HashingSecret) -> Self {
        Self(secret.derive("access-token id"))
    }

    /// A new id for a token that is bought with this key.
    pub fn draw(&self, key: ApiKeyId, random: &dyn Random) -> Uuid {
        let mut bytes = [0; 16];
        random.fill(&mut bytes[TRACE_BYTES..]);
        // Version and variant stand behind the trace, which covers them.
        let mut bytes = Builder::from_random_bytes(bytes).into_uuid().into_bytes();
        let trace = self.trace(&bytes, key);
        bytes[..TRACE_BYTES].copy_from_slice(&trace);
        Uuid::from_bytes(bytes)
    }

    /// Whether the token with this id was bought with that key. Of other tokens one
    /// in 2^48 passes for one.
    pub fn was_bought_with(&self, token_id: Uuid, key: ApiKeyId) -> bool {
        let bytes = token_id.into_bytes();
        let trace = self.trace(&bytes, key);
        constant_time::verify_slices_are_equal(&bytes[..TRACE_BYTES], &trace).is_ok()
    }

    fn trace(&self, token_id: &[u8; 16], key: ApiKeyId) -> [u8; TRACE_BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(key.0.as_bytes());
        context.update(&token_id[TRACE_BYTES..]);
        let mut trace = [0; TRACE_BYTES];
        trace.copy_from_slice(&context.sign().as_ref()[..TRACE_BYTES]);
        trace
    }
}

impl std::fmt::Debug for TokenIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenIds(..)")
    }
}
