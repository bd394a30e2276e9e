//! Why was this refused? The latest refusals, and a tester for one credential.

use askama::Template;
use axum::extract::Extension;
use axum::response::Response;
use countersign_core::header::token_in_value;
use countersign_core::{API_KEY_PREFIX, AccountName, ApiKey};
use countersign_core::{Examination, ExaminationStep, Reason, StepOutcome};
use serde::Deserialize;

use super::page::{Frame, Section, shown};
use super::submission::Question;
use super::view::{Instant, Named, Now};
use super::visitor::Visitor;
use super::{Console, State};
use crate::api::{Problem, to_timestamp};
use crate::internal::extract::StrictQuery;
use crate::internal::problems::Kind;
use crate::token_service::{BEARER, TokenError};

/// What the page's address says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    account: String,
}

#[derive(Template)]
#[template(path = "console/refusals.html")]
struct RefusalsPage {
    frame: Frame,
    account: String,
    rows: Vec<Row>,
    result: Option<TestResult>,
}

struct Row {
    at: Instant,
    account: Option<Named>,
    reason: &'static str,
    means: &'static str,
    client: Option<std::net::IpAddr>,
    request_id: String,
}

/// What the tester found.
struct TestResult {
    verdict: String,
    good: bool,
    facts: Vec<(&'static str, String)>,
    steps: Vec<Step>,
}

struct Step {
    name: &'static str,
    outcome: &'static str,
    means: &'static str,
}

/// Shows what was refused lately.
pub(super) async fn show(
    axum::extract::State(console): State,
    Extension(visitor): Extension<Visitor>,
    StrictQuery(wanted): StrictQuery<Wanted>,
) -> Response {
    console.refusals_page(Frame::new(&visitor, Section::Refusals), wanted.account, None)
}

/// Shows what becomes of a credential, which is neither spent nor kept. An auditor may ask too.
pub(super) async fn examine(
    axum::extract::State(console): State,
    form: Question,
) -> Result<Response, Problem> {
    let result = console.test(form.text("authorization")).await?;
    let frame = Frame::new(&form.visitor, Section::Refusals);
    Ok(console.refusals_page(frame, String::new(), Some(result)))
}

impl Console {
    fn refusals_page(&self, frame: Frame, account: String, result: Option<TestResult>) -> Response {
        let now = Now::of(&*self.clock);
        let wanted = account.trim();
        let found = self.refusals.about((!wanted.is_empty()).then_some(wanted));
        let rows = found.into_iter().map(|refusal| Row {
            at: now.instant(to_timestamp(refusal.at)),
            account: refusal.claimed_account.map(|name: AccountName| name.to_string().into()),
            reason: refusal.reason.code(),
            means: meaning(refusal.reason),
            client: refusal.client,
            request_id: refusal.request_id,
        });
        let page = RefusalsPage { frame, rows: rows.collect(), account, result };
        shown(&page.frame, &page)
    }

    /// A header may be pasted with its name, as tools print it.
    async fn test(&self, pasted: &str) -> Result<TestResult, Problem> {
        let value = match pasted.split_once(':') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("authorization") => value,
            _ => pasted,
        };
        let value = value.trim();
        if let (Some(tokens), Ok(shown)) = (&self.tokens, token_in_value(value, BEARER)) {
            return self.test_bearer(&tokens.service, &shown).await;
        }
        let examined = self.public_authenticator.examine(value).await.map_err(|error| {
            tracing::error!(%error, "cannot examine a credential at the moment");
            Kind::Unavailable.problem("credentials cannot be examined: try again")
        })?;
        Ok(TestResult::of(examined, Now::of(&*self.clock)))
    }

    async fn test_bearer(
        &self,
        tokens: &crate::token_service::TokenService,
        shown: &str,
    ) -> Result<TestResult, Problem> {
        let known = if shown.starts_with(API_KEY_PREFIX) {
            match ApiKey::new(shown) {
                Ok(key) => tokens.owner(&key).await,
                Err(_) => Err(TokenError::Refused(Reason::ApiKeyUnknown.into())),
            }
        } else {
            tokens.examine(shown).await.map(|identity| identity.account().clone())
        };
        match known {
            Ok(account) => Ok(TestResult::of_bearer(Ok(account))),
            Err(TokenError::Refused(refusal) | TokenError::Limited(refusal, _)) => {
                Ok(TestResult::of_bearer(Err(refusal.reason)))
            }
            Err(TokenError::Unavailable(cause)) => {
                tracing::error!(cause, "cannot examine a credential at the moment");
                Err(Kind::Unavailable.problem("credentials cannot be examined: try again"))
            }
        }
    }
}

impl TestResult {
    fn of(examined: Examination, now: Now) -> Self {
        let good = examined.passed();
        let verdict = if good {
            "It is good, if it was not used before: that is not looked up, since to look would be \
             to use it. Nor are the rules on what this account may ask for."
        } else {
            "It is refused."
        };
        let mut facts = Vec::new();
        if let Some(token) = &examined.unverified {
            facts.push(("Claims to be", token.account.to_string()));
            facts.push(("Key", token.kid.clone().unwrap_or_else(|| "not named".to_owned())));
            facts.push(("Made", now.instant(to_timestamp(token.time)).to_string()));
            facts.push(("Clock", offset(token.clock_offset_micros)));
        }
        let steps = examined.steps.into_iter().map(|(step, outcome)| Step::new(step, outcome));
        Self { verdict: verdict.to_owned(), good, facts, steps: steps.collect() }
    }

    fn of_bearer(outcome: Result<AccountName, Reason>) -> Self {
        let (verdict, good, facts) = match outcome {
            Ok(account) => {
                ("It is accepted.".to_owned(), true, vec![("Account", account.to_string())])
            }
            Err(reason) => {
                let verdict = format!("It is refused: {} ({}).", meaning(reason), reason.code());
                (verdict, false, Vec::new())
            }
        };
        Self { verdict, good, facts, steps: Vec::new() }
    }
}

/// How the caller's clock differs from ours, if the token was made just now.
fn offset(micros: i64) -> String {
    let tenths = micros.unsigned_abs() / 100_000;
    let seconds = format!("{}.{} s", tenths / 10, tenths % 10);
    match micros {
        0 => "the same as ours".to_owned(),
        1.. => format!("{seconds} ahead of ours"),
        _ => format!("{seconds} behind ours, or the token is that old"),
    }
}

impl Step {
    fn new(step: ExaminationStep, outcome: StepOutcome) -> Self {
        let name = match step {
            ExaminationStep::Header => "The header",
            ExaminationStep::Form => "The token's form",
            ExaminationStep::Algorithm => "Its algorithm",
            ExaminationStep::Time => "Its time",
            ExaminationStep::Audience => "Its audience",
            ExaminationStep::Account => "The account",
            ExaminationStep::Signature => "The signature",
            ExaminationStep::Standing => "Account and key are not withdrawn",
            _ => "Another step",
        };
        let (outcome, means) = match outcome {
            StepOutcome::Passed => ("right", ""),
            StepOutcome::Failed(reason) => (reason.code(), meaning(reason)),
            StepOutcome::NotTaken => ("not looked at", ""),
        };
        Self { name, outcome, means }
    }

    fn class(&self) -> &'static str {
        match self.outcome {
            "right" => "on",
            "not looked at" => "standby",
            _ => "off",
        }
    }
}

/// What a reason means, for a person who has to do something about it.
fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::HeaderMissing => "no Authorization header came: does the gateway pass it on?",
        Reason::HeaderRepeated => "two Authorization headers came",
        Reason::HeaderMalformed => "the header is not a scheme word and a token",
        Reason::SchemeOther => "the scheme word is another one",
        Reason::TokenTooLong => "the token is longer than any that is accepted",
        Reason::TokenMalformed => "the token is no compact JWS",
        Reason::CriticalHeader => "the token's header asks for extensions",
        Reason::AlgorithmUnsupported => "the token's algorithm is not known here",
        Reason::AlgorithmNotAllowed => "the token's algorithm is not allowed here",
        Reason::ClaimsMalformed => "the claims are no JSON object with the usual forms",
        Reason::UsernameMalformed => "`username` is missing or no account name",
        Reason::TimeMalformed => "`time` is missing or no number",
        Reason::NonceMalformed => "`nonce` is missing, empty or too long",
        Reason::OutsideWindow => "made too long ago or in the future: compare the clocks",
        Reason::Expired => "it has expired",
        Reason::NotYetValid => "it is not valid yet: compare the clocks",
        Reason::IssuedInTheFuture => "issued in the future: compare the clocks",
        Reason::AudienceOther => "made for another audience, or for none where one is required",
        Reason::IssuerOther => "made by another issuer",
        Reason::BindingOther => "made for another method, URI or body",
        Reason::AccountUnknown => "there is no account of this name",
        Reason::KeyUnknown => "the account has no such key: was it registered?",
        Reason::KidRequired => "the account has many keys: the token must name one",
        Reason::SignatureInvalid => "signed by another key, or changed on the way",
        Reason::AccountDisabled => "the account is disabled",
        Reason::KeyRevoked => "the key was revoked",
        Reason::KeyExpired => "the key has expired",
        Reason::ApiKeyUnknown => "there is no such API key",
        Reason::RefreshTokenUnknown => "there is no such refresh token",
        Reason::RefreshTokenExpired => "the refresh token has expired",
        Reason::IdentifierOther => "the identifier is not that of the API key",
        Reason::TokenRevoked => "the token was revoked, or all of its account",
        Reason::Replayed => "the token was used before: each is good for one request",
        Reason::ShareUsedUp => "the account sends more requests than its share",
        Reason::AddressOverLimit => "more requests came from this address than one may send",
        Reason::CredentialOverLimit => "more requests came with this credential than one may send",
        Reason::NotAllowed => "a rule does not let this caller, or anybody, do this",
        other => other.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_are_compared_in_seconds() {
        assert_eq!(offset(0), "the same as ours");
        assert_eq!(offset(2_540_000), "2.5 s ahead of ours");
        assert_eq!(offset(-61_000_000), "61.0 s behind ours, or the token is that old");
    }
}
