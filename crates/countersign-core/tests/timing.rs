//! The work that a token causes does not tell whether its account exists.
//!
//! What is counted are the calls of the cryptographic provider itself: the
//! verifier under test is the real one behind a recorder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::ports::{AccountKeys, RegisteredKey};
use countersign_core::{
    AccountId, AccountName, Algorithm, AwsLc, CHECKS_WITHOUT_KID, Decoys, KeyKind, KeyType,
    PrivateKey, PublicKey, Reason, RsaBits, SignatureVerifier, SignedRequestPolicy, UnixTime,
    UnverifiedToken, Verification,
};
use der::Encode as _;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

const NOW: UnixTime = UnixTime::from_secs(1_795_385_494);
const CLAIMS: &str = r#"{"username":"alice","time":1795385494,"nonce":"n"}"#;

/// One check as the provider saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    algorithm: Algorithm,
    key_type: KeyType,
    key_bits: usize,
    signature_length: usize,
    message_length: usize,
}

/// The real provider, with a record of every call.
#[derive(Default)]
struct Recorder(Mutex<Vec<(PublicKey, Call)>>);

impl SignatureVerifier for Recorder {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let call = Call {
            algorithm,
            key_type: key.key_type(),
            key_bits: key.bits(),
            signature_length: signature.len(),
            message_length: message.len(),
        };
        self.0.lock().unwrap().push((key.clone(), call));
        AwsLc.verify(key, algorithm, message, signature)
    }
}

/// What came of a token, and what it cost.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    refused: Option<Reason>,
    calls: Vec<Call>,
}

fn outcome(token: &str, account: Option<AccountKeys>, decoys: &Decoys) -> Outcome {
    let (refused, record) = verify(token, account, decoys);
    Outcome { refused, calls: record.into_iter().map(|(_, call)| call).collect() }
}

fn verify(
    token: &str,
    account: Option<AccountKeys>,
    decoys: &Decoys,
) -> (Option<Reason>, Vec<(PublicKey, Call)>) {
    let recorder = Recorder::default();
    let policy = SignedRequestPolicy::default();
    let with =
        Verification { policy: &policy, verifier: &recorder, decoys, now: NOW, request: None };
    let account = account.map(Arc::new);
    let refused =
        UnverifiedToken::parse(token).and_then(|token| token.verify(account.as_ref(), &with)).err();
    (refused, recorder.0.into_inner().unwrap())
}

fn account(keys: Vec<RegisteredKey>) -> AccountKeys {
    AccountKeys {
        id: AccountId(uuid::Uuid::from_u128(1)),
        name: AccountName::new("alice").unwrap(),
        groups: [].into(),
        disabled: false,
        keys,
        api_keys: Vec::new(),
        tokens_revoked_at: None,
    }
}

fn registered(key: &PublicKey) -> RegisteredKey {
    RegisteredKey { key: key.clone(), kid: None, algorithm: None, expires_at: None, revoked: false }
}

fn token(algorithm: Algorithm, kid: Option<&str>, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let kid = kid.map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
    let header = format!(r#"{{"alg":"{algorithm}"{kid}}}"#);
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(CLAIMS));
    let signature = URL_SAFE_NO_PAD.encode(sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// An RSA key of exactly that many bits. Nobody knows its factors, and to be
/// refused by it nobody needs them.
fn rsa_key_of(bits: usize) -> PublicKey {
    #[derive(der::Sequence)]
    struct RsaPublicKey<'a> {
        modulus: UintRef<'a>,
        exponent: UintRef<'a>,
    }

    let mut modulus = vec![0x5b; bits.div_ceil(8)];
    modulus[0] = 1 << ((bits - 1) % 8);
    let uint = |bytes| UintRef::new(bytes).unwrap();
    let pkcs1 =
        RsaPublicKey { modulus: uint(&modulus), exponent: uint(&[1, 0, 1]) }.to_der().unwrap();
    let spki = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef {
            oid: ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
            parameters: Some(AnyRef::NULL),
        },
        subject_public_key: BitStringRef::from_bytes(&pkcs1).unwrap(),
    };
    let key = PublicKey::from_spki_der(&spki.to_der().unwrap()).unwrap();
    assert_eq!(key.bits(), bits);
    key
}

/// A stranger's key for each algorithm and each length of signature it can have.
fn strangers() -> Vec<(Algorithm, PublicKey)> {
    let public = |kind| PrivateKey::generate(kind).unwrap().public_key().clone();
    let mut keys = vec![
        (Algorithm::EdDsa, public(KeyKind::Ed25519)),
        (Algorithm::Es256, public(KeyKind::P256)),
        (Algorithm::Es384, public(KeyKind::P384)),
    ];
    let rsa = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.key_type() == KeyType::Rsa);
    for bits in [2048, 2056, 3072, 4096, 8192] {
        let key = rsa_key_of(bits);
        keys.extend(rsa.clone().map(|algorithm| (algorithm, key.clone())));
    }
    keys
}

/// Everything that can be wrong with an account to which `key` belongs, when a
/// token comes whose signature is not by `key`.
fn accounts_of_a_forged_token(key: &PublicKey) -> Vec<(&'static str, Option<AccountKeys>)> {
    let own = registered(key);
    let revoked = RegisteredKey { revoked: true, ..own.clone() };
    let expired = RegisteredKey { expires_at: Some(NOW), ..own.clone() };
    let other_type = registered(&other_type_than(key));
    let other_length = registered(&rsa_key_of(2064));
    vec![
        ("unknown account", None),
        ("account without keys", Some(account(vec![]))),
        ("wrong key", Some(account(vec![own.clone()]))),
        ("key of another type", Some(account(vec![other_type.clone()]))),
        ("key of another length", Some(account(vec![other_length.clone()]))),
        ("keys of every kind", Some(account(vec![other_type, other_length, own.clone()]))),
        ("revoked key", Some(account(vec![revoked]))),
        ("expired key", Some(account(vec![expired]))),
        ("disabled account", Some(AccountKeys { disabled: true, ..account(vec![own.clone()]) })),
        ("more keys than are tried", Some(account(vec![own; 6]))),
    ]
}

fn other_type_than(key: &PublicKey) -> PublicKey {
    let kind = if key.key_type() == KeyType::P256 { KeyKind::Ed25519 } else { KeyKind::P256 };
    PrivateKey::generate(kind).unwrap().public_key().clone()
}

#[test]
fn a_forged_token_costs_the_same_whatever_the_account() {
    let decoys = Decoys::default();
    for (algorithm, key) in strangers() {
        let forged = vec![0x17; key.signature_length()];
        let own_kid = key.fingerprints().spki_pem_sha256();
        for (kid, checks) in
            [(None, CHECKS_WITHOUT_KID), (Some(own_kid.as_str()), 1), (Some("nobody's"), 1)]
        {
            let token = token(algorithm, kid, |_| forged.clone());
            let call = Call {
                algorithm,
                key_type: algorithm.key_type(),
                key_bits: key.bits(),
                signature_length: forged.len(),
                message_length: token.rfind('.').unwrap(),
            };
            for (name, account) in accounts_of_a_forged_token(&key) {
                let outcome = outcome(&token, account, &decoys);
                let case = format!("{name}, {algorithm}, {} bits, kid {kid:?}", key.bits());
                assert!(outcome.refused.is_some(), "{case}");
                assert_eq!(outcome.calls, vec![call.clone(); checks], "{case}");
            }
        }
    }
}

#[test]
fn a_right_signature_costs_the_same_and_only_then_the_account_s_state_counts() {
    let decoys = Decoys::default();
    for kind in [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384, KeyKind::Rsa(RsaBits::B2048)] {
        let private = PrivateKey::generate(kind).unwrap();
        let (key, algorithm) = (private.public_key(), private.default_algorithm());
        let own = registered(key);
        let revoked = RegisteredKey { revoked: true, ..own.clone() };
        let expired = RegisteredKey { expires_at: Some(NOW), ..own.clone() };
        let disabled = AccountKeys { disabled: true, ..account(vec![own.clone()]) };
        let states = [
            (None, account(vec![own])),
            (Some(Reason::AccountDisabled), disabled),
            (Some(Reason::KeyRevoked), account(vec![revoked])),
            (Some(Reason::KeyExpired), account(vec![expired])),
        ];
        let kid = key.fingerprints().jwk_thumbprint();
        for (kid, checks) in [(None, CHECKS_WITHOUT_KID), (Some(kid.as_str()), 1)] {
            let token = token(algorithm, kid, |input| private.sign(algorithm, input).unwrap());
            let unknown = outcome(&token, None, &decoys);
            assert_eq!(unknown.refused, Some(Reason::AccountUnknown));
            assert_eq!(unknown.calls.len(), checks);
            for (refused, account) in states.clone() {
                let outcome = outcome(&token, Some(account), &decoys);
                assert_eq!(outcome, Outcome { refused, calls: unknown.calls.clone() });
            }
        }
    }
}

#[test]
fn an_odd_modulus_length_meets_a_decoy_of_as_many_words() {
    // A decoy has the longest modulus whose signatures have the token's length.
    let key = rsa_key_of(2050);
    let token = token(Algorithm::Rs512, Some("any"), |_| vec![1; key.signature_length()]);
    let known = RegisteredKey { kid: Some("any".into()), ..registered(&key) };
    let decoys = Decoys::default();
    let own = outcome(&token, Some(account(vec![known])), &decoys).calls;
    let decoy = outcome(&token, None, &decoys).calls;
    assert_eq!((own[0].key_bits, decoy[0].key_bits), (2050, 2056));
    assert_eq!(own[0].key_bits.div_ceil(64), decoy[0].key_bits.div_ceil(64));
}

#[test]
fn a_signature_above_the_account_s_modulus_meets_the_decoy() {
    // Checked with the account's own key it would be refused without any
    // calculation, which takes a tenth of the time.
    let decoys = Decoys::default();
    let key = rsa_key_of(2048);
    let above = token(Algorithm::Rs512, None, |_| vec![0xfe; 256]);
    let below = token(Algorithm::Rs512, None, |_| vec![0x7f; 256]);
    for (token, meets_own_key) in [(above, false), (below, true)] {
        let known = verify(&token, Some(account(vec![registered(&key)])), &decoys).1;
        let unknown = verify(&token, None, &decoys).1;
        assert_eq!(known[0].0 == key, meets_own_key);
        assert!(known[1..].iter().chain(&unknown).all(|(met, _)| *met != key));
        assert_eq!(known[0].1, unknown[0].1);
        assert_eq!(known.len(), unknown.len());
    }
}

#[test]
fn what_depends_on_the_token_alone_costs_no_check_for_anyone() {
    let private = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let sign = |input: &[u8]| private.sign(Algorithm::EdDsa, input).unwrap();
    let good = token(Algorithm::EdDsa, None, sign);
    let with_claims = |claims: &str| {
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        parts[1] = URL_SAFE_NO_PAD.encode(claims);
        parts.join(".")
    };
    let impossible_length = token(Algorithm::Rs256, None, |_| vec![1; 255]);
    let other_length = token(Algorithm::EdDsa, None, |_| vec![1; 63]);
    let outside = with_claims(r#"{"username":"alice","time":1795385473,"nonce":"n"}"#);
    let no_number = with_claims(r#"{"username":"alice","time":true,"nonce":"n"}"#);
    let tokens = [
        (good.replace('.', ""), Reason::TokenMalformed),
        (format!("{good}="), Reason::TokenMalformed),
        (with_claims("[]"), Reason::ClaimsMalformed),
        (outside, Reason::OutsideWindow),
        (no_number, Reason::TimeMalformed),
        (impossible_length, Reason::SignatureInvalid),
        (other_length, Reason::SignatureInvalid),
    ];
    let decoys = Decoys::default();
    for (token, reason) in tokens {
        let refused = Outcome { refused: Some(reason), calls: vec![] };
        assert_eq!(outcome(&token, None, &decoys), refused);
        let own = account(vec![registered(private.public_key())]);
        assert_eq!(outcome(&token, Some(own), &decoys), refused);
    }
}

#[test]
fn usable_keys_are_tried_before_those_that_were_replaced() {
    let decoys = Decoys::default();
    let current = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let replaced = |change: fn(&mut RegisteredKey)| {
        let mut key = registered(PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key());
        change(&mut key);
        key
    };
    let mut keys: Vec<_> = (0..3).map(|_| replaced(|key| key.revoked = true)).collect();
    keys.extend((0..3).map(|_| replaced(|key| key.expires_at = Some(NOW))));
    keys.push(registered(current.public_key()));
    let token =
        token(Algorithm::EdDsa, None, |input| current.sign(Algorithm::EdDsa, input).unwrap());
    let outcome = outcome(&token, Some(account(keys)), &decoys);
    assert_eq!((outcome.refused, outcome.calls.len()), (None, CHECKS_WITHOUT_KID));
}

#[test]
fn more_usable_keys_than_are_tried_ask_for_a_kid() {
    let decoys = Decoys::default();
    let pairs: Vec<_> =
        (0..=CHECKS_WITHOUT_KID).map(|_| PrivateKey::generate(KeyKind::Ed25519).unwrap()).collect();
    let keys = || account(pairs.iter().map(|pair| registered(pair.public_key())).collect());
    let last = pairs.last().unwrap();
    let sign = |input: &[u8]| last.sign(Algorithm::EdDsa, input).unwrap();
    let without = outcome(&token(Algorithm::EdDsa, None, sign), Some(keys()), &decoys);
    assert_eq!((without.refused, without.calls.len()), (Some(Reason::KidRequired), 4));
    let kid = last.public_key().fingerprints().openssh();
    let with = outcome(&token(Algorithm::EdDsa, Some(&kid), sign), Some(keys()), &decoys);
    assert_eq!((with.refused, with.calls.len()), (None, 1));
}

#[test]
fn a_revoked_key_stays_revoked_when_a_jwks_still_names_it() {
    let decoys = Decoys::default();
    let pair = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let from_jwks = RegisteredKey { kid: Some("k1".into()), ..registered(pair.public_key()) };
    let revoked = RegisteredKey { revoked: true, ..registered(pair.public_key()) };
    for kid in [None, Some("k1")] {
        let token =
            token(Algorithm::EdDsa, kid, |input| pair.sign(Algorithm::EdDsa, input).unwrap());
        let keys = account(vec![from_jwks.clone(), revoked.clone()]);
        assert_eq!(outcome(&token, Some(keys), &decoys).refused, Some(Reason::KeyRevoked));
    }
}

#[test]
fn keys_of_different_types_may_share_a_kid() {
    let decoys = Decoys::default();
    let named = |key: &PublicKey| RegisteredKey { kid: Some("k".into()), ..registered(key) };
    let edwards = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let nist = PrivateKey::generate(KeyKind::P256).unwrap();
    let keys = account(vec![named(edwards.public_key()), named(nist.public_key())]);
    for pair in [edwards, nist] {
        let algorithm = pair.default_algorithm();
        let token = token(algorithm, Some("k"), |input| pair.sign(algorithm, input).unwrap());
        let outcome = outcome(&token, Some(keys.clone()), &decoys);
        assert_eq!((outcome.refused, outcome.calls.len()), (None, 1));
    }
}
