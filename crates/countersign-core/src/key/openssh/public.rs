//! Public keys: `ssh-ed25519 AAAA... comment`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::{WireReader, WireWriter};
use crate::algorithm::KeyType;
use crate::key::components::PublicComponents;
use crate::key::public::PublicKey;
use crate::key::weak::PublicKeyError;

/// Whether a line that begins with this word is an OpenSSH key, of whichever type.
pub(crate) fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

/// Reads the key and the comment of a line.
pub(crate) fn read_public_line(
    line: &str,
) -> Result<(PublicComponents, Option<String>), PublicKeyError> {
    let (name, rest) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
    let (encoded, comment) = rest.trim().split_once([' ', '\t']).unwrap_or((rest.trim(), ""));
    let blob = STANDARD
        .decode(encoded)
        .map_err(|_| malformed("what follows the type is not the base64 of a key"))?;
    let components = read_public_blob(&blob)?;
    if name != ssh_name(components.key_type()) {
        return Err(malformed("the key is of another type than the line says"));
    }
    let comment = comment.trim();
    Ok((components, (!comment.is_empty()).then(|| comment.to_owned())))
}

/// Reads the blob of RFC 4253 section 6.6, RFC 5656 section 3.1 or RFC 8709 section 4.
pub(super) fn read_public_blob(blob: &[u8]) -> Result<PublicComponents, PublicKeyError> {
    let mut reader = WireReader::new(blob);
    let components = read_components(&mut reader)?;
    if !reader.remaining().is_empty() {
        return Err(malformed("there is something after the end of the key"));
    }
    Ok(components)
}

fn read_components(reader: &mut WireReader<'_>) -> Result<PublicComponents, PublicKeyError> {
    let too_short = || malformed("the key ends too early or has a malformed number");
    let name = reader.string().ok_or_else(too_short)?;
    match name {
        b"ssh-rsa" => {
            let e = reader.positive().ok_or_else(too_short)?;
            let n = reader.positive().ok_or_else(too_short)?;
            Ok(PublicComponents::rsa(n, e))
        }
        b"ssh-ed25519" => {
            let point = reader.string().ok_or_else(too_short)?;
            let point = point.try_into().map_err(|_| malformed("an Ed25519 key has 32 bytes"))?;
            Ok(PublicComponents::Ed25519(point))
        }
        b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" => {
            let curve = if name.ends_with(b"256") { KeyType::P256 } else { KeyType::P384 };
            if reader.string().ok_or_else(too_short)? != curve_name(curve).as_bytes() {
                return Err(malformed("the curve is another one than the type says"));
            }
            let point = reader.string().ok_or_else(too_short)?;
            PublicComponents::from_sec1_point(curve, point)
        }
        other => {
            let name: String = String::from_utf8_lossy(other).chars().take(64).collect();
            Err(PublicKeyError::Unsupported(format!("OpenSSH type {name:?}")))
        }
    }
}

/// Writes the blob that [`read_public_blob`] reads.
pub(crate) fn public_blob(components: &PublicComponents) -> Vec<u8> {
    let mut writer = WireWriter::new();
    writer.string(ssh_name(components.key_type()).as_bytes());
    match components {
        PublicComponents::Rsa { n, e } => {
            writer.positive(e);
            writer.positive(n);
        }
        PublicComponents::Ed25519(point) => writer.string(point),
        PublicComponents::Ec { curve, point } => {
            writer.string(curve_name(*curve).as_bytes());
            writer.string(point);
        }
    }
    writer.written().to_vec()
}

impl PublicKey {
    /// The key as a line of OpenSSH, without a final newline. Line breaks in the
    /// comment become blanks.
    pub fn to_openssh(&self, comment: Option<&str>) -> String {
        let blob = STANDARD.encode(public_blob(self.components()));
        let name = ssh_name(self.key_type());
        match comment.map(one_line).filter(|comment| !comment.is_empty()) {
            Some(comment) => format!("{name} {blob} {comment}"),
            None => format!("{name} {blob}"),
        }
    }
}

/// A comment that stays on its line.
pub(super) fn one_line(comment: &str) -> String {
    comment.trim().replace(|c: char| c.is_control(), " ")
}

pub(super) fn ssh_name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Rsa => "ssh-rsa",
        KeyType::Ed25519 => "ssh-ed25519",
        KeyType::P256 => "ecdsa-sha2-nistp256",
        KeyType::P384 => "ecdsa-sha2-nistp384",
    }
}

pub(super) fn curve_name(curve: KeyType) -> &'static str {
    if curve == KeyType::P384 { "nistp384" } else { "nistp256" }
}

fn malformed(detail: &str) -> PublicKeyError {
    PublicKeyError::Malformed(detail.to_owned())
}
