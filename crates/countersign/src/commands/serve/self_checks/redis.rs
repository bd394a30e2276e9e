//! Whether Redis does as the memory of the replay guard.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_server::api::Finding;
use countersign_server::self_report::SelfCheck;
use countersign_store::replay::{RedisDurability, RedisProbe};

pub(super) struct Redis(pub(super) Arc<RedisProbe>);

#[async_trait]
impl SelfCheck for Redis {
    fn name(&self) -> &'static str {
        "redis"
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
            (Err(error), _) => {
                let advice = "signed requests get 503 until it is so: see docs/replay-guards.md";
                Finding::fail(check, error, advice)
            }
        }]
    }
}
