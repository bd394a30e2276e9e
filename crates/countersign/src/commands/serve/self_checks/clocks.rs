//! Whether this server's clock is in step with those that others ask too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_server::api::{Finding, GuardKind};
use countersign_server::self_report::SelfCheck;
use countersign_store::ClockWatch;
use countersign_store::replay::MAX_CLOCK_SKEW;

pub(super) struct Clocks {
    pub(super) watch: Arc<ClockWatch>,
    /// Whose clock the replay guard goes by depends on where it is.
    pub(super) guard: GuardKind,
}

#[async_trait]
impl SelfCheck for Clocks {
    fn name(&self) -> &'static str {
        "shared clocks"
    }

    fn names_nobody(&self) -> bool {
        true
    }

    async fn look(&self) -> Vec<Finding> {
        let check = self.name();
        if let Some(trouble) = self.watch.trouble() {
            if self.is_too_far_for_the_guard() {
                let advice = format_args!(
                    "set the clock that is wrong and let both keep time by NTP: further than {MAX_CLOCK_SKEW:?} apart signed requests get 503, those of operators too"
                );
                return vec![Finding::fail(check, trouble, advice)];
            }
            let advice = "let both keep time by NTP: see docs/replicas.md, Clocks";
            return vec![Finding::warn(check, trouble, advice)];
        }
        let compared = self.watch.differences().into_iter().map(|(reference, difference)| {
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

impl Clocks {
    fn is_too_far_for_the_guard(&self) -> bool {
        let engine = match self.guard {
            GuardKind::Memory | GuardKind::File => return false,
            GuardKind::Postgres => "database",
            GuardKind::Redis => "redis",
        };
        let mut differences = self.watch.differences().into_iter();
        differences.any(|(reference, difference)| {
            reference == engine && !difference.is_within(MAX_CLOCK_SKEW)
        })
    }
}
