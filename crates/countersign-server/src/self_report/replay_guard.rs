//! Whether signed requests can be taken.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::ports::ReplayGuard;

use super::SelfCheck;
use crate::api::{Finding, GuardKind};

pub(super) struct Guard {
    pub(super) guard: Arc<dyn ReplayGuard>,
    pub(super) kind: GuardKind,
}

#[async_trait]
impl SelfCheck for Guard {
    fn name(&self) -> &'static str {
        "replay guard"
    }

    fn names_nobody(&self) -> bool {
        true
    }

    async fn look(&self) -> Vec<Finding> {
        let (check, remembered) = (self.name(), self.guard.live_uses());
        vec![match self.guard.check().await {
            Ok(()) => {
                let remembered = remembered.map(|uses| format!(", {uses} uses are remembered"));
                let remembered = remembered.unwrap_or_default();
                Finding::ok(check, format_args!("it answers{remembered}"))
            }
            Err(error) => {
                let advice = format_args!(
                    "until that is mended signed requests get 503, those of operators too: see {}",
                    self.look_at()
                );
                Finding::fail(check, error, advice)
            }
        }]
    }
}

impl Guard {
    /// Where the reason is.
    fn look_at(&self) -> &'static str {
        match self.kind {
            GuardKind::Memory => "the server's log",
            GuardKind::File => "the server's log, and whether the disk of its data is full",
            GuardKind::Postgres => "what is said of `database` and of `shared clocks`",
            GuardKind::Redis => "what is said of `redis` and of `shared clocks`",
        }
    }
}
