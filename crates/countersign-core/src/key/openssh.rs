//! OpenSSH's own key formats.
//!
//! The `ssh-key` crate derives keys and decrypts here, but does not take the
//! files apart: it refuses every EC private key whose scalar begins with a zero
//! byte, which is one in 256.

mod private;
mod public;
mod wire;

pub(super) use private::{OpenSshPrivateKey, write_private};
pub(super) use public::{is_key_type, public_blob, read_public_line};
