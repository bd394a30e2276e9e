//! How old the keys of access tokens are, and whether the next one is there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::Clock;
use countersign_core::ports::UnreadableSigningKey;

use super::{SelfCheck, days};
use crate::api::Finding;
use crate::token_service::{TokenService, remedy};

/// By which part of its lifetime a signing key may be late: it is looked after now and then.
const LATE: u32 = 30;

pub(super) struct SigningKeys {
    pub(super) tokens: Arc<TokenService>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl SelfCheck for SigningKeys {
    fn name(&self) -> &'static str {
        "signing key"
    }

    fn names_nobody(&self) -> bool {
        true
    }

    async fn look(&self) -> Vec<Finding> {
        let (check, now) = (self.name(), self.clock.now());
        let unusable = self.tokens.ring().unusable_keys();
        if !unusable.is_empty() {
            let cannot_be_used = |key: &UnreadableSigningKey| {
                let found = format!("{} cannot be used: {}", key.kid, key.why);
                Finding::fail(check, found, remedy(key))
            };
            return unusable.iter().map(cannot_be_used).collect();
        }
        let advice = "`countersign signing-key rotate`";
        let (ring, _) = self.tokens.ring().current();
        let since = ring.active().and_then(|key| Some((key, key.activated_at?)));
        let Some((active, since)) = since else {
            let advice = "`countersign signing-key rotate --now`";
            return vec![Finding::warn(check, "none signs access tokens", advice)];
        };
        let kid = &active.kid;
        let next = ring.standby().map_or_else(
            || "no next one is published".to_owned(),
            |next| {
                format!("the next one has been published for {} days", days(next.published_at, now))
            },
        );
        let found = format!("{kid} has been signing for {} days; {next}", days(since, now));
        let age = now.saturating_duration_since(since);
        let is_late = |lifetime: Duration| age > lifetime + lifetime / LATE;
        vec![match self.tokens.ring().rotates_every() {
            Some(lifetime) if is_late(lifetime) => Finding::warn(check, found, advice),
            _ => Finding::ok(check, found),
        }]
    }
}
