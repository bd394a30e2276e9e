//! Whether this server's clock is in step with those that others ask too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_server::api::Finding;
use countersign_server::self_report::SelfCheck;
use countersign_store::ClockWatch;

pub(super) struct Clocks(pub(super) Arc<ClockWatch>);

#[async_trait]
impl SelfCheck for Clocks {
    fn name(&self) -> &'static str {
        "shared clocks"
    }

    async fn look(&self) -> Vec<Finding> {
        let check = self.name();
        if let Some(trouble) = self.0.trouble() {
            let advice = "let both keep time by NTP: see docs/replicas.md, Clocks";
            return vec![Finding::warn(check, trouble, advice)];
        }
        let compared = self.0.differences().into_iter().map(|(reference, difference)| {
            let side = if difference.ahead_micros < 0 { "behind" } else { "ahead of" };
            let apart = Duration::from_micros(difference.ahead_micros.unsigned_abs());
            let (apart, give_or_take) = (apart.as_millis(), difference.give_or_take.as_millis());
            format!("{apart} ms {side} the {reference}, give or take {give_or_take} ms")
        });
        let compared: Vec<_> = compared.collect();
        if compared.is_empty() {
            return vec![Finding::ok(check, "no other has been compared with this server's")];
        }
        vec![Finding::ok(check, format_args!("this server's is {}", compared.join(", ")))]
    }
}
