//! Sign HTTP requests with a private key that never leaves the caller.
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

mod instance;
mod key_source;
mod middleware;
mod signer;

pub use countersign_core::{AccountName, Algorithm, Passphrase, PrivateKey};
pub use instance::InstanceSigner;
pub use key_source::{KeySource, LoadKeyError};
pub use middleware::SignRequests;
pub use signer::{LoadSignerError, Signer, SigningError};
