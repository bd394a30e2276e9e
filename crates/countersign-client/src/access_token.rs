//! An access token as its holder sees it: a text to show, and times that nobody
//! here can verify.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_core::{MAX_TOKEN_BYTES, UnixTime};
use http::HeaderValue;
use serde::Deserialize;
use zeroize::Zeroizing;

const SCHEME: &str = "Bearer ";

/// An access token: a JWT that the service signed. Its Debug output does not show
/// it, and its memory is overwritten when the last clone goes.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The header's value as it is sent, and the one place that holds the token.
    authorization: HeaderValue,
    unverified_times: UnverifiedTimes,
}

/// The text cannot be an access token. It is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// Nothing was given.
    #[error("an access token must not be empty")]
    Empty,
    /// More than [`MAX_TOKEN_BYTES`].
    #[error("an access token has at most {MAX_TOKEN_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// Characters that cannot stand in a `Bearer` header (RFC 6750 section 2.1).
    #[error("an access token has only letters, digits and -._~+/=: give the JWT alone")]
    Characters,
}

impl AccessToken {
    /// Takes a token that is held already.
    ///
    /// # Errors
    /// [`AccessTokenError`] if it cannot stand in a header. Whether it is a JWT at
    /// all is the service's business: one without a readable end is used until it is
    /// refused.
    pub fn new(text: &str) -> Result<Self, AccessTokenError> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        match text.len() {
            0 => return Err(AccessTokenError::Empty),
            found if found > MAX_TOKEN_BYTES => return Err(AccessTokenError::TooLong(found)),
            _ if !text.bytes().all(is_token) => return Err(AccessTokenError::Characters),
            _ => {}
        }
        let mut header = Zeroizing::new(Vec::with_capacity(SCHEME.len() + text.len()));
        header.extend_from_slice(SCHEME.as_bytes());
        header.extend_from_slice(text.as_bytes());
        let mut authorization = HeaderValue::from_maybe_shared(Bytes::from_owner(header))
            .map_err(|_| AccessTokenError::Characters)?;
        authorization.set_sensitive(true);
        Ok(Self { authorization, unverified_times: UnverifiedTimes::read(text) })
    }

    /// The token itself, for a header that somebody else makes.
    pub fn reveal(&self) -> &str {
        // Both are there: `new` put them in, and only ASCII.
        let header = self.authorization.to_str().ok();
        header.and_then(|header| header.strip_prefix(SCHEME)).unwrap_or_default()
    }

    /// The value of an `Authorization` header, marked as sensitive.
    pub fn authorization_header(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// When the token says that it was issued, by the service's clock.
    pub fn unverified_issued_at(&self) -> Option<UnixTime> {
        self.unverified_times.issued_at
    }

    /// When the token says that it ends, by the service's clock.
    pub fn unverified_expires_at(&self) -> Option<UnixTime> {
        self.unverified_times.expires_at
    }

    /// How long the token says that it is good for.
    pub(crate) fn unverified_lifetime(&self) -> Option<Duration> {
        let UnverifiedTimes { issued_at, expires_at } = self.unverified_times;
        let lifetime = expires_at?.saturating_duration_since(issued_at?);
        (!lifetime.is_zero()).then_some(lifetime)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("unverified_expires_at", &self.unverified_times.expires_at)
            .finish_non_exhaustive()
    }
}

/// The claims `iat` and `exp`, where they can be read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct UnverifiedTimes {
    issued_at: Option<UnixTime>,
    expires_at: Option<UnixTime>,
}

impl UnverifiedTimes {
    fn read(jwt: &str) -> Self {
        /// `NumericDate`s (RFC 7519 section 2), which may have a fraction.
        #[derive(Deserialize)]
        struct Claims {
            iat: Option<f64>,
            exp: Option<f64>,
        }
        let claims = jwt
            .split('.')
            .nth(1)
            .and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok())
            .and_then(|payload| serde_json::from_slice::<Claims>(&payload).ok());
        claims.map_or_else(Self::default, |Claims { iat, exp }| Self {
            issued_at: iat.and_then(instant),
            expires_at: exp.and_then(instant),
        })
    }
}

/// `None` before 1970 and beyond what a duration can hold.
fn instant(seconds: f64) -> Option<UnixTime> {
    let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
    Some(UnixTime::from_secs(0) + since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> AccessToken {
        AccessToken::new(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))).unwrap()
    }

    #[test]
    fn the_times_are_read_where_they_can_be() {
        let times = |payload| {
            let token = token(payload);
            let seconds = |time: Option<UnixTime>| time.map(UnixTime::as_secs);
            (seconds(token.unverified_issued_at()), seconds(token.unverified_expires_at()))
        };
        assert_eq!(times(r#"{"iat":100,"exp":1000,"x":[1]}"#), (Some(100), Some(1000)));
        assert_eq!(times(r#"{"iat":100.5,"exp":1e3}"#), (Some(100), Some(1000)));
        assert_eq!(times(r#"{"exp":1000}"#), (None, Some(1000)));
        assert_eq!(times(r#"{"iat":null,"exp":-1}"#), (None, None));
        assert_eq!(times(r#"{"iat":100,"exp":1e300}"#), (Some(100), None));
        assert_eq!(times(r#"{"exp":"1000"}"#), (None, None));
        assert_eq!(times("no JSON"), (None, None));
        assert_eq!(AccessToken::new("opaque").unwrap().unverified_expires_at(), None);
    }

    #[test]
    fn a_lifetime_is_positive_or_unknown() {
        let lifetime = |payload| token(payload).unverified_lifetime();
        assert_eq!(lifetime(r#"{"iat":100,"exp":1000}"#), Some(Duration::from_mins(15)));
        assert_eq!(lifetime(r#"{"iat":1000,"exp":1000}"#), None);
        assert_eq!(lifetime(r#"{"iat":1000,"exp":100}"#), None);
        assert_eq!(lifetime(r#"{"exp":1000}"#), None);
    }

    #[test]
    fn a_token_is_shown_only_where_it_is_asked_for() {
        let token = token(r#"{"exp":1000}"#);
        assert!(token.reveal().starts_with("e30."));
        let header = token.authorization_header();
        assert_eq!(header.to_str().unwrap(), format!("Bearer {}", token.reveal()));
        assert!(header.is_sensitive());
        for shown in [format!("{token:?}"), format!("{header:?}")] {
            assert!(!shown.contains("e30."), "{shown}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_no_token() {
        assert_eq!(AccessToken::new(""), Err(AccessTokenError::Empty));
        for bad in ["a b", "a\r\nb", "ä", "Bearer a", "a,b"] {
            assert_eq!(AccessToken::new(bad), Err(AccessTokenError::Characters), "{bad}");
        }
        let longest = "a".repeat(MAX_TOKEN_BYTES);
        assert!(AccessToken::new(&longest).is_ok());
        let error = AccessToken::new(&format!("{longest}a"));
        assert_eq!(error, Err(AccessTokenError::TooLong(MAX_TOKEN_BYTES + 1)));
    }
}
