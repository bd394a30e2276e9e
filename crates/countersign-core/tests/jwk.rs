//! Public keys as JSON: what is read, what is refused and why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use countersign_core::{
    Algorithm, JwkError, KeyKind, PrivateKey, PublicJwk, PublicKeyError, RsaBits,
};
use serde_json::{Value, json};

const KINDS: [KeyKind; 4] =
    [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384, KeyKind::Rsa(RsaBits::B2048)];

fn jwk_of(kind: KeyKind) -> Value {
    PrivateKey::generate(kind).unwrap().public_key().to_jwk()
}

/// The JWK of a fresh key of this kind with some members changed, or removed
/// by giving `null`.
fn refused(kind: KeyKind, changes: Value) -> JwkError {
    let mut jwk = jwk_of(kind);
    let Value::Object(changes) = changes else { unreachable!("changes are an object") };
    for (name, value) in changes {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(&name);
        } else {
            jwk[name] = value;
        }
    }
    PublicJwk::read(&jwk.to_string()).unwrap_err()
}

#[test]
fn what_is_written_is_read_back() {
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap().public_key().clone();
        let jwk = PublicJwk::read(&key.to_jwk().to_string()).unwrap();
        assert_eq!(jwk.key, key);
        assert_eq!(jwk.key.fingerprints(), key.fingerprints());
        assert_eq!(jwk.kid, Some(key.fingerprints().jwk_thumbprint()));
        assert_eq!(jwk.algorithm, Some(key.default_algorithm()));
    }
}

#[test]
fn the_thumbprint_is_the_one_of_rfc_8037_appendix_a_3() {
    let jwk = PublicJwk::read(
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    )
    .unwrap();
    assert_eq!(
        jwk.key.fingerprints().jwk_thumbprint(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    assert_eq!((jwk.kid, jwk.algorithm), (None, None));
}

#[test]
fn another_algorithm_of_the_type_and_the_verify_operation_are_taken() {
    let mut jwk = jwk_of(KeyKind::Rsa(RsaBits::B2048));
    jwk["alg"] = "PS256".into();
    jwk["key_ops"] = json!(["verify"]);
    jwk["x5t"] = "ignored".into();
    assert_eq!(PublicJwk::read(&jwk.to_string()).unwrap().algorithm, Some(Algorithm::Ps256));
}

#[test]
fn private_members_are_refused_as_a_private_key() {
    for kind in KINDS {
        assert_eq!(refused(kind, json!({"d": "AQAB"})), JwkError::IsPrivate("d"));
    }
    let rsa = KeyKind::Rsa(RsaBits::B2048);
    assert_eq!(refused(rsa, json!({"p": "AQAB"})), JwkError::IsPrivate("p"));
    // Also where the rest is no key at all.
    assert_eq!(PublicJwk::read(r#"{"d": 1}"#), Err(JwkError::IsPrivate("d")));
}

#[test]
fn keys_for_something_else_are_refused() {
    let kind = KeyKind::P256;
    assert_eq!(refused(kind, json!({"use": "enc"})), JwkError::NotForSignatures("use"));
    assert_eq!(
        refused(kind, json!({"key_ops": ["deriveKey"]})),
        JwkError::NotForSignatures("key_ops")
    );
    assert_eq!(
        refused(kind, json!({"alg": "EdDSA"})),
        JwkError::AlgorithmOfAnotherKey {
            algorithm: Algorithm::EdDsa,
            key_type: countersign_core::KeyType::P256
        }
    );
    for (member, value) in
        [("alg", "ECDH-ES"), ("crv", "secp256k1"), ("crv", "P-521"), ("kty", "AKP")]
    {
        assert_eq!(
            refused(kind, json!({member: value})),
            JwkError::Unsupported { member, value: value.to_owned() }
        );
    }
    assert_eq!(PublicJwk::read(r#"{"kty": "oct", "k": "AAAA"}"#), Err(JwkError::IsSymmetric));
    assert_eq!(PublicJwk::read(r#"{"keys": []}"#), Err(JwkError::IsASet));
}

#[test]
fn the_form_is_strict() {
    for text in ["", "[]", "{}x", "null", r#"{"kty":"OKP","kty":"OKP"}"#, "{\"kty\":"] {
        assert_eq!(PublicJwk::read(text), Err(JwkError::NotAnObject), "{text}");
    }
    let wrong = |kind, changes, expected| match refused(kind, changes) {
        JwkError::WrongMember { member, .. } => assert_eq!(member, expected),
        other => panic!("{other:?}"),
    };
    let rsa = KeyKind::Rsa(RsaBits::B2048);
    wrong(rsa, json!({"e": "AAEAAQ"}), "e"); // leading zero
    wrong(rsa, json!({"e": ""}), "e");
    wrong(rsa, json!({"e": 65537}), "e");
    wrong(rsa, json!({"n": "A QAB"}), "n");
    wrong(rsa, json!({"kid": ""}), "kid");
    wrong(rsa, json!({"kid": "k".repeat(257)}), "kid");
    let ed25519 = KeyKind::Ed25519;
    wrong(ed25519, json!({"x": "AQAB"}), "x");
    // The same 32 bytes with padding, in the other alphabet, with stray bits.
    wrong(ed25519, json!({"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}), "x");
    wrong(ed25519, json!({"x": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"}), "x");
    wrong(ed25519, json!({"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}), "x");
    wrong(KeyKind::P256, json!({"y": "AQAB"}), "y");
    wrong(KeyKind::P384, json!({"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}), "x");
    for (kind, member) in [(rsa, "n"), (rsa, "e"), (ed25519, "x"), (KeyKind::P256, "y")] {
        assert_eq!(refused(kind, json!({member: null})), JwkError::Missing(member));
    }
    assert_eq!(refused(ed25519, json!({"kty": null})), JwkError::Missing("kty"));
    assert_eq!(refused(ed25519, json!({"crv": null})), JwkError::Missing("crv"));
}

#[test]
fn weak_keys_are_refused_for_their_weakness() {
    assert_eq!(
        refused(KeyKind::Rsa(RsaBits::B2048), json!({"e": "AQ"})),
        JwkError::Key(PublicKeyError::RsaTinyExponent(1))
    );
    assert_eq!(
        refused(KeyKind::Ed25519, json!({"x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})),
        JwkError::Key(PublicKeyError::Ed25519SmallOrder)
    );
    let other = jwk_of(KeyKind::P256);
    assert_eq!(
        refused(KeyKind::P256, json!({"y": other["y"]})),
        JwkError::Key(PublicKeyError::EcNotOnCurve(countersign_core::KeyType::P256))
    );
}
