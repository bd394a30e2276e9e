//! The compact JWS: its encoding, its header, its algorithms.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{Algorithm, Reason};
use countersign_vectors::{Case, Topic};

use crate::forge::{Forge, accept, case, claims, input, jwt, refuse, topic};
use crate::rows;

/// What is done to a good token.
type Bend<'a> = &'a dyn Fn(&str) -> String;

pub(crate) fn encoding(f: &Forge) -> Topic {
    let part = |token: &str, at: usize| token.split('.').nth(at).unwrap().to_owned();
    let with_part = |token: &str, at: usize, new: &str| {
        let mut parts: Vec<_> = token.split('.').collect();
        parts[at] = new;
        parts.join(".")
    };
    let last_bit = |text: &str| {
        // The last of 86 characters for 64 bytes carries two bits; `g` is `01 0000`
        // where canonical is `Q`, and so on: the next letter has the same two bits.
        let last = text.bytes().last().unwrap();
        format!("{}{}", &text[..text.len() - 1], char::from(last + 1))
    };
    let changed =
        |text: &str| format!("{}{}", if text.starts_with('A') { "B" } else { "A" }, &text[1..]);
    let malformed: [(&str, Bend<'_>); 9] = [
        ("header-padded", &|t| with_part(t, 0, &format!("{}=", part(t, 0)))),
        ("non-canonical-last-character", &|t| with_part(t, 2, &last_bit(&part(t, 2)))),
        ("standard-alphabet-in-signature", &|t| {
            with_part(t, 2, &format!("+/{}", &part(t, 2)[2..]))
        }),
        ("one-part", &|t| part(t, 0)),
        ("two-parts", &|t| format!("{}.{}", part(t, 0), part(t, 1))),
        ("four-parts", &|t| format!("{t}.{}", part(t, 2))),
        ("five-parts-like-a-jwe", &|t| format!("{t}.AAAA.AAAA")),
        ("empty-header", &|t| with_part(t, 0, "")),
        ("header-of-one-character", &|t| with_part(t, 0, "e")),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (name, bend) in malformed {
        // Inside a `token` parameter, so that the token's own reader is what refuses it.
        let token = bend(&f.signed("ed25519-a", &claims("alice", name)));
        let refused = refuse(Reason::TokenMalformed);
        cases.push(case(name, rows::ENCODING, format!("JWT token=\"{token}\""), refused));
    }
    for (name, value) in [
        ("signature-padded-in-quotes", "JWT token=\"TOKEN==\""),
        ("signature-padded", "JWT TOKEN=="),
    ] {
        let token = f.signed("ed25519-a", &claims("alice", name));
        let quoted = value.contains('"');
        let reason = if quoted { Reason::TokenMalformed } else { Reason::HeaderMalformed };
        cases.push(case(name, rows::ENCODING, value.replace("TOKEN", &token), refuse(reason)));
    }
    let invalid: [(&str, Bend<'_>); 4] = [
        ("signature-changed", &|t| with_part(t, 2, &changed(&part(t, 2)))),
        ("signature-empty", &|t| with_part(t, 2, "")),
        ("signature-shortened", &|t| with_part(t, 2, &part(t, 2)[..84])),
        ("payload-changed", &|t| {
            with_part(t, 1, &URL_SAFE_NO_PAD.encode(claims("alice", "payload-changed-later")))
        }),
    ];
    for (name, bend) in invalid {
        let token = bend(&f.signed("ed25519-a", &claims("alice", name)));
        let refused = refuse(Reason::SignatureInvalid);
        cases.push(case(name, rows::ENCODING, jwt(&token), refused));
    }
    topic("token-encoding", "Compact serialisation and canonical base64url.", cases)
}

pub(crate) fn header(f: &Forge) -> Topic {
    let kid = f.kid("ed25519-a");
    let attacker = f.key("ed25519-b").public_key().to_spki_der();
    let x = URL_SAFE_NO_PAD.encode(&attacker[attacker.len() - 32..]);
    let jwk = format!(r#"{{"alg":"EdDSA","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}}"#);
    let token = |key: &str, header: &str, name: &str| {
        jwt(&f.token(key, Algorithm::EdDsa, header, &claims("alice", name)))
    };
    let long_kid = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(257));
    let malformed = [
        ("kid-number", r#"{"alg":"EdDSA","kid":1}"#),
        ("kid-null", r#"{"alg":"EdDSA","kid":null}"#),
        ("kid-list", r#"{"alg":"EdDSA","kid":["a"]}"#),
        ("kid-empty", r#"{"alg":"EdDSA","kid":""}"#),
        ("kid-of-257-bytes", long_kid.as_str()),
        ("alg-missing", r#"{"typ":"JWT"}"#),
        ("alg-number", r#"{"alg":1}"#),
        ("alg-twice", r#"{"alg":"EdDSA","alg":"EdDSA"}"#),
        ("header-not-an-object", r#"["EdDSA"]"#),
        ("header-not-json", "EdDSA"),
        ("header-with-text-behind", r#"{"alg":"EdDSA"}{}"#),
    ];
    let mut cases: Vec<Case> = malformed
        .into_iter()
        .map(|(name, header)| {
            let value = token("ed25519-a", header, name);
            case(name, rows::CRITICAL, value, refuse(Reason::TokenMalformed))
        })
        .collect();
    for (name, header) in [
        ("crit-unknown", r#"{"alg":"EdDSA","crit":["x"],"x":1}"#),
        ("crit-exp", r#"{"alg":"EdDSA","crit":["exp"],"exp":1}"#),
        ("crit-empty", r#"{"alg":"EdDSA","crit":[]}"#),
        ("b64-false", r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#),
        ("b64-without-crit", r#"{"alg":"EdDSA","b64":true}"#),
    ] {
        let value = token("ed25519-a", header, name);
        cases.push(case(name, rows::CRITICAL, value, refuse(Reason::CriticalHeader)));
    }
    for (name, more) in [
        ("typ-unknown-is-not-used", r#""typ":"at+jwt""#),
        ("cty-is-not-used", r#""cty":"x""#),
        ("jku-is-not-used", r#""jku":"https://attacker.example/jwks""#),
        ("x5u-is-not-used", r#""x5u":"https://attacker.example/x5u""#),
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}",{more}}}"#);
        let value = token("ed25519-a", &header, name);
        cases.push(case(name, rows::CRITICAL, value, accept("alice")));
    }
    let name = "jwk-of-the-attacker-is-not-used";
    let value = token("ed25519-b", &jwk, name);
    cases.push(case(name, rows::CRITICAL, value, refuse(Reason::SignatureInvalid)));
    topic("token-header", "The JWS header: what is understood, ignored, refused.", cases)
}

pub(crate) fn algorithms(f: &Forge) -> Topic {
    let token = |key: &str, algorithm: Algorithm, label: &str, name: &str| {
        let header = format!(r#"{{"alg":"{label}"}}"#);
        jwt(&f.token(key, algorithm, &header, &claims("alice", name)))
    };
    let mut cases = Vec::new();
    for algorithm in Algorithm::ALL {
        let key = own_key(algorithm);
        let name = format!("algorithm-{}", algorithm.name().to_ascii_lowercase());
        let value = token(key, algorithm, algorithm.name(), &name);
        cases.push(case(&name, rows::ALGORITHMS, value, accept("alice")));
    }
    let name = "algorithm-ed25519-is-another-name-of-eddsa";
    let value = token("ed25519-a", Algorithm::EdDsa, "Ed25519", name);
    cases.push(case(name, rows::ALGORITHMS, value, accept("alice")));

    let row = rows::FOREIGN_ALGORITHMS;
    for (name, label) in [
        ("algorithm-none-with-signature", "none"),
        ("algorithm-unknown", "XX256"),
        ("algorithm-in-lower-case", "eddsa"),
        ("algorithm-es256k", "ES256K"),
        ("algorithm-empty", ""),
    ] {
        let value = token("ed25519-a", Algorithm::EdDsa, label, name);
        cases.push(case(name, row, value, refuse(Reason::AlgorithmUnsupported)));
    }
    let name = "algorithm-none";
    let value = format!("JWT {}.", input(r#"{"alg":"none"}"#, &claims("alice", name)));
    cases.push(case(name, row, value, refuse(Reason::AlgorithmUnsupported)));
    cases.push(hmac_with_public_key(f));
    for (name, key, algorithm, label) in [
        ("label-rs256-on-a-pss-signature", "rsa-a", Algorithm::Ps256, "RS256"),
        ("label-rs512-on-a-rs256-signature", "rsa-a", Algorithm::Rs256, "RS512"),
        ("label-es256-on-an-eddsa-signature", "ed25519-a", Algorithm::EdDsa, "ES256"),
        ("label-eddsa-on-an-es256-signature", "p256-a", Algorithm::Es256, "EdDSA"),
        ("label-rs512-on-an-eddsa-signature", "ed25519-a", Algorithm::EdDsa, "RS512"),
        ("key-of-another-user-ed25519", "ed25519-b", Algorithm::EdDsa, "EdDSA"),
        ("key-of-another-user-rsa", "rsa-b", Algorithm::Rs512, "RS512"),
    ] {
        let value = token(key, algorithm, label, name);
        cases.push(case(name, row, value, refuse(Reason::SignatureInvalid)));
    }
    topic("algorithms", "Algorithms are bound to the type of key.", cases)
}

fn own_key(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "p256-a",
        Algorithm::Es384 => "p384-a",
        Algorithm::EdDsa => "ed25519-a",
        _ => "rsa-a",
    }
}

/// The key confusion attack: the public key's text as the secret of an HMAC.
fn hmac_with_public_key(f: &Forge) -> Case {
    let name = "algorithm-hs256-with-the-public-key-as-secret";
    let input = input(r#"{"alg":"HS256"}"#, &claims("alice", name));
    let secret = f.key("rsa-a").public_key().to_spki_pem();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), input.as_bytes());
    let value = format!("JWT {input}.{}", URL_SAFE_NO_PAD.encode(tag));
    case(name, rows::FOREIGN_ALGORITHMS, value, refuse(Reason::AlgorithmUnsupported))
}
