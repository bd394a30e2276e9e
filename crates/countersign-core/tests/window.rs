//! The window around `time` and the other instants, against naive arithmetic
//! on integers of 10^-18 seconds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::ports::ReplayKey;
use countersign_core::{
    AwsLc, Decoys, Reason, SignedRequestClaims, SignedRequestPolicy, UnixTime, UnverifiedToken,
    Verification,
};
use proptest::prelude::*;

/// Parts of a second in the arithmetic that the code is compared with.
const PARTS: i128 = 1_000_000_000_000_000_000;
const PARTS_PER_MICRO: i128 = PARTS / 1_000_000;
const NOW_SECONDS: i64 = 1_795_385_494;
const NOW: UnixTime = UnixTime::from_secs(NOW_SECONDS);

fn token(claims: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#);
    let signature = URL_SAFE_NO_PAD.encode([0; 64]);
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims))
}

/// The claims with this `time`, or why they are refused.
fn with_time<R>(time: &str, look: impl Fn(&SignedRequestClaims) -> R) -> Result<R, Reason> {
    let token = token(&format!(r#"{{"username":"alice","time":{time},"nonce":1}}"#));
    UnverifiedToken::parse(&token).map(|token| look(token.unverified_claims()))
}

fn is_within(time: &str, now: UnixTime, tolerance: Duration) -> Result<bool, Reason> {
    with_time(time, |claims| claims.time().is_within(now, tolerance))
}

/// What refuses a token of an unknown account with this member, signature aside.
fn refusal_with(member: &str, number: &str) -> Reason {
    let claims =
        format!(r#"{{"username":"alice","time":{NOW_SECONDS},"nonce":1,"{member}":{number}}}"#);
    let (policy, decoys) = (SignedRequestPolicy::default(), Decoys::default());
    let with = Verification {
        policy: &policy,
        verifier: &AwsLc,
        decoys: &decoys,
        now: NOW,
        request: None,
    };
    let token = token(&claims);
    UnverifiedToken::parse(&token).unwrap().verify(None, &with).unwrap_err()
}

/// Writes `parts` * 10^-18 as a JSON number whose point stands before the last
/// `point` digits, followed by so many zeros.
fn spell(parts: i128, point: usize, zeros: usize) -> String {
    let sign = if parts < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", parts.unsigned_abs(), width = point + 1);
    let (whole, fraction) = digits.split_at(digits.len() - point);
    let exponent = i64::try_from(point).unwrap() - 18;
    let fraction = format!("{fraction}{}", "0".repeat(zeros));
    if fraction.is_empty() {
        format!("{sign}{whole}e{exponent}")
    } else {
        format!("{sign}{whole}.{fraction}e{exponent}")
    }
}

fn parts(time: UnixTime) -> i128 {
    i128::from(time.as_micros()) * PARTS_PER_MICRO
}

/// An instant near now, often right beside an edge of the window.
fn instants() -> impl Strategy<Value = i128> {
    let near = (-30 * PARTS..30 * PARTS).prop_map(|offset| parts(NOW) + offset);
    let edges = (prop::sample::select(vec![-20, 0, 20]), -3..=3_i128, 0..=18_u32);
    let beside =
        edges.prop_map(|(edge, off, power)| parts(NOW) + edge * PARTS + off * 10_i128.pow(power));
    prop_oneof![near, beside]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_window_is_what_exact_arithmetic_says(
        time in instants(),
        micros_off in -1_500_000..1_500_000_i64,
        tolerance_micros in 0..40_000_000_u64,
        point in 0..27_usize,
        zeros in 0..6_usize,
    ) {
        let now = UnixTime::from_micros(NOW.as_micros() + micros_off);
        let tolerance = Duration::from_micros(tolerance_micros);
        let distance = (time - parts(now)).abs();
        let expected = distance <= i128::from(tolerance_micros) * PARTS_PER_MICRO;
        let text = spell(time, point, zeros);
        prop_assert_eq!(is_within(&text, now, tolerance), Ok(expected), "{}", text);
    }

    #[test]
    fn the_default_window_ends_exactly_at_its_edges(time in instants(), point in 0..27_usize) {
        let text = spell(time, point, 0);
        let expected = (time - parts(NOW)).abs() <= 20 * PARTS;
        prop_assert_eq!(is_within(&text, NOW, Duration::from_secs(20)), Ok(expected), "{}", text);
    }

    #[test]
    fn rounding_is_down_to_the_microsecond(time in instants(), point in 0..27_usize) {
        let floor = with_time(&spell(time, point, 0), |claims| claims.time().floor());
        let expected = i64::try_from(time.div_euclid(PARTS_PER_MICRO)).unwrap();
        prop_assert_eq!(floor, Ok(UnixTime::from_micros(expected)));
    }

    #[test]
    fn one_instant_is_one_use_however_it_is_spelled(
        time in instants(),
        point in (0..27_usize, 0..27_usize),
        zeros in (0..6_usize, 0..6_usize),
        next in 1..1000_i128,
    ) {
        let key = |text: &str| with_time(text, ReplayKey::of).unwrap();
        let first = key(&spell(time, point.0, zeros.0));
        prop_assert_eq!(first, key(&spell(time, point.1, zeros.1)));
        prop_assert_ne!(first, key(&spell(time + next, point.1, zeros.1)));
    }

    #[test]
    fn exp_nbf_and_iat_are_compared_exactly(time in instants(), point in 0..27_usize) {
        let text = spell(time, point, 0);
        let (before, after) = (time <= parts(NOW), time > parts(NOW));
        let expected = |refused: bool, reason| if refused { reason } else { Reason::AccountUnknown };
        prop_assert_eq!(refusal_with("exp", &text), expected(before, Reason::Expired));
        prop_assert_eq!(refusal_with("nbf", &text), expected(after, Reason::NotYetValid));
        prop_assert_eq!(refusal_with("iat", &text), expected(after, Reason::IssuedInTheFuture));
    }

    #[test]
    fn a_float_as_python_writes_it_is_taken_at_its_digits(offset in -25.0..25.0_f64) {
        #[expect(clippy::cast_precision_loss, reason = "what a client does")]
        let text = format!("{:?}", NOW_SECONDS as f64 + offset);
        let (whole, fraction) = text.split_once('.').unwrap();
        let parts_of = |digits: &str| format!("{digits:0<18}").parse::<i128>().unwrap();
        let time = whole.parse::<i128>().unwrap() * PARTS + parts_of(fraction);
        let expected = (time - parts(NOW)).abs() <= 20 * PARTS;
        prop_assert_eq!(is_within(&text, NOW, Duration::from_secs(20)), Ok(expected), "{}", text);
    }

    #[test]
    fn every_json_number_is_an_instant_or_refused(
        number in "-?(0|[1-9][0-9]{0,70})(\\.[0-9]{1,70})?([eE][+-]?[0-9]{1,12})?",
        now in any::<i64>(),
        tolerance in any::<Duration>(),
    ) {
        match is_within(&number, UnixTime::from_micros(now), tolerance) {
            Ok(_) => prop_assert!(!number.starts_with('-')),
            Err(reason) => prop_assert_eq!(reason, Reason::TimeMalformed),
        }
    }

    #[test]
    fn instants_before_and_at_the_epoch_are_refused(
        magnitude in 0..PARTS * 1_000_000,
        point in 0..27_usize,
    ) {
        let text = spell(-magnitude, point, 0);
        prop_assert_eq!(is_within(&text, NOW, Duration::MAX), Err(Reason::TimeMalformed));
    }
}

#[test]
fn numbers_at_the_ends_of_what_is_read() {
    let all = Duration::MAX;
    for (text, expected) in [
        ("1e-300", Ok(true)),
        ("1e-10000", Ok(true)),
        ("999999999999", Ok(true)),
        ("999999999999.999999", Ok(true)),
        ("1e12", Err(Reason::TimeMalformed)),
        ("1e10000", Err(Reason::TimeMalformed)),
        ("1e99999999999999999999", Err(Reason::TimeMalformed)),
        ("1e-99999999999999999999", Err(Reason::TimeMalformed)),
        ("0e99", Err(Reason::TimeMalformed)),
        ("0.000", Err(Reason::TimeMalformed)),
        ("-1", Err(Reason::TimeMalformed)),
    ] {
        assert_eq!(is_within(text, NOW, all), expected, "{text}");
    }
}

#[test]
fn a_window_that_reaches_past_the_ends_of_time_saturates() {
    for (now, reaches) in [(i64::MIN, false), (0, true), (i64::MAX, true)] {
        let now = UnixTime::from_micros(now);
        assert_eq!(is_within("1", now, Duration::MAX), Ok(reaches));
        assert_eq!(is_within("1", now, Duration::ZERO), Ok(false));
    }
    assert_eq!(is_within("1795385494.000", NOW, Duration::ZERO), Ok(true));
    assert_eq!(is_within("1795385494.0000001", NOW, Duration::ZERO), Ok(false));
}
