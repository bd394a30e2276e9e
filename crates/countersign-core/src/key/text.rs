//! What every key file has in common: it is short text, and often PEM.

use pem::{Pem, PemError};

/// The longest key file that is read, in bytes. The longest known kind, an
/// encrypted RSA key of 8192 bits, needs an eighth of it.
pub(super) const MAX_KEY_FILE_BYTES: usize = 64 * 1024;

/// Blocks that OpenSSL writes beside a key and that say nothing of their own.
const COMPANIONS: [&str; 1] = ["EC PARAMETERS"];

/// Why a file is not the text of a key, whichever key was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotKeyText {
    TooLong,
    Binary,
    Empty,
}

/// The text of a file without a byte order mark and surrounding blanks.
pub(super) fn key_text(file: &[u8]) -> Result<&str, NotKeyText> {
    if file.len() > MAX_KEY_FILE_BYTES {
        return Err(NotKeyText::TooLong);
    }
    let text = std::str::from_utf8(file).map_err(|_| NotKeyText::Binary)?;
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err(NotKeyText::Empty),
        text if text.contains('\0') => Err(NotKeyText::Binary),
        text => Ok(text),
    }
}

/// Why there is no single PEM block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotOneBlock {
    Malformed(&'static str),
    Several(usize),
}

/// The one PEM block of a text; what stands around it, as `openssl x509 -text`
/// writes it, does not matter.
pub(super) fn one_pem_block(text: &str) -> Result<Pem, NotOneBlock> {
    let blocks =
        pem::parse_many(text).map_err(|error| NotOneBlock::Malformed(what_is_wrong(&error)))?;
    let mut keys = blocks.into_iter().filter(|block| !COMPANIONS.contains(&block.tag()));
    let only = keys.next().ok_or(NotOneBlock::Malformed("no complete block"))?;
    match keys.count() {
        0 => Ok(only),
        others => Err(NotOneBlock::Several(others + 1)),
    }
}

/// What an error means, without the parts of the file that it quotes.
fn what_is_wrong(error: &PemError) -> &'static str {
    match error {
        PemError::MismatchedTags(..) => "its first and last line do not fit each other",
        PemError::InvalidData(_) => "its contents are not base64",
        PemError::InvalidHeader(_) => "a malformed header",
        _ => "a line is missing",
    }
}

/// Whether the text has a PEM block of a private key, even a damaged one.
pub(super) fn has_private_pem(text: &str) -> bool {
    text.split("-----BEGIN ")
        .skip(1)
        .filter_map(|block| block.split("-----").next())
        .any(|label| label.contains("PRIVATE KEY"))
}

pub(super) fn has_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

/// What a text is that is a key, but of a format that is not read: for the
/// message that says so.
pub(super) fn foreign_format(text: &str) -> Option<&'static str> {
    [
        ("---- BEGIN SSH2 PUBLIC KEY", "an SSH2 public key (convert it: ssh-keygen -i -f FILE)"),
        ("-----BEGIN PGP", "an OpenPGP key"),
        (
            "PuTTY-User-Key-File",
            "a PuTTY private key (convert it: puttygen FILE -O private-openssh)",
        ),
    ]
    .into_iter()
    .find(|(start, _)| text.starts_with(start))
    .map(|(_, name)| name)
}
