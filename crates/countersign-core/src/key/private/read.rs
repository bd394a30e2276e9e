//! Reading a private key from the text of a file, whatever its format.

use pem::Pem;
use zeroize::Zeroizing;

use super::{
    PrivateComponents, PrivateKey, PrivateKeyError, PrivateKeyFile, PrivateKeyFormat,
    ReadPrivateKeyError,
};
use crate::key::encryption::{DecryptError, Passphrase, pkcs8, traditional};
use crate::key::jwk::{self, JwkError};
use crate::key::openssh::{self, OpenSshPrivateKey};
use crate::key::text::{self, NotKeyText, NotOneBlock};
use crate::key::weak::PublicKeyError;

impl PrivateKey {
    /// Reads a private key in any of the [formats](PrivateKeyFormat), which is
    /// found out from the text, and decrypts it if it is encrypted. Line
    /// endings, surrounding blanks and a missing final newline do not matter.
    ///
    /// A passphrase for a file that is not encrypted is an error: whoever gave
    /// it believes that the file is protected.
    ///
    /// ```
    /// use countersign_core::{KeyKind, Passphrase, PrivateKey, ReadPrivateKeyError};
    /// # struct Fixed;
    /// # impl countersign_core::Random for Fixed { fn fill(&self, bytes: &mut [u8]) { bytes.fill(7) } }
    /// # let random = Fixed;
    ///
    /// let key = PrivateKey::generate(KeyKind::Ed25519)?;
    /// let passphrase = Passphrase::new("correct horse battery staple");
    /// let pem = key.to_pkcs8_pem(Some(&passphrase), &random)?;
    ///
    /// let file = PrivateKey::read(pem.as_bytes(), Some(&passphrase))?;
    /// assert_eq!(file.key.public_key(), key.public_key());
    /// assert!(matches!(
    ///     PrivateKey::read(pem.as_bytes(), None),
    ///     Err(ReadPrivateKeyError::PassphraseNeeded(_)),
    /// ));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadPrivateKeyError`], which says what was found and what was expected.
    pub fn read(
        file: &[u8],
        passphrase: Option<&Passphrase>,
    ) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
        let text = text::key_text(file).map_err(|problem| match problem {
            NotKeyText::TooLong => ReadPrivateKeyError::TooLong,
            NotKeyText::Empty => ReadPrivateKeyError::Empty,
            NotKeyText::Binary => not_a_private_key("binary data"),
        })?;
        if text.starts_with('{') {
            return read_jwk(text, passphrase);
        }
        if let Some(foreign) = text::foreign_format(text) {
            return Err(not_a_private_key(foreign));
        }
        if text::has_pem(text) {
            return read_pem(text, passphrase);
        }
        if openssh::is_key_type(text.split_whitespace().next().unwrap_or_default()) {
            return Err(ReadPrivateKeyError::PublicKey);
        }
        Err(not_a_private_key("text of no known format"))
    }
}

fn read_jwk(
    text: &str,
    passphrase: Option<&Passphrase>,
) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
    let format = PrivateKeyFormat::Jwk;
    match jwk::read_private(text) {
        Ok(_) if passphrase.is_some() => Err(ReadPrivateKeyError::PassphraseNotNeeded(format)),
        Ok(components) => finish(components, Found::plain(format)),
        Err(JwkError::IsPublic) => Err(ReadPrivateKeyError::PublicKey),
        Err(error) => Err(ReadPrivateKeyError::Jwk(error)),
    }
}

fn read_pem(
    text: &str,
    passphrase: Option<&Passphrase>,
) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
    let block = text::one_pem_block(text).map_err(|problem| match problem {
        NotOneBlock::Several(count) => ReadPrivateKeyError::Several(count),
        NotOneBlock::Malformed(detail) => not_a_private_key(format!("damaged PEM ({detail})")),
    })?;
    match block.tag() {
        "PRIVATE KEY" => read_plain(
            &block,
            PrivateKeyFormat::Pkcs8,
            passphrase,
            PrivateComponents::from_pkcs8_der,
        ),
        "ENCRYPTED PRIVATE KEY" => read_encrypted(
            PrivateKeyFormat::Pkcs8,
            passphrase,
            |passphrase| pkcs8::decrypt(block.contents(), passphrase),
            PrivateComponents::from_pkcs8_der,
        ),
        "RSA PRIVATE KEY" => read_traditional(
            &block,
            PrivateKeyFormat::Pkcs1,
            passphrase,
            PrivateComponents::from_pkcs1_der,
        ),
        "EC PRIVATE KEY" => read_traditional(
            &block,
            PrivateKeyFormat::Sec1,
            passphrase,
            PrivateComponents::from_sec1_der,
        ),
        "OPENSSH PRIVATE KEY" => read_openssh(block, passphrase),
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => Err(ReadPrivateKeyError::PublicKey),
        other => {
            let label: String = other.chars().take(64).collect();
            Err(not_a_private_key(format!("a PEM block {label:?}")))
        }
    }
}

/// What turns a decrypted DER document into a key.
type Parser = fn(&[u8]) -> Result<PrivateComponents, PrivateKeyError>;

fn read_traditional(
    block: &Pem,
    format: PrivateKeyFormat,
    passphrase: Option<&Passphrase>,
    parse: Parser,
) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
    if !traditional::is_encrypted(block) {
        return read_plain(block, format, passphrase, parse);
    }
    read_encrypted(format, passphrase, |with| traditional::decrypt(block, with), parse)
}

fn read_plain(
    block: &Pem,
    format: PrivateKeyFormat,
    passphrase: Option<&Passphrase>,
    parse: Parser,
) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
    let components = parse(block.contents()).map_err(|reason| refused(format, reason))?;
    if passphrase.is_some() {
        return Err(ReadPrivateKeyError::PassphraseNotNeeded(format));
    }
    finish(components, Found::plain(format))
}

fn read_encrypted(
    format: PrivateKeyFormat,
    passphrase: Option<&Passphrase>,
    decrypt: impl FnOnce(&Passphrase) -> Result<Zeroizing<Vec<u8>>, DecryptError>,
    parse: Parser,
) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
    let passphrase = passphrase.ok_or(ReadPrivateKeyError::PassphraseNeeded(format))?;
    let document = decrypt(passphrase).map_err(|error| not_decrypted(format, error))?;
    // One wrong passphrase in 256 decrypts to something with good padding, but
    // not to DER.
    let components = parse(&document).map_err(|reason| match reason {
        PrivateKeyError::Malformed(_) => ReadPrivateKeyError::WrongPassphrase(format),
        reason => refused(format, reason),
    })?;
    finish(components, Found { format, encrypted: true, comment: None })
}

fn read_openssh(
    block: Pem,
    passphrase: Option<&Passphrase>,
) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
    let format = PrivateKeyFormat::OpenSsh;
    let contents = Zeroizing::new(block.into_contents());
    let sealed = OpenSshPrivateKey::read(&contents).map_err(|reason| refused(format, reason))?;
    let encrypted = sealed.is_encrypted();
    let opened = match (encrypted, passphrase) {
        (true, None) => return Err(ReadPrivateKeyError::PassphraseNeeded(format)),
        (false, Some(_)) => return Err(ReadPrivateKeyError::PassphraseNotNeeded(format)),
        (true, Some(passphrase)) => {
            sealed.decrypt(passphrase).map_err(|error| not_decrypted(format, error))?
        }
        (false, None) => sealed.plain(),
    };
    let (components, comment) = opened.parse().map_err(|reason| refused(format, reason))?;
    finish(components, Found { format, encrypted, comment })
}

/// What is known of a file besides its key.
struct Found {
    format: PrivateKeyFormat,
    encrypted: bool,
    comment: Option<String>,
}

impl Found {
    fn plain(format: PrivateKeyFormat) -> Self {
        Self { format, encrypted: false, comment: None }
    }
}

fn finish(
    components: PrivateComponents,
    found: Found,
) -> Result<PrivateKeyFile, ReadPrivateKeyError> {
    let Found { format, encrypted, comment } = found;
    let key = PrivateKey::from_components(components).map_err(|reason| refused(format, reason))?;
    Ok(PrivateKeyFile { key, comment, format, encrypted })
}

fn not_a_private_key(found: impl Into<String>) -> ReadPrivateKeyError {
    ReadPrivateKeyError::NotAPrivateKey(found.into())
}

fn refused(format: PrivateKeyFormat, reason: PrivateKeyError) -> ReadPrivateKeyError {
    match reason {
        PrivateKeyError::Malformed(detail)
        | PrivateKeyError::Weak(PublicKeyError::Malformed(detail)) => {
            ReadPrivateKeyError::Malformed { format, detail }
        }
        reason => ReadPrivateKeyError::Refused { format, reason },
    }
}

fn not_decrypted(format: PrivateKeyFormat, error: DecryptError) -> ReadPrivateKeyError {
    match error {
        DecryptError::WrongPassphrase => ReadPrivateKeyError::WrongPassphrase(format),
        DecryptError::Unsupported(detail) => {
            ReadPrivateKeyError::UnsupportedEncryption { format, detail }
        }
        DecryptError::Malformed(detail) => ReadPrivateKeyError::Malformed { format, detail },
        DecryptError::TooCostly => ReadPrivateKeyError::TooCostly(format),
    }
}
