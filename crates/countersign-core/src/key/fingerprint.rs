//! The three names a public key goes by.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The SHA-256 digests under which a public key is known.
///
/// All three are accepted wherever a fingerprint or a `kid` names a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprints {
    spki_pem: [u8; 32],
    thumbprint: [u8; 32],
    openssh: [u8; 32],
}

impl Fingerprints {
    /// Hashes the three encodings of a key: its SPKI PEM with the final
    /// newline, its canonical JWK (RFC 7638), and its OpenSSH wire form.
    pub(crate) fn of(spki_pem: &str, canonical_jwk: &str, openssh_blob: &[u8]) -> Self {
        Self {
            spki_pem: sha256(spki_pem.as_bytes()),
            thumbprint: sha256(canonical_jwk.as_bytes()),
            openssh: sha256(openssh_blob),
        }
    }

    /// SHA-256 of the SPKI PEM text including its final newline, in hex: the
    /// `kid` that `asymmetric_jwt_auth` clients since 1.0 send.
    pub fn spki_pem_sha256(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.spki_pem {
            hex.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
        hex
    }

    /// The RFC 7638 JWK thumbprint, base64url.
    pub fn jwk_thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.thumbprint)
    }

    /// What `ssh-keygen -l` shows: `SHA256:` and unpadded base64.
    pub fn openssh(&self) -> String {
        let mut text = String::with_capacity("SHA256:".len() + 43);
        text.push_str("SHA256:");
        STANDARD_NO_PAD.encode_string(self.openssh, &mut text);
        text
    }

    /// Enough of the thumbprint to tell one key from any other.
    pub(crate) fn leading_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.thumbprint[..16]);
        bytes
    }

    /// Whether `label` is one of the three, in its own spelling.
    pub fn matches(&self, label: &str) -> bool {
        let mut digest = [0; 32];
        match label.len() {
            64 => decode_hex(label, &mut digest) && digest == self.spki_pem,
            43 => {
                URL_SAFE_NO_PAD.decode_slice(label, &mut digest) == Ok(32)
                    && digest == self.thumbprint
            }
            50 => label.strip_prefix("SHA256:").is_some_and(|encoded| {
                STANDARD_NO_PAD.decode_slice(encoded, &mut digest) == Ok(32)
                    && digest == self.openssh
            }),
            _ => false,
        }
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.openssh())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Decodes lower-case hex; `kid` values are compared with case.
fn decode_hex(text: &str, out: &mut [u8; 32]) -> bool {
    let mut digits = text.as_bytes().chunks_exact(2);
    let mut seen = 0;
    for (byte, pair) in out.iter_mut().zip(&mut digits) {
        let (high, low) = (HEX[usize::from(pair[0])], HEX[usize::from(pair[1])]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    text.len() == 64 && seen < 16
}

/// The values of the lower-case hexadecimal digits; of others, 255.
static HEX: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};
