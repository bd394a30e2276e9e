//! What an operator learns of a credential, and that learning it spends nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use async_trait::async_trait;
use countersign_core::ports::{
    AccountKeys, Directory, DirectoryError, GuardError, RegisteredKey, ReplayGuard, Spend,
};
use countersign_core::{
    AccountId, AccountName, Authenticator, Clock, Examination, ExaminationStep, KeyKind,
    PrivateKey, Random, Reason, RequestSigner, SignedRequestPolicy, StepOutcome, UnixTime,
};
use uuid::Uuid;

/// A clock that stands still until it is moved.
struct Stopped(AtomicI64);

impl Clock for Stopped {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

/// One account.
struct One(Arc<AccountKeys>);

#[async_trait]
impl Directory for One {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        Ok((self.0.name == *name).then(|| Arc::clone(&self.0)))
    }

    fn used(&self, _: countersign_core::ports::LastUse) {
        panic!("an examination is no use");
    }
}

/// An examination does not ask whether a token was used.
struct Unasked;

#[async_trait]
impl ReplayGuard for Unasked {
    async fn spend(&self, _: Spend<'_>) -> Result<(), GuardError> {
        panic!("an examination spends nothing");
    }
}

struct World {
    clock: Arc<Stopped>,
    signer: RequestSigner,
    authenticator: Authenticator,
}

impl World {
    fn new(change: impl FnOnce(&mut AccountKeys)) -> Self {
        let clock = Arc::new(Stopped(AtomicI64::new(1_800_000_000)));
        let (name, key) =
            (AccountName::new("robot").unwrap(), PrivateKey::generate(KeyKind::Ed25519).unwrap());
        let registered = RegisteredKey {
            key: key.public_key().clone(),
            kid: None,
            algorithm: None,
            expires_at: None,
            revoked: false,
        };
        let mut account = AccountKeys {
            id: AccountId(Uuid::from_u128(7)),
            name: name.clone(),
            groups: [].into(),
            disabled: false,
            keys: vec![registered],
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        };
        change(&mut account);
        let directory = Arc::new(One(Arc::new(account)));
        let policy = SignedRequestPolicy::default();
        let authenticator = Authenticator::new(policy, directory, Arc::new(Unasked), clock.clone());
        Self { clock, signer: RequestSigner::new(name, key), authenticator }
    }

    fn header(&self) -> String {
        self.signer.authorization(&*self.clock, &Counting::default()).unwrap()
    }

    async fn examine(&self, header: &str) -> Examination {
        self.authenticator.examine(header).await.unwrap()
    }
}

/// The steps that failed, and whether the last one was taken.
fn failures(examined: &Examination) -> Vec<(ExaminationStep, Reason)> {
    let failed = examined.steps.iter().filter_map(|(step, outcome)| match outcome {
        StepOutcome::Failed(reason) => Some((*step, *reason)),
        _ => None,
    });
    failed.collect()
}

#[tokio::test]
async fn a_good_credential_passes_every_step_however_often_it_is_examined() {
    let world = World::new(|_| ());
    let header = world.header();
    for _ in 0..3 {
        let examined = world.examine(&header).await;
        assert!(examined.passed(), "{examined:?}");
        let facts = examined.unverified.unwrap();
        assert_eq!((facts.account.as_str(), facts.clock_offset_micros), ("robot", 0));
    }
}

#[tokio::test]
async fn what_fails_is_named_and_what_cannot_be_looked_at_is_not_called_right() {
    use ExaminationStep as Step;
    let good = World::new(|_| ());
    let header = good.header();
    let cases = [
        (good.examine("Basic x").await, Step::Header, Reason::SchemeOther, 7),
        (good.examine("JWT x").await, Step::Form, Reason::TokenMalformed, 6),
        (
            World::new(|a| a.name = AccountName::new("x").unwrap()).examine(&header).await,
            Step::Account,
            Reason::AccountUnknown,
            2,
        ),
        (
            World::new(|a| a.keys.clear()).examine(&header).await,
            Step::Signature,
            Reason::KeyUnknown,
            1,
        ),
    ];
    for (examined, step, reason, not_taken) in cases {
        assert_eq!(failures(&examined), [(step, reason)], "{examined:?}");
        let found = examined.steps.iter().filter(|(_, outcome)| *outcome == StepOutcome::NotTaken);
        assert_eq!(found.count(), not_taken, "{examined:?}");
        assert!(!examined.passed());
    }
    let disabled = World::new(|account| account.disabled = true);
    let examined = disabled.examine(&disabled.header()).await;
    assert_eq!(failures(&examined), [(Step::Standing, Reason::AccountDisabled)]);
}

#[tokio::test]
async fn a_late_credential_is_looked_at_further_and_everything_is_judged_now() {
    let world = World::new(|_| ());
    let header = world.header();
    world.clock.0.fetch_add(90, Ordering::Relaxed);
    let examined = world.examine(&header).await;
    assert_eq!(failures(&examined), [(ExaminationStep::Time, Reason::OutsideWindow)]);
    assert_eq!(examined.steps.last().unwrap().1, StepOutcome::Passed);
    assert_eq!(examined.unverified.unwrap().clock_offset_micros, -90_000_000);

    // It was good when the token was made, and is not now: the clock is not all that is wrong.
    let expiry = Some(UnixTime::from_secs(1_800_000_060));
    let world = World::new(|account| account.keys[0].expires_at = expiry);
    let header = world.header();
    world.clock.0.fetch_add(90, Ordering::Relaxed);
    let examined = world.examine(&header).await;
    let expected = [
        (ExaminationStep::Time, Reason::OutsideWindow),
        (ExaminationStep::Standing, Reason::KeyExpired),
    ];
    assert_eq!(failures(&examined), expected);

    // Late, of nobody, and signed by nobody known: none of that is called right.
    let nobody = World::new(|account| account.name = AccountName::new("x").unwrap());
    nobody.clock.0.fetch_add(90, Ordering::Relaxed);
    let examined = nobody.examine(&header).await;
    let expected = [
        (ExaminationStep::Time, Reason::OutsideWindow),
        (ExaminationStep::Account, Reason::AccountUnknown),
    ];
    assert_eq!(failures(&examined), expected);
}

#[test]
fn a_key_may_be_used_while_it_is_good_in_every_place() {
    let now = UnixTime::from_secs(1_800_000_000);
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone();
    let place = |expires: Option<i64>, revoked| RegisteredKey {
        key: key.clone(),
        kid: None,
        algorithm: None,
        expires_at: expires.map(UnixTime::from_secs),
        revoked,
    };
    let may = |places: Vec<RegisteredKey>, disabled| {
        let account = AccountKeys {
            id: AccountId(Uuid::from_u128(7)),
            name: AccountName::new("robot").unwrap(),
            groups: [].into(),
            disabled,
            keys: places,
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        };
        account.may_use(&key, now)
    };
    assert!(may(vec![place(None, false)], false));
    assert!(may(vec![place(Some(1_800_000_000), false), place(Some(1_800_000_001), false)], false));
    assert!(!may(vec![place(None, false)], true));
    assert!(!may(vec![], false));
    assert!(!may(vec![place(Some(1_800_000_000), false)], false));
    assert!(!may(vec![place(None, false), place(None, true)], false));
}
