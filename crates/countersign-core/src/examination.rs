//! What becomes of a credential, step by step, for an operator who asks why it is refused.

use crate::header;
use crate::names::AccountName;
use crate::ports::{Directory, DirectoryError};
use crate::refusal::Reason;
use crate::time::UnixTime;
use crate::token::{UnverifiedToken, Verification};

/// The steps of a signed request, in the order in which they are taken. Whether it was used
/// before is not among them: to know that would be to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExaminationStep {
    /// The header follows the grammar and has the scheme.
    Header,
    /// The token is a JWS with the claims of a signed request.
    Form,
    /// It was made within the window. Where it was not, the steps that follow are judged as
    /// they would have been when it was made.
    Time,
    /// The policy allows its algorithm, audience and binding.
    Policy,
    /// There is such an account.
    Account,
    /// The account has a key that it can have been signed with.
    Key,
    /// That key signed it.
    Signature,
    /// Neither account nor key is withdrawn.
    Standing,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// As it must.
    Passed,
    /// With a refusal.
    Failed(Reason),
    /// It was not taken, because an earlier one failed.
    NotTaken,
}

/// What a credential is and what becomes of it. Nothing was spent for it, no use was noted.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Every step with its outcome.
    pub steps: Vec<(ExaminationStep, StepOutcome)>,
    /// What the token says, proved or not, if it can be read.
    pub unverified: Option<UnverifiedFacts>,
}

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedFacts {
    /// The account that it claims.
    pub account: AccountName,
    /// The key that it names.
    pub kid: Option<String>,
    /// When it says that it was made.
    pub time: UnixTime,
    /// How much later than now that is, in microseconds; negative if it is earlier.
    pub clock_offset_micros: i64,
}

impl ExaminationStep {
    /// Every step, in order.
    pub const ALL: [Self; 8] = [
        Self::Header,
        Self::Form,
        Self::Time,
        Self::Policy,
        Self::Account,
        Self::Key,
        Self::Signature,
        Self::Standing,
    ];

    /// The step that ends with this reason.
    fn of(reason: Reason) -> Self {
        match reason {
            Reason::HeaderMissing
            | Reason::HeaderRepeated
            | Reason::HeaderMalformed
            | Reason::SchemeOther => Self::Header,
            Reason::OutsideWindow
            | Reason::Expired
            | Reason::NotYetValid
            | Reason::IssuedInTheFuture => Self::Time,
            Reason::AlgorithmNotAllowed
            | Reason::AudienceOther
            | Reason::IssuerOther
            | Reason::BindingOther => Self::Policy,
            Reason::AccountUnknown => Self::Account,
            Reason::KeyUnknown | Reason::KidRequired => Self::Key,
            Reason::SignatureInvalid => Self::Signature,
            Reason::AccountDisabled | Reason::KeyRevoked | Reason::KeyExpired => Self::Standing,
            _ => Self::Form,
        }
    }
}

impl Examination {
    /// Whether every step passed: a request with it would be let in, once.
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|(_, outcome)| *outcome == StepOutcome::Passed)
    }

    fn new(failures: &[Reason], unverified: Option<UnverifiedFacts>) -> Self {
        let failed = |step| failures.iter().find(|reason| ExaminationStep::of(**reason) == step);
        let mut over = false;
        let outcome = |step| match failed(step) {
            _ if over => StepOutcome::NotTaken,
            None => StepOutcome::Passed,
            Some(reason) => {
                // One that is out of time is looked at further, as it was in its time.
                over = step != ExaminationStep::Time;
                StepOutcome::Failed(*reason)
            }
        };
        let outcomes = ExaminationStep::ALL.map(outcome);
        Self { steps: ExaminationStep::ALL.into_iter().zip(outcomes).collect(), unverified }
    }
}

/// Examines the value of an `Authorization` header; `verification` is made for an instant.
pub(crate) async fn examine<'v>(
    value: &str,
    scheme: &str,
    now: UnixTime,
    directory: &dyn Directory,
    verification: impl Fn(UnixTime) -> Verification<'v>,
) -> Result<Examination, DirectoryError> {
    let text = match header::token_in_value(value, scheme) {
        Ok(text) => text,
        Err(reason) => return Ok(Examination::new(&[reason], None)),
    };
    let token = match UnverifiedToken::parse(&text) {
        Ok(token) => token,
        Err(reason) => return Ok(Examination::new(&[reason], None)),
    };
    let made = token.unverified_claims().time().floor();
    let facts = UnverifiedFacts {
        account: token.unverified_claims().account().clone(),
        kid: token.unverified_kid().map(str::to_owned),
        time: made,
        clock_offset_micros: made.as_micros().saturating_sub(now.as_micros()),
    };
    let account = directory.find(&facts.account).await?;
    let Err(first) = token.verify(account.as_ref(), &verification(now)) else {
        return Ok(Examination::new(&[], Some(facts)));
    };
    let mut failures = vec![first];
    if ExaminationStep::of(first) == ExaminationStep::Time
        && let Ok(token) = UnverifiedToken::parse(&text)
        && let Err(second) = token.verify(account.as_ref(), &verification(made))
    {
        failures.push(second);
    }
    Ok(Examination::new(&failures, Some(facts)))
}
