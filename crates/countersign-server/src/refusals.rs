//! The latest refusals, for operators who are asked why.
//!
//! A refusal travels with the answer as an extension, unseen by the caller, to where the
//! request's id and origin are known; there it is remembered.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::Response;
use countersign_core::{AccountName, Clock, Reason, Refusal, UnixTime};

/// How many refusals are remembered; then the oldest go.
pub const MAX_REFUSALS: usize = 500;

/// The latest refusals of this process.
pub struct RecentRefusals {
    latest: Mutex<VecDeque<RecentRefusal>>,
    clock: Arc<dyn Clock>,
}

/// A credential that was refused. Of the credential itself nothing is kept.
#[derive(Clone, Debug)]
pub(crate) struct RecentRefusal {
    pub(crate) at: UnixTime,
    pub(crate) reason: Reason,
    pub(crate) claimed_account: Option<AccountName>,
    /// What the caller was told and can quote.
    pub(crate) request_id: String,
    pub(crate) client: Option<IpAddr>,
}

/// What travels with an answer.
#[derive(Clone)]
struct Refused {
    refusal: Refusal,
    /// Where the refused request came from, if that is not where the question came from.
    client: Option<IpAddr>,
}

/// Sends a refusal along with its answer. Whoever shows no credential is not refused one:
/// browsers and probes ask so, and would push out those that somebody asks about.
pub(crate) fn attach(response: &mut Response, refusal: Refusal, client: Option<IpAddr>) {
    if refusal.reason != Reason::HeaderMissing {
        response.extensions_mut().insert(Refused { refusal, client });
    }
}

/// Sends the refusal of one answer along with another.
pub(crate) fn hand_on(from: &Response, to: &mut http::Extensions) {
    if let Some(refused) = from.extensions().get::<Refused>() {
        to.insert(refused.clone());
    }
}

/// The reason of the refusal that travels with an answer.
pub(crate) fn reason(response: &Response) -> Option<Reason> {
    response.extensions().get::<Refused>().map(|refused| refused.refusal.reason)
}

impl RecentRefusals {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { latest: Mutex::default(), clock }
    }

    /// Remembers the refusal that travels with this answer, if there is one.
    pub(crate) fn note(&self, response: &mut Response, request_id: &str, client: Option<IpAddr>) {
        let Some(Refused { refusal, client: original }) = response.extensions_mut().remove() else {
            return;
        };
        let noted = RecentRefusal {
            at: self.clock.now(),
            reason: refusal.reason,
            claimed_account: refusal.claimed_account,
            request_id: request_id.to_owned(),
            client: original.or(client),
        };
        let mut latest = self.latest();
        latest.truncate(MAX_REFUSALS - 1);
        latest.push_front(noted);
    }

    /// Those about an account of this name, or about all, the latest first.
    pub(crate) fn about(&self, account: Option<&str>) -> Vec<RecentRefusal> {
        let is_wanted = |refusal: &&RecentRefusal| {
            let claimed = refusal.claimed_account.as_ref().map(AccountName::as_str);
            account.is_none_or(|wanted| claimed == Some(wanted))
        };
        self.latest().iter().filter(is_wanted).cloned().collect()
    }

    /// A list that a panic left behind is whole.
    fn latest(&self) -> MutexGuard<'_, VecDeque<RecentRefusal>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(43_200)
        }
    }

    fn refused(reason: Reason, account: &str) -> Response {
        let mut response = Response::new(Body::empty());
        let claimed_account = AccountName::new(account).ok();
        attach(&mut response, Refusal { reason, claimed_account }, None);
        response
    }

    #[test]
    fn the_latest_come_first_and_the_oldest_go() {
        let refusals = RecentRefusals::new(Arc::new(Noon));
        refusals.note(&mut Response::new(Body::empty()), "none", None);
        for number in 0..=MAX_REFUSALS {
            let mut response = refused(Reason::Replayed, &format!("robot-{}", number % 2));
            refusals.note(&mut response, &number.to_string(), None);
            refusals.note(&mut response, "twice", None);
        }
        let all = refusals.about(None);
        assert_eq!(all.len(), MAX_REFUSALS);
        assert_eq!((&*all[0].request_id, &*all[MAX_REFUSALS - 1].request_id), ("500", "1"));
        assert_eq!(refusals.about(Some("robot-0")).len(), MAX_REFUSALS / 2);
        assert!(refusals.about(Some("robot")).is_empty());
    }
}
