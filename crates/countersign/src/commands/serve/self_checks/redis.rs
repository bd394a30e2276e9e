//! Whether Redis does as the memory of the replay guard.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_server::api::Finding;
use countersign_server::self_report::SelfCheck;
use countersign_store::replay::{RedisDurability, RedisProbe};

use super::waiting;

pub(super) struct Redis(pub(super) Arc<RedisProbe>);

#[async_trait]
impl SelfCheck for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn look(&self) -> Vec<Finding> {
        let check = self.name();
        let waits_until = match self.0.look().await {
            Ok(waits_until) => waits_until,
            Err(error) => {
                let advice = "signed requests get 503 until it is so: see docs/replay-guards.md";
                return vec![Finding::fail(check, error, advice)];
            }
        };
        let finding = match self.0.durability() {
            RedisDurability::Checked => {
                Finding::ok(check, "appendonly yes, appendfsync always, noeviction")
            }
            RedisDurability::DangerouslyVouchedFor => Finding::warn(
                check,
                "nobody looks whether it keeps what it acknowledges",
                "let its user call CONFIG GET, and unset dangerous_redis_durability_unchecked",
            ),
        };
        [finding].into_iter().chain(waiting(waits_until)).collect()
    }
}
