//! The server, as operators reach it, and what it finds itself.

use std::time::Duration;

use countersign_core::ports::Clock as _;
use countersign_server::api::{SelfReport, routes, to_unix_time};
use countersign_server::health;
use countersign_system::SystemClock;
use jiff::fmt::rfc2822;

use super::finding::Diagnosis;
use crate::commands::serve::GUARD_WAIT;
use crate::operator::{OperatorArgs, Told};

/// How far clocks may be apart before signed requests are at risk, which hold for 20 seconds.
const DRIFT: Duration = Duration::from_secs(3);
/// How far apart they are when requests are refused, give or take the way.
const TOO_MUCH_DRIFT: Duration = Duration::from_secs(15);

/// What cannot be reached is not looked at.
pub(super) async fn look(operator: &OperatorArgs, diagnosis: &mut Diagnosis) {
    let ready = match operator.ask(health::READY).await {
        Ok(ready) => ready,
        Err(failure) => {
            let advice = "see its log, and that --data-dir or --server is right";
            return diagnosis.fail("server", failure, advice);
        }
    };
    let said = ready.text.trim();
    if ready.status.is_success() && said != "ready" {
        let advice = if said.contains(GUARD_WAIT) {
            "signed requests, yours too, get 503 for as long as the tolerance and ten seconds: wait, the log says until when"
        } else {
            "the log has what is wrong with it"
        };
        diagnosis.warn("server", said, advice);
    } else if ready.status.is_success() {
        diagnosis.ok("server", "it takes requests; its database and its replay guard answer");
    } else {
        let found = format!("it takes no requests ({}): {said}", ready.status);
        let advice = "`store` is the database, `replay-guard` the file of nonces: the log has what is wrong with it";
        diagnosis.fail("server", found, advice);
    }
    clock(&ready, diagnosis);
    let report = async {
        let api = operator.connect().await?;
        api.get::<SelfReport>(routes::SELF_REPORT).await
    };
    match report.await {
        Ok(report) => {
            diagnosis.ok("administration", "the key for it is accepted");
            diagnosis.extend(report.checks);
        }
        Err(failure) => {
            let advice = "the server was not asked about itself; give --as NAME --identity FILE";
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
