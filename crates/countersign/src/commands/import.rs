//! `countersign import`: accounts and credentials from the programs that Countersign
//! replaces, so that their callers carry on with the keys they have.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

mod asymmetric_jwt_auth;
mod jwthenticator;
mod report;
mod source;
mod target;

use clap::{Args, Subcommand};
use countersign_store::ImportMode;

use self::report::Report;
use self::target::Target;
use crate::commands::block_on;
use crate::config::InstallationArgs;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  systemctl stop countersign
  countersign import jwthenticator --from sqlite:///srv/jwthenticator.db --dry-run
  countersign import jwthenticator --from sqlite:///srv/jwthenticator.db
  COUNTERSIGN_IMPORT_FROM=postgres://user:password@host/name countersign import asymmetric-jwt-auth
  systemctl start countersign

The other database is only read, and the import can be repeated: what is here
already stays as it is. The exit code is 1 if a row was left out; docs/import.md
says which rows are. Run it as the user whose the data directory is, with the Debian
package: runuser -u countersign -- countersign import ... --config /etc/countersign/countersign.toml";

#[derive(Subcommand, Debug)]
pub(crate) enum ImportCommand {
    /// Take over keys and refresh tokens of jwthenticator.
    #[command(after_help = AFTER_HELP)]
    Jwthenticator(ImportArgs),
    /// Take over users with their public keys and JWKS URLs from Django with asymmetric_jwt_auth.
    #[command(after_help = AFTER_HELP)]
    AsymmetricJwtAuth(ImportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The other program's database: postgres://user:password@host/name, or sqlite://FILE.
    #[arg(long, value_name = "URL", hide_env_values = true, env = "COUNTERSIGN_IMPORT_FROM")]
    from: String,

    /// Say what would be imported, and write nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    installation: InstallationArgs,
}

pub(crate) fn run(command: &ImportCommand, output: Output) -> Result<(), Failure> {
    let (ImportCommand::Jwthenticator(args) | ImportCommand::AsymmetricJwtAuth(args)) = command;
    let settings = args.installation.clone().settings()?;
    let mode = if args.dry_run { ImportMode::DryRun } else { ImportMode::Write };
    // The lock keeps a server from going by what it read before the import.
    let directory = DataDirectory::open_existing(&settings.data_dir)?;
    block_on(async {
        let mut source = source::open(&args.from).await?;
        let target = Target::open(&settings, &directory.paths, mode).await?;
        let mut report = Report::new(output, mode);
        match command {
            ImportCommand::Jwthenticator(_) => {
                jwthenticator::import(&mut source, &target, &mut report).await?;
            }
            ImportCommand::AsymmetricJwtAuth(_) => {
                asymmetric_jwt_auth::import(&mut source, &target, &mut report).await?;
            }
        }
        source.close().await;
        target.store.database().close().await;
        report.end()
    })
}
