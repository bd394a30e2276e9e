//! Tokens that the usual libraries make, before a service behind the middleware.

use std::sync::Arc;

use anyhow::Result;
use countersign_core::{
    Algorithm, Clock, HmacAlgorithm, KeyKind, PrivateKey, RsaBits, SharedSecret, TokenAlgorithm,
    UnixTime,
};
use countersign_system::SystemRandom;
use countersign_tower::{BearerTokens, Policy};
use interop::{Guarded, Minted, TokenMaker};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "a shared secret that nobody guesses, of at least sixty-four bytes";

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(NOW)
    }
}

/// An algorithm, what a library signs with, and what a service verifies with.
struct Row {
    algorithm: TokenAlgorithm,
    key: String,
    tokens: BearerTokens,
}

fn rows() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for algorithm in [HmacAlgorithm::Hs256, HmacAlgorithm::Hs384, HmacAlgorithm::Hs512] {
        let tokens = BearerTokens::shared_secret(SharedSecret::new(SECRET.as_bytes())?);
        rows.push(Row { algorithm: algorithm.into(), key: SECRET.to_owned(), tokens });
    }
    let keys = [
        (
            KeyKind::Rsa(RsaBits::B2048),
            &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ][..],
        ),
        (KeyKind::P256, &[Algorithm::Es256]),
        (KeyKind::P384, &[Algorithm::Es384]),
        (KeyKind::Ed25519, &[Algorithm::EdDsa]),
    ];
    for (kind, algorithms) in keys {
        let key = PrivateKey::generate(kind)?;
        for algorithm in algorithms {
            rows.push(Row {
                algorithm: (*algorithm).into(),
                key: key.to_pkcs8_pem(None, &SystemRandom)?.to_string(),
                tokens: BearerTokens::public_keys([key.public_key().clone()]),
            });
        }
    }
    Ok(rows)
}

/// Good claims, and the same with one that is not.
fn claims() -> [Value; 4] {
    let good = json!({
        "sub": "worker-7", "iss": "https://auth.example", "aud": ["billing", "books"],
        "iat": NOW, "exp": NOW + 900, "groups": ["ops", "eu"], "tenant": {"id": 4},
    });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let bad = [
        with("aud", json!("books")),
        with("exp", json!(NOW)),
        with("iss", json!("https://a.example")),
    ];
    let [audience, expiry, issuer] = bad;
    [good, audience, expiry, issuer]
}

/// The same with another first character of the signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", signature.get(1..).unwrap_or_default())
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_taken_and_bad_ones_are_not() -> Result<()> {
    let rows = rows()?;
    let minted: Vec<_> = rows
        .iter()
        .flat_map(|row| {
            let algorithm = row.algorithm.to_string();
            claims().map(|claims| Minted {
                claims,
                key: row.key.clone(),
                algorithm: algorithm.clone(),
            })
        })
        .collect();
    for maker in TokenMaker::ALL {
        let made = maker.make(&minted)?;
        for (row, tokens) in rows.iter().zip(made.chunks(claims().len())) {
            let what = format!("{maker:?} {}", row.algorithm);
            let accepted = row
                .tokens
                .clone()
                .algorithms([row.algorithm])
                .issuer("https://auth.example")
                .audience("billing")
                .groups_claim("groups");
            let policy = Policy::accepting(accepted).clock(Arc::new(Stopped)).build()?;
            let answer =
                async |token: &str| Guarded::by(&policy, &[&format!("Bearer {token}")]).await;
            let good = answer(&tokens[0]).await?;
            assert_eq!(good.account(), Ok("worker-7"), "{what}");
            let caller = good.caller.unwrap_or_else(|| unreachable!("it has an account"));
            assert_eq!(
                (caller.groups, &caller.claims),
                (vec!["eu".into(), "ops".into()], &claims()[0])
            );
            for bad in tokens[1..].iter().chain([&forged(&tokens[0])]) {
                assert_eq!(answer(bad).await?.account(), Err(401), "{what}: {bad}");
            }
        }
    }
    Ok(())
}
