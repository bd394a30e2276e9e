//! `countersign key add | list | expire | revoke`: the keys of accounts.

use std::path::PathBuf;

use clap::Args;
use countersign_core::AccountName;
use countersign_server::api::{AddPublicKey, ChangePublicKey, PublicKey, PublicKeys, routes};

use super::validity::{ExpiryArgs, from_now, last_used, state};
use crate::commands::block_on;
use crate::config::Span;
use crate::failure::Failure;
use crate::key_file;
use crate::operator::OperatorArgs;
use crate::output::{Output, instant, note, properties, table};

const ADD_EXAMPLES: &str = "\
Examples:
  countersign key add robot robot.key.pub
  countersign key add robot ~/.ssh/id_ed25519.pub --expires-in 90d
  countersign key add robot client.crt --comment 'from its certificate'";

#[derive(Args, Debug)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) struct AddArgs {
    /// The account's name.
    account: AccountName,
    /// The public key file (PEM, OpenSSH, JWK or certificate); `-` is standard input.
    file: PathBuf,
    /// What to call the key. [default: the comment in the file]
    #[arg(long, value_name = "C")]
    comment: Option<String>,
    /// Refuse the key after this span, for example 90d.
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The account's name.
    account: AccountName,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ExpireArgs {
    /// The account's name.
    account: AccountName,
    /// The key, by any of its fingerprints.
    // That of a JWK may begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    fingerprint: String,
    #[command(flatten)]
    expiry: ExpiryArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    /// The account's name.
    account: AccountName,
    /// The key, by any of its fingerprints.
    // That of a JWK may begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    fingerprint: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) fn add(args: AddArgs, output: Output) -> Result<(), Failure> {
    // Read here, so that a wrong file never leaves this machine.
    let (key, comment_in_file) = key_file::read_public(&args.file)?;
    let comment = args.comment.or(Some(comment_in_file)).filter(|comment| !comment.is_empty());
    let new = AddPublicKey {
        public_key: key.to_spki_pem(),
        comment,
        expires_at: args.expires_in.map(from_now).transpose()?,
    };
    block_on(async {
        let api = args.operator.connect().await?;
        let key: PublicKey = api.post(&routes::keys(&args.account), &new).await?;
        let differs = (new.expires_at.is_some() && key.expires_at != new.expires_at)
            || new.comment.as_ref().is_some_and(|comment| *comment != key.comment);
        if differs {
            note(
                "the account has this key already, and it was left as it is: `countersign key expire` changes its expiry",
            );
        }
        show_one(output, &key)
    })
}

pub(crate) fn list(args: &ListArgs, output: Output) -> Result<(), Failure> {
    block_on(async {
        let api = args.operator.connect().await?;
        let keys: PublicKeys = api.get(&routes::keys(&args.account)).await?;
        output.show(&keys, |keys| {
            let rows = keys.keys.iter().map(|key| {
                [
                    key.fingerprints.openssh.clone(),
                    description(key),
                    state(key.revoked_at, key.expires_at),
                    instant(key.created_at.into()),
                    last_used(key.last_used_at, key.last_used_from),
                    key.comment.clone(),
                ]
            });
            table(["FINGERPRINT", "TYPE", "STATE", "CREATED", "LAST USED", "COMMENT"], rows)
        })
    })
}

pub(crate) fn expire(args: &ExpireArgs, output: Output) -> Result<(), Failure> {
    let change = ChangePublicKey { expires_at: args.expiry.expires_at()? };
    block_on(async {
        let api = args.operator.connect().await?;
        let path = routes::key(&args.account, &args.fingerprint);
        show_one(output, &api.patch(&path, &change).await?)
    })
}

pub(crate) fn revoke(args: &RevokeArgs, output: Output) -> Result<(), Failure> {
    block_on(async {
        let api = args.operator.connect().await?;
        let path = routes::revoke_key(&args.account, &args.fingerprint);
        show_one(output, &api.act(&path).await?)
    })
}

fn show_one(output: Output, key: &PublicKey) -> Result<(), Failure> {
    output.show(key, |key| {
        let mut rows = vec![
            ("fingerprint", key.fingerprints.openssh.clone()),
            ("kid", key.fingerprints.spki_pem_sha256.clone()),
            ("type", description(key)),
            ("state", state(key.revoked_at, key.expires_at)),
            ("created", instant(key.created_at.into())),
            ("last used", last_used(key.last_used_at, key.last_used_from)),
        ];
        if !key.comment.is_empty() {
            rows.push(("comment", key.comment.clone()));
        }
        properties(rows)
    })
}

fn description(key: &PublicKey) -> String {
    if key.key_type == "RSA" { format!("RSA {}", key.bits) } else { key.key_type.clone() }
}
