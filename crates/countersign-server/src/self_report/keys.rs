//! Whose public keys end soon.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::Clock;
use countersign_core::ports::{AccountCondition, AccountFilter, AdminStore, Page};

use super::{EXPIRES_SOON, MAX_NAMED, SelfCheck};
use crate::api::Finding;

pub(super) struct PublicKeys {
    pub(super) store: Arc<dyn AdminStore>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl SelfCheck for PublicKeys {
    fn name(&self) -> &'static str {
        "keys"
    }

    async fn look(&self) -> Vec<Finding> {
        let (check, now) = (self.name(), self.clock.now());
        let condition = Some(AccountCondition::KeyExpires(now, now + EXPIRES_SOON));
        let filter = AccountFilter { condition, ..AccountFilter::default() };
        // One more than is named shows that there are more.
        let limit = u32::try_from(MAX_NAMED + 1).unwrap_or(u32::MAX);
        let accounts = match self.store.accounts(&filter, Page { after: None, limit }).await {
            Ok(accounts) => accounts,
            Err(error) => {
                return vec![Finding::fail(check, error, "see what is said of the database")];
            }
        };
        if accounts.is_empty() {
            return vec![Finding::ok(check, "no account's public key expires within 14 days")];
        }
        let some = accounts.iter().take(MAX_NAMED);
        let named: Vec<_> = some.map(|account| account.name.as_str()).collect();
        let more = if accounts.len() > MAX_NAMED { " and more" } else { "" };
        let found = format!("public keys expire within 14 days: of {}{more}", named.join(", "));
        let advice = "register their next ones: `countersign key add`, or `key expire --never`";
        vec![Finding::warn(check, found, advice)]
    }
}
