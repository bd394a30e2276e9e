//! `countersign doctor`: what is wrong with an installation, and what to do about it.

mod data;
mod finding;
mod gateway;
mod server;
mod settings_file;

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_server::api::Severity;

use crate::commands::block_on;
use crate::failure::{Exit, Failure};
use crate::operator::OperatorArgs;
use crate::output::Output;
use finding::Diagnosis;
use gateway::GatewayArgs;

const AFTER_HELP: &str = "\
Examples:
  countersign doctor
  countersign doctor --server https://auth.example:8081 --as ada --identity ada.key
  countersign doctor --gateway https://api.example/whoami --account robot --key robot.key

It changes nothing. A line says ok, warn or fail, what was found, and what to do about it.
The exit code is 0 unless a line says fail.";

/// Where the Debian package puts it.
const PACKAGED_SETTINGS: &str = "/etc/countersign/countersign.toml";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DoctorArgs {
    /// The server's settings file (TOML). [default: /etc/countersign/countersign.toml, if it and the data are on this machine]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) fn run(args: &DoctorArgs, output: Output) -> Result<(), Failure> {
    let diagnosis = block_on(async {
        let mut diagnosis = Diagnosis::default();
        let data = args.operator.data_on_this_machine()?;
        if let Some(paths) = &data {
            data::look(paths, &mut diagnosis);
        }
        let packaged = Path::new(PACKAGED_SETTINGS);
        let packaged = (data.is_some() && packaged.exists()).then_some(packaged);
        if let Some(file) = args.config.as_deref().or(packaged) {
            settings_file::look(file, &mut diagnosis);
        }
        let health = server::look(&args.operator, &mut diagnosis).await;
        gateway::look(&args.gateway, health.as_ref(), &mut diagnosis).await?;
        Ok(diagnosis)
    })?;
    output.show(&diagnosis, ToString::to_string)?;
    if diagnosis.worst() == Severity::Fail {
        return Err(Failure::shown(Exit::Refused));
    }
    Ok(())
}
