//! `countersign key generate`: a new key pair in two files.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use countersign_core::{KeyKind, PrivateKey, RsaBits};
use serde::Serialize;

use crate::failure::Failure;
use crate::files;
use crate::key_file;
use crate::output::{Output, properties};
use crate::passphrase::PassphraseArgs;

const AFTER_HELP: &str = "\
Examples:
  countersign key generate --out robot.key
  countersign key generate --out robot.key --type rsa --bits 4096
  countersign key generate --out robot.key --passphrase-file secret.txt

The private key stays where it is used. Only FILE.pub goes to the server:
  countersign key add robot robot.key.pub";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct GenerateArgs {
    /// Where the private key goes; the public one goes to FILE.pub. Existing files are kept.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The type of key.
    #[arg(long = "type", value_enum, default_value_t)]
    kind: Kind,

    /// The size of an RSA key: 2048, 3072, 4096 or 8192 [default: 3072].
    #[arg(long, value_name = "N")]
    bits: Option<u32>,

    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Small, fast, and the right choice unless something else is asked for.
    #[default]
    Ed25519,
    /// For services that know nothing newer.
    Rsa,
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
}

#[derive(Serialize)]
struct Generated {
    private_key: PathBuf,
    public_key: PathBuf,
    #[serde(flatten)]
    description: key_file::Description,
}

pub(crate) fn run(args: &GenerateArgs, output: Output) -> Result<(), Failure> {
    let key = PrivateKey::generate(kind(args)?).map_err(Failure::refused)?;
    let passphrase = args.passphrase.given()?;
    let private_pem = key_file::private_pem(&key, passphrase.as_ref())?;
    let public_path = public_path(&args.out);

    create(&public_path, 0o644, key.public_key().to_spki_pem().as_bytes())?;
    create(&args.out, 0o600, private_pem.as_bytes()).inspect_err(|_| {
        // A public key without its private half is of no use to anyone.
        let _ = std::fs::remove_file(&public_path);
    })?;
    let generated = Generated {
        private_key: args.out.clone(),
        public_key: public_path,
        description: key_file::Description::of(key.public_key()),
    };
    output.show(&generated, |generated| {
        let mut rows = vec![
            ("private key", format!("{} (keep it here)", generated.private_key.display())),
            ("public key", generated.public_key.display().to_string()),
        ];
        rows.extend(generated.description.rows());
        properties(rows)
    })
}

fn kind(args: &GenerateArgs) -> Result<KeyKind, Failure> {
    if args.kind != Kind::Rsa && args.bits.is_some() {
        return Err(Failure::usage("--bits is for RSA keys: add `--type rsa` or leave it out"));
    }
    Ok(match args.kind {
        Kind::Ed25519 => KeyKind::Ed25519,
        Kind::P256 => KeyKind::P256,
        Kind::P384 => KeyKind::P384,
        Kind::Rsa => {
            let bits = args.bits.unwrap_or(3072);
            KeyKind::Rsa(RsaBits::from_bits(bits).ok_or_else(|| {
                Failure::usage(format_args!("--bits {bits}: expected 2048, 3072, 4096 or 8192"))
            })?)
        }
    })
}

fn public_path(private: &Path) -> PathBuf {
    let mut name = private.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn create(path: &Path, mode: u32, content: &[u8]) -> Result<(), Failure> {
    files::create_new(path, mode, content).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format_args!(
            "{} exists already and is kept: choose another --out, or move it away",
            path.display()
        )),
        _ => Failure::file(path, "write", &error),
    })
}
