//! The server, as operators reach it, and what it finds itself.
//!
//! What it finds it tells operators alone, by their signature. A server that takes no signature
//! at the moment is asked for its health report, which needs none.

use std::time::Duration;

use countersign_core::ports::Clock as _;
use countersign_server::api::{HealthReport, SelfReport, routes, to_unix_time};
use countersign_server::health;
use countersign_store::CLOCK_LIMIT;
use countersign_store::replay::MAX_CLOCK_SKEW;
use countersign_system::SystemClock;
use http::StatusCode;
use jiff::fmt::rfc2822;

use super::finding::Diagnosis;
use crate::commands::serve::GUARD_WAIT;
use crate::failure::Failure;
use crate::operator::{OperatorArgs, Told};

/// How far clocks may be apart before signed requests are at risk, which hold for 20 seconds.
const DRIFT: Duration = Duration::from_secs(3);
/// How far apart they are when requests are refused, give or take the way.
const TOO_MUCH_DRIFT: Duration = Duration::from_secs(15);

/// What cannot be reached is not looked at. What the server says without a signature, if it does,
/// is of use elsewhere.
pub(super) async fn look(
    operator: &OperatorArgs,
    diagnosis: &mut Diagnosis,
) -> Option<HealthReport> {
    let ready = match operator.ask(health::READY).await {
        Ok(ready) => ready,
        Err(failure) => {
            let advice = "see its log, and that --data-dir or --server is right";
            diagnosis.fail("server", failure, advice);
            return None;
        }
    };
    let health = health_report(operator).await;
    readiness(&ready, health.as_ref(), diagnosis);
    clock(&ready, health.as_ref(), diagnosis);
    match self_report(operator).await {
        Ok(report) => {
            diagnosis.ok("administration", "the key for it is accepted");
            diagnosis.extend(report.checks);
        }
        Err(failure) => {
            let advice = advice_on(&failure);
            diagnosis.fail("administration", failure, advice);
            diagnosis.extend(health.iter().flat_map(|health| health.checks.clone()).collect());
        }
    }
    health
}

/// An earlier version has none.
async fn health_report(operator: &OperatorArgs) -> Option<HealthReport> {
    let told = operator.ask(routes::HEALTH_REPORT).await.ok()?;
    serde_json::from_str(&told.text).ok()
}

async fn self_report(operator: &OperatorArgs) -> Result<SelfReport, Failure> {
    operator.connect().await?.get(routes::SELF_REPORT).await
}

fn readiness(ready: &Told, health: Option<&HealthReport>, diagnosis: &mut Diagnosis) {
    let (check, said) = ("server", ready.text.trim());
    if ready.status.is_success() && said == "ready" {
        return diagnosis.ok(check, "it takes requests; its database and its replay guard answer");
    }
    let not_well = health.iter().flat_map(|health| &health.checks);
    let not_well: Vec<_> = not_well.map(|finding| finding.check.as_str()).collect();
    let advice = if said.contains(GUARD_WAIT) {
        "signed requests, yours too, get 503 for as long as the tolerance and ten seconds: wait, the log says until when".to_owned()
    } else if not_well.is_empty() {
        "the log has what is wrong with it".to_owned()
    } else {
        format!("see what is said of {}", not_well.join(", "))
    };
    if ready.status.is_success() {
        diagnosis.warn(check, said, advice);
    } else {
        let found = format_args!("it takes no requests ({}): {said}", ready.status);
        diagnosis.fail(check, found, advice);
    }
}

/// What to do about an operator who was not let in.
fn advice_on(failure: &Failure) -> &'static str {
    match failure.answer {
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            "give the name and the key of an administrator or an auditor: --as NAME --identity FILE"
        }
        Some(StatusCode::SERVICE_UNAVAILABLE) => {
            "it takes no signature at the moment, whoever's: mend what is said of it, and ask again for the rest"
        }
        _ => "mend that, and ask again: nothing was said of keys and endpoints",
    }
}

fn clock(told: &Told, health: Option<&HealthReport>, diagnosis: &mut Diagnosis) {
    let check = "clock";
    let Some(theirs) = told.date.as_deref().and_then(|date| rfc2822::parse(date).ok()) else {
        return diagnosis.warn(check, "the answer has no date", "is a proxy in between?");
    };
    let theirs = to_unix_time(theirs.timestamp()).as_micros();
    // The date is cut to the second: half of one is lost on average.
    let apart = SystemClock.now().as_micros().saturating_sub(theirs.saturating_add(500_000));
    let side = if apart < 0 { "behind" } else { "ahead of" };
    let apart = Duration::from_micros(apart.unsigned_abs());
    let found = format!("this machine is {} s {side} the server", apart.as_secs());
    let is_shared = health.is_some_and(|health| health.replay_guard.is_shared());
    let (drift, too_much, advice) = if is_shared {
        let advice = "let both keep time by NTP: a server whose clock is 5 s from that of the guard it shares takes no signed requests, see `shared clocks`";
        (CLOCK_LIMIT, MAX_CLOCK_SKEW, advice)
    } else {
        let advice = "let both keep time by NTP: signed requests hold for 20 s either way";
        (DRIFT, TOO_MUCH_DRIFT, advice)
    };
    if apart > too_much {
        diagnosis.fail(check, found, advice);
    } else if apart > drift {
        diagnosis.warn(check, found, advice);
    } else {
        diagnosis.ok(check, found);
    }
}
