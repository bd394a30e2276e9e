//! Accounts and keys: which key a token selects, and what state does.

use countersign_core::{Algorithm, Reason};
use countersign_vectors::{Case, Topic};

use crate::forge::{Forge, accept, case, claims, jwt, refuse, topic};
use crate::rows;

const CAROL: &str = "carol-has-five-keys";

pub(crate) fn key_selection(f: &Forge) -> Topic {
    let row = rows::KID;
    let eddsa = |account: &str, key: &str, kid: Option<&str>, name: &str| {
        let kid = kid.map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
        let header = format!(r#"{{"alg":"EdDSA"{kid}}}"#);
        jwt(&f.token(key, Algorithm::EdDsa, &header, &claims(account, name)))
    };
    let names = f.key("ed25519-a").public_key().fingerprints();
    let mut cases: Vec<Case> = Vec::new();
    for (name, kid) in [
        ("kid-sha256-hex-of-the-spki-pem", names.spki_pem_sha256()),
        ("kid-rfc-7638-thumbprint", names.jwk_thumbprint()),
        ("kid-openssh-fingerprint", names.openssh()),
    ] {
        let value = eddsa("alice", "ed25519-a", Some(&kid), name);
        cases.push(case(name, row, value, accept("alice")));
    }
    let own = names.spki_pem_sha256();
    for (name, kid) in [
        ("kid-unknown", "unknown".to_owned()),
        ("kid-in-upper-case", own.to_ascii_uppercase()),
        ("kid-cut-short", own[..63].to_owned()),
        ("kid-of-another-user", f.kid("ed25519-b")),
        ("kid-of-an-own-key-of-another-type", f.kid("rsa-a")),
    ] {
        let value = eddsa("alice", "ed25519-a", Some(&kid), name);
        cases.push(case(name, row, value, refuse(Reason::KeyUnknown)));
    }
    let name = "kid-of-an-own-key-that-did-not-sign";
    let value = eddsa(CAROL, "ed25519-c", Some(&f.kid("ed25519-d")), name);
    cases.push(case(name, row, value, refuse(Reason::SignatureInvalid)));

    let name = "no-kid-tries-the-keys-of-the-algorithm";
    cases.push(case(name, row, eddsa("alice", "ed25519-a", None, name), accept("alice")));
    let name = "no-kid-fifth-key";
    let value = eddsa(CAROL, "ed25519-g", None, name);
    cases.push(case(name, row, value, refuse(Reason::KidRequired)));
    let name = "kid-fifth-key";
    let value = eddsa(CAROL, "ed25519-g", Some(&f.kid("ed25519-g")), name);
    cases.push(case(name, row, value, accept(CAROL)));
    topic("key-selection", "Which of an account's keys a token is checked with.", cases)
}

pub(crate) fn state(f: &Forge) -> Topic {
    let token = |account: &str, key: &str, name: &str| jwt(&f.signed(key, &claims(account, name)));
    let row = rows::DISABLED;
    let frank = "frank-rotated";
    let mut cases = Vec::new();
    for (name, account, key, reason) in [
        ("account-disabled", "erin-is-disabled", "ed25519-h", Reason::AccountDisabled),
        ("key-revoked", frank, "ed25519-i", Reason::KeyRevoked),
        ("key-expired-this-very-second", frank, "ed25519-j", Reason::KeyExpired),
        ("account-unknown", "nobody", "ed25519-a", Reason::AccountUnknown),
        ("account-name-in-upper-case", "ALICE", "ed25519-a", Reason::AccountUnknown),
        ("account-without-keys", "dave-has-no-key", "ed25519-a", Reason::KeyUnknown),
    ] {
        cases.push(case(name, row, token(account, key, name), refuse(reason)));
    }
    let name = "key-that-expires-in-a-second";
    cases.push(case(name, row, token(frank, "ed25519-k", name), accept(frank)));
    // Only a right signature learns that the account is disabled.
    let name = "account-disabled-and-signature-wrong";
    let header = r#"{"alg":"EdDSA"}"#;
    let payload = claims("erin-is-disabled", name);
    let value = jwt(&f.token("ed25519-b", Algorithm::EdDsa, header, &payload));
    cases.push(case(name, row, value, refuse(Reason::SignatureInvalid)));
    topic("account-state", "Accounts that are disabled, keys that are withdrawn.", cases)
}
