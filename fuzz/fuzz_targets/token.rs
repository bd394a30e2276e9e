//! Tokens: reading never panics, and no token proves anything for an account
//! that is not there.

#![no_main]

use std::sync::LazyLock;

use countersign_core::{AwsLc, Decoys, SignedRequestPolicy, UnverifiedToken, Verification};
use countersign_fuzz::{fuzz_with_seeds, seeds};
use libfuzzer_sys::fuzz_target;

static DECOYS: LazyLock<Decoys> = LazyLock::new(Decoys::default);
static POLICY: LazyLock<SignedRequestPolicy> = LazyLock::new(SignedRequestPolicy::default);

fuzz_with_seeds!(seeds::tokens());

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(token) = UnverifiedToken::parse(text) else { return };
    assert_eq!(text.bytes().filter(|byte| *byte == b'.').count(), 2);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    let claims = token.unverified_claims();
    assert!(!claims.account().as_str().is_empty());
    let with = Verification {
        policy: &POLICY,
        verifier: &AwsLc,
        decoys: &DECOYS,
        now: seeds::NOW,
        request: None,
    };
    assert!(token.verify(None, &with).is_err());
});
