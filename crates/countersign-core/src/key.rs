//! Keys: public and private halves, their fingerprints, and every file format
//! they are read from and written to.

mod components;
mod encryption;
mod fingerprint;
mod jwk;
mod openssh;
mod private;
mod public;
mod text;
mod weak;

pub(crate) use components::PublicComponents;
pub use encryption::Passphrase;
pub use fingerprint::Fingerprints;
pub use jwk::{JwkError, PublicJwk};
pub use private::{
    KeyKind, PrivateKey, PrivateKeyError, PrivateKeyFile, PrivateKeyFormat, ReadPrivateKeyError,
    RsaBits, SignError, WritePrivateKeyError,
};
pub use public::{PublicKey, PublicKeyFile, PublicKeyFormat, ReadPublicKeyError};
pub use weak::PublicKeyError;
