//! Whether signed requests can be taken.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::ReplayGuard;

use super::SelfCheck;
use crate::api::Finding;

pub(super) struct Guard(pub(super) Arc<dyn ReplayGuard>);

#[async_trait]
impl SelfCheck for Guard {
    fn name(&self) -> &'static str {
        "replay guard"
    }

    async fn look(&self) -> Vec<Finding> {
        let (check, remembered) = (self.name(), self.0.live_uses());
        vec![match self.0.check().await {
            Ok(()) => {
                let remembered = remembered.map(|uses| format!(", {uses} uses are remembered"));
                let remembered = remembered.unwrap_or_default();
                Finding::ok(check, format_args!("it answers{remembered}"))
            }
            Err(error) => {
                let advice =
                    "signed requests get 503 until it can; see what it keeps its memory in";
                Finding::fail(check, error, advice)
            }
        }]
    }
}
