//! What is in memory: how old it is, and whose API keys end soon.

use async_trait::async_trait;
use countersign_core::AccountName;
use countersign_core::ports::Clock as _;
use countersign_server::api::Finding;
use countersign_server::self_report::{EXPIRES_SOON, MAX_NAMED, SelfCheck};
use countersign_store::{LiveDirectory, Progress};
use countersign_system::SystemClock;

pub(super) struct Memory(pub(super) LiveDirectory);

#[async_trait]
impl SelfCheck for Memory {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn names_nobody(&self) -> bool {
        true
    }

    async fn look(&self) -> Vec<Finding> {
        let check = self.name();
        let accounts = self.0.accounts();
        if self.0.progress() == Progress::Loading {
            let found = format_args!("they are still being read: {accounts} are in memory");
            let advice =
                "wait after a start; if it stays so, the log says what is wrong with the database";
            return vec![Finding::warn(check, found, advice)];
        }
        vec![match self.0.age() {
            Some(age) if !self.0.is_believed() => {
                let found = format_args!(
                    "nothing has been heard of what others change for {} ms: the database is asked for each request",
                    age.as_millis()
                );
                Finding::warn(check, found, "see what is said of the database")
            }
            Some(age) => {
                let age = age.as_millis();
                Finding::ok(check, format_args!("all {accounts} are in memory, as of {age} ms ago"))
            }
            None if !self.0.is_believed() => Finding::warn(
                check,
                "what others change is not heard of yet: the database is asked for each request",
                "see what is said of the database",
            ),
            None => Finding::ok(check, format_args!("all {accounts} are in memory")),
        }]
    }
}

pub(super) struct ApiKeys(pub(super) LiveDirectory);

#[async_trait]
impl SelfCheck for ApiKeys {
    fn name(&self) -> &'static str {
        "api keys"
    }

    async fn look(&self) -> Vec<Finding> {
        let (check, now) = (self.name(), SystemClock.now());
        let mut ending = self.0.api_keys_that_expire((now, now + EXPIRES_SOON), MAX_NAMED + 1);
        if ending.is_empty() {
            return vec![Finding::ok(check, "no account's API key expires within 14 days")];
        }
        let more = if ending.len() > MAX_NAMED { " and more" } else { "" };
        ending.truncate(MAX_NAMED);
        let named: Vec<_> = ending.iter().map(AccountName::as_str).collect();
        let found = format!("API keys expire within 14 days: of {}{more}", named.join(", "));
        let advice = "make their next ones: `countersign api-key create`, or `api-key expire`";
        vec![Finding::warn(check, found, advice)]
    }
}
