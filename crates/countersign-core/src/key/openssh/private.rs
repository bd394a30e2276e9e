//! Private keys: `-----BEGIN OPENSSH PRIVATE KEY-----`, as OpenSSH's
//! PROTOCOL.key describes them.

use crypto_bigint::{BoxedUint, NonZero};
use der::Decode as _;
use ssh_key::{Cipher, Kdf};
use zeroize::Zeroizing;

use super::public::{curve_name, one_line, public_blob, read_public_blob, ssh_name};
use super::wire::{WireReader, WireWriter};
use crate::algorithm::KeyType;
use crate::key::components::PublicComponents;
use crate::key::encryption::{DecryptError, Passphrase};
use crate::key::private::{
    PrivateComponents, PrivateKey, PrivateKeyError, RsaNumbers, RsaPrivateKey,
};
use crate::ports::Random;

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// The most rounds of bcrypt-pbkdf that a file may ask for, some minutes of
/// work; OpenSSH writes 16 to 24.
const MAX_ROUNDS: u32 = if cfg!(fuzzing) { 1 } else { 4096 };
/// The rounds that we write.
const ROUNDS: u32 = 24;

/// A file whose frame has been read; its private part may be encrypted.
pub(crate) struct OpenSshPrivateKey<'a> {
    cipher: &'a str,
    kdf: &'a str,
    kdf_options: &'a [u8],
    public: PublicComponents,
    sealed: &'a [u8],
    /// The authentication tag that some ciphers leave behind the private part.
    tag: &'a [u8],
}

/// A private part that has been decrypted, or never was encrypted.
pub(crate) struct OpenedPrivateKey {
    public: PublicComponents,
    bytes: Zeroizing<Vec<u8>>,
}

impl<'a> OpenSshPrivateKey<'a> {
    /// Reads the frame around the private part.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, PrivateKeyError> {
        let mut reader = WireReader::new(bytes);
        if reader.bytes(MAGIC.len()) != Some(MAGIC) {
            return Err(malformed("it does not begin with openssh-key-v1"));
        }
        let mut text = || reader.string().and_then(|text| std::str::from_utf8(text).ok());
        let cipher = text().ok_or_else(too_short)?;
        let kdf = text().ok_or_else(too_short)?;
        let kdf_options = reader.string().ok_or_else(too_short)?;
        if reader.u32().ok_or_else(too_short)? != 1 {
            return Err(malformed("it does not hold exactly one key"));
        }
        let public = read_public_blob(reader.string().ok_or_else(too_short)?)?;
        let sealed = reader.string().ok_or_else(too_short)?;
        Ok(Self { cipher, kdf, kdf_options, public, sealed, tag: reader.remaining() })
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.cipher != "none"
    }

    /// The private part of a file that is not encrypted.
    pub(crate) fn plain(self) -> OpenedPrivateKey {
        OpenedPrivateKey { public: self.public, bytes: Zeroizing::new(self.sealed.to_vec()) }
    }

    /// Decrypts the private part.
    pub(crate) fn decrypt(self, passphrase: &Passphrase) -> Result<OpenedPrivateKey, DecryptError> {
        let unsupported = |name: &str| DecryptError::Unsupported(name.chars().take(64).collect());
        let cipher = Cipher::new(self.cipher).map_err(|_| unsupported(self.cipher))?;
        if self.kdf != "bcrypt" {
            return Err(unsupported(self.kdf));
        }
        let mut options = WireReader::new(self.kdf_options);
        let (Some(salt), Some(rounds)) = (options.string(), options.u32()) else {
            return Err(DecryptError::Malformed("its key derivation has no parameters".into()));
        };
        if rounds > MAX_ROUNDS {
            return Err(DecryptError::TooCostly);
        }
        let kdf = Kdf::Bcrypt { salt: salt.to_vec(), rounds };
        // An empty passphrase or salt, which are refused here, fit nothing.
        let (key, iv) = kdf
            .derive_key_and_iv(cipher, passphrase.as_bytes())
            .map_err(|_| DecryptError::WrongPassphrase)?;
        let tag = if cipher.has_tag() {
            let tag = self
                .tag
                .try_into()
                .map_err(|_| DecryptError::Malformed("it has no authentication tag".into()))?;
            Some(tag)
        } else {
            None
        };
        let mut bytes = Zeroizing::new(self.sealed.to_vec());
        cipher.decrypt(&key, &iv, &mut bytes, tag).map_err(|_| DecryptError::WrongPassphrase)?;
        let opened = OpenedPrivateKey { public: self.public, bytes };
        if opened.is_rightly_decrypted() { Ok(opened) } else { Err(DecryptError::WrongPassphrase) }
    }
}

impl OpenedPrivateKey {
    /// A file begins with the same random number twice, for this purpose.
    fn is_rightly_decrypted(&self) -> bool {
        let mut reader = WireReader::new(&self.bytes);
        matches!((reader.u32(), reader.u32()), (Some(first), Some(second)) if first == second)
    }

    /// Reads the numbers of the key and its comment.
    pub(crate) fn parse(self) -> Result<(PrivateComponents, Option<String>), PrivateKeyError> {
        if !self.is_rightly_decrypted() {
            return Err(malformed("its check numbers differ"));
        }
        let mut reader = WireReader::new(&self.bytes);
        reader.bytes(8);
        let name = reader.string().ok_or_else(too_short)?;
        if name != ssh_name(self.public.key_type()).as_bytes() {
            return Err(PrivateKeyError::HalvesDiffer);
        }
        let (components, public) = match self.public.key_type() {
            KeyType::Rsa => read_rsa(&mut reader)?,
            KeyType::Ed25519 => read_ed25519(&mut reader)?,
            curve @ (KeyType::P256 | KeyType::P384) => read_ec(curve, &mut reader)?,
        };
        // The provider checks the inner public half; this is the outer one.
        if public != self.public {
            return Err(PrivateKeyError::HalvesDiffer);
        }
        let comment = reader.string().ok_or_else(too_short)?;
        if reader.remaining().iter().zip(1..).any(|(found, expected)| *found != expected) {
            return Err(malformed("its padding is wrong"));
        }
        let comment = String::from_utf8_lossy(comment).trim().to_owned();
        Ok((components, (!comment.is_empty()).then_some(comment)))
    }
}

#[expect(clippy::many_single_char_names, reason = "the names of RFC 8017")]
fn read_rsa(
    reader: &mut WireReader<'_>,
) -> Result<(PrivateComponents, PublicComponents), PrivateKeyError> {
    let mut number = || reader.positive().filter(|n| !n.is_empty()).ok_or_else(too_short);
    let (n, e, d, qi, p, q) = (number()?, number()?, number()?, number()?, number()?, number()?);
    let public = PublicComponents::rsa(n, e);
    // Before the numbers are calculated with.
    public.check_strength()?;
    let (dp, dq) = (crt_exponent(d, p)?, crt_exponent(d, q)?);
    let numbers = RsaNumbers { n, e, d, p, q, dp: &dp, dq: &dq, qi };
    Ok((PrivateComponents::rsa(&numbers)?, public))
}

/// `d mod (prime - 1)`, which OpenSSH leaves out of its files.
fn crt_exponent(d: &[u8], prime: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let number = |bytes: &[u8]| {
        let bits = u32::try_from(bytes.len() * 8).unwrap_or(u32::MAX);
        BoxedUint::from_be_slice(bytes, bits)
            .map(Zeroizing::new)
            .map_err(|error| PrivateKeyError::Malformed(error.to_string()))
    };
    let (d, prime) = (number(d)?, number(prime)?);
    let less_one = prime.wrapping_sub(BoxedUint::one());
    let modulus = Option::from(NonZero::new(less_one))
        .map(Zeroizing::new)
        .ok_or_else(|| malformed("a factor of its modulus is 1"))?;
    Ok(Zeroizing::new(Zeroizing::new(d.rem(&modulus)).to_be_bytes().into_vec()))
}

fn read_ed25519(
    reader: &mut WireReader<'_>,
) -> Result<(PrivateComponents, PublicComponents), PrivateKeyError> {
    let point = reader.string().ok_or_else(too_short)?;
    let pair = reader.string().ok_or_else(too_short)?;
    let (seed, again) = pair.split_at_checked(32).ok_or_else(too_short)?;
    if again != point {
        return Err(PrivateKeyError::HalvesDiffer);
    }
    let point = point.try_into().map_err(|_| malformed("an Ed25519 key has 32 bytes"))?;
    Ok((PrivateComponents::ed25519(seed, Some(again))?, PublicComponents::Ed25519(point)))
}

fn read_ec(
    curve: KeyType,
    reader: &mut WireReader<'_>,
) -> Result<(PrivateComponents, PublicComponents), PrivateKeyError> {
    if reader.string() != Some(curve_name(curve).as_bytes()) {
        return Err(malformed("its curve is another one than its type says"));
    }
    let point = reader.string().ok_or_else(too_short)?;
    // Some writers leave leading zeros in place.
    let scalar = reader.string().ok_or_else(too_short)?;
    let public = PublicComponents::from_sec1_point(curve, point)?;
    Ok((PrivateComponents::ec(curve, scalar, Some(point))?, public))
}

/// Writes what [`OpenSshPrivateKey::read`] reads.
pub(crate) fn write_private(
    key: &PrivateKey,
    passphrase: Option<&Passphrase>,
    comment: &str,
    random: &dyn Random,
) -> Result<Zeroizing<Vec<u8>>, ssh_key::Error> {
    let cipher = if passphrase.is_some() { Cipher::Aes256Ctr } else { Cipher::None };
    let mut private =
        private_part(key, comment, random).map_err(|_| ssh_key::Error::FormatEncoding)?;
    for byte in (1..).take(cipher.padding_len(private.written().len())) {
        private.bytes(&[byte]);
    }
    let mut sealed = private.finish();
    let mut kdf_options = WireWriter::new();
    if let Some(passphrase) = passphrase {
        let mut salt = vec![0; 16];
        random.fill(&mut salt);
        kdf_options.string(&salt);
        kdf_options.u32(ROUNDS);
        let kdf = Kdf::Bcrypt { salt, rounds: ROUNDS };
        let (key, iv) = kdf.derive_key_and_iv(cipher, passphrase.as_bytes())?;
        cipher.encrypt(&key, &iv, &mut sealed)?;
    }
    let mut file = WireWriter::new();
    file.bytes(MAGIC);
    file.string(cipher.as_str().as_bytes());
    file.string(if passphrase.is_some() { b"bcrypt" } else { b"none" });
    file.string(kdf_options.written());
    file.u32(1);
    file.string(&public_blob(key.public_key().components()));
    file.string(&sealed);
    Ok(file.finish())
}

fn private_part(
    key: &PrivateKey,
    comment: &str,
    random: &dyn Random,
) -> Result<WireWriter, PrivateKeyError> {
    let mut writer = WireWriter::new();
    let mut check = [0; 4];
    random.fill(&mut check);
    writer.bytes(&check);
    writer.bytes(&check);
    writer.string(ssh_name(key.public_key().key_type()).as_bytes());
    match (key.components()?, key.public_key().components()) {
        (PrivateComponents::Rsa { pkcs1 }, _) => {
            let rsa = RsaPrivateKey::from_der(&pkcs1).map_err(|_| too_short())?;
            for number in [
                rsa.modulus,
                rsa.public_exponent,
                rsa.private_exponent,
                rsa.coefficient,
                rsa.prime1,
                rsa.prime2,
            ] {
                writer.positive(number.as_bytes());
            }
        }
        (PrivateComponents::Ed25519 { seed, .. }, PublicComponents::Ed25519(point)) => {
            writer.string(point);
            writer.string(Zeroizing::new([seed.as_slice(), point].concat()).as_slice());
        }
        (PrivateComponents::Ec { curve, scalar, .. }, PublicComponents::Ec { point, .. }) => {
            writer.string(curve_name(curve).as_bytes());
            writer.string(point);
            writer.positive(&scalar);
        }
        _ => return Err(PrivateKeyError::HalvesDiffer),
    }
    writer.string(one_line(comment).as_bytes());
    Ok(writer)
}

fn too_short() -> PrivateKeyError {
    malformed("it ends too early or has a malformed number")
}

fn malformed(detail: &str) -> PrivateKeyError {
    PrivateKeyError::Malformed(detail.to_owned())
}
