//! `countersign man`: the manual pages, made from the commands' own help.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use crate::cli::Cli;
use crate::failure::Failure;

const AFTER_HELP: &str = "\
Example:
  countersign man /usr/local/share/man/man1";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ManArgs {
    /// Where the pages go, one for each command; made if it is not there.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let ManArgs { directory } = args;
    fs::create_dir_all(directory).map_err(|error| Failure::file(directory, "make", &error))?;
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| Failure::file(directory, "write to", &error))
}
