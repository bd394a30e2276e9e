//! Which URLs an account may publish its keys at.

use std::fmt;
use std::net::Ipv4Addr;

use url::{Host, Url};

use super::address::{ForbiddenAddress, is_public};

/// The longest URL, in bytes.
pub const MAX_JWKS_URL_BYTES: usize = 2048;

/// What kind of URL may be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JwksRules {
    /// Also take plain `http`, and servers on loopback, private, link-local and
    /// other addresses that are not public.
    ///
    /// Dangerous: whoever sits between may replace the keys of an account, and
    /// whoever may add endpoints can reach servers that only this host can.
    pub dangerous_allow_insecure: bool,
}

/// A URL that keys may be fetched from, normalised: two spellings of one URL
/// are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JwksUrl(Url);

/// Why a URL was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksUrlError {
    /// Longer than [`MAX_JWKS_URL_BYTES`].
    #[error("the URL has {0} bytes, at most {MAX_JWKS_URL_BYTES} are accepted")]
    TooLong(usize),
    /// A blank or a control character, which the URL standard would drop.
    #[error("the URL contains a blank or a control character: write it percent-encoded")]
    Blank,
    /// Not an absolute URL.
    #[error("not a URL ({0}): expected one such as https://issuer.example/.well-known/jwks.json")]
    Malformed(String),
    /// Plain `http`.
    #[error(
        "plain http would let anyone on the way replace the keys: expected a URL that begins with https://"
    )]
    Insecure,
    /// Neither `https` nor `http`.
    #[error("keys cannot be fetched by {0}: expected a URL that begins with https://")]
    OtherScheme(String),
    /// A user name or password.
    #[error("the URL contains a user name or password: expected one without")]
    Credentials,
    /// A fragment, which is never sent to a server.
    #[error("the URL has a fragment (#...), which means nothing here: leave it out")]
    Fragment,
    /// Port 0.
    #[error("port 0 cannot be connected to")]
    PortZero,
    /// An address that is not public.
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
}

impl JwksUrl {
    /// Reads a URL under these rules.
    ///
    /// What a name resolves to is not known yet: that is checked whenever it is
    /// connected to.
    ///
    /// ```
    /// use countersign_store::{JwksRules, JwksUrl};
    ///
    /// let url = JwksUrl::parse("https://Issuer.example:443/a/../jwks.json", &JwksRules::default())?;
    /// assert_eq!(url.as_str(), "https://issuer.example/jwks.json");
    /// # Ok::<(), countersign_store::JwksUrlError>(())
    /// ```
    ///
    /// # Errors
    /// [`JwksUrlError`] says what is expected instead.
    pub fn parse(text: &str, rules: &JwksRules) -> Result<Self, JwksUrlError> {
        if text.len() > MAX_JWKS_URL_BYTES {
            return Err(JwksUrlError::TooLong(text.len()));
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(JwksUrlError::Blank);
        }
        let url = Url::parse(text).map_err(|error| JwksUrlError::Malformed(error.to_string()))?;
        let url = Self(url);
        url.check(*rules)?;
        Ok(url)
    }

    /// Checks the URL against other rules than it was parsed under.
    pub(super) fn check(&self, rules: JwksRules) -> Result<(), JwksUrlError> {
        match self.0.scheme() {
            "https" => {}
            "http" if rules.dangerous_allow_insecure => {}
            "http" => return Err(JwksUrlError::Insecure),
            other => return Err(JwksUrlError::OtherScheme(other.to_owned())),
        }
        if !self.0.username().is_empty() || self.0.password().is_some() {
            return Err(JwksUrlError::Credentials);
        }
        if self.0.fragment().is_some() {
            return Err(JwksUrlError::Fragment);
        }
        if self.0.port() == Some(0) {
            return Err(JwksUrlError::PortZero);
        }
        if rules.dangerous_allow_insecure {
            return Ok(());
        }
        // A literal address is connected to without asking a resolver.
        match self.0.host() {
            Some(Host::Ipv4(address)) if !is_public(address.into()) => {
                Err(ForbiddenAddress(address.into()).into())
            }
            Some(Host::Ipv6(address)) if !is_public(address.into()) => {
                Err(ForbiddenAddress(address.into()).into())
            }
            Some(Host::Domain(name)) if is_localhost(name) => {
                Err(ForbiddenAddress(Ipv4Addr::LOCALHOST.into()).into())
            }
            _ => Ok(()),
        }
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn as_url(&self) -> &Url {
        &self.0
    }
}

/// Names that mean loopback whatever a resolver says (RFC 6761 section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The form for logs: a query may be an access key, so it is left out.
impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ellipsis = if self.0.query().is_some() { "?..." } else { "" };
        let text = self.0.as_str();
        write!(f, "{}{ellipsis}", text.split('?').next().unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: JwksRules = JwksRules { dangerous_allow_insecure: false };
    const INSECURE: JwksRules = JwksRules { dangerous_allow_insecure: true };

    #[test]
    fn two_spellings_of_one_url_are_equal() {
        let normal = "https://issuer.example/jwks.json?v=1";
        for text in [
            "HTTPS://ISSUER.example/jwks.json?v=1",
            "https://issuer.example:443/jwks.json?v=1",
            "https://issuer.example/a/../jwks.json?v=1",
            "https:\\\\issuer.example\\jwks.json?v=1",
        ] {
            assert_eq!(JwksUrl::parse(text, &STRICT).unwrap().as_str(), normal, "{text}");
        }
        assert_eq!(
            JwksUrl::parse("https://é.example", &STRICT).unwrap().as_str(),
            "https://xn--9ca.example/"
        );
    }

    #[test]
    fn what_is_no_https_url_is_refused_with_what_is_expected() {
        for (text, error) in [
            ("http://issuer.example/", JwksUrlError::Insecure),
            ("ftp://issuer.example/", JwksUrlError::OtherScheme("ftp".into())),
            ("file:///etc/passwd", JwksUrlError::OtherScheme("file".into())),
            ("data:application/json,{}", JwksUrlError::OtherScheme("data".into())),
            ("https://user@issuer.example/", JwksUrlError::Credentials),
            ("https://:pass@issuer.example/", JwksUrlError::Credentials),
            ("https://issuer.example/#keys", JwksUrlError::Fragment),
            ("https://issuer.example:0/", JwksUrlError::PortZero),
            (" https://issuer.example/", JwksUrlError::Blank),
            ("https://issuer.example/\n", JwksUrlError::Blank),
        ] {
            assert_eq!(JwksUrl::parse(text, &STRICT), Err(error), "{text}");
        }
        for text in ["", "issuer.example/jwks.json", "https://", "https:///x y"] {
            assert!(JwksUrl::parse(text, &STRICT).is_err(), "{text}");
        }
        let long = format!("https://issuer.example/{}", "a".repeat(2048));
        assert_eq!(JwksUrl::parse(&long, &STRICT), Err(JwksUrlError::TooLong(long.len())));
    }

    #[test]
    fn an_address_that_is_not_public_is_refused_however_it_is_spelt() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "%31%32%37.0.0.1",
            "127.0.0.1.",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "10.1.2.3",
            "169.254.169.254",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[fe80::1]",
            "[fd00::1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
        ] {
            let text = format!("https://{host}/jwks.json");
            let refused = JwksUrl::parse(&text, &STRICT);
            assert!(matches!(refused, Err(JwksUrlError::Forbidden(_))), "{text}: {refused:?}");
            assert!(JwksUrl::parse(&text, &INSECURE).is_ok(), "{text}");
        }
        assert!(JwksUrl::parse("https://9.9.9.9/", &STRICT).is_ok());
        assert!(JwksUrl::parse("https://[2620:fe::fe]/", &STRICT).is_ok());
        assert!(JwksUrl::parse("http://127.0.0.1:8080/", &INSECURE).is_ok());
        assert_eq!(
            JwksUrl::parse("ftp://127.0.0.1/", &INSECURE),
            Err(JwksUrlError::OtherScheme("ftp".into()))
        );
    }

    #[test]
    fn a_query_does_not_reach_a_log() {
        let url = JwksUrl::parse("https://issuer.example/k?token=s3cret", &STRICT).unwrap();
        assert_eq!(url.to_string(), "https://issuer.example/k?...");
        assert_eq!(format!("{url:?}"), "https://issuer.example/k?...");
        assert!(url.as_str().ends_with("?token=s3cret"));
    }
}
