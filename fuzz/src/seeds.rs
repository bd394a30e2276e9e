//! Inputs to begin with. RSA keys are made anew for each run, the others are
//! always the same.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::{
    AccountName, HmacAlgorithm, Issuer, KeyKind, Passphrase, PrivateKey, RequestSigner, RsaBits,
    SharedSecret, UnixTime,
};
use serde_json::json;

use crate::{Fixed, FixedClock};

/// The instant at which the seeds' tokens were made.
pub const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// The passphrase of the seeds that are encrypted.
pub const PASSPHRASE: &str = "passphrase";

/// The secret that makes bearer tokens, and whose they are.
pub const SECRET: &[u8] = b"a shared secret that no fuzzer guesses";
pub const ACCOUNT: &str = "worker";

/// One key of each type.
pub fn private_keys() -> Vec<PrivateKey> {
    [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384, KeyKind::Rsa(RsaBits::B2048)]
        .into_iter()
        .map(|kind| PrivateKey::generate(kind).expect("a key"))
        .collect()
}

pub fn public_jwks() -> Vec<Vec<u8>> {
    private_keys().iter().map(|key| key.public_key().to_jwk().to_string().into()).collect()
}

pub fn public_files() -> Vec<Vec<u8>> {
    let mut seeds = public_jwks();
    for key in private_keys() {
        let public = key.public_key();
        seeds.push(public.to_spki_pem().into());
        seeds.push(public.to_openssh(Some("a comment")).into());
    }
    seeds
}

/// The blobs within OpenSSH lines.
pub fn openssh_blobs() -> Vec<Vec<u8>> {
    private_keys()
        .iter()
        .map(|key| {
            let line = key.public_key().to_openssh(None);
            let encoded = line.split(' ').nth(1).expect("a blob");
            STANDARD.decode(encoded).expect("base64")
        })
        .collect()
}

/// Texts, behind a zero byte, and the contents of PEM blocks, behind a number
/// that chooses the label.
pub fn private_files() -> Vec<Vec<u8>> {
    let passphrase = Passphrase::new(PASSPHRASE);
    let mut seeds = Vec::new();
    for key in private_keys() {
        let openssh = key.to_openssh_pem(None, Some("a comment"), &Fixed).expect("OpenSSH");
        let locked = key.to_pkcs8_pem(Some(&passphrase), &Fixed).expect("PKCS#8");
        seeds.push([&[0], key.to_jwk().as_bytes()].concat());
        seeds.push([&[0], openssh.as_bytes()].concat());
        seeds.push([&[0], locked.as_bytes()].concat());
        seeds.push([&[1], &key.to_pkcs8_der()[..]].concat());
        seeds.push([&[2], &contents(&locked)[..]].concat());
        seeds.push([&[5], &contents(&openssh)[..]].concat());
    }
    seeds
}

fn contents(pem: &str) -> Vec<u8> {
    let encoded: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(encoded).expect("base64")
}

pub fn tokens() -> Vec<Vec<u8>> {
    private_keys()
        .into_iter()
        .map(|key| {
            let account = AccountName::new("worker").expect("a name");
            let signer = RequestSigner::new(account, key);
            signer.token(&FixedClock, &Fixed).expect("a token").into_bytes()
        })
        .collect()
}

pub fn headers() -> Vec<Vec<u8>> {
    ["JWT abc.def.ghi", "jwt   token=\"abc.def.ghi\"", "JWT realm=x, token=abc.def , a=\"\\\"\""]
        .map(|header| header.as_bytes().to_vec())
        .into()
}

/// Every token that was issued.
pub fn bearer_tokens() -> &'static [String] {
    static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let secret = SharedSecret::new(SECRET).expect("long enough");
        let issuer = Issuer::with_secret(secret, HmacAlgorithm::Hs256);
        let claims = [json!({}), json!({"groups": ["ops"]})];
        claims.iter().map(|claims| issuer.issue(ACCOUNT, claims, NOW).expect("a token")).collect()
    });
    &TOKENS
}

/// Their bearers, in each spelling.
pub fn bearer_headers() -> Vec<Vec<u8>> {
    let spelled = bearer_tokens().iter().flat_map(|token| {
        [
            format!("JWT {token}"),
            format!("jwt token=\"{token}\""),
            format!("JWT realm=x , token={token}"),
        ]
    });
    spelled.map(String::into_bytes).collect()
}

/// Claims in many forms, good and bad.
pub fn bearer_claims() -> Vec<Vec<u8>> {
    [
        r#"{"sub":"worker","exp":1800000900}"#,
        r#"{"sub":"gr\u00fc","exp":1.80000001e9,"nbf":1,"iat":1800000000,"groups":["ops","a:b"]}"#,
        r#"{"exp":1800000900,"sub":"worker","aud":[],"groups":"ops","other":{"a":[null,"\\"]}}"#,
        r#"{"sub":"worker","exp":"1800000900","aud":["billing"]}"#,
    ]
    .map(|claims| claims.as_bytes().to_vec())
    .into()
}
