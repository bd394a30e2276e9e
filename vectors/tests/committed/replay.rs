//! One token, one request.

use countersign_core::{Algorithm, Reason};
use countersign_vectors::{Case, Expected, Topic};

use crate::forge::{Forge, NOW, accept, case_of, claims, jwt, refuse, step, topic};
use crate::rows;

pub(crate) fn replay(f: &Forge) -> Topic {
    let mut cases = vec![old_client(f), at_once(f), after_restart(f)];
    cases.extend(same_use(f));
    cases.extend(other_use(f));
    topic("replay", "(account, time, nonce) is spent once, by value.", cases)
}

fn claims_of(account: &str, time: &str, nonce: &str) -> String {
    format!(r#"{{"username":"{account}","time":{time},"nonce":{nonce}}}"#)
}

/// Pairs of tokens that are the same use.
fn same_use(f: &Forge) -> Vec<Case> {
    let alice = |time: &str, nonce: &str| f.alice(&claims_of("alice", time, nonce));
    let sign = |key: &str, algorithm: Algorithm, name: &str| {
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        jwt(&f.token(key, algorithm, &header, &claims("alice", name)))
    };
    let same = alice("1795385494", r#""the-same-token-again""#);
    let spelled = f.signed("ed25519-a", &claims("alice", "the-same-token-spelled-otherwise"));
    let key = "the-same-claims-signed-with-another-key";
    let algorithm = "the-same-claims-signed-with-another-algorithm";
    let reordered = "the-same-claims-in-another-order";
    let reordered_payload =
        format!(r#"{{"extra":1, "nonce":"{reordered}", "time":{NOW}, "username":"alice"}}"#);
    let (again, spelling) = (rows::SIGNED_AGAIN, rows::TIME_SPELLING);
    let pairs = [
        ("the-same-token-again", again, same.clone(), same),
        (
            "the-same-token-spelled-otherwise",
            again,
            jwt(&spelled),
            format!("jwt token=\"{spelled}\""),
        ),
        (
            key,
            again,
            sign("rsa-a", Algorithm::Rs512, key),
            sign("ed25519-a", Algorithm::EdDsa, key),
        ),
        (
            algorithm,
            again,
            sign("rsa-a", Algorithm::Rs512, algorithm),
            sign("rsa-a", Algorithm::Rs256, algorithm),
        ),
        (reordered, again, f.alice(&claims("alice", reordered)), f.alice(&reordered_payload)),
        (
            "t-and-t.0-are-one-time",
            spelling,
            alice("1795385494", "81"),
            alice("1795385494.0", "81"),
        ),
        (
            "t-and-te0-are-one-time",
            spelling,
            alice("1795385494", "82"),
            alice("1795385494e0", "82"),
        ),
        (
            "2-and-2.0-are-one-nonce",
            rows::NONCE,
            alice("1795385494", "2"),
            alice("1795385494", "2.0"),
        ),
        (
            "escapes-do-not-make-another-nonce",
            rows::NONCE,
            alice("1795385494", r#""escapes""#),
            alice("1795385494", r#""\u0065scapes""#),
        ),
    ];
    let case = |(name, row, first, second): (_, _, String, String)| {
        let replayed = refuse(Reason::Replayed);
        case_of(name, row, vec![step(first, accept("alice")), step(second, replayed)])
    };
    pairs.into_iter().map(case).collect()
}

/// Pairs of tokens that look alike and are two uses.
fn other_use(f: &Forge) -> Vec<Case> {
    let alice = |time: &str, nonce: &str| f.alice(&claims_of("alice", time, nonce));
    let pair = |name, row, first: String, second: String, account| {
        case_of(name, row, vec![step(first, accept("alice")), step(second, accept(account))])
    };
    let bob = jwt(&f.signed("ed25519-b", &claims_of("bob", "1795385494", r#""other-account""#)));
    vec![
        pair(
            "3-and-\"3\"-are-two-nonces",
            rows::NONCE,
            alice("1795385494", "3"),
            alice("1795385494", "\"3\""),
            "alice",
        ),
        pair(
            "2^53-and-2^53+1-are-two-nonces",
            rows::NONCE,
            alice("1795385494", "9007199254740992"),
            alice("1795385494", "9007199254740993"),
            "alice",
        ),
        pair(
            "the-same-nonce-at-another-time",
            rows::SAME_NONCE,
            alice("1795385494", r#""other-time""#),
            alice("1795385494.0000001", r#""other-time""#),
            "alice",
        ),
        pair(
            "the-same-nonce-of-another-account",
            rows::SAME_NONCE,
            alice("1795385494", r#""other-account""#),
            bob,
            "bob",
        ),
    ]
}

/// A server of `asymmetric_jwt_auth` 0.x accepts this any number of times.
fn old_client(f: &Forge) -> Case {
    let payload = claims_of("alice", "1795385490.5", "0.25");
    let header = r#"{"typ": "JWT", "alg": "RS512"}"#;
    let value = jwt(&f.token("rsa-a", Algorithm::Rs512, header, &payload));
    let steps = vec![step(value.clone(), accept("alice")), step(value, refuse(Reason::Replayed))];
    case_of("a-token-of-an-old-client-is-spent-once-too", rows::NO_PROTECTION, steps)
}

fn at_once(f: &Forge) -> Case {
    let name = "sixty-four-at-once";
    let account = "alice".to_owned();
    let one = Expected::AcceptOne { account, reason: Reason::Replayed.code().into() };
    let mut step = step(f.alice(&claims("alice", name)), one);
    step.at_once = 64;
    case_of(name, rows::AT_ONCE, vec![step])
}

fn after_restart(f: &Forge) -> Case {
    let name = "the-same-token-after-a-restart";
    let value = f.alice(&claims("alice", name));
    let mut again = step(value.clone(), refuse(Reason::Replayed));
    again.after_restart = true;
    case_of(name, rows::RESTART, vec![step(value, accept("alice")), again])
}
