//! `countersign token verify`: whether a key signed a token, and when.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign_core::ports::{AccountKeys, Clock as _, RegisteredKey};
use countersign_core::{
    AccountId, AwsLc, DEFAULT_TOLERANCE, Decoys, PublicKey, Reason, SignedRequestPolicy, UnixTime,
    UnverifiedToken, Verification,
};
use countersign_system::SystemClock;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::inspect::{age_in_words, seconds_between};
use super::text;
use crate::config::Span;
use crate::failure::{Exit, Failure};
use crate::key_file;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  countersign token verify --public-key robot.key.pub eyJhbGciOi...
  countersign header --account robot --key robot.key |
      countersign token verify --public-key robot.key.pub

Exits with 1 if the signature or the time is no good. Whether the token was used
before is something only a server can know.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct VerifyArgs {
    /// The token, or a whole Authorization line; `-` or nothing is standard input.
    token: Option<String>,
    /// The public key that should have signed it.
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    /// How far the token's time may lie from now, either way.
    #[arg(long, value_name = "SPAN", default_value_t = Span(DEFAULT_TOLERANCE))]
    tolerance: Span,
    /// A name this service goes by. [default: whatever the token's aud says]
    #[arg(long, value_name = "NAME")]
    audience: Vec<String>,
}

#[derive(Serialize)]
struct Outcome {
    /// Whether the signature and the time are right.
    verified: bool,
    /// Whether the signature is right, whatever the time.
    signature: bool,
    /// Why not, as the server's log would say.
    reason: Option<&'static str>,
    claims: Value,
    age_seconds: f64,
}

pub(crate) fn run(args: &VerifyArgs, output: Output) -> Result<(), Failure> {
    let (key, _) = key_file::read_public(&args.public_key)?;
    let token = text::token(args.token.as_deref())?;
    let (_, claims) = text::parts(&token)?;
    let now = SystemClock.now();
    let parse = || UnverifiedToken::parse(&token);
    let time = parse()
        .map_err(|reason| {
            Failure::refused(format_args!("no well-formed signed request: {reason}"))
        })?
        .unverified_claims()
        .time()
        .floor();
    let check = |at| parse().and_then(|token| verify(token, &key, args, at));
    let outcome = check(now);
    let verified = Outcome {
        verified: outcome.is_ok(),
        // At the token's own time its window is no question.
        signature: outcome.is_ok() || check(time).is_ok(),
        reason: outcome.err().map(Reason::code),
        claims,
        age_seconds: seconds_between(time, now),
    };
    output.show(&verified, |verified| describe(verified, time))?;
    if verified.verified { Ok(()) } else { Err(Failure::shown(Exit::Refused)) }
}

/// Verifies as a server does whose one account has this one key.
fn verify(
    token: UnverifiedToken<'_>,
    key: &PublicKey,
    args: &VerifyArgs,
    now: UnixTime,
) -> Result<(), Reason> {
    let claims = token.unverified_claims();
    let audiences = if args.audience.is_empty() {
        claims.audience().unwrap_or_default().to_vec()
    } else {
        args.audience.clone()
    };
    // Whatever name the token gives to its key, it is this one that is asked about.
    let registered = RegisteredKey {
        key: key.clone(),
        kid: token.unverified_kid().map(Into::into),
        algorithm: None,
        expires_at: None,
        revoked: false,
    };
    let policy = SignedRequestPolicy {
        tolerance: args.tolerance.0,
        audiences,
        ..SignedRequestPolicy::default()
    };
    let account = Arc::new(AccountKeys {
        id: AccountId(Uuid::nil()),
        name: claims.account().clone(),
        groups: Arc::default(),
        disabled: false,
        keys: vec![registered],
        api_keys: Vec::new(),
        tokens_revoked_at: None,
    });
    let with = Verification {
        policy: &policy,
        verifier: &AwsLc,
        decoys: &Decoys::default(),
        now,
        request: None,
    };
    token.verify(Some(&account), &with).map(drop)
}

fn describe(verified: &Outcome, time: UnixTime) -> String {
    let signature = if verified.signature { "made by this key" } else { "NOT made by this key" };
    let verdict = match verified.reason {
        None => "verified (whether it was used before, only a server knows)".to_owned(),
        Some(reason) => format!("REFUSED: {reason}"),
    };
    format!(
        "claims     {}\nsignature  {signature}\nage        {}\nverdict    {verdict}",
        format!("{:#}", verified.claims).replace('\n', "\n           "),
        age_in_words(verified.age_seconds, time),
    )
}
