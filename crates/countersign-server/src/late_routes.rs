//! Routes that are made when somebody asks for one of them.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Request;
use tower::{ServiceExt as _, service_fn};

/// Routes that take their memory with the first request: a server that nobody
/// administrates at the moment need not hold two dozen routes for it.
pub(crate) fn late(make: impl FnOnce() -> Router + Send + 'static) -> Router {
    let make: Box<dyn FnOnce() -> Router + Send> = Box::new(make);
    let routes = Arc::new(LazyLock::new(make));
    Router::new().fallback_service(service_fn(move |request: Request| {
        let routes = Arc::clone(&routes);
        async move { Router::clone(&routes).oneshot(request).await }
    }))
}
