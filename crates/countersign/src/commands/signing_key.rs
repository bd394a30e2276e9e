//! `countersign signing-key`: the keys that access tokens are signed with.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use countersign_server::api::{
    ImportSigningKey, RotateSigningKeys, SigningKey, SigningKeyState, SigningKeys,
    UnusableSigningKey, routes,
};
use serde_json::{Value, json};

use crate::commands::block_on;
use crate::failure::Failure;
use crate::key_file;
use crate::operator::OperatorArgs;
use crate::output::{Output, instant, line, note, table};
use crate::passphrase::PassphraseArgs;

const ROTATE_EXAMPLES: &str = "\
Examples:
  countersign signing-key rotate          # the next key signs; what the former signed stays good
  countersign signing-key rotate --now    # the active key is no longer a secret

With --now, every token that the active key signed is refused from now on, and verifiers
that keep the JWKS for a while refuse new tokens until they read it again.";

#[derive(Subcommand, Debug)]
pub(crate) enum SigningKeyCommand {
    /// List the keys that are in the JWKS, and those that cannot be used.
    List(ListArgs),
    /// Let the next key sign, and publish the one after it.
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(RotateArgs),
    /// Let a key that does not sign, or cannot be used, go at once: what it signed is refused from now on.
    Retire(RetireArgs),
    /// Publish a key that was made elsewhere, to sign when it is its turn.
    Import(ImportArgs),
    /// Write the public keys to stdout.
    ExportPublic(ExportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// At once, because the active key is no longer a secret.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RetireArgs {
    /// The key's name.
    // A thumbprint may begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The private key file, in any format that `key show` reads.
    file: PathBuf,
    /// The algorithm to use it with. [default: the usual one of its type]
    #[arg(long, value_name = "ALG")]
    algorithm: Option<String>,
    /// What tokens call it. [default: its RFC 7638 thumbprint]
    // A thumbprint may begin with a hyphen.
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    kid: Option<String>,
    #[command(flatten)]
    operator: OperatorArgs,
    /// The passphrase of FILE, in a file of its own; the operator's key has --passphrase-file.
    #[arg(long, value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The form to write them in.
    #[arg(long, value_enum, default_value_t)]
    format: ExportFormat,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// How public keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// One JWK set.
    #[default]
    Jwk,
    /// One SPKI PEM after the other.
    Pem,
}

pub(crate) fn run(command: SigningKeyCommand, output: Output) -> Result<(), Failure> {
    block_on(async {
        match command {
            SigningKeyCommand::List(args) => {
                show(output, &args.operator.connect().await?.get(routes::SIGNING_KEYS).await?)
            }
            SigningKeyCommand::Rotate(args) => {
                let how = RotateSigningKeys { compromised: args.now };
                let api = args.operator.connect().await?;
                show(output, &api.post(routes::ROTATE_SIGNING_KEYS, &how).await?)
            }
            SigningKeyCommand::Retire(args) => {
                let api = args.operator.connect().await?;
                let keys: SigningKeys = api.act(&routes::retire_signing_key(&args.kid)).await?;
                show(output, &keys)?;
                if !keys.signing_keys.iter().any(|key| key.state == SigningKeyState::Active) {
                    note(
                        "no key signs now: `countersign signing-key rotate --now` lets the next one",
                    );
                }
                Ok(())
            }
            SigningKeyCommand::Import(args) => import(args, output).await,
            SigningKeyCommand::ExportPublic(args) => export(&args).await,
        }
    })
}

async fn import(args: ImportArgs, output: Output) -> Result<(), Failure> {
    let passphrase = PassphraseArgs { passphrase_file: args.key_passphrase_file };
    let key = key_file::read_private(&args.file, &passphrase)?;
    let private_key = key_file::private_pem(&key, None)?.to_string();
    let import = ImportSigningKey { private_key, algorithm: args.algorithm, kid: args.kid };
    let api = args.operator.connect().await?;
    show(output, &api.post(routes::SIGNING_KEYS, &import).await?)
}

async fn export(args: &ExportArgs) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    let keys: SigningKeys = api.get(routes::SIGNING_KEYS).await?;
    match args.format {
        ExportFormat::Pem => {
            let pems: String = keys.signing_keys.iter().map(|key| &*key.public_key).collect();
            line(pems.trim_end())
        }
        ExportFormat::Jwk => {
            let jwks = keys.signing_keys.iter().map(jwk).collect::<Result<Vec<_>, _>>()?;
            let set = json!({ "keys": jwks });
            line(&serde_json::to_string_pretty(&set).map_err(Failure::refused)?)
        }
    }
}

/// As the server's JWKS has it.
fn jwk(key: &SigningKey) -> Result<Value, Failure> {
    let file = countersign_core::PublicKey::read(key.public_key.as_bytes());
    let mut jwk = file.map_err(Failure::refused)?.key.to_jwk();
    jwk["kid"] = key.kid.as_str().into();
    jwk["alg"] = key.algorithm.as_str().into();
    Ok(jwk)
}

fn show(output: Output, keys: &SigningKeys) -> Result<(), Failure> {
    output.show(keys, |keys| {
        let rows = keys.signing_keys.iter().map(|key| {
            [
                key.kid.clone(),
                key.algorithm.clone(),
                state(key).to_owned(),
                instant(key.published_at.into()),
                instant(key.activated_at),
                instant(key.gone_at),
            ]
        });
        let unusable = keys.unusable.iter().map(|key| {
            [
                key.kid.clone(),
                key.algorithm.clone(),
                "unusable".to_owned(),
                instant(key.published_at.into()),
                instant(key.activated_at),
                instant(key.gone_at),
            ]
        });
        let rows = rows.chain(unusable);
        table(["KID", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS SINCE", "GONE"], rows)
    })?;
    for UnusableSigningKey { kid, why, advice, .. } in &keys.unusable {
        note(&format!("{kid} cannot be used ({why}): {advice}"));
    }
    Ok(())
}

fn state(key: &SigningKey) -> &'static str {
    match key.state {
        SigningKeyState::Published => "published",
        SigningKeyState::Active => "active",
        SigningKeyState::Retired => "retired",
        SigningKeyState::Gone => "gone",
    }
}
