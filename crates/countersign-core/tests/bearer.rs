//! Bearer tokens against a policy, made by another library.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{TokenValidator, ValidatorError};
use countersign_core::{
    Algorithm, BearerPolicy, Check, GroupName, HmacAlgorithm, Issuer, KeyKind, Method, MintError,
    PrivateKey, PublicKey, Reason, RemoteError, SharedSecret, TrustedKeys, UnixTime,
    VerifiedBearerToken,
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

const SECRET: &[u8] = b"a shared secret that nobody guesses: sixty-four bytes or even more";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const EXP: i64 = 1_800_000_060;

fn token_of(algorithm: jsonwebtoken::Algorithm, claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn token(claims: &Value) -> String {
    token_of(jsonwebtoken::Algorithm::HS256, claims)
}

fn verify(policy: &BearerPolicy, token: &str) -> Result<VerifiedBearerToken, Reason> {
    let secrets = [SharedSecret::new(SECRET).unwrap()];
    policy.verify_with_secrets(token, &secrets, &[HmacAlgorithm::Hs256], NOW)
}

/// The reason that a token with these claims is refused for.
fn refused(policy: &BearerPolicy, claims: &Value) -> Option<Reason> {
    verify(policy, &token(claims)).err()
}

/// `sub` and `exp`, and these.
fn with(further: &Value) -> Value {
    let mut claims = json!({"sub": "worker", "exp": EXP});
    claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    claims
}

#[test]
fn a_token_says_who_its_account_is_and_what_else_it_claims() {
    let claims = json!({"sub": "worker", "exp": EXP, "groups": ["b", "a", "b"], "tenant": 7});
    let policy = BearerPolicy { groups_claim: Some("groups".into()), ..BearerPolicy::default() };
    let identity = verify(&policy, &token(&claims)).unwrap().identity();
    assert_eq!(identity.account().as_str(), "worker");
    assert_eq!(identity.groups().iter().map(GroupName::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(identity.method(), Method::BearerToken);
    assert_eq!((identity.account_id(), identity.credential()), (None, None));
    let read: Value = serde_json::from_str(identity.claims().unwrap()).unwrap();
    assert_eq!(read, claims);
    assert!(!format!("{identity:?}").contains("tenant"));

    let ungrouped = verify(&BearerPolicy::default(), &token(&claims)).unwrap();
    assert!(ungrouped.groups().is_empty(), "groups come from a claim only if the policy says so");
}

#[test]
fn every_instant_is_judged_at_its_edge_and_with_leeway() {
    let strict = BearerPolicy::default();
    let lenient = BearerPolicy { leeway: Duration::from_secs(5), ..BearerPolicy::default() };
    let now = NOW.as_secs();
    for (claims, reason) in [
        (json!({"exp": now}), Some(Reason::Expired)),
        (json!({"exp": now + 1}), None),
        (json!({"exp": 1_800_000_000.5}), None),
        (json!({"nbf": now}), None),
        (json!({"nbf": now + 1}), Some(Reason::NotYetValid)),
        (json!({"iat": now}), None),
        (json!({"iat": now + 1}), Some(Reason::IssuedInTheFuture)),
    ] {
        assert_eq!(refused(&strict, &with(&claims)), reason, "{claims}");
        assert_eq!(refused(&lenient, &with(&claims)), None, "{claims}");
    }
    for (claims, reason) in [
        (json!({"exp": now - 5}), Reason::Expired),
        (json!({"nbf": now + 6}), Reason::NotYetValid),
        (json!({"iat": now + 6}), Reason::IssuedInTheFuture),
    ] {
        assert_eq!(refused(&lenient, &with(&claims)), Some(reason), "{claims}");
    }
    assert_eq!(refused(&lenient, &json!({"sub": "worker"})), Some(Reason::ClaimMissing));
}

#[test]
fn claims_of_another_form_are_refusals() {
    let policy = BearerPolicy { groups_claim: Some("groups".into()), ..BearerPolicy::default() };
    for (further, reason) in [
        (json!({"exp": "soon"}), Reason::ClaimsMalformed),
        (json!({"exp": null}), Reason::ClaimsMalformed),
        (json!({"nbf": true}), Reason::ClaimsMalformed),
        (json!({"iat": []}), Reason::ClaimsMalformed),
        (json!({"iss": 1}), Reason::ClaimsMalformed),
        (json!({"aud": {}}), Reason::ClaimsMalformed),
        (json!({"sub": ""}), Reason::AccountClaim),
        (json!({"sub": null}), Reason::AccountClaim),
        (json!({"sub": 7}), Reason::AccountClaim),
        (json!({"sub": ["worker"]}), Reason::AccountClaim),
        (json!({"sub": "a\nb"}), Reason::AccountClaim),
        (json!({"sub": "x".repeat(256)}), Reason::AccountClaim),
        (json!({"groups": 1}), Reason::GroupsClaim),
        (json!({"groups": null}), Reason::GroupsClaim),
        (json!({"groups": ["ops", 1]}), Reason::GroupsClaim),
        (json!({"groups": ["Domain Users"]}), Reason::GroupsClaim),
        (json!({"groups": vec!["a"; 257]}), Reason::GroupsClaim),
    ] {
        assert_eq!(refused(&policy, &with(&further)), Some(reason), "{further}");
    }
    assert_eq!(refused(&policy, &with(&json!({"exp": i64::MAX}))), None, "good for long");
    for payload in [json!([]), json!("worker"), json!(null), json!(7)] {
        assert_eq!(refused(&policy, &payload), Some(Reason::ClaimsMalformed), "{payload}");
    }
}

#[test]
fn a_token_is_for_this_service_and_from_its_issuer() {
    let open = BearerPolicy::default();
    assert_eq!(refused(&open, &with(&json!({"iss": "anybody"}))), None);
    assert_eq!(refused(&open, &with(&json!({"aud": "billing"}))), Some(Reason::AudienceOther));
    let closed = BearerPolicy {
        issuers: vec!["https://a.example".into(), "https://b.example".into()],
        audiences: vec!["billing".into()],
        ..BearerPolicy::default()
    };
    for (further, reason) in [
        (json!({"iss": "https://b.example", "aud": "billing"}), None),
        (json!({"iss": "https://a.example", "aud": ["x", "billing"]}), None),
        (json!({"iss": "https://a.example"}), Some(Reason::AudienceOther)),
        (json!({"iss": "https://a.example", "aud": []}), Some(Reason::AudienceOther)),
        (json!({"iss": "https://a.example", "aud": "Billing"}), Some(Reason::AudienceOther)),
        (json!({"iss": "https://c.example", "aud": "billing"}), Some(Reason::IssuerOther)),
        (json!({"aud": "billing"}), Some(Reason::IssuerOther)),
    ] {
        assert_eq!(refused(&closed, &with(&further)), reason, "{further}");
    }
}

#[test]
fn required_claims_are_there_and_not_null() {
    let policy = BearerPolicy { required_claims: vec!["jti".into()], ..BearerPolicy::default() };
    assert_eq!(refused(&policy, &with(&json!({"jti": "1"}))), None);
    assert_eq!(refused(&policy, &with(&json!({"jti": null}))), Some(Reason::ClaimMissing));
    assert_eq!(refused(&policy, &with(&json!({}))), Some(Reason::ClaimMissing));
}

#[test]
fn the_account_may_be_named_by_another_claim() {
    let policy = BearerPolicy { account_claim: "client_id".into(), ..BearerPolicy::default() };
    let token = token(&with(&json!({"client_id": "robot"})));
    assert_eq!(verify(&policy, &token).unwrap().account().as_str(), "robot");
    assert_eq!(policy.unverified_account(&token).unwrap().as_str(), "robot");
    assert_eq!(policy.unverified_account("a.b.c"), None);
    assert_eq!(policy.unverified_account(""), None);
}

#[test]
fn each_check_is_left_out_only_by_itself() {
    use Check::{Audience, Expiry, ExpiryPresent, IssuedAt, NotBefore};
    let future = NOW.as_secs() + 100;
    let faulty = [
        (json!({"sub": "worker"}), vec![ExpiryPresent, Expiry]),
        (with(&json!({"exp": 1})), vec![Expiry]),
        (with(&json!({"nbf": future})), vec![NotBefore]),
        (with(&json!({"iat": future})), vec![IssuedAt]),
        (with(&json!({"aud": "others"})), vec![Audience]),
    ];
    for check in [ExpiryPresent, Expiry, NotBefore, IssuedAt, Audience] {
        let policy = BearerPolicy { dangerous_skip: vec![check], ..BearerPolicy::default() };
        for (claims, taken_without) in &faulty {
            let is_taken = refused(&policy, claims).is_none();
            assert_eq!(is_taken, taken_without.contains(&check), "{claims} without {check:?}");
        }
        let forged = format!("{}x", token(&with(&json!({}))));
        assert!(verify(&policy, &forged).is_err(), "a signature is checked without {check:?}");
    }
    let unsigned =
        BearerPolicy { dangerous_skip: vec![Check::Signature], ..BearerPolicy::default() };
    let stranger = EncodingKey::from_secret(b"another secret altogether, of a stranger");
    let token = jsonwebtoken::encode(&Header::default(), &with(&json!({})), &stranger).unwrap();
    assert!(verify(&unsigned, &token).is_ok());
    assert_eq!(verify(&BearerPolicy::default(), &token).unwrap_err(), Reason::SignatureInvalid);
}

#[test]
fn a_token_names_an_algorithm_that_the_policy_and_the_key_take() {
    let policy = BearerPolicy::default();
    let of = |algorithm| verify(&policy, &token_of(algorithm, &with(&json!({})))).map(drop);
    assert_eq!(of(jsonwebtoken::Algorithm::HS256), Ok(()));
    assert_eq!(of(jsonwebtoken::Algorithm::HS384), Err(Reason::AlgorithmNotAllowed));

    let pair = PrivateKey::generate(KeyKind::P256).unwrap();
    let token = Issuer::with_key(pair.clone(), Algorithm::Es256).issue("worker", &(), NOW).unwrap();
    assert_eq!(verify(&policy, &token).unwrap_err(), Reason::AlgorithmUnsupported);

    // The classic confusion: the public key's text as a shared secret.
    let pem = pair.public_key().to_spki_pem();
    let forged = jsonwebtoken::encode(
        &Header::default(),
        &with(&json!({})),
        &EncodingKey::from_secret(pem.as_bytes()),
    );
    let keys: TrustedKeys = [pair.public_key().clone()].into_iter().collect();
    let judged = policy.verify_with_keys(&forged.unwrap(), &keys, &Algorithm::ALL, NOW);
    assert_eq!(judged.unwrap_err(), Reason::AlgorithmUnsupported);
    let judged = policy.verify_with_keys(&token, &keys, &Algorithm::ALL, NOW).unwrap();
    assert_eq!(judged.account().as_str(), "worker");
    let judged = policy.verify_with_keys(&token, &keys, &[Algorithm::Es384], NOW);
    assert_eq!(judged.unwrap_err(), Reason::AlgorithmNotAllowed);
    // `none`, however it is spelled, is no algorithm.
    let claims = token.split('.').nth(1).unwrap();
    for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOT05FIn0", "eyJhbGciOiIifQ"] {
        let bare = format!("{header}.{claims}.");
        assert_eq!(verify(&policy, &bare).unwrap_err(), Reason::AlgorithmUnsupported);
    }
}

#[test]
fn an_issuers_tokens_are_read_by_another_library() {
    let pairs = [
        (KeyKind::P256, Algorithm::Es256, jsonwebtoken::Algorithm::ES256),
        (KeyKind::P384, Algorithm::Es384, jsonwebtoken::Algorithm::ES384),
    ];
    for (kind, algorithm, theirs) in pairs {
        let pair = PrivateKey::generate(kind).unwrap();
        let issuer = Issuer::with_key(pair.clone(), algorithm).with_kid("spring");
        let token = issuer.issue("worker", &json!({"tenant": 7}), NOW).unwrap();
        let key = jsonwebtoken::DecodingKey::from_ec_pem(spki(&pair).as_bytes()).unwrap();
        assert_read(&token, &key, theirs);
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.as_deref(), Some("spring"));
    }
    for (algorithm, theirs) in [
        (HmacAlgorithm::Hs256, jsonwebtoken::Algorithm::HS256),
        (HmacAlgorithm::Hs384, jsonwebtoken::Algorithm::HS384),
        (HmacAlgorithm::Hs512, jsonwebtoken::Algorithm::HS512),
    ] {
        let issuer = Issuer::with_secret(SharedSecret::new(SECRET).unwrap(), algorithm);
        let token = issuer.issue("worker", &json!({"tenant": 7}), NOW).unwrap();
        assert_read(&token, &jsonwebtoken::DecodingKey::from_secret(SECRET), theirs);
    }
}

fn spki(pair: &PrivateKey) -> String {
    PublicKey::to_spki_pem(pair.public_key())
}

fn assert_read(token: &str, key: &jsonwebtoken::DecodingKey, algorithm: jsonwebtoken::Algorithm) {
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.validate_exp = false;
    let read = jsonwebtoken::decode::<Value>(token, key, &validation).unwrap().claims;
    let now = NOW.as_secs();
    assert_eq!(read, json!({"sub": "worker", "tenant": 7, "iat": now, "exp": now + 900}));
}

#[test]
fn an_issuer_writes_what_it_is_told_and_refuses_what_it_cannot_say() {
    let secret = || SharedSecret::new(&SECRET[..32]).unwrap();
    let issuer = Issuer::with_secret(secret(), HmacAlgorithm::Hs256)
        .with_name("https://auth.example")
        .with_audience(["billing", "shipping"])
        .with_account_claim("client_id")
        .with_not_before(Duration::from_secs(3))
        .with_lifetime(Duration::from_secs(10));
    let token = issuer.issue("worker", &(), NOW).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = jsonwebtoken::DecodingKey::from_secret(&SECRET[..32]);
    let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
    let now = NOW.as_secs();
    assert_eq!(
        read,
        json!({
            "client_id": "worker", "iss": "https://auth.example", "aud": ["billing", "shipping"],
            "iat": now, "nbf": now + 3, "exp": now + 10,
        })
    );
    let failed = |claims: Value| issuer.issue("worker", &claims, NOW).unwrap_err();
    for reserved in ["client_id", "iat", "nbf", "exp", "iss", "aud"] {
        assert_eq!(failed(json!({reserved: 1})), MintError::Reserved(reserved.to_owned()));
    }
    assert!(matches!(failed(json!([1])), MintError::NotAnObject(_)));
    assert!(matches!(failed(json!({"x": "y".repeat(20_000)})), MintError::TooLong(_)));
    assert!(matches!(issuer.issue(" worker", &(), NOW), Err(MintError::Account(_))));
    let short = Issuer::with_secret(secret(), HmacAlgorithm::Hs384).issue("worker", &(), NOW);
    assert_eq!(short, Err(MintError::SecretTooShort(HmacAlgorithm::Hs384)));
    let unfit = Issuer::with_key(PrivateKey::generate(KeyKind::P256).unwrap(), Algorithm::EdDsa);
    assert!(matches!(unfit.issue("worker", &(), NOW), Err(MintError::Sign(_))));
}

/// Answers as it was told, and remembers what it was asked.
struct Validator(Result<bool, ValidatorError>, Mutex<Vec<String>>);

#[async_trait]
impl TokenValidator for Validator {
    async fn validate(&self, token: &str) -> Result<bool, ValidatorError> {
        self.1.lock().unwrap().push(token.to_owned());
        self.0.clone()
    }
}

#[tokio::test]
async fn a_validator_is_asked_about_tokens_that_may_be_good() {
    let pair = PrivateKey::generate(KeyKind::P256).unwrap();
    let issuer = Issuer::with_key(pair, Algorithm::Es256);
    let good = issuer.issue("worker", &(), NOW).unwrap();
    let expired = issuer.issue("worker", &(), NOW - Duration::from_hours(1)).unwrap();
    let policy = BearerPolicy::default();
    let down = ValidatorError("stopped by the test".into());
    for (answer, expected) in [
        (Ok(true), Ok("worker")),
        (Ok(false), Err(RemoteError::Refused(Reason::ValidatorRefused))),
        (Err(down.clone()), Err(RemoteError::Unavailable(down))),
    ] {
        let validator = Validator(answer, Mutex::default());
        let judged = policy.verify_remotely(&good, &validator, NOW).await;
        assert_eq!(
            judged.as_ref().map(|verified| verified.account().as_str()),
            expected.as_ref().map(|name| *name)
        );
        let refused = policy.verify_remotely(&expired, &validator, NOW).await.unwrap_err();
        assert_eq!(refused, RemoteError::Refused(Reason::Expired));
        assert_eq!(
            *validator.1.lock().unwrap(),
            std::slice::from_ref(&good),
            "an expired one is not sent"
        );
    }
}
