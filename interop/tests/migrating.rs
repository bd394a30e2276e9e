//! To Countersign in ten minutes, and back: the commands of `docs/from-*.md` as they stand there,
//! beside the real originals, whose own clients go on calling. The examples' tests have the third.

#[path = "migrating/django.rs"]
mod django;
#[path = "migrating/jwthenticator.rs"]
mod jwthenticator;

/// Where the callers call.
const NGINX: &str = "http://127.0.0.1:8000";
