//! The server, as operators reach it.

use std::time::Duration;

use countersign_core::ports::Clock as _;
use countersign_server::api::{
    Accounts, AccountsQuery, SigningKeyState, SigningKeys, routes, to_timestamp, to_unix_time,
};
use countersign_server::{METRICS, health};
use countersign_system::SystemClock;
use jiff::fmt::rfc2822;

use super::finding::Diagnosis;
use crate::operator::{AdminApi, OperatorArgs, Told};

/// How far clocks may be apart before signed requests are at risk, which hold for 20 seconds.
const DRIFT: Duration = Duration::from_secs(3);
/// How far apart they are when requests are refused, give or take the way.
const TOO_MUCH_DRIFT: Duration = Duration::from_secs(15);
/// How long before its end a key should be replaced.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);
/// By which part of its lifetime a signing key may be late: the server looks after it now and
/// then.
const LATE: u32 = 30;
/// How many accounts are named.
const NAMED: u32 = 5;

/// What cannot be reached is not looked at.
pub(super) async fn look(
    operator: &OperatorArgs,
    signing_key_lifetime: Duration,
    diagnosis: &mut Diagnosis,
) {
    let ready = match operator.ask(health::READY).await {
        Ok(ready) => ready,
        Err(failure) => {
            let advice = "see its log, and that --data-dir or --server is right";
            return diagnosis.fail("server", failure, advice);
        }
    };
    let said = ready.text.trim();
    if ready.status.is_success() {
        diagnosis.ok("server", "it takes requests; its database and its replay guard answer");
    } else {
        let found = format!("it takes no requests ({}): {said}", ready.status);
        let advice = "`store` is the database, `replay-guard` the file of nonces: the log has what is wrong with it";
        diagnosis.fail("server", found, advice);
    }
    clock(&ready, diagnosis);
    match operator.ask(METRICS).await {
        Ok(metrics) if metrics.status.is_success() => measured(&metrics.text, diagnosis),
        Ok(metrics) => {
            let found = format_args!("{METRICS} answers {}", metrics.status);
            diagnosis.warn("metrics", found, "is the server older than this command?");
        }
        Err(failure) => diagnosis.fail("metrics", failure, "see the server's log"),
    }
    match operator.connect().await {
        Ok(api) => keys(&api, signing_key_lifetime, diagnosis).await,
        Err(failure) => {
            let advice = "its keys are not looked at; give --as NAME --identity FILE";
            diagnosis.fail("administration", failure, advice);
        }
    }
}

fn clock(told: &Told, diagnosis: &mut Diagnosis) {
    let check = "clock";
    let Some(theirs) = told.date.as_deref().and_then(|date| rfc2822::parse(date).ok()) else {
        return diagnosis.warn(check, "the answer has no date", "is a proxy in between?");
    };
    let theirs = to_unix_time(theirs.timestamp()).as_micros();
    // The date is cut to the second: half of one is lost on average.
    let apart = SystemClock.now().as_micros().saturating_sub(theirs.saturating_add(500_000));
    let seconds = apart / 1_000_000;
    let found = format!("this machine is {seconds} s ahead of the server");
    let advice = "let both keep time by NTP: signed requests hold for 20 s either way";
    match Duration::from_micros(apart.unsigned_abs()) {
        apart if apart > TOO_MUCH_DRIFT => diagnosis.fail(check, found, advice),
        apart if apart > DRIFT => diagnosis.warn(check, found, advice),
        _ => diagnosis.ok(check, found),
    }
}

/// What the metrics say of accounts and of endpoints.
fn measured(metrics: &str, diagnosis: &mut Diagnosis) {
    let value = |name: &str| {
        let name = format!("countersign_{name} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse::<f64>().ok())
    };
    match value("directory_complete") {
        Some(complete) if complete > 0.0 => diagnosis.ok("accounts", "all are in memory"),
        _ => {
            let advice =
                "wait after a start; if it stays so, the log says what is wrong with the database";
            diagnosis.warn("accounts", "they are still being read", advice);
        }
    }
    let (endpoints, failing) = (value("jwks_endpoints"), value("jwks_endpoints_failing"));
    let (Some(endpoints), Some(failing)) = (endpoints, failing) else { return };
    if failing > 0.0 {
        let found = format!("{failing} of {endpoints} could not be fetched last time");
        let advice = "`countersign jwks list ACCOUNT` and the log say why; their keys are refused an hour after the last fetch";
        return diagnosis.fail("jwks endpoints", found, advice);
    }
    let age = value("jwks_oldest_fetch_age_seconds").filter(|_| endpoints > 0.0);
    let age = age.map_or_else(String::new, |age| format!(", the oldest set is {age:.0} s old"));
    diagnosis.ok("jwks endpoints", format_args!("{endpoints} are fetched{age}"));
}

async fn keys(api: &AdminApi, signing_key_lifetime: Duration, diagnosis: &mut Diagnosis) {
    let now = SystemClock.now();
    let query = AccountsQuery {
        key_expires_after: Some(to_timestamp(now)),
        key_expires_before: Some(to_timestamp(now + EXPIRES_SOON)),
        limit: Some(NAMED),
        ..AccountsQuery::default()
    };
    match api.get::<Accounts>(&routes::accounts(&query)).await {
        Ok(Accounts { accounts, .. }) if accounts.is_empty() => {
            diagnosis.ok("administration", "the key for it is accepted");
            diagnosis.ok("keys", "no account's key expires within 14 days");
        }
        Ok(Accounts { accounts, next }) => {
            diagnosis.ok("administration", "the key for it is accepted");
            let names: Vec<_> = accounts.iter().map(|account| account.name.as_str()).collect();
            let more = if next.is_some() { " and more" } else { "" };
            let found = format!("keys expire within 14 days: of {}{more}", names.join(", "));
            let advice = "register their next ones: `countersign key add`, or `key expire --never`";
            diagnosis.warn("keys", found, advice);
        }
        Err(failure) => {
            let advice = "its keys are not looked at; give --as NAME --identity FILE";
            return diagnosis.fail("administration", failure, advice);
        }
    }
    let check = "signing key";
    let advice = "`countersign signing-key rotate`";
    let active = match api.get::<SigningKeys>(routes::SIGNING_KEYS).await {
        Ok(keys) => keys.signing_keys.into_iter().find(|key| key.state == SigningKeyState::Active),
        Err(failure) => return diagnosis.fail(check, failure, "see the server's log"),
    };
    let Some(since) = active.and_then(|key| key.activated_at) else {
        return diagnosis.warn(check, "none signs access tokens", advice);
    };
    let age = now.as_micros().saturating_sub(to_unix_time(since).as_micros());
    let age = Duration::from_micros(u64::try_from(age).unwrap_or(0));
    let found = format!("it has been signing for {} days", age.as_secs() / 86_400);
    if age > signing_key_lifetime + signing_key_lifetime / LATE {
        return diagnosis.warn(check, found, advice);
    }
    diagnosis.ok(check, found);
}
