//! `countersign key convert`: the same key in another format.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countersign_core::{PrivateKey, PublicKey};
use countersign_system::SystemRandom;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::key_file::{self, KeyFile};
use crate::output;
use crate::passphrase::PassphraseArgs;

const AFTER_HELP: &str = "\
Examples:
  countersign key convert robot.key.pub --to openssh >> authorized_keys
  countersign key convert id_ed25519.pub --to pem > robot.pem
  countersign key convert robot.key --public --to jwk

A private key is written without a passphrase. Mind where stdout goes.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ConvertArgs {
    /// The key file, public or private; `-` is standard input.
    file: PathBuf,

    /// The format to write: PEM (SPKI or PKCS#8), OpenSSH or JWK.
    #[arg(long, value_enum)]
    to: Format,

    /// Write only the public half of a private key.
    #[arg(long)]
    public: bool,

    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Pem,
    Openssh,
    Jwk,
}

pub(crate) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    match key_file::read_any(&args.file, &args.passphrase)? {
        KeyFile::Private { key, comment } if !args.public => {
            output::line(private_text(&key, &comment, args.to)?.trim_end())
        }
        KeyFile::Private { key, comment } => show(key.public_key(), &comment, args.to),
        KeyFile::Public { key, comment } => show(&key, &comment, args.to),
    }
}

fn show(key: &PublicKey, comment: &str, to: Format) -> Result<(), Failure> {
    let text = match to {
        Format::Pem => key.to_spki_pem(),
        Format::Openssh => key.to_openssh(Some(comment)),
        Format::Jwk => format!("{:#}", key.to_jwk()),
    };
    output::line(text.trim_end())
}

fn private_text(key: &PrivateKey, comment: &str, to: Format) -> Result<Zeroizing<String>, Failure> {
    match to {
        Format::Pem => key_file::private_pem(key, None),
        Format::Openssh => {
            key.to_openssh_pem(None, Some(comment), &SystemRandom).map_err(Failure::refused)
        }
        Format::Jwk => Ok(key.to_jwk()),
    }
}
