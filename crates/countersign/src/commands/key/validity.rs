//! How long a key is good, and when it was used: for people.

use std::net::IpAddr;

use clap::{ArgGroup, Args};
use countersign_core::ports::Clock as _;
use countersign_server::api::to_timestamp;
use countersign_system::SystemClock;
use jiff::Timestamp;

use crate::config::Span;
use crate::failure::Failure;
use crate::output::instant;

/// When a key expires: one of the two must be said.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("when").required(true))]
pub(crate) struct ExpiryArgs {
    /// Refuse the key after this span; 0s is at once.
    #[arg(long = "in", value_name = "SPAN", group = "when")]
    after: Option<Span>,
    /// Let the key live on without end.
    #[arg(long, group = "when")]
    never: bool,
}

impl ExpiryArgs {
    /// The instant, if there is one.
    ///
    /// # Errors
    /// As [`from_now`].
    pub(crate) fn expires_at(&self) -> Result<Option<Timestamp>, Failure> {
        self.after.map(from_now).transpose()
    }
}

/// Whether a key is good, and until when.
pub(crate) fn state(revoked_at: Option<Timestamp>, expires_at: Option<Timestamp>) -> String {
    let now = to_timestamp(SystemClock.now());
    match (revoked_at, expires_at) {
        (Some(_), _) => format!("revoked {}", instant(revoked_at)),
        (None, Some(at)) if at <= now => format!("expired {}", instant(expires_at)),
        (None, Some(_)) => format!("until {}", instant(expires_at)),
        (None, None) => "valid".to_owned(),
    }
}

/// When a key was used, and from where.
pub(crate) fn last_used(at: Option<Timestamp>, from: Option<IpAddr>) -> String {
    match from {
        Some(from) => format!("{} from {from}", instant(at)),
        None => instant(at),
    }
}

/// The instant after this span.
///
/// # Errors
/// A [`Failure`] if the calendar does not reach that far.
pub(crate) fn from_now(span: Span) -> Result<Timestamp, Failure> {
    let instant = to_timestamp(SystemClock.now() + span.0);
    if instant == Timestamp::MAX {
        return Err(Failure::usage(format_args!("{span} from now is beyond the calendar")));
    }
    Ok(instant)
}
