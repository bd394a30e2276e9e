//! What becomes of a credential, step by step, for an operator who asks why it is refused.

use crate::header;
use crate::names::AccountName;
use crate::ports::{Directory, DirectoryError};
use crate::refusal::Reason;
use crate::time::UnixTime;
use crate::token::{UnverifiedToken, Verification, check_standing};

/// What is looked at. Whether it was used before is not: to know that would be to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExaminationStep {
    /// The header follows the grammar and has the scheme.
    Header,
    /// The token is a JWS with the claims of a signed request.
    Form,
    /// The policy allows its algorithm.
    Algorithm,
    /// It was made within the window, and is good by its other instants.
    Time,
    /// It was made for this service and, where the policy demands that, for this request.
    Audience,
    /// There is such an account.
    Account,
    /// One of the account's keys signed it.
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
    /// It could not be taken, because an earlier one failed.
    NotTaken,
}

/// What a credential is and what becomes of it. Nothing was spent for it, no use was noted.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Every step, in order, with its outcome.
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
        Self::Algorithm,
        Self::Time,
        Self::Audience,
        Self::Account,
        Self::Signature,
        Self::Standing,
    ];
}

impl Examination {
    /// Whether every step passed. A request with it is let in if it was not used before.
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|(_, outcome)| *outcome == StepOutcome::Passed)
    }

    /// Steps that ended so; those that are not among them were not taken.
    fn of(ended: &[(ExaminationStep, Result<(), Reason>)], facts: Option<UnverifiedFacts>) -> Self {
        let outcome = |step| match ended.iter().find(|(found, _)| *found == step) {
            Some((_, Ok(()))) => StepOutcome::Passed,
            Some((_, Err(reason))) => StepOutcome::Failed(*reason),
            None => StepOutcome::NotTaken,
        };
        let steps = ExaminationStep::ALL.map(|step| (step, outcome(step)));
        Self { steps: steps.into(), unverified: facts }
    }
}

/// Examines the value of an `Authorization` header. Other than in a judgement, one step that
/// fails does not end it: a token that is late says as much about its key as any other.
pub(crate) async fn examine(
    value: &str,
    directory: &dyn Directory,
    with: &Verification<'_>,
) -> Result<Examination, DirectoryError> {
    use ExaminationStep as Step;
    let text = match header::token_in_value(value, &with.policy.scheme) {
        Ok(text) => text,
        Err(reason) => return Ok(Examination::of(&[(Step::Header, Err(reason))], None)),
    };
    let mut ended = vec![(Step::Header, Ok(()))];
    let token = match UnverifiedToken::parse(&text) {
        Ok(token) => token,
        Err(reason) => {
            ended.push((Step::Form, Err(reason)));
            return Ok(Examination::of(&ended, None));
        }
    };
    let claims = token.unverified_claims();
    let made = claims.time().floor();
    let facts = UnverifiedFacts {
        account: claims.account().clone(),
        kid: token.unverified_kid().map(str::to_owned),
        time: made,
        clock_offset_micros: made.as_micros().saturating_sub(with.now.as_micros()),
    };
    ended.extend([
        (Step::Form, Ok(())),
        (Step::Algorithm, token.check_algorithm(with)),
        (Step::Time, token.check_times(with)),
        (Step::Audience, token.check_audience(with)),
    ]);
    let found = directory.find(&facts.account).await?;
    let Some(account) = found.filter(|account| account.name == facts.account) else {
        ended.push((Step::Account, Err(Reason::AccountUnknown)));
        return Ok(Examination::of(&ended, Some(facts)));
    };
    ended.push((Step::Account, Ok(())));
    if ended.contains(&(Step::Algorithm, Ok(()))) {
        match token.find_signer(Some(&account), with) {
            Ok(Some(key)) => {
                let standing = check_standing(&account, key, with.now);
                ended.extend([(Step::Signature, Ok(())), (Step::Standing, standing)]);
            }
            Ok(None) => {
                ended.push((Step::Signature, Err(token.why_no_signer(&account, with.now))));
            }
            Err(reason) => ended.push((Step::Signature, Err(reason))),
        }
    }
    Ok(Examination::of(&ended, Some(facts)))
}
