//! What clients send, and the grammar of the Authorization header.

use countersign_core::{Algorithm, Reason};
use countersign_vectors::Topic;

use crate::forge::{Forge, NOW, accept, case, case_of, claims, jwt, refuse, step, topic};
use crate::rows;

/// How a token is put into a header's value.
type Spell = fn(&str) -> String;

pub(crate) fn clients(f: &Forge) -> Topic {
    let old = |time: &str, nonce: &str| {
        let payload = format!(r#"{{"username": "alice", "time": {time}, "nonce": {nonce}}}"#);
        jwt(&f.token("rsa-a", Algorithm::Rs512, r#"{"typ": "JWT", "alg": "RS512"}"#, &payload))
    };
    let new = |key: &str, nonce: &str| {
        jwt(&f.signed(key, &format!(r#"{{"username":"alice","time":{NOW},"nonce":"{nonce}"}}"#)))
    };
    let alice = || accept("alice");
    let (v0, v1) = (rows::CLIENT_0X, rows::CLIENT_1X);
    let cases = vec![
        case("client-0.1.5", v0, old("1795385494.123456", "0.8444218515250481"), alice()),
        case("client-0.3.1", v0, old("1795385493.9876542", "0.0011716271"), alice()),
        case("client-1.0.1b6-rsa", v1, new("rsa-a", "kXnB7ZrZb1A"), alice()),
        case("client-1.3.0-rsa", v1, new("rsa-a", "0fRz_3sKq-E"), alice()),
        case("client-1.3.0-ed25519", v1, new("ed25519-a", "-Zq0o8Yx1_w"), alice()),
    ];
    topic("clients", "Tokens as the clients of asymmetric_jwt_auth make them.", cases)
}

pub(crate) fn authorization_header(f: &Forge) -> Topic {
    let token = |name: &str| f.signed("ed25519-a", &claims("alice", name));
    let mut cases = Vec::new();
    let accepted: [(&str, Spell); 11] = [
        ("scheme-in-upper-case", |t| format!("JWT {t}")),
        ("scheme-in-lower-case", |t| format!("jwt {t}")),
        ("scheme-in-mixed-case", |t| format!("jWt {t}")),
        ("several-blanks-after-scheme", |t| format!("JWT   {t}")),
        ("tab-after-scheme", |t| format!("JWT\t{t}")),
        ("blanks-around-the-value", |t| format!("  JWT {t}  ")),
        ("token-parameter-quoted", |t| format!("JWT token=\"{t}\"")),
        ("token-parameter-unquoted", |t| format!("JWT token={t}")),
        ("token-parameter-with-blanks", |t| format!("JWT token = \"{t}\" ")),
        ("token-parameter-among-others", |t| format!("JWT realm=\"a, b\", token=\"{t}\", x=1")),
        ("token-parameter-name-in-upper-case", |t| format!("JWT TOKEN=\"{t}\"")),
    ];
    for (name, spell) in accepted {
        cases.push(case(name, rows::SCHEME, spell(&token(name)), accept("alice")));
    }
    let refused: [(&str, Reason, Spell); 10] = [
        ("scheme-bearer", Reason::SchemeOther, |t| format!("Bearer {t}")),
        ("scheme-with-other-ending", Reason::SchemeOther, |t| format!("JWTX {t}")),
        ("no-blank-after-scheme", Reason::SchemeOther, |t| format!("JWT{t}")),
        ("no-scheme", Reason::SchemeOther, str::to_owned),
        ("scheme-alone", Reason::HeaderMalformed, |_| "JWT".into()),
        ("text-after-the-token", Reason::HeaderMalformed, |t| format!("JWT {t} x")),
        ("token-parameter-twice", Reason::HeaderMalformed, |t| {
            format!("JWT token=\"{t}\", token=\"{t}\"")
        }),
        ("token-parameter-unterminated", Reason::HeaderMalformed, |t| format!("JWT token=\"{t}")),
        ("token-parameter-empty", Reason::HeaderMalformed, |_| "JWT token=\"\"".into()),
        ("other-parameters-only", Reason::HeaderMalformed, |_| "JWT realm=\"x\"".into()),
    ];
    for (name, reason, spell) in refused {
        cases.push(case(name, rows::SCHEME, spell(&token(name)), refuse(reason)));
    }
    let joined: [(&str, Spell); 4] = [
        ("two-tokens-joined-by-comma", |t| format!("JWT {t}, JWT {t}")),
        ("other-scheme-joined-behind", |t| format!("JWT {t}, Bearer x")),
        ("other-scheme-joined-without-blank", |t| format!("JWT {t},Bearer x")),
        ("other-scheme-joined-behind-token-parameter", |t| format!("JWT token=\"{t}\", Bearer x")),
    ];
    for (name, spell) in joined {
        let refused = refuse(Reason::HeaderMalformed);
        cases.push(case(name, rows::TWO_HEADERS, spell(&token(name)), refused));
    }
    let name = "other-scheme-joined-before";
    let value = format!("Bearer x, JWT {}", token(name));
    cases.push(case(name, rows::TWO_HEADERS, value, refuse(Reason::SchemeOther)));
    for (name, second) in [("two-headers", None), ("two-headers-of-two-schemes", Some("Bearer x"))]
    {
        let value = jwt(&token(name));
        let mut both = step(value.clone(), refuse(Reason::HeaderRepeated));
        both.authorization.push(second.map_or(value, str::to_owned));
        cases.push(case_of(name, rows::TWO_HEADERS, vec![both]));
    }
    let mut none = step("", refuse(Reason::HeaderMissing));
    none.authorization.clear();
    cases.push(case_of("no-header", rows::SCHEME, vec![none]));
    topic("authorization-header", "The grammar of the Authorization header.", cases)
}
