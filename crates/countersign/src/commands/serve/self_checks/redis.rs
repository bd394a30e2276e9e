//! Whether Redis does as the memory of the replay guard, or answers where rate limits are counted.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_server::api::Finding;
use countersign_server::self_report::SelfCheck;
use countersign_store::SharedClock as _;
use countersign_store::replay::{RedisDurability, RedisError, RedisProbe};
use countersign_system::SystemClock;

const NAME: &str = "redis";

/// The memory of the guard; whatever else is kept there.
pub(super) struct GuardsRedis(pub(super) Arc<RedisProbe>);

#[async_trait]
impl SelfCheck for GuardsRedis {
    fn name(&self) -> &'static str {
        NAME
    }

    fn names_nobody(&self) -> bool {
        true
    }

    async fn look(&self) -> Vec<Finding> {
        let check = self.name();
        vec![match (self.0.look().await, self.0.durability()) {
            (Ok(()), RedisDurability::Checked) => {
                Finding::ok(check, "appendonly yes, appendfsync always, noeviction")
            }
            (Ok(()), RedisDurability::DangerouslyVouchedFor) => Finding::warn(
                check,
                "nobody looks whether it keeps what it acknowledges",
                "let its user call CONFIG GET, and unset dangerous_redis_durability_unchecked",
            ),
            (Err(error @ RedisError::Unfit(_)), _) => {
                let advice = "let it be so (`CONFIG SET`, and in its settings file) or let the server in: see docs/replay-guards.md, Redis. Until then signed requests get 503";
                Finding::fail(check, error, advice)
            }
            (Err(error), _) => {
                let advice = "is Redis up, and reachable from the server's machine? When it is, the server goes on by itself; until then signed requests get 503";
                Finding::fail(check, error, advice)
            }
        }]
    }
}

/// Where rate limits are counted and nothing else is: it may forget.
pub(super) struct CountsRedis(pub(super) Arc<RedisProbe>);

#[async_trait]
impl SelfCheck for CountsRedis {
    fn name(&self) -> &'static str {
        NAME
    }

    fn names_nobody(&self) -> bool {
        true
    }

    async fn look(&self) -> Vec<Finding> {
        vec![match self.0.compare(&SystemClock).await {
            Ok(_) => Finding::ok(NAME, "it answers: servers count together for rate limits"),
            Err(error) => {
                let advice = "is Redis up, reachable from the server's machine, and does it let the server in? Until then each server counts for itself";
                Finding::warn(NAME, error, advice)
            }
        }]
    }
}
