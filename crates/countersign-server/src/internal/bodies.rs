//! Reads the bodies of requests to this listener whole, within limits.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::problems::Kind;
use crate::api::Problem;
use crate::layers::Limits;

/// The largest body of an administrative call, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive, unless half of what the whole call may
/// take is less: a caller's slowness must not pass for ours.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a body may take without being called slow. Most come with their heads.
const PROMPT: Duration = Duration::from_millis(100);
/// Which part of the requests that are handled at once may have slow bodies: whoever sends
/// slowly shall not keep those out who do not.
const SLOW_PART: usize = 4;

/// Whose bodies are waited for.
pub(super) struct Bodies {
    timeout: Duration,
    slow: Semaphore,
}

impl Bodies {
    /// For a listener with these limits.
    pub(super) fn within(limits: &Limits) -> Self {
        let slow = (limits.concurrent_requests / SLOW_PART).max(1);
        Self { timeout: BODY_TIMEOUT.min(limits.request_timeout / 2), slow: Semaphore::new(slow) }
    }

    /// The body of an administrative call.
    pub(super) async fn read(&self, body: Body) -> Result<Bytes, Problem> {
        self.read_within(body, MAX_BODY_BYTES, self.timeout).await
    }

    /// The body, if it has no more than so many bytes and comes in time.
    pub(super) async fn read_within(
        &self,
        body: Body,
        bytes: usize,
        limit: Duration,
    ) -> Result<Bytes, Problem> {
        let mut reading = std::pin::pin!(to_bytes(body, bytes));
        let read = if let Ok(read) = timeout(PROMPT.min(limit), &mut reading).await {
            read
        } else {
            let _place = self.slow.try_acquire().map_err(|_| {
                Kind::TooSlow.problem("other bodies are being waited for: send it at once")
            })?;
            timeout(limit.saturating_sub(PROMPT), reading).await.map_err(|_| {
                Kind::TooSlow.problem(format_args!("the body must arrive within {limit:?}"))
            })?
        };
        read.map_err(|error| {
            if error.into_inner().is::<LengthLimitError>() {
                Kind::BodyTooLarge.problem(format_args!("a body may have {bytes} bytes"))
            } else {
                Kind::InvalidRequest.problem("the body ended before it was complete")
            }
        })
    }
}
