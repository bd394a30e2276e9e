//! Sends spans in OTLP over HTTP.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as OtlpExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use crate::config::OtlpEndpoint;
use crate::failure::Failure;

/// How long a collector may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn new(endpoint: &OtlpEndpoint, runtime: Handle) -> Result<Exporter, Failure> {
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        // What may be said to a collector is not for whom it names.
        .redirect(reqwest::redirect::Policy::none());
    let http = if endpoint.url.scheme() == "http" { http.tls_certs_only([]) } else { http };
    let http = http.build().map_err(Failure::refused)?;
    let exporter = OtlpExporter::builder()
        .with_http()
        .with_http_client(OnRuntime { http, runtime })
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        .with_endpoint(endpoint.url.as_str())
        .build();
    let exporter = exporter.map_err(|error: ExporterBuildError| {
        Failure::usage(format_args!("{}: {error}", endpoint.setting))
    })?;
    Ok(Exporter { exporter, is_failing: AtomicBool::new(false) })
}

/// Says when spans are dropped and when they are not any more, once each.
#[derive(Debug)]
pub(super) struct Exporter {
    exporter: OtlpExporter,
    is_failing: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_failing => tracing::warn!(
                %error,
                "the trace collector takes no spans: they are dropped until it does"
            ),
            Ok(()) if was_failing => tracing::info!("the trace collector takes spans again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Sends on the server's runtime: the thread that waits for the answer has none.
#[derive(Debug)]
struct OnRuntime {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move { http.send_bytes(request).await });
        sending.await?.map_err(|error| match error.downcast::<reqwest::Error>() {
            // The URL is in the settings, and may say more than a log should.
            Ok(error) => error.without_url().into(),
            Err(error) => error,
        })
    }
}
