//! `/metrics`, on the internal listener: what the service counts and measures, for Prometheus.
//!
//! Every service has a registry of its own. Whatever a request touches was looked up when the
//! service was made, so that counting is an addition; what need not be known between two
//! scrapes is read when somebody asks. No label is what a caller says: not an account, a key, a
//! path or an address.

mod judgements;
mod surroundings;
mod traffic;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use countersign_core::Clock;
use countersign_core::ports::ReplayGuard;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub(crate) use judgements::{Judgements, Shown};
pub use surroundings::{
    ClockReading, DirectoryReading, JwksReading, PoolReading, Surroundings, SurroundingsReading,
};
pub(crate) use traffic::{Place, Traffic};

use crate::openapi::described;
use crate::token_service::TokenService;
use surroundings::AtTheMoment;

/// The path of the metrics.
pub const METRICS: &str = "/metrics";

/// What stands before every name.
const PREFIX: &str = "countersign";

/// All that is counted and measured.
pub struct Metrics {
    registry: Registry,
    pub(crate) judgements: Judgements,
    pub(crate) traffic: Arc<Traffic>,
}

impl Metrics {
    pub(crate) fn new(
        (guard, tokens): (Arc<dyn ReplayGuard>, Option<Arc<TokenService>>),
        surroundings: Option<Surroundings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this program", build);
        let judgements = Judgements::register(&mut registry);
        let traffic = Arc::new(Traffic::register(&mut registry));
        let at_the_moment = AtTheMoment { guard, tokens, surroundings, clock };
        registry.register_collector(Box::new(at_the_moment));
        Self { registry, judgements, traffic }
    }
}

/// The route of the metrics. Nobody signs for it: it names nobody, and scrapers cannot sign.
pub(crate) fn routes(metrics: Arc<Metrics>) -> Router {
    Scraped::router().with_state(metrics)
}

described! {
    /// The metrics.
    pub(crate) Scraped for Arc<Metrics> { METRICS => get show; }
}

/// What is counted and measured, for Prometheus.
#[utoipa::path(
    get,
    path = METRICS,
    operation_id = "show_metrics",
    tag = "Health",
    responses((status = 200, description = "Prometheus' text format, version 0.0.4.", body = String))
)]
async fn show(State(metrics): State<Arc<Metrics>>) -> Response {
    let mut text = String::new();
    match prometheus_text::encode(&mut text, &metrics.registry) {
        Ok(()) => {
            let headers =
                [(CONTENT_TYPE, prometheus_text::CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
