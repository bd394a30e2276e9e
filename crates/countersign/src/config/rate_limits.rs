//! How often one may ask.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use countersign_store::rate_limits::RateLimit;
use serde::{Deserialize, Deserializer, de};

use super::options::ServeOptions;
use crate::failure::Failure;

/// The units of a rate.
const UNITS: [(&str, Duration); 3] =
    [("s", Duration::from_secs(1)), ("m", Duration::from_mins(1)), ("h", Duration::from_hours(1))];

/// So many requests in a unit of time: `100/s`, `30/m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    requests: NonZeroU32,
    unit: &'static str,
    period: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (requests, unit) = text.split_once('/')?;
            let requests = requests.trim().parse().ok()?;
            let (unit, period) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
            Some(Self { requests, unit, period })
        };
        read().ok_or_else(|| {
            format!("`{text}` is no rate, expected a number of requests and a unit such as `100/s`, `30/m` or `500/h`")
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, self.unit)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A bare number is refused by its type: in a second or in a minute?
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The limits; nothing is limited by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateLimits {
    pub(crate) per_address: Option<RateLimit>,
    pub(crate) per_credential: Option<RateLimit>,
}

impl RateLimits {
    pub(super) fn resolve(options: &ServeOptions) -> Result<Self, Failure> {
        Ok(Self {
            per_address: limit(
                "rate_limit_per_address",
                options.rate_limit_per_address,
                options.rate_limit_per_address_burst,
            )?,
            per_credential: limit(
                "rate_limit_per_credential",
                options.rate_limit_per_credential,
                options.rate_limit_per_credential_burst,
            )?,
        })
    }

    /// Whether anything is limited.
    pub(crate) fn are_set(&self) -> bool {
        self.per_address.is_some() || self.per_credential.is_some()
    }
}

/// What may come in the unit may come at once, unless the burst says otherwise.
fn limit(
    setting: &str,
    rate: Option<Rate>,
    burst: Option<u32>,
) -> Result<Option<RateLimit>, Failure> {
    let Some(rate) = rate else {
        return match burst {
            None => Ok(None),
            Some(_) => Err(Failure::usage(format_args!(
                "{setting}_burst is set, but {setting} is not: nothing would be limited"
            ))),
        };
    };
    let burst = match burst.map(NonZeroU32::new) {
        None => rate.requests,
        Some(Some(burst)) => burst,
        Some(None) => {
            return Err(Failure::usage(format_args!("{setting}_burst is 0, expected at least 1")));
        }
    };
    let limit = RateLimit::new(rate.requests, rate.period, burst);
    limit.map(Some).map_err(|error| Failure::usage(format_args!("{setting} is {rate}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_a_unit() {
        let rate: Rate = "100/s".parse().unwrap();
        assert_eq!((rate.requests.get(), rate.period), (100, Duration::from_secs(1)));
        assert_eq!("5 / m".parse::<Rate>().unwrap().to_string(), "5/m");
        for text in ["", "100", "0/s", "-1/s", "1.5/s", "100/d", "100/", "/s", "100s", "1/s/m"] {
            let refused = text.parse::<Rate>().unwrap_err();
            assert!(refused.contains("`100/s`"), "{text}: {refused}");
        }
    }

    #[test]
    fn the_burst_is_what_the_unit_allows_unless_it_is_given() {
        let burst = |burst| {
            let rate = Some("30/m".parse().unwrap());
            limit("x", rate, burst).unwrap().unwrap().burst().get()
        };
        assert_eq!((burst(None), burst(Some(5)), burst(Some(1800))), (30, 5, 1800));
        assert_eq!(limit("x", None, None).unwrap(), None);
    }
}
