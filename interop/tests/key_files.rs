//! Keys made by the real OpenSSL and the real ssh-keygen, in every format, are
//! read; what we write, they read. Everything they calculate too is compared:
//! fingerprints, public halves, signatures.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_core::{
    Algorithm, AwsLc, KeyKind, KeyType, Passphrase, PrivateKey, PrivateKeyFormat, PublicKey,
    PublicKeyFormat, ReadPrivateKeyError, ReadPublicKeyError, RsaBits, SignatureVerifier,
};
use countersign_system::SystemRandom;
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery";
/// What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410 section 4).
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const KINDS: [Kind; 5] = [Kind::Rsa2048, Kind::Rsa3072, Kind::Ed25519, Kind::P256, Kind::P384];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa2048,
    Rsa3072,
    Ed25519,
    P256,
    P384,
}

impl Kind {
    fn openssl(self) -> &'static [&'static str] {
        match self {
            Self::Rsa2048 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Self::Rsa3072 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
            Self::Ed25519 => &["-algorithm", "ED25519"],
            Self::P256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Self::P384 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        }
    }

    fn ssh_keygen(self) -> &'static [&'static str] {
        match self {
            Self::Rsa2048 => &["-t", "rsa", "-b", "2048"],
            Self::Rsa3072 => &["-t", "rsa", "-b", "3072"],
            Self::Ed25519 => &["-t", "ed25519"],
            Self::P256 => &["-t", "ecdsa", "-b", "256"],
            Self::P384 => &["-t", "ecdsa", "-b", "384"],
        }
    }

    /// The name of its traditional format, for `openssl`, if it has one.
    fn traditional(self) -> Option<(&'static str, PrivateKeyFormat)> {
        match self {
            Self::Rsa2048 | Self::Rsa3072 => Some(("rsa", PrivateKeyFormat::Pkcs1)),
            Self::P256 | Self::P384 => Some(("ec", PrivateKeyFormat::Sec1)),
            Self::Ed25519 => None,
        }
    }
}

/// A directory in which the tools run.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Writes a file that only its owner can read, as ssh-keygen demands.
    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs a tool, which must succeed; what it printed.
    fn run<S: AsRef<str>>(&self, program: &str, arguments: &[S]) -> Vec<u8> {
        let (output, worked) = self.try_run(program, arguments);
        assert!(worked, "{program} failed: {}", String::from_utf8_lossy(&output));
        output
    }

    /// Runs a tool; what it printed (its errors if it failed), and whether it succeeded.
    fn try_run<S: AsRef<str>>(&self, program: &str, arguments: &[S]) -> (Vec<u8>, bool) {
        let output = Command::new(program)
            .args(arguments.iter().map(AsRef::as_ref))
            .current_dir(self.0.path())
            .env("LC_ALL", "C")
            .output()
            .unwrap_or_else(|error| {
                panic!("cannot run {program} ({error}): apt-get install openssl openssh-client")
            });
        let worked = output.status.success();
        (if worked { output.stdout } else { output.stderr }, worked)
    }

    /// Runs `openssl` with arguments that are separated by single blanks.
    fn openssl(&self, arguments: &str) -> Vec<u8> {
        self.run("openssl", &arguments.split(' ').collect::<Vec<_>>())
    }

    fn text(&self, program: &str, arguments: &[&str]) -> String {
        String::from_utf8(self.run(program, arguments)).unwrap()
    }
}

/// What the tools say about a key: the measure of what we read.
struct Expected {
    spki_pem: String,
    spki_pem_sha256: String,
    thumbprint: String,
    openssh: String,
}

impl Expected {
    /// Asks the tools about the SPKI PEM file `public.pem`.
    fn of(bench: &Bench) -> Self {
        let spki_pem = String::from_utf8(bench.read("public.pem")).unwrap();
        let digest = bench.text("openssl", &["dgst", "-sha256", "-r", "public.pem"]);
        bench.write("expected.pub", openssh_line(bench));
        Self {
            spki_pem,
            spki_pem_sha256: digest.split(' ').next().unwrap().to_owned(),
            thumbprint: thumbprint(bench),
            openssh: ssh_fingerprint(bench, "expected.pub"),
        }
    }

    fn check(&self, key: &PublicKey) {
        let fingerprints = key.fingerprints();
        assert_eq!(key.to_spki_pem(), self.spki_pem);
        assert_eq!(fingerprints.spki_pem_sha256(), self.spki_pem_sha256);
        assert_eq!(fingerprints.jwk_thumbprint(), self.thumbprint);
        assert_eq!(fingerprints.openssh(), self.openssh);
    }

    fn check_private(&self, bench: &Bench, file: &str, format: PrivateKeyFormat, locked: bool) {
        let text = bench.read(file);
        let right = Passphrase::new(PASSPHRASE);
        let wrong = Passphrase::new("wrong horse battery");
        let read = PrivateKey::read(&text, locked.then_some(&right))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!((read.format, read.encrypted), (format, locked), "{file}");
        self.check(read.key.public_key());
        let refused = |passphrase| PrivateKey::read(&text, passphrase).unwrap_err();
        if locked {
            assert_eq!(refused(None), ReadPrivateKeyError::PassphraseNeeded(format), "{file}");
            assert_eq!(
                refused(Some(&wrong)),
                ReadPrivateKeyError::WrongPassphrase(format),
                "{file}"
            );
        } else {
            assert_eq!(
                refused(Some(&right)),
                ReadPrivateKeyError::PassphraseNotNeeded(format),
                "{file}"
            );
        }
        assert_eq!(PublicKey::read(&text), Err(ReadPublicKeyError::PrivateKey), "{file}");
    }

    fn check_public(&self, bench: &Bench, file: &str, format: PublicKeyFormat) {
        let text = bench.read(file);
        let read = PublicKey::read(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(read.format, format, "{file}");
        self.check(&read.key);
        assert!(
            matches!(PrivateKey::read(&text, None), Err(ReadPrivateKeyError::PublicKey)),
            "{file}"
        );
    }
}

/// `public.pem` as a line of OpenSSH, written by ssh-keygen; it does not read
/// Ed25519 keys from PEM, but those are 32 bytes behind a constant.
fn openssh_line(bench: &Bench) -> Vec<u8> {
    let der = bench.openssl("pkey -pubin -in public.pem -outform DER");
    if let Some(point) = der.strip_prefix(&ED25519_SPKI_PREFIX) {
        let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], point].concat();
        return format!("ssh-ed25519 {}\n", STANDARD.encode(blob)).into_bytes();
    }
    bench.run("ssh-keygen", &["-i", "-m", "PKCS8", "-f", "public.pem"])
}

/// What `ssh-keygen -lf` says.
fn ssh_fingerprint(bench: &Bench, file: &str) -> String {
    let line = bench.text("ssh-keygen", &["-l", "-f", file]);
    line.split(' ').nth(1).unwrap().to_owned()
}

/// The RFC 7638 thumbprint of `public.pem`, of the numbers and with the hash of
/// OpenSSL.
fn thumbprint(bench: &Bench) -> String {
    let der = bench.openssl("pkey -pubin -in public.pem -outform DER");
    let about = bench.text("openssl", &["pkey", "-pubin", "-in", "public.pem", "-text", "-noout"]);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let tail = |length: usize| &der[der.len() - length..];
    let canonical = if about.contains("ED25519") {
        format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(tail(32)))
    } else if let Some(length) =
        [("P-256", 32), ("P-384", 48)].iter().find(|(name, _)| about.contains(name))
    {
        let (name, length) = length;
        let (x, y) = tail(2 * length).split_at(*length);
        format!(r#"{{"crv":"{name}","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
    } else {
        let modulus =
            bench.text("openssl", &["rsa", "-pubin", "-in", "public.pem", "-modulus", "-noout"]);
        let n = from_hex(modulus.trim().strip_prefix("Modulus=").unwrap());
        format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, encode(&n))
    };
    bench.write("canonical.json", canonical);
    encode(&bench.openssl("dgst -sha256 -binary canonical.json"))
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A key made by OpenSSL: `key.pem` (PKCS#8) and `public.pem`.
fn made_by_openssl(kind: Kind) -> (Bench, Expected) {
    let bench = Bench::new();
    let arguments = [&["genpkey", "-out", "key.pem"], kind.openssl()].concat();
    bench.run("openssl", &arguments);
    bench.openssl("pkey -in key.pem -pubout -out public.pem");
    let expected = Expected::of(&bench);
    (bench, expected)
}

/// A key made by ssh-keygen: `key` (OpenSSH) and `public.pem`.
fn made_by_ssh_keygen(kind: Kind) -> (Bench, Expected) {
    let bench = Bench::new();
    let common = ["-q", "-N", "", "-C", "worker 7", "-f", "key"];
    bench.run("ssh-keygen", &[&common[..], kind.ssh_keygen()].concat());
    if kind == Kind::Ed25519 {
        // ssh-keygen does not write this type as PKCS#8.
        let line = String::from_utf8(bench.read("key.pub")).unwrap();
        let blob = STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap();
        let spki = [&ED25519_SPKI_PREFIX[..], &blob[blob.len() - 32..]].concat();
        bench.write("public.der", spki);
        bench.openssl("pkey -pubin -inform DER -in public.der -out public.pem");
    } else {
        let pem = bench.run("ssh-keygen", &["-e", "-m", "PKCS8", "-f", "key.pub"]);
        bench.write("public.pem", pem);
    }
    let expected = Expected::of(&bench);
    assert_eq!(expected.openssh, ssh_fingerprint(&bench, "key.pub"));
    (bench, expected)
}

#[test]
fn public_keys_of_openssl_are_read_in_every_format() {
    for kind in KINDS {
        let (bench, expected) = made_by_openssl(kind);
        expected.check_public(&bench, "public.pem", PublicKeyFormat::Spki);
        bench.openssl("req -x509 -new -key key.pem -subj /CN=worker -days 1 -out certificate.pem");
        expected.check_public(&bench, "certificate.pem", PublicKeyFormat::Certificate);
        bench.openssl("x509 -in certificate.pem -text -out verbose.pem");
        expected.check_public(&bench, "verbose.pem", PublicKeyFormat::Certificate);
        if matches!(kind, Kind::Rsa2048 | Kind::Rsa3072) {
            bench.openssl("rsa -in key.pem -RSAPublicKey_out -out pkcs1.pem");
            expected.check_public(&bench, "pkcs1.pem", PublicKeyFormat::Pkcs1);
        }
    }
}

#[test]
fn public_keys_of_ssh_keygen_are_read_in_every_format() {
    for kind in KINDS {
        let (bench, expected) = made_by_ssh_keygen(kind);
        expected.check_public(&bench, "key.pub", PublicKeyFormat::OpenSsh);
        let file = PublicKey::read(&bench.read("key.pub")).unwrap();
        assert_eq!(file.comment.as_deref(), Some("worker 7"));
        let bare = bench.run("ssh-keygen", &["-y", "-f", "key"]);
        bench.write("bare.pub", bare);
        expected.check_public(&bench, "bare.pub", PublicKeyFormat::OpenSsh);
        if matches!(kind, Kind::Rsa2048 | Kind::Rsa3072) {
            let pem = bench.run("ssh-keygen", &["-e", "-m", "PEM", "-f", "key.pub"]);
            bench.write("pkcs1.pem", pem);
            expected.check_public(&bench, "pkcs1.pem", PublicKeyFormat::Pkcs1);
        }
        let rfc4716 = bench.run("ssh-keygen", &["-e", "-f", "key.pub"]);
        let refused = PublicKey::read(&rfc4716).unwrap_err().to_string();
        assert!(refused.contains("ssh-keygen -i"), "{refused}");
    }
}

#[test]
fn plain_private_keys_of_openssl_are_read_in_every_format() {
    for kind in KINDS {
        let (bench, expected) = made_by_openssl(kind);
        expected.check_private(&bench, "key.pem", PrivateKeyFormat::Pkcs8, false);
        if let Some((command, format)) = kind.traditional() {
            let traditional = if command == "rsa" { " -traditional" } else { "" };
            bench.openssl(&format!("{command} -in key.pem -out plain.pem{traditional}"));
            expected.check_private(&bench, "plain.pem", format, false);
        }
    }
    // A file that begins with a block that only names the curve.
    let bench = Bench::new();
    bench.openssl("ecparam -name prime256v1 -genkey -out key.pem");
    assert!(bench.read("key.pem").starts_with(b"-----BEGIN EC PARAMETERS"));
    bench.openssl("pkey -in key.pem -pubout -out public.pem");
    Expected::of(&bench).check_private(&bench, "key.pem", PrivateKeyFormat::Sec1, false);
}

#[test]
fn encrypted_pkcs8_of_openssl_is_read_with_every_cipher() {
    for kind in [Kind::Rsa2048, Kind::Ed25519, Kind::P384] {
        let (bench, expected) = made_by_openssl(kind);
        for how in [
            "-v2 aes-128-cbc",
            "-v2 aes-192-cbc",
            "-v2 aes-256-cbc",
            "-v2 des3",
            "-v2 aes-256-cbc -v2prf hmacWithSHA1",
            "-v2 aes-256-cbc -v2prf hmacWithSHA224",
            "-v2 aes-256-cbc -v2prf hmacWithSHA384",
            "-v2 aes-256-cbc -v2prf hmacWithSHA512",
            "-v2 aes-256-cbc -iter 100000",
            "-v2 aes-128-cbc -scrypt",
            "-scrypt -scrypt_N 32768 -scrypt_r 4 -scrypt_p 2",
            "-v1 PBE-SHA1-3DES",
            "-v1 PBE-SHA1-2DES",
            "-v1 PBE-MD5-DES -provider legacy -provider default",
            "-v1 PBE-SHA1-DES -provider legacy -provider default",
        ] {
            let output = ["-passout", &format!("pass:{PASSPHRASE}")].map(str::to_owned);
            let fixed = "pkcs8 -topk8 -in key.pem -out locked.pem".split(' ').map(str::to_owned);
            let arguments: Vec<String> =
                fixed.chain(how.split(' ').map(str::to_owned)).chain(output).collect();
            bench.run("openssl", &arguments);
            expected.check_private(&bench, "locked.pem", PrivateKeyFormat::Pkcs8, true);
        }
    }
}

#[test]
fn encrypted_traditional_pem_of_openssl_is_read_with_every_cipher() {
    for kind in [Kind::Rsa2048, Kind::P256, Kind::P384] {
        let (bench, expected) = made_by_openssl(kind);
        let (command, format) = kind.traditional().unwrap();
        for cipher in ["-aes128", "-aes192", "-aes256", "-des3", "-des"] {
            let mut arguments = vec![command, "-in", "key.pem", "-out", "locked.pem", cipher];
            if command == "rsa" {
                arguments.push("-traditional");
            }
            if cipher == "-des" {
                arguments.extend(["-provider", "legacy", "-provider", "default"]);
            }
            let passphrase = format!("pass:{PASSPHRASE}");
            arguments.extend(["-passout", &passphrase]);
            bench.run("openssl", &arguments);
            let text = String::from_utf8(bench.read("locked.pem")).unwrap();
            assert!(text.contains("Proc-Type: 4,ENCRYPTED"));
            expected.check_private(&bench, "locked.pem", format, true);
        }
    }
}

#[test]
fn no_wrong_passphrase_is_taken_for_a_damaged_file() {
    let (bench, _) = made_by_openssl(Kind::Rsa2048);
    bench.openssl("rsa -in key.pem -traditional -des3 -passout pass:right -out locked.pem");
    let text = bench.read("locked.pem");
    // About one in 256 decrypts to something with good padding: with 2,000 of
    // them it is as good as certain that some do.
    for number in 0..2_000 {
        let wrong = Passphrase::new(format!("wrong {number}"));
        assert_eq!(
            PrivateKey::read(&text, Some(&wrong)).unwrap_err(),
            ReadPrivateKeyError::WrongPassphrase(PrivateKeyFormat::Pkcs1)
        );
    }
}

#[test]
fn private_keys_of_ssh_keygen_are_read_in_every_format() {
    for kind in KINDS {
        let (bench, expected) = made_by_ssh_keygen(kind);
        expected.check_private(&bench, "key", PrivateKeyFormat::OpenSsh, false);
        let file = PrivateKey::read(&bench.read("key"), None).unwrap();
        assert_eq!(file.comment.as_deref(), Some("worker 7"));
        if let Some((_, format)) = kind.traditional() {
            for (name, format) in [("PEM", format), ("PKCS8", PrivateKeyFormat::Pkcs8)] {
                for passphrase in ["", PASSPHRASE] {
                    bench.write("converted", bench.read("key"));
                    let change = ["-q", "-p", "-P", "", "-N", passphrase, "-m", name];
                    bench.run("ssh-keygen", &[&change[..], &["-f", "converted"]].concat());
                    expected.check_private(&bench, "converted", format, !passphrase.is_empty());
                }
            }
        }
    }
}

#[test]
fn encrypted_keys_of_ssh_keygen_are_read_with_every_cipher() {
    for kind in [Kind::Rsa2048, Kind::Ed25519, Kind::P384] {
        let (bench, expected) = made_by_ssh_keygen(kind);
        for cipher in [
            "3des-cbc",
            "aes128-cbc",
            "aes192-cbc",
            "aes256-cbc",
            "aes128-ctr",
            "aes192-ctr",
            "aes256-ctr",
            "aes128-gcm@openssh.com",
            "aes256-gcm@openssh.com",
            "chacha20-poly1305@openssh.com",
        ] {
            bench.write("locked", bench.read("key"));
            let change = ["-q", "-p", "-P", "", "-N", PASSPHRASE, "-a", "2", "-Z", cipher];
            bench.run("ssh-keygen", &[&change[..], &["-f", "locked"]].concat());
            expected.check_private(&bench, "locked", PrivateKeyFormat::OpenSsh, true);
        }
    }
}

#[test]
fn ec_keys_whose_number_begins_with_a_zero_byte_are_read() {
    for (kind, bits) in [(KeyKind::P256, "256"), (KeyKind::P384, "384")] {
        let key = std::iter::repeat_with(|| PrivateKey::generate(kind).unwrap())
            .find(|key| {
                let jwk: serde_json::Value = serde_json::from_str(&key.to_jwk()).unwrap();
                URL_SAFE_NO_PAD.decode(jwk["d"].as_str().unwrap()).unwrap()[0] == 0
            })
            .unwrap();
        let bench = Bench::new();
        bench.write("key", key.to_openssh_pem(None, None, &SystemRandom).unwrap().as_bytes());
        // ssh-keygen writes the file anew, in its own way.
        let change = ["-q", "-p", "-P", "", "-N", PASSPHRASE, "-a", "2", "-f", "key"];
        bench.run("ssh-keygen", &change);
        let file =
            PrivateKey::read(&bench.read("key"), Some(&Passphrase::new(PASSPHRASE))).unwrap();
        assert_eq!(file.key.to_pkcs8_der(), key.to_pkcs8_der(), "{bits} bits");
    }
}

#[test]
fn the_tools_read_every_file_that_we_write() {
    for kind in [KeyKind::Ed25519, KeyKind::Rsa(RsaBits::B2048), KeyKind::P256, KeyKind::P384] {
        let key = PrivateKey::generate(kind).unwrap();
        let public = key.public_key();
        let bench = Bench::new();

        bench.write("public.pem", public.to_spki_pem());
        let expected = Expected::of(&bench);
        expected.check(public);
        bench.write("key.pub", public.to_openssh(Some("worker 7")));
        assert_eq!(ssh_fingerprint(&bench, "key.pub"), expected.openssh);

        for passphrase in [None, Some(Passphrase::new(PASSPHRASE))] {
            let given = if passphrase.is_some() { PASSPHRASE } else { "" };
            let pem = key.to_pkcs8_pem(passphrase.as_ref(), &SystemRandom).unwrap();
            bench.write("key.pem", pem.as_bytes());
            let source = format!("pass:{given}");
            let arguments = ["pkey", "-in", "key.pem", "-passin", &source, "-pubout"];
            assert_eq!(bench.text("openssl", &arguments), expected.spki_pem);
            bench.run(
                "openssl",
                &["pkey", "-in", "key.pem", "-passin", &source, "-check", "-noout"],
            );

            let pem = key.to_openssh_pem(passphrase.as_ref(), Some("worker 7"), &SystemRandom);
            bench.write("key", pem.unwrap().as_bytes());
            let line = bench.text("ssh-keygen", &["-y", "-P", given, "-f", "key"]);
            assert_eq!(line.trim_end(), public.to_openssh(Some("worker 7")));
        }
    }
}

/// How OpenSSL is told to make or check a signature of an algorithm.
fn openssl_signature_options(algorithm: Algorithm) -> Vec<&'static str> {
    let digest = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => "-sha256",
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => "-sha384",
        _ => "-sha512",
    };
    let mut options = vec![digest];
    if matches!(algorithm, Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512) {
        let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
        options.extend(pss);
    }
    options
}

#[test]
fn signatures_are_checked_both_ways() {
    for kind in KINDS {
        let (bench, _) = made_by_openssl(kind);
        let key = PrivateKey::read(&bench.read("key.pem"), None).unwrap().key;
        bench.write("message", "a message");
        let fitting = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| algorithm.key_type() == key.public_key().key_type());
        for algorithm in fitting {
            let ours = key.sign(algorithm, b"a message").unwrap();
            bench.write("signature", to_openssl(algorithm.key_type(), &ours));
            if algorithm == Algorithm::EdDsa {
                bench.openssl("pkeyutl -verify -pubin -inkey public.pem -rawin -in message -sigfile signature");
                bench.openssl("pkeyutl -sign -inkey key.pem -rawin -in message -out signature");
            } else {
                let options = openssl_signature_options(algorithm);
                let verify = ["-verify", "public.pem", "-signature", "signature", "message"];
                bench.run("openssl", &[&["dgst"], &options[..], &verify].concat());
                let sign = ["-sign", "key.pem", "-out", "signature", "message"];
                bench.run("openssl", &[&["dgst"], &options[..], &sign].concat());
            }
            let theirs = from_openssl(algorithm.key_type(), &bench.read("signature"));
            assert!(AwsLc.verify(key.public_key(), algorithm, b"a message", &theirs));
            assert!(!AwsLc.verify(key.public_key(), algorithm, b"another", &theirs));
        }
    }
}

/// OpenSSL writes ECDSA signatures in DER; a JWS has `r || s`.
fn to_openssl(key_type: KeyType, signature: &[u8]) -> Vec<u8> {
    if !matches!(key_type, KeyType::P256 | KeyType::P384) {
        return signature.to_vec();
    }
    let (r, s) = signature.split_at(signature.len() / 2);
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut bytes = vec![0; usize::from(number[zeros] & 0x80 != 0)];
        bytes.extend(&number[zeros..]);
        [&[0x02, u8::try_from(bytes.len()).unwrap()], &bytes[..]].concat()
    };
    let numbers = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(numbers.len()).unwrap()], &numbers[..]].concat()
}

fn from_openssl(key_type: KeyType, signature: &[u8]) -> Vec<u8> {
    let length = match key_type {
        KeyType::P256 => 32,
        KeyType::P384 => 48,
        KeyType::Rsa | KeyType::Ed25519 => return signature.to_vec(),
    };
    let mut rest = &signature[2..];
    let mut fixed = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        fixed.extend(vec![0; length - number.len()]);
        fixed.extend(number);
        rest = after;
    }
    fixed
}

#[test]
fn weak_and_unsupported_keys_of_the_tools_are_refused() {
    let bench = Bench::new();
    let public = |arguments: &str| {
        bench.openssl(&format!("{arguments} -out key.pem"));
        bench.openssl("pkey -in key.pem -pubout -out public.pem");
        let private = PrivateKey::read(&bench.read("key.pem"), None).unwrap_err().to_string();
        let public = PublicKey::read(&bench.read("public.pem")).unwrap_err().to_string();
        (private, public)
    };
    for (arguments, expected) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "has 1024 bits, at least 2048"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2047", "has 2047 bits, at least 2048"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "EC P-521"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "EC secp256k1"),
        ("genpkey -algorithm ED448", "Ed448"),
        ("genpkey -algorithm X25519", "X25519"),
        ("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "RSA for PSS only"),
    ] {
        let (private, public) = public(arguments);
        assert!(private.contains(expected), "{private}");
        assert!(public.contains(expected), "{public}");
    }
}

#[test]
fn old_ssh_keys_with_the_exponent_35_are_read() {
    let bench = Bench::new();
    let arguments =
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:35";
    bench.openssl(&format!("{arguments} -out key.pem"));
    let key = PrivateKey::read(&bench.read("key.pem"), None).unwrap().key;
    assert_eq!(key.public_key().to_jwk()["e"], "Iw");
    let signature = key.sign(Algorithm::Rs512, b"message").unwrap();
    assert!(AwsLc.verify(key.public_key(), Algorithm::Rs512, b"message", &signature));
}
