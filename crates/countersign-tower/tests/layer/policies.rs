//! Policies that would not do are not built.

use std::time::Duration;

use countersign_core::{Algorithm, HmacAlgorithm, IdentityHeaders, SharedSecret, TokenAlgorithm};
use countersign_tower::{BearerTokens, MAX_LEEWAY, Policy, PolicyError};

use crate::support::{Guard, Validator, account, pair, secret, signed_requests};

fn refused(policy: countersign_tower::PolicyBuilder) -> PolicyError {
    policy.build().err().unwrap()
}

fn tokens() -> BearerTokens {
    BearerTokens::shared_secret(secret())
}

#[test]
fn what_would_not_do_is_said() {
    let (account, _) = account();
    let requests = || signed_requests(account.clone(), Guard::Down);
    let keys = || BearerTokens::public_keys([pair().public_key().clone()]);
    let remote = BearerTokens::validated_by(std::sync::Arc::new(Validator(Ok(true))));
    let short = SharedSecret::new(&[7; 40]).unwrap();
    for (policy, expected) in [
        (
            Policy::accepting(tokens().scheme("jwt")).or(requests()),
            PolicyError::SchemeRepeated("JWT".into()),
        ),
        (
            Policy::accepting(tokens().scheme("my scheme")),
            PolicyError::SchemeMalformed("my scheme".into()),
        ),
        (Policy::accepting(tokens().scheme("")), PolicyError::SchemeMalformed(String::new())),
        (Policy::accepting(tokens()).realm("a\"b"), PolicyError::RealmMalformed("a\"b".into())),
        (Policy::accepting(tokens()).realm("a\nb"), PolicyError::RealmMalformed("a\nb".into())),
        (Policy::accepting(BearerTokens::shared_secrets([])), PolicyError::NoSecret),
        (
            Policy::accepting(tokens().algorithms(Vec::<TokenAlgorithm>::new())),
            PolicyError::NoAlgorithm,
        ),
        (Policy::accepting(BearerTokens::public_keys([])), PolicyError::NoKey),
        (
            Policy::accepting(tokens().leeway(MAX_LEEWAY + Duration::from_secs(1))),
            PolicyError::LeewayTooLong,
        ),
        (Policy::accepting(requests().tolerance(Duration::MAX)), PolicyError::LeewayTooLong),
        (Policy::accepting(requests().algorithms([])), PolicyError::NoAlgorithm),
        (Policy::accepting(requests().spellings([])), PolicyError::NoSpelling),
        (Policy::accepting(tokens().spellings([])), PolicyError::NoSpelling),
        (
            Policy::accepting(tokens().algorithms([Algorithm::Rs256])),
            PolicyError::AlgorithmUnfit(Algorithm::Rs256.into()),
        ),
        (
            Policy::accepting(keys().algorithms([HmacAlgorithm::Hs256])),
            PolicyError::AlgorithmUnfit(HmacAlgorithm::Hs256.into()),
        ),
        (Policy::accepting(remote.algorithms([Algorithm::Rs256])), PolicyError::RemoteAlgorithms),
        (
            Policy::accepting(
                BearerTokens::shared_secret(short).algorithms([HmacAlgorithm::Hs384]),
            ),
            PolicyError::SecretTooShort(HmacAlgorithm::Hs384),
        ),
    ] {
        assert_eq!(refused(policy), expected);
    }
    let reserved =
        IdentityHeaders { account: http::header::CONTENT_LENGTH, ..IdentityHeaders::default() };
    let refused = refused(Policy::accepting(tokens()).tell_upstreams(reserved));
    assert!(matches!(refused, PolicyError::IdentityHeaders(_)));
}

#[test]
fn a_key_file_that_cannot_be_read_is_named() {
    let missing = BearerTokens::key_files(["no/such/file.pem"]).err().unwrap();
    assert!(missing.to_string().starts_with("no/such/file.pem: "), "{missing}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret.txt");
    std::fs::write(&path, "hunter2").unwrap();
    let unreadable = BearerTokens::key_files([&path]).err().unwrap().to_string();
    assert!(unreadable.contains("secret.txt") && !unreadable.contains("hunter2"), "{unreadable}");
}
