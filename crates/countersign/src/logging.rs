//! Log lines, on stderr.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::prelude::*;

use crate::config::{LogFormat, LogLevel};
use crate::traces::Traces;

/// Where the spans of requests are made that lines are from.
const REQUESTS: &str = "countersign_server::request_context";

/// Sends events, and the places of panics, to stderr from now on; with traces, spans to where
/// those go.
pub(crate) fn start(format: LogFormat, level: LogLevel, traces: Option<&Traces>) {
    let ours = filter(level);
    // What libraries say below a warning is about themselves, and the HTTP
    // libraries would show whole headers at their most verbose.
    let libraries = ours.min(LevelFilter::WARN);
    let targets = Targets::new().with_default(libraries).with_targets(
        ["countersign", "countersign_core", "countersign_server", "countersign_store"]
            .map(|target| (target, ours)),
    );
    let targets = targets.with_targets(
        [countersign_server::TRACES, countersign_store::TRACES, crate::traces::TRACES]
            .map(|target| (target, LevelFilter::OFF)),
    );
    // Whoever reads a line looks for its trace.
    let requests = if traces.is_some() { LevelFilter::DEBUG } else { ours };
    let targets = targets.with_target(REQUESTS, requests);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_timer(SystemTime)
        .with_ansi(false);
    let registry = tracing_subscriber::registry().with(traces.map(Traces::layer));
    match format {
        LogFormat::Text => registry.with(lines.with_target(false).with_filter(targets)).init(),
        LogFormat::Json => registry.with(lines.json().with_filter(targets)).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        // The message may quote what a caller sent, so only the place is told.
        let place = panic.location().map(tracing::field::display);
        tracing::error!(place, "a defect: something panicked");
    }));
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
