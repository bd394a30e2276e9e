//! `countersign token inspect`: what a token says, believed or not.

use std::time::Duration;

use clap::Args;
use countersign_core::ports::Clock as _;
use countersign_core::{UnixTime, UnverifiedToken};
use countersign_server::api::to_timestamp;
use countersign_system::SystemClock;
use serde::Serialize;
use serde_json::Value;

use super::text;
use crate::config::Span;
use crate::failure::Failure;
use crate::output::{Output, instant};

const AFTER_HELP: &str = "\
Examples:
  countersign token inspect eyJhbGciOi...
  countersign header --account robot --key robot.key | countersign token inspect

Anyone can write a token. Only `countersign token verify` looks at the signature.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct InspectArgs {
    /// The token, or a whole Authorization line; `-` or nothing is standard input.
    token: Option<String>,
}

#[derive(Serialize)]
struct Inspected {
    /// Always false: a script must not take this for a verification.
    verified: bool,
    header: Value,
    claims: Value,
    /// Now minus `time`, in seconds; negative for a token from the future.
    age_seconds: Option<f64>,
    /// Why it is no signed request, whoever signed it.
    malformed: Option<&'static str>,
}

pub(crate) fn run(args: &InspectArgs, output: Output) -> Result<(), Failure> {
    let token = text::token(args.token.as_deref())?;
    let (header, claims) = text::parts(&token)?;
    let now = SystemClock.now();
    let parsed = UnverifiedToken::parse(&token);
    let time = parsed.as_ref().ok().map(|token| token.unverified_claims().time().floor());
    let inspected = Inspected {
        verified: false,
        header,
        claims,
        age_seconds: time.map(|time| seconds_between(time, now)),
        malformed: parsed.as_ref().err().map(|reason| reason.code()),
    };
    output.show(&inspected, |inspected| describe(inspected, time))
}

fn describe(inspected: &Inspected, time: Option<UnixTime>) -> String {
    let form = match inspected.malformed {
        None => "form     a well-formed signed request".to_owned(),
        Some(reason) => format!("form     no well-formed signed request: {reason}"),
    };
    let age = match (inspected.age_seconds, time) {
        (Some(age), Some(time)) => format!("\nage      {}", age_in_words(age, time)),
        _ => String::new(),
    };
    format!(
        "header   {}\nclaims   {}\n{form}{age}\n\nNothing was verified: anyone can write this. Use `countersign token verify`.",
        indented(&inspected.header),
        indented(&inspected.claims),
    )
}

fn indented(value: &Value) -> String {
    format!("{value:#}").replace('\n', "\n         ")
}

/// How long ago, or how far ahead, and when that was.
pub(super) fn age_in_words(age: f64, time: UnixTime) -> String {
    let at = instant(Some(to_timestamp(time)));
    let span = Duration::try_from_secs_f64(age.abs().round()).unwrap_or(Duration::MAX);
    let span = Span(span);
    if age < 0.0 { format!("{span} in the future ({at})") } else { format!("{span} ({at})") }
}

#[expect(clippy::cast_precision_loss, reason = "for display, and exact below 285 years")]
pub(super) fn seconds_between(time: UnixTime, now: UnixTime) -> f64 {
    (now.as_micros().saturating_sub(time.as_micros())) as f64 / 1e6
}
