//! The access token that a session holds, and how old it is.

use std::time::Duration;

use countersign_core::UnixTime;

use crate::access_token::AccessToken;

/// A token is renewed when so much of its lifetime is left: one part of five.
const AHEAD_PART: u32 = 5;
/// And no earlier than this: tokens that are good for a day need not be renewed hours
/// before, and a minute is as long as the usual retries take.
const AHEAD_AT_MOST: Duration = Duration::from_mins(1);
/// Of that time, the last part of ten is too short to count on: a token that ends on
/// its way to a service is refused there.
const LAST_PART: u32 = 10;

/// A token and when it ends by our clock, if it does.
pub(super) struct Held {
    pub(super) token: AccessToken,
    end: Option<End>,
}

struct End {
    at: UnixTime,
    /// How long before the end it is renewed.
    ahead: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Nothing is to be done.
    Fresh,
    /// Still good, and time to renew it.
    Ending,
    /// Good for a moment that may be too short.
    Last,
    /// Of no more use.
    Over,
}

impl Held {
    /// A token that was just received. Its lifetime is counted from when it was asked
    /// for, so a clock that is wrong by hours still counts right.
    pub(super) fn received(token: AccessToken, asked_at: UnixTime) -> Self {
        let at = match token.unverified_lifetime() {
            Some(lifetime) => Some(asked_at + lifetime),
            None => token.unverified_expires_at(),
        };
        Self::until(token, at, asked_at)
    }

    /// A token of which nobody knows when it was received.
    pub(super) fn given(token: AccessToken, now: UnixTime) -> Self {
        let at = token.unverified_expires_at();
        Self::until(token, at, now)
    }

    fn until(token: AccessToken, at: Option<UnixTime>, now: UnixTime) -> Self {
        let end = at.map(|at| {
            let left = at.saturating_duration_since(now);
            let lifetime = token.unverified_lifetime().unwrap_or(left);
            End { at, ahead: (lifetime / AHEAD_PART).min(AHEAD_AT_MOST) }
        });
        Self { token, end }
    }

    pub(super) fn age(&self, now: UnixTime) -> Age {
        let Some(End { at, ahead }) = self.end else { return Age::Fresh };
        let left = at.saturating_duration_since(now);
        if left.is_zero() {
            Age::Over
        } else if left <= ahead / LAST_PART {
            Age::Last
        } else if left <= ahead {
            Age::Ending
        } else {
            Age::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn token(claims: &str) -> AccessToken {
        AccessToken::new(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))).unwrap()
    }

    const fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    /// The first seconds in which the token is no more fresh, is in its last part, and
    /// is over, counted from `now`.
    fn turns(held: &Held, now: i64) -> [i64; 3] {
        let ages = [Age::Ending, Age::Last, Age::Over];
        let rank = |age| ages.iter().position(|found| *found == age).map_or(0, |at| at + 1);
        ages.map(|age| {
            (0..100_000).find(|after| rank(held.age(at(now + after))) >= rank(age)).unwrap()
        })
    }

    #[test]
    fn a_fifth_of_the_lifetime_and_at_most_a_minute_is_left_for_renewal() {
        let received = |claims| turns(&Held::received(token(claims), at(100)), 100);
        assert_eq!(received(r#"{"iat":100,"exp":200}"#), [80, 98, 100]);
        assert_eq!(received(r#"{"iat":100,"exp":1000}"#), [840, 894, 900]);
        assert_eq!(received(r#"{"iat":100,"exp":90100}"#), [89_940, 89_994, 90_000]);
        assert_eq!(received(r#"{"exp":200}"#), [80, 98, 100]);
    }

    #[test]
    fn a_wrong_clock_counts_right_from_when_the_token_was_asked_for() {
        for now in [5, 500_000] {
            let held = Held::received(token(r#"{"iat":100000,"exp":100900}"#), at(now));
            assert_eq!(turns(&held, now), [840, 894, 900]);
        }
    }

    #[test]
    fn a_given_token_ends_when_it_says() {
        let claims = r#"{"iat":100,"exp":1000}"#;
        assert_eq!(turns(&Held::given(token(claims), at(500)), 500), [440, 494, 500]);
        assert_eq!(Held::given(token(claims), at(1000)).age(at(1000)), Age::Over);
    }

    #[test]
    fn a_token_that_does_not_say_is_fresh_for_ever() {
        let held = Held::received(token("{}"), at(0));
        assert_eq!(held.age(at(i64::MAX / 2_000_000)), Age::Fresh);
    }
}
