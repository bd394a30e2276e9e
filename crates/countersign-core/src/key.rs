//! Keys: public and private halves, their fingerprints, and every file format
//! they are read from and written to.

mod components;
mod fingerprint;
mod jwk;
mod private;
mod public;
mod weak;

pub(crate) use components::PublicComponents;
pub use fingerprint::Fingerprints;
pub use jwk::{JwkError, PublicJwk};
pub use private::{KeyKind, PrivateKey, PrivateKeyError, RsaBits, SignError};
pub use public::PublicKey;
pub use weak::PublicKeyError;
