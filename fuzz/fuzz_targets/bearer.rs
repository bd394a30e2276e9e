//! The claims of a bearer token: what is accepted names an account and has not expired,
//! also for another reader of JSON.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{BearerPolicy, Check, HmacAlgorithm};
use countersign_fuzz::{fuzz_with_seeds, seeds};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_with_seeds!(seeds::bearer_claims());

#[derive(serde::Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    groups: Value,
}

fuzz_target!(|data: &[u8]| {
    let policy = BearerPolicy {
        groups_claim: Some("groups".to_owned()),
        // What is to be looked at is behind this check.
        dangerous_skip: vec![Check::Signature],
        ..BearerPolicy::default()
    };
    let claims = URL_SAFE_NO_PAD.encode(data);
    let token = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#));
    let verified = policy.verify_with_secrets(&token, &[], &[HmacAlgorithm::Hs256], seeds::NOW);
    let Ok(verified) = verified else { return };
    // Another reader may stumble over what nobody looks at, so it reads no more than we do.
    let read: Claims = serde_json::from_slice(data).expect("JSON");
    assert_eq!(read.sub, verified.account().as_str());
    assert!(read.exp >= 1_800_000_000.0);
    assert!(read.aud.is_null() || read.aud == Value::Array(Vec::new()));
    for group in verified.groups() {
        let named = |value: &Value| value == group.as_str();
        let groups = &read.groups;
        assert!(named(groups) || groups.as_array().expect("groups").iter().any(named));
    }
});
