//! Who asks too often.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::key::PublicKey;
use crate::names::{AccountId, ApiKeyId};

/// How much of an IPv6 address tells one client from another: whoever has one address has
/// the 2^64 of its network.
const IPV6_NETWORK_BYTES: usize = 8;

/// What a [`RateSubject`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateSubjectKind {
    /// A client's address; of IPv6, its network of 64 bits.
    Address,
    /// A public key.
    PublicKey,
    /// An API key, shown as it is or by what it bought.
    ApiKey,
    /// An account, by its access tokens.
    Account,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateSubject {
    kind: RateSubjectKind,
    id: [u8; 16],
}

impl RateSubject {
    /// Whoever sends from that address.
    pub fn address(address: IpAddr) -> Self {
        let id = match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => {
                let mut network = address.octets();
                network[IPV6_NETWORK_BYTES..].fill(0);
                network
            }
        };
        Self { kind: RateSubjectKind::Address, id }
    }

    /// Whoever has signed with that key's private half.
    pub fn public_key(key: &PublicKey) -> Self {
        Self { kind: RateSubjectKind::PublicKey, id: key.fingerprints().leading_bytes() }
    }

    /// Whoever has shown that API key.
    pub fn api_key(key: ApiKeyId) -> Self {
        Self { kind: RateSubjectKind::ApiKey, id: key.0.into_bytes() }
    }

    /// Whoever has shown an access token of that account.
    pub fn account(account: AccountId) -> Self {
        Self { kind: RateSubjectKind::Account, id: account.0.into_bytes() }
    }

    /// What it is.
    pub fn kind(&self) -> RateSubjectKind {
        self.kind
    }
}

impl fmt::Display for RateSubject {
    /// A name of its own for each, to be part of a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RateSubjectKind::Address => "address",
            RateSubjectKind::PublicKey => "public-key",
            RateSubjectKind::ApiKey => "api-key",
            RateSubjectKind::Account => "account",
        };
        write!(f, "{kind}:{:032x}", u128::from_be_bytes(self.id))
    }
}

impl fmt::Debug for RateSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RateSubject({self})")
    }
}

/// A request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over the limit, for {retry_after:?}")]
pub struct OverLimit {
    /// When the next one is within the limit.
    pub retry_after: Duration,
}

impl OverLimit {
    /// The same as `Retry-After` has it (RFC 9110 section 10.2.3): in whole seconds, and not
    /// too early.
    pub fn retry_after_seconds(&self) -> u64 {
        let started = u64::from(self.retry_after.subsec_nanos() > 0);
        (self.retry_after.as_secs() + started).max(1)
    }
}

/// Counts requests, and says which are too many.
///
/// It always answers: one whose storage is away counts as well as it can without.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts one request of this subject, unless it is too many.
    ///
    /// # Errors
    /// [`OverLimit`] if it is. It is not counted then.
    async fn count(&self, subject: RateSubject) -> Result<(), OverLimit>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> RateSubject {
        RateSubject::address(text.parse().unwrap())
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:0:0:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("192.0.2.1"), address("::ffff:192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_ne!(address("192.0.2.1"), address("::"));
    }

    #[test]
    fn an_account_and_its_key_of_the_same_number_are_counted_apart() {
        let number = uuid::Uuid::from_u128(1);
        let (account, key) =
            (RateSubject::account(AccountId(number)), RateSubject::api_key(ApiKeyId(number)));
        assert_ne!(account, key);
        assert_ne!(account.to_string(), key.to_string());
        assert_eq!(key.to_string(), "api-key:00000000000000000000000000000001");
    }

    #[test]
    fn nobody_is_asked_back_too_early() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            let over = OverLimit { retry_after: Duration::from_millis(millis) };
            assert_eq!(over.retry_after_seconds(), seconds, "{millis}");
        }
    }
}
