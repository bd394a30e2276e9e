//! Our reader and writer of tokens against another implementation, the
//! `jsonwebtoken` crate: what one writes the other reads, and no token is
//! accepted here whose signature is refused there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, LazyLock};

use countersign_core::ports::{AccountKeys, RegisteredKey};
use countersign_core::{
    AccountId, AccountName, Algorithm, AwsLc, Clock, Decoys, KeyKind, KeyType, PrivateKey, Random,
    Reason, RequestSigner, RsaBits, SignedRequestPolicy, UnixTime, UnverifiedToken, Verification,
};
use jsonwebtoken as other;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime::from_secs(1_795_385_494);
const NAME: &str = "alice";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixTime {
        NOW
    }
}

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// One key of each type, the same for all tests.
struct Keys {
    rsa: PrivateKey,
    ed25519: PrivateKey,
    p256: PrivateKey,
    p384: PrivateKey,
    decoys: Decoys,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let key = |kind| PrivateKey::generate(kind).unwrap();
    Keys {
        rsa: key(KeyKind::Rsa(RsaBits::from_bits(2048).unwrap())),
        ed25519: key(KeyKind::Ed25519),
        p256: key(KeyKind::P256),
        p384: key(KeyKind::P384),
        decoys: Decoys::default(),
    }
});

fn key(algorithm: Algorithm) -> &'static PrivateKey {
    match algorithm.key_type() {
        KeyType::Rsa => &KEYS.rsa,
        KeyType::Ed25519 => &KEYS.ed25519,
        KeyType::P256 => &KEYS.p256,
        KeyType::P384 => &KEYS.p384,
    }
}

/// Reads a token as ours, by the key of that algorithm.
fn we_accept(token: &str, algorithm: Algorithm) -> Result<(), Reason> {
    let account = Arc::new(AccountKeys {
        id: AccountId(uuid::Uuid::from_u128(1)),
        name: AccountName::new(NAME).unwrap(),
        groups: [].into(),
        disabled: false,
        api_keys: Vec::new(),
        tokens_revoked_at: None,
        keys: vec![RegisteredKey {
            key: key(algorithm).public_key().clone(),
            kid: None,
            algorithm: None,
            expires_at: None,
            revoked: false,
        }],
    });
    let policy = SignedRequestPolicy::default();
    let with = Verification {
        policy: &policy,
        verifier: &AwsLc,
        decoys: &KEYS.decoys,
        now: NOW,
        request: None,
    };
    UnverifiedToken::parse(token)?.verify(Some(&account), &with).map(drop)
}

fn our_token(algorithm: Algorithm) -> String {
    RequestSigner::new(AccountName::new(NAME).unwrap(), key(algorithm).clone())
        .with_algorithm(algorithm)
        .token(&Fixed, &Fixed)
        .unwrap()
}

fn others_name(algorithm: Algorithm) -> other::Algorithm {
    algorithm.name().parse().unwrap()
}

fn others_signing_key(algorithm: Algorithm) -> other::EncodingKey {
    let der = key(algorithm).to_pkcs8_der().to_vec();
    let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", der));
    match algorithm.key_type() {
        KeyType::Rsa => other::EncodingKey::from_rsa_pem(pem.as_bytes()),
        KeyType::Ed25519 => other::EncodingKey::from_ed_pem(pem.as_bytes()),
        KeyType::P256 | KeyType::P384 => other::EncodingKey::from_ec_pem(pem.as_bytes()),
    }
    .unwrap()
}

fn others_verifying_key(algorithm: Algorithm) -> other::DecodingKey {
    let pem = key(algorithm).public_key().to_spki_pem();
    match algorithm.key_type() {
        KeyType::Rsa => other::DecodingKey::from_rsa_pem(pem.as_bytes()),
        KeyType::Ed25519 => other::DecodingKey::from_ed_pem(pem.as_bytes()),
        KeyType::P256 | KeyType::P384 => other::DecodingKey::from_ec_pem(pem.as_bytes()),
    }
    .unwrap()
}

fn other_reads(token: &str, algorithm: Algorithm) -> Result<Value, other::errors::Error> {
    let mut validation = other::Validation::new(others_name(algorithm));
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = others_verifying_key(algorithm);
    other::decode::<Value>(token, &key, &validation).map(|read| read.claims)
}

#[test]
fn what_the_other_writes_we_accept() {
    for algorithm in Algorithm::ALL {
        let fingerprints = *key(algorithm).public_key().fingerprints();
        for kid in [None, Some(fingerprints.spki_pem_sha256()), Some(fingerprints.openssh())] {
            for time in [json!(1_795_385_494), json!(1_795_385_493.75), json!(1.795_385_494e9)] {
                let mut header = other::Header::new(others_name(algorithm));
                header.kid.clone_from(&kid);
                let claims = json!({"username": NAME, "time": time, "nonce": 0.5});
                let token = other::encode(&header, &claims, &others_signing_key(algorithm));
                assert_eq!(we_accept(&token.unwrap(), algorithm), Ok(()), "{algorithm} {claims}");
            }
        }
    }
}

#[test]
fn what_we_write_the_other_accepts() {
    for algorithm in Algorithm::ALL {
        let claims = other_reads(&our_token(algorithm), algorithm).unwrap();
        assert_eq!(claims["username"], NAME);
        assert_eq!(claims["time"], NOW.as_secs());
        assert!(claims["nonce"].as_str().is_some_and(|nonce| nonce.len() == 22));
        assert_eq!(claims.as_object().unwrap().len(), 3);
    }
}

/// Each of the seven bits that leave it text, in each byte.
#[test]
fn a_token_with_any_bit_flipped_is_refused() {
    for algorithm in Algorithm::ALL {
        let token = our_token(algorithm);
        assert_eq!(we_accept(&token, algorithm), Ok(()));
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let flipped = String::from_utf8(bytes).unwrap();
                let read = we_accept(&flipped, algorithm);
                assert!(read.is_err(), "{algorithm}: bit {bit} of byte {at}: {flipped}");
            }
        }
    }
}

#[test]
fn a_token_with_a_byte_less_or_one_more_is_refused() {
    for algorithm in Algorithm::ALL {
        let token = our_token(algorithm);
        for at in 0..=token.len() {
            let (before, after) = token.split_at(at);
            for added in ["A", ".", "=", "\n", " ", "\0"] {
                let longer = format!("{before}{added}{after}");
                assert!(we_accept(&longer, algorithm).is_err(), "{algorithm}: {longer:?}");
            }
            if let Some(rest) = after.get(1..) {
                let shorter = format!("{before}{rest}");
                assert!(we_accept(&shorter, algorithm).is_err(), "{algorithm}: {shorter}");
            }
            if at < token.len() {
                assert!(we_accept(before, algorithm).is_err(), "{algorithm}: {before}");
            }
        }
    }
}

#[test]
fn a_token_under_another_algorithm_of_the_same_key_is_refused() {
    for signed_as in Algorithm::ALL {
        let token = our_token(signed_as);
        let (_, rest) = token.split_once('.').unwrap();
        for labelled in Algorithm::ALL.into_iter().filter(|other| *other != signed_as) {
            let header = other::Header::new(others_name(labelled));
            let relabelled = other::encode(&header, &json!({}), &others_signing_key(labelled));
            let relabelled = relabelled.unwrap();
            let (header, _) = relabelled.split_once('.').unwrap();
            let token = format!("{header}.{rest}");
            assert!(we_accept(&token, signed_as).is_err(), "{signed_as} as {labelled}");
            assert!(we_accept(&token, labelled).is_err(), "{signed_as} as {labelled}");
        }
    }
}

proptest! {
    /// Whatever a stretch of a good token is replaced with: if we accept it, so
    /// does the other, and it says the same there. A token of another account's
    /// name is refused whatever the directory gave.
    #[test]
    fn we_accept_nothing_that_the_other_refuses(
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        username in prop::sample::select(vec![NAME, "Alice"]),
        cut in any::<Index>(),
        replaced in prop::collection::vec(any::<u8>(), 0..4),
        keep_whole in any::<bool>(),
    ) {
        let claims = json!({"username": username, "time": NOW.as_secs(), "nonce": "n"});
        let header = other::Header::new(others_name(algorithm));
        let mut token =
            other::encode(&header, &claims, &others_signing_key(algorithm)).unwrap().into_bytes();
        if !keep_whole {
            let at = cut.index(token.len());
            let end = (at + replaced.len()).min(token.len());
            token.splice(at..end, replaced);
        }
        if let Ok(token) = String::from_utf8(token) {
            let ours = we_accept(&token, algorithm);
            let others = other_reads(&token, algorithm);
            if keep_whole {
                prop_assert_eq!(ours, if username == NAME { Ok(()) } else { Err(Reason::AccountUnknown) });
            } else if ours.is_ok() {
                prop_assert_eq!(others.unwrap(), claims);
            }
        }
    }
}
