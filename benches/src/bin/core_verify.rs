//! What verifying a token costs beyond the bare signature check.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use countersign_benches::bare::BareCheck;
use countersign_benches::clock::{NOW, Stopwatch};
use countersign_benches::pairs::{Pairs, Ratios};
use countersign_benches::report::{Limit, Row, print};
use countersign_benches::tokens::{Counter, account, authorization, ed25519, rsa};
use countersign_core::ports::{AccountKeys, RegisteredKey};
use countersign_core::{
    AccountId, AwsLc, Decoys, PrivateKey, SignedRequestPolicy, UnverifiedToken, Verification,
};

/// Tokens in one half of a pair.
const TOKENS: usize = 2_000;
/// How much more than a bare check the verification of a token may cost.
const MOST_MICROSECONDS: f64 = 1.5;

fn main() -> ExitCode {
    let mut rows = measure("Ed25519", &ed25519(0));
    rows.extend(measure("RS512", &rsa()));
    if print("Verifying a token in core, against the bare signature check", &rows) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure(name: &str, key: &PrivateKey) -> Vec<Row> {
    let random = Counter(AtomicU64::new(0));
    let tokens: Vec<String> =
        (0..TOKENS).map(|_| authorization(0, key, &random).split_off("JWT ".len())).collect();
    let keys = AccountKeys {
        id: AccountId(uuid::Uuid::from_u128(1)),
        name: account(0),
        groups: Arc::new([]),
        disabled: false,
        api_keys: Vec::new(),
        tokens_revoked_at: None,
        keys: vec![RegisteredKey {
            key: key.public_key().clone(),
            kid: None,
            algorithm: None,
            expires_at: None,
            revoked: false,
        }],
    };
    let keys = Arc::new(keys);
    let mut pairs = Pairs::new(|micros: &f64| *micros);
    while pairs.are_too_few() {
        let (bare, whole) = measure_pair(key, &keys, &tokens);
        pairs.add(bare, whole);
    }
    let disturbed = pairs.disturbed();
    let (bare, whole): (Vec<f64>, Vec<f64>) = pairs.undisturbed().copied().unzip();
    let ratios = bare.iter().zip(&whole).map(|(bare, whole)| bare / whole).collect();
    let bare_micros = Ratios::new(bare.clone());
    let differences = bare.iter().zip(&whole).map(|(bare, whole)| whole - bare).collect();
    vec![
        Row {
            name: format!("{name}: microseconds of the bare check"),
            ratios: bare_micros,
            limit: Limit::Shown,
            value: 0.0,
        },
        Row {
            name: format!("{name}: bare check / whole verification"),
            ratios: Ratios::new(ratios),
            limit: Limit::Shown,
            value: 0.0,
        },
        Row {
            name: format!("{name}: microseconds beyond it ({disturbed} disturbed pairs left out)"),
            ratios: Ratios::new(differences),
            limit: Limit::AtMost,
            value: MOST_MICROSECONDS,
        },
    ]
}

/// Microseconds a token for the signature check alone, its input at hand, and
/// for the way from the token's text to a verified token: the medians of all
/// tokens, each of which is measured both ways in turn.
fn measure_pair(key: &PrivateKey, account: &Arc<AccountKeys>, tokens: &[String]) -> (f64, f64) {
    let (policy, decoys) = (SignedRequestPolicy::default(), Decoys::default());
    let with = Verification {
        policy: &policy,
        verifier: &AwsLc,
        decoys: &decoys,
        now: NOW,
        request: None,
    };
    let check = BareCheck::new(key.public_key());
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for token in tokens {
        let (input, signature) = token.rsplit_once('.').expect("a compact JWS");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");

        let watch = Stopwatch::start();
        let right = check.verify(input.as_bytes(), black_box(&signature));
        bare.push(watch.elapsed());
        assert!(right);

        let watch = Stopwatch::start();
        let unverified = UnverifiedToken::parse(black_box(token)).expect("well-formed");
        let verified = unverified.verify(Some(account), &with).expect("right");
        whole.push(watch.elapsed());
        black_box(verified);
    }
    (median_micros(bare), median_micros(whole))
}

fn median_micros(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
