//! Keys: public and private halves, their fingerprints, and every file format
//! they are read from and written to.

mod fingerprint;
mod private;
mod public;

pub use fingerprint::Fingerprints;
pub use private::{KeyKind, PrivateKey, PrivateKeyError, RsaBits, SignError};
pub(crate) use public::PublicComponents;
pub use public::{PublicKey, PublicKeyError};
