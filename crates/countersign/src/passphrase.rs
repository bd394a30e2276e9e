//! Where passphrases come from: a file or the terminal, never the command line,
//! where every user of the machine can read them.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_core::Passphrase;

use crate::failure::Failure;
use crate::files;

/// The option of every command that reads or writes a private key.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PassphraseArgs {
    /// Read the key's passphrase from this file (its first line; `-` is standard input).
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase in the file, if a file was given.
    pub(crate) fn given(&self) -> Result<Option<Passphrase>, Failure> {
        self.passphrase_file.as_deref().map(read_file).transpose()
    }
}

/// Asks at the terminal; `None` where nobody is there to answer.
pub(crate) fn ask(key_file: &Path) -> Result<Option<Passphrase>, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let prompt = format!("Passphrase of {}: ", key_file.display());
    Ok(Some(Passphrase::new(rpassword::prompt_password(prompt)?)))
}

/// The first line: what an editor or `echo` put behind it is not part of it.
fn read_file(path: &Path) -> Result<Passphrase, Failure> {
    let text = files::read_text(path)?;
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} is empty, expected a passphrase on its first line",
            path.display()
        )));
    }
    Ok(Passphrase::new(first))
}
