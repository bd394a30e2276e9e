//! The variables of other products that this one takes the place of.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use countersign_core::{Algorithm, KeyType, RsaBits};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::options::ServeOptions;
use super::values::{Registration, Span};
use crate::failure::Failure;

/// How long the original's tokens are good.
const JWT_LEASE_TIME: u32 = 25 * 3600;

/// A product whose place is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compat {
    /// Its environment, its one port, its claims and its lifetimes.
    Jwthenticator,
}

/// What a product's environment says beyond options of our own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Original {
    /// The key pair that is brought along.
    pub(crate) keys: Option<OriginalKeys>,
    /// How long the modulus of a new RSA key is.
    pub(crate) rsa_bits: Option<RsaBits>,
}

/// Where the key pair comes from.
#[derive(Clone)]
pub(crate) enum OriginalKeys {
    /// As PEM in variables; the private half may be missing.
    Text {
        /// The public half.
        public: String,
        /// The private half.
        private: Option<Zeroizing<String>>,
    },
    /// In files, which are made if both are missing.
    Files {
        /// The public half.
        public: PathBuf,
        /// The private half.
        private: Option<PathBuf>,
    },
}

impl std::fmt::Debug for OriginalKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text { .. } => "OriginalKeys::Text(..)",
            Self::Files { .. } => "OriginalKeys::Files(..)",
        })
    }
}

/// What the environment of `jwthenticator` says: options for what it names and for
/// what it has another default for.
///
/// # Errors
/// A [`Failure`] that names the variable.
pub(super) fn jwthenticator(
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(ServeOptions, Original), Failure> {
    let environment = Environment(variable);
    let port = environment.parsed("PORT", "a port number")?.unwrap_or(8080_u16);
    let external = !environment.truth("DISABLE_EXTERNAL_API")?;
    let internal = !environment.truth("DISABLE_INTERNAL_API")?;
    let algorithm = algorithm(&environment)?;
    let lease = environment.seconds("JWT_LEASE_TIME")?.unwrap_or(seconds(JWT_LEASE_TIME));
    for ignored in ["DB_CONNECTOR", "ASYNC_DB_CONNECTOR"] {
        if environment.text(ignored).is_some() {
            tracing::info!("{ignored} is ignored: drivers cannot be chosen here");
        }
    }
    let options = ServeOptions {
        listen: Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        url_prefix: environment.text("URL_PREFIX"),
        external_api: Some(external),
        registration: Some(if internal { Registration::Public } else { Registration::Off }),
        signing_algorithm: Some(algorithm),
        access_token_lifetime: Some(lease),
        token_audiences: environment.text("JWT_AUDIENCE").map(|list| {
            list.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect()
        }),
        api_key_lifetime: environment.seconds("KEY_EXPIRY")?,
        refresh_token_lifetime: environment.seconds("REFRESH_TOKEN_EXPIRY")?,
        database_url: database_url(&environment)?,
        ..ServeOptions::default()
    };
    let rsa_bits = environment.parsed::<u32>("RSA_KEY_SIZE", "a number of bits")?;
    let rsa_bits = rsa_bits.map(|bits| {
        RsaBits::from_bits(bits).ok_or_else(|| {
            Failure::usage(format_args!("RSA_KEY_SIZE is {bits}, expected 2048, 3072 or 4096"))
        })
    });
    Ok((options, Original { keys: keys(&environment)?, rsa_bits: rsa_bits.transpose()? }))
}

fn keys(environment: &Environment<'_>) -> Result<Option<OriginalKeys>, Failure> {
    let path = |name| environment.text(name).map(PathBuf::from);
    if let Some(public) = path("RSA_PUBLIC_KEY_PATH") {
        let private = path("RSA_PRIVATE_KEY_PATH");
        return Ok(Some(OriginalKeys::Files { public, private }));
    }
    let private = environment.text("RSA_PRIVATE_KEY").map(Zeroizing::new);
    match (environment.text("RSA_PUBLIC_KEY"), private) {
        (Some(public), private) => Ok(Some(OriginalKeys::Text { public, private })),
        (None, Some(_)) => Err(Failure::usage(
            "RSA_PRIVATE_KEY is set without RSA_PUBLIC_KEY: give both, or the public one alone",
        )),
        (None, None) if path("RSA_PRIVATE_KEY_PATH").is_some() => Err(Failure::usage(
            "RSA_PRIVATE_KEY_PATH is set without RSA_PUBLIC_KEY_PATH: give both",
        )),
        (None, None) => Ok(None),
    }
}

fn algorithm(environment: &Environment<'_>) -> Result<Algorithm, Failure> {
    let name = environment.text("JWT_ALGORITHM").unwrap_or_else(|| "RS256".to_owned());
    let algorithm = Algorithm::from_name(&name).ok_or_else(|| {
        Failure::usage(format_args!(
            "JWT_ALGORITHM is `{name}`, expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA"
        ))
    })?;
    let family = match algorithm.key_type() {
        KeyType::Rsa => "RSA",
        KeyType::P256 | KeyType::P384 => "EC",
        KeyType::Ed25519 => "OKP",
    };
    match environment.text("JWT_ALGORITHM_FAMILY") {
        Some(given) if given != family => Err(Failure::usage(format_args!(
            "JWT_ALGORITHM_FAMILY is `{given}`, but that of {name} is {family}"
        ))),
        _ => Ok(algorithm),
    }
}

/// The database, if the environment names any part of one. `SQLAlchemy`'s URLs name a
/// driver behind the database, `postgresql+pg8000://`, and a SQLite file behind three
/// slashes.
fn database_url(environment: &Environment<'_>) -> Result<Option<String>, Failure> {
    if let Some(uri) = environment.text("DB_URI").or_else(|| environment.text("ASYNC_URI")) {
        let unreadable = || {
            Failure::usage(
                "DB_URI is no database URL, expected for example postgresql://user:password@host/name",
            )
        };
        let (scheme, rest) = uri.split_once("://").ok_or_else(unreadable)?;
        let database = scheme.split('+').next().unwrap_or_default();
        return match database {
            "postgresql" | "postgres" => Ok(Some(format!("postgres://{rest}"))),
            "sqlite" => {
                let file = rest.strip_prefix('/').unwrap_or(rest);
                Ok(Some(format!("sqlite://{file}")))
            }
            _ => Err(unreadable()),
        };
    }
    let names = ["DB_USER", "DB_PASS", "DB_HOST", "DB_NAME"];
    let [user, password, host, name] = names.map(|name| environment.text(name));
    if [&user, &password, &host, &name].iter().all(|part| part.is_none()) {
        return Ok(None);
    }
    let host = host.unwrap_or_else(|| "localhost".to_owned());
    let mut url: url::Url = format!("postgres://{host}").parse().map_err(|error| {
        Failure::usage(format_args!("DB_HOST is `{host}`, expected HOST or HOST:PORT: {error}"))
    })?;
    url.set_path(&name.unwrap_or_else(|| "jwthenticator".to_owned()));
    let set = url.set_username(&user.unwrap_or_else(|| "postgres".to_owned())).is_ok()
        && url.set_password(password.as_deref().filter(|word| !word.is_empty())).is_ok();
    if set { Ok(Some(url.into())) } else { Err(Failure::usage("DB_HOST names no host")) }
}

fn seconds(seconds: u32) -> Span {
    Span(Duration::from_secs(seconds.into()))
}

/// A set of variables.
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// A variable that is there and not empty.
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn parsed<T: FromStr>(&self, name: &str, what: impl Display) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| Failure::usage(format_args!("{name} is `{text}`, expected {what}")))
    }

    fn seconds(&self, name: &str) -> Result<Option<Span>, Failure> {
        Ok(self.parsed(name, "a number of seconds")?.map(seconds))
    }

    fn truth(&self, name: &str) -> Result<bool, Failure> {
        let Some(text) = self.text(name) else { return Ok(false) };
        match text.to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
            _ => Err(Failure::usage(format_args!("{name} is `{text}`, expected true or false"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<(ServeOptions, Original), Failure> {
        jwthenticator(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_said_is_the_original_s_own_way() {
        let (options, original) = read(&[]).unwrap();
        assert_eq!(options.listen.unwrap().to_string(), "0.0.0.0:8080");
        assert_eq!(options.registration, Some(Registration::Public));
        assert_eq!(options.signing_algorithm, Some(Algorithm::Rs256));
        assert_eq!(options.access_token_lifetime, Some(seconds(25 * 3600)));
        assert_eq!((options.api_key_lifetime, options.database_url), (None, None));
        assert!(original.keys.is_none() && original.rsa_bits.is_none());
    }

    #[test]
    fn each_variable_is_read() {
        let (options, original) = read(&[
            ("PORT", "9000"),
            ("URL_PREFIX", "/auth"),
            ("DISABLE_EXTERNAL_API", "True"),
            ("DISABLE_INTERNAL_API", "1"),
            ("JWT_ALGORITHM", "ES256"),
            ("JWT_ALGORITHM_FAMILY", "EC"),
            ("JWT_LEASE_TIME", "600"),
            ("JWT_AUDIENCE", "a, b"),
            ("KEY_EXPIRY", "1000"),
            ("REFRESH_TOKEN_EXPIRY", "2000"),
            ("RSA_KEY_SIZE", "3072"),
            ("RSA_PUBLIC_KEY_PATH", "/keys/public"),
        ])
        .unwrap();
        assert_eq!(options.listen.unwrap().port(), 9000);
        assert_eq!(options.url_prefix.as_deref(), Some("/auth"));
        assert_eq!(options.external_api, Some(false));
        assert_eq!(options.registration, Some(Registration::Off));
        assert_eq!(options.signing_algorithm, Some(Algorithm::Es256));
        assert_eq!(options.access_token_lifetime, Some(seconds(600)));
        assert_eq!(options.token_audiences, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(options.api_key_lifetime, Some(seconds(1000)));
        assert_eq!(options.refresh_token_lifetime, Some(seconds(2000)));
        assert!(matches!(original.keys, Some(OriginalKeys::Files { private: None, .. })));
        assert!(original.rsa_bits.is_some());
    }

    #[test]
    fn a_database_is_named_in_parts_or_by_its_url() {
        let url = |variables: &[_]| read(variables).unwrap().0.database_url.unwrap();
        assert_eq!(url(&[("DB_NAME", "x")]), "postgres://postgres@localhost/x");
        let parts =
            [("DB_USER", "u"), ("DB_PASS", "p@/:"), ("DB_HOST", "db:5433"), ("DB_NAME", "n")];
        assert_eq!(url(&parts), "postgres://u:p%40%2F%3A@db:5433/n");
        for (uri, expected) in [
            ("postgresql+pg8000://u:p@h/n", "postgres://u:p@h/n"),
            ("postgresql://u:p@h:1/n?sslmode=require", "postgres://u:p@h:1/n?sslmode=require"),
            ("sqlite+aiosqlite:///relative.db", "sqlite://relative.db"),
            ("sqlite:////absolute.db", "sqlite:///absolute.db"),
        ] {
            assert_eq!(url(&[("DB_URI", uri), ("DB_NAME", "other")]), expected);
            assert_eq!(url(&[("ASYNC_URI", uri)]), expected);
        }
    }

    #[test]
    fn a_bad_value_is_named() {
        for (name, value) in [
            ("PORT", "x"),
            ("PORT", "70000"),
            ("DISABLE_EXTERNAL_API", "perhaps"),
            ("JWT_ALGORITHM", "HS256"),
            ("JWT_ALGORITHM", "none"),
            ("JWT_ALGORITHM_FAMILY", "EC"),
            ("JWT_LEASE_TIME", "-1"),
            ("KEY_EXPIRY", "1d"),
            ("RSA_KEY_SIZE", "1024"),
            ("RSA_PRIVATE_KEY", "-"),
            ("RSA_PRIVATE_KEY_PATH", "x"),
            ("DB_URI", "mysql://secret@h/n"),
            ("DB_URI", "secret"),
            ("DB_HOST", "a b"),
        ] {
            let refused = read(&[(name, value)]).err().unwrap().to_string();
            assert!(refused.contains(name), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
