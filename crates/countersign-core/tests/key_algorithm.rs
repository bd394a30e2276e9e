//! A key that its JWK restricts to one algorithm (RFC 7517 section 4.4) verifies
//! no other, even though its type would allow it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use countersign_core::ports::{AccountKeys, RegisteredKey};
use countersign_core::{
    AccountId, AccountName, Algorithm, AwsLc, Clock, Decoys, KeyKind, PrivateKey, Random, Reason,
    RequestSigner, RsaBits, SignedRequestPolicy, UnixTime, UnverifiedToken, Verification,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixTime {
        NOW
    }
}

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn verify_with(key: &PrivateKey, restricted_to: Option<Algorithm>) -> Result<(), Reason> {
    let name = AccountName::new("device").unwrap();
    let account = Arc::new(AccountKeys {
        id: AccountId(uuid::Uuid::from_u128(1)),
        name: name.clone(),
        groups: [].into(),
        disabled: false,
        api_keys: Vec::new(),
        tokens_revoked_at: None,
        keys: vec![RegisteredKey {
            key: key.public_key().clone(),
            kid: None,
            algorithm: restricted_to,
            expires_at: None,
            revoked: false,
        }],
    });
    let token = RequestSigner::new(name, key.clone())
        .with_algorithm(Algorithm::Rs512)
        .token(&Fixed, &Fixed)
        .unwrap();
    let (policy, decoys) = (SignedRequestPolicy::default(), Decoys::default());
    let with = Verification {
        policy: &policy,
        verifier: &AwsLc,
        decoys: &decoys,
        now: NOW,
        request: None,
    };
    UnverifiedToken::parse(&token)?.verify(Some(&account), &with).map(drop)
}

#[test]
fn a_key_restricted_to_one_algorithm_verifies_no_other() {
    let key = PrivateKey::generate(KeyKind::Rsa(RsaBits::from_bits(2048).unwrap())).unwrap();
    assert_eq!(verify_with(&key, None), Ok(()));
    assert_eq!(verify_with(&key, Some(Algorithm::Rs512)), Ok(()));
    assert_eq!(verify_with(&key, Some(Algorithm::Rs256)), Err(Reason::KeyUnknown));
    assert_eq!(verify_with(&key, Some(Algorithm::Ps512)), Err(Reason::KeyUnknown));
}
