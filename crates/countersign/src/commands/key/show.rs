//! `countersign key show`: what a key file holds.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::key_file::{self, Description, KeyFile};
use crate::output::{Output, properties};
use crate::passphrase::PassphraseArgs;

const AFTER_HELP: &str = "\
Examples:
  countersign key show ~/.ssh/id_ed25519.pub
  countersign key show robot.key -o json

Reads PEM, OpenSSH, JWK and certificates, public and private. Any of the three
fingerprints names the key in `countersign key revoke` and in a token's kid.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ShowArgs {
    /// The key file, public or private; `-` is standard input.
    file: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    private: bool,
    comment: String,
    #[serde(flatten)]
    description: Description,
}

pub(crate) fn run(args: &ShowArgs, output: Output) -> Result<(), Failure> {
    let shown = match key_file::read_any(&args.file, &args.passphrase)? {
        KeyFile::Public { key, comment } => Shown {
            file: args.file.clone(),
            private: false,
            comment,
            description: Description::of(&key),
        },
        KeyFile::Private { key, comment } => Shown {
            file: args.file.clone(),
            private: true,
            comment,
            description: Description::of(key.public_key()),
        },
    };
    output.show(&shown, |shown| {
        let half = if shown.private { "private key" } else { "public key" };
        let mut rows = vec![("file", format!("{} ({half})", shown.file.display()))];
        if !shown.comment.is_empty() {
            rows.push(("comment", shown.comment.clone()));
        }
        rows.extend(shown.description.rows());
        properties(rows)
    })
}
