//! The same for programs without an async runtime (feature `blocking`).
//!
//! ```no_run
//! use countersign_client::{ApiKey, Service, Session, blocking};
//!
//! let service = Service::at("https://auth.example.org".parse()?).build()?;
//! let identifier = "0190f3c1-7e6d-7cc0-9a53-0c1f6f1d2a11".parse()?;
//! let session = Session::new(service, identifier, ApiKey::new("cs_...")?);
//! let session = blocking::Session::new(session)?;
//! let header = session.access_token()?.authorization_header();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each of these clients has one thread of its own, on which all its calls are made;
//! clones share it, and it ends after the last of them. The caller waits for what that
//! thread says and takes part in no runtime. So a call is sound
//! anywhere, in async code too, where it must be remembered that it stops the
//! worker it is made on: a service that runs on the same single worker could never
//! answer. There, [`Session`](crate::Session) itself is the better choice.

mod internal;
mod session;
mod thread;

pub use internal::InternalClient;
pub use session::Session;
