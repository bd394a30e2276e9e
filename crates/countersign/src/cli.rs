//! The command line: what can be asked for. What each command does is in the
//! file of its name under `commands`.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::commands::account::AccountCommand;
use crate::commands::admin::AdminCommand;
use crate::commands::api_key::ApiKeyCommand;
use crate::commands::audit::AuditCommand;
use crate::commands::completions::CompletionsArgs;
use crate::commands::console::ConsoleArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::encryption_key::EncryptionKeyCommand;
use crate::commands::header::HeaderArgs;
use crate::commands::health::HealthArgs;
use crate::commands::import::ImportCommand;
use crate::commands::jwks::JwksCommand;
use crate::commands::key::KeyCommand;
use crate::commands::man::ManArgs;
use crate::commands::request::RequestArgs;
use crate::commands::rules::RulesCommand;
use crate::commands::serve::ServeArgs;
use crate::commands::signing_key::SigningKeyCommand;
use crate::commands::token::TokenCommand;
use crate::output::Output;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Try it:
  countersign serve                                        # in one terminal
  countersign key generate --out robot.key                 # in another
  countersign account create robot
  countersign key add robot robot.key.pub
  countersign request --account robot --key robot.key -i http://127.0.0.1:8080/forward-auth

Exit codes:
  0  done
  1  refused, or failed on the way
  2  wrong option, setting or file
  3  no such account, key or endpoint
  4  the server cannot be reached";

/// Tells real callers from impostors by their private keys.
///
/// Machines sign each request with a key that never leaves them; Countersign
/// knows the public halves and answers who is calling.
#[derive(Parser, Debug)]
#[command(name = "countersign", version, styles = STYLES, after_help = AFTER_HELP)]
#[command(propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How results are written: for people, or for scripts.
    #[arg(short, long, global = true, value_enum, default_value_t, env = "COUNTERSIGN_OUTPUT")]
    #[arg(hide_env = true, hide_possible_values = true, value_name = "table|json")]
    pub(crate) output: Output,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the server.
    Serve(Box<ServeArgs>),
    /// Ask a server whether it takes requests, for a container's health check.
    Health(HealthArgs),
    /// Look for what is wrong with an installation, and say what to do.
    Doctor(Box<DoctorArgs>),
    /// Create, list, change and delete accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Make, read and convert keys; register them for accounts.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make keys that are swapped for tokens, list, expire and revoke them.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Rotate the keys that access tokens are signed with.
    #[command(subcommand)]
    SigningKey(SigningKeyCommand),
    /// Replace the key that seals secrets in the database.
    #[command(subcommand)]
    EncryptionKey(EncryptionKeyCommand),
    /// Trust the keys that an account publishes at a URL.
    #[command(subcommand)]
    Jwks(JwksCommand),
    /// See who changed what.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print a link into the pages for operators.
    Console(ConsoleArgs),
    /// Get back in when every administrator's key is lost.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Take over accounts and credentials from another program's database.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Print an Authorization header, good for one request.
    Header(HeaderArgs),
    /// Make an authenticated request, like curl.
    Request(RequestArgs),
    /// Look into tokens, and revoke them.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look at the rules on what gateways let through.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Write the manual pages.
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn no_two_options_clash() {
        Cli::command().debug_assert();
    }
}
