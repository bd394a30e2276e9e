//! What makes a signed request usable once.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;
use smallvec::SmallVec;

use crate::claims::SignedRequestClaims;
use crate::names::AccountName;
use crate::time::UnixTime;

/// How long a spent nonce is remembered beyond the last instant at which its
/// token could pass the window.
pub const NONCE_RETENTION_MARGIN: Duration = Duration::from_secs(10);

/// What identifies one use: the account as claimed, the time and the nonce, by
/// value, hashed.
///
/// It is made from the claims and never from the token's text, so that the same
/// claims signed again, encoded differently or sent under another key are still
/// the same use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayKey([u8; 16]);

impl ReplayKey {
    /// The key of these claims: the first 128 bits of a SHA-256 over the
    /// length-prefixed account, time and nonce.
    pub fn of(claims: &SignedRequestClaims) -> Self {
        let mut message = SmallVec::<[u8; 192]>::new();
        let mut part = |bytes: &[u8]| {
            message.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            message.extend_from_slice(bytes);
        };
        part(claims.account().as_str().as_bytes());
        part(&claims.time().canonical());
        part(&claims.nonce().canonical());
        let digest = digest::digest(&digest::SHA256, &message);
        let mut key = [0; 16];
        key.copy_from_slice(&digest.as_ref()[..16]);
        Self(key)
    }

    /// A key read back from where [`as_bytes`](Self::as_bytes) was stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayKey({:032x})", u128::from_be_bytes(self.0))
    }
}

/// One use that a verified token asks for.
#[derive(Clone, Copy, Debug)]
pub struct Spend<'a> {
    /// The use.
    pub key: ReplayKey,
    /// The account, for its share of the guard.
    pub account: &'a AccountName,
    /// The token's own `time`, rounded down to the microsecond.
    pub time: UnixTime,
    /// How far `time` may lie from now, either way.
    pub tolerance: Duration,
}

impl Spend<'_> {
    /// The instant up to which this use must be remembered: `time` plus the
    /// tolerance plus [`NONCE_RETENTION_MARGIN`], plus the microsecond that
    /// rounding took.
    pub fn remember_until(&self) -> UnixTime {
        self.time + self.tolerance + NONCE_RETENTION_MARGIN + Duration::from_micros(1)
    }
}

/// Why a guard did not record a use. In every case the token must be refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// This use was recorded before.
    #[error("this token was used before")]
    Replayed,
    /// At the moment of insertion the token's time lay outside the window.
    #[error("the token left its time window while it was being recorded")]
    OutsideWindow,
    /// The guard holds as many live uses as it may.
    #[error("the replay guard is full")]
    Full,
    /// The account holds as many live uses as one account may.
    #[error("this account has used up its share of the replay guard")]
    ShareUsedUp,
    /// The guard's storage cannot be reached or does not answer.
    #[error("the replay guard cannot be reached: {0}")]
    Unavailable(String),
    /// The storage answers, and may have forgotten this use: nobody can say whether the
    /// token was used before. One that is made later will be taken.
    #[error("the replay guard cannot know this token: {0}")]
    MayHaveBeenUsed(String),
}

/// The store that remembers which uses were spent.
///
/// `Ok(())` is the only thing that turns a verified token into an identity, so
/// an implementation answers it at most once per key while the key must be
/// remembered, whatever the concurrency, and (if it calls itself durable) across
/// a `kill -9`.
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Records a use.
    ///
    /// # Errors
    /// [`GuardError`] if the use was recorded before or could not be recorded.
    async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError>;

    /// Whether uses can be recorded at the moment, as far as the guard knows
    /// without recording one. A guard without storage always can.
    ///
    /// # Errors
    /// [`GuardError::Unavailable`] if the storage is known not to answer.
    async fn check(&self) -> Result<(), GuardError> {
        Ok(())
    }

    /// Until when every token that is made before that is refused, as one like it may have been
    /// used and forgotten; `None` if that is not so, or it cannot be said at the moment.
    fn waits_until(&self) -> Option<UnixTime> {
        None
    }

    /// How many uses are remembered, for operators; `None` if the guard does not count.
    fn live_uses(&self) -> Option<usize> {
        None
    }
}
