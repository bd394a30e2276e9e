//! Sign HTTP requests with a private key that never leaves the caller, or exchange an
//! API key for access tokens.
//!
//! # Signed requests
//!
//! ```
//! use countersign_client::{KeySource, Signer};
//! # use countersign_core::{KeyKind, PrivateKey};
//! # struct Fixed;
//! # impl countersign_core::Random for Fixed { fn fill(&self, bytes: &mut [u8]) { bytes.fill(7) } }
//! # let directory = tempfile::tempdir()?;
//! # let key_file = directory.path().join("id_ed25519");
//! # std::fs::write(&key_file, &*PrivateKey::generate(KeyKind::Ed25519)?.to_pkcs8_pem(None, &Fixed)?)?;
//!
//! let signer = Signer::load("billing-worker-7", &KeySource::file(key_file), None)?;
//! let header = signer.authorization_header()?;
//! assert!(header.to_str()?.starts_with("JWT ey"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each header is good for one request, so it is made anew for each attempt.
//! [`SignRequests`] does that as a `reqwest` middleware:
//!
//! ```no_run
//! use countersign_client::{KeySource, SignRequests, Signer};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let signer = Signer::load("billing-worker-7", &KeySource::DefaultFile, None)?;
//! let client = SignRequests::to(["https://api.example.org".parse()?], signer).client()?;
//! let invoices = client.get("https://api.example.org/invoices").send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Calls to a Countersign instance's own administration API carry tokens bound
//! to the instance and the request: [`InstanceSigner`].
//!
//! # Access tokens
//!
//! A [`Session`] goes from an API key or a refresh token to an access token that is
//! always fresh, and [`AuthorizeRequests`] puts it into each request:
//!
//! ```no_run
//! use countersign_client::{ApiKey, AuthorizeRequests, Service, Session};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Service::at("https://auth.example.org".parse()?).build()?;
//! let identifier = "0190f3c1-7e6d-7cc0-9a53-0c1f6f1d2a11".parse()?;
//! let session = Session::new(service, identifier, ApiKey::new("cs_...")?);
//! let client = AuthorizeRequests::to(["https://api.example.org".parse()?], session).client()?;
//! let invoices = client.get("https://api.example.org/invoices").send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Keys are registered with an [`InternalClient`]. Programs without an async runtime
//! find both in the module `blocking`, behind the feature of this name.

mod access_token;
mod authorize;
#[cfg(feature = "blocking")]
pub mod blocking;
mod call;
mod instance;
mod internal;
mod key_source;
mod middleware;
mod retry;
mod service;
mod session;
mod signer;
mod validator;

pub use access_token::{AccessToken, AccessTokenError};
pub use authorize::AuthorizeRequests;
pub use call::{CallError, MAX_ANSWER_BYTES};
pub use countersign_core::{AccountName, Algorithm, Passphrase, PrivateKey};
pub use countersign_core::{ApiKey, ApiKeyError, RefreshToken, RefreshTokenError};
pub use instance::InstanceSigner;
pub use internal::{InternalClient, RegisterKeyError};
pub use key_source::{KeySource, LoadKeyError};
pub use middleware::SignRequests;
pub use retry::RetryPolicy;
pub use service::{Service, ServiceBuilder, ServiceError};
pub use session::{Credentials, Session, SessionError};
pub use signer::{LoadSignerError, Signer, SigningError};
