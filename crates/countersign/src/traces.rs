//! Traces, sent to an OpenTelemetry collector if the settings name one.
//!
//! Spans are queued in memory and sent by a thread of their own. A collector that is away or
//! slow costs the spans that find no room, and nothing else.

mod exporter;
mod guard;

use std::time::Duration;

use countersign_server::TRACES as REQUESTS;
use countersign_store::TRACES as STATEMENTS;
use countersign_system::{SystemRandom, random_account_id};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::config::OtlpEndpoint;
use crate::failure::Failure;
pub(crate) use guard::TracedGuard;

/// The target of spans of this program's own: of no module, whose log lines would be taken for them.
pub(crate) const TRACES: &str = "countersign::spans";
/// The longest that the last spans may take at the end.
const FLUSH: Duration = Duration::from_secs(5);

/// What sends spans.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins. Spans are sent over this runtime.
    ///
    /// # Errors
    /// A [`Failure`] if the endpoint's URL will not do. Whether anybody listens there is not
    /// looked at.
    pub(crate) fn start(endpoint: &OtlpEndpoint, runtime: Handle) -> Result<Self, Failure> {
        let exporter = exporter::new(endpoint, runtime)?;
        let instance = random_account_id(&SystemRandom).0.to_string();
        // The standard variables, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, say the rest.
        let resource = Resource::builder().with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
        ]);
        let resource = match &endpoint.service_name {
            Some(name) => resource.with_service_name(name.clone()),
            None => resource,
        };
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Self(provider))
    }

    /// What takes spans from the program, and no events: those are the log's.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("countersign"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|of| [REQUESTS, STATEMENTS, TRACES].contains(&of.target())))
    }

    /// Sends what is left, for no longer than this.
    pub(crate) async fn stop(self, limit: Duration) {
        let flush = spawn_blocking(move || self.0.shutdown_with_timeout(limit.min(FLUSH)));
        if let Ok(Err(error)) = flush.await {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}
