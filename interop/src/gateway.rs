//! Caddy, Traefik, `HAProxy` and Envoy with the configurations that we ship.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::environment::{repository, tool};
use crate::free_address::on_a_free_address;
use crate::http::Request;
use crate::process::Process;

/// A gateway that is not nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// `forward_auth`.
    Caddy,
    /// `forwardAuth`.
    Traefik,
    /// A script that asks.
    HaProxy,
    /// `ext_authz` over HTTP.
    Envoy,
    /// Envoy, which verifies access tokens by itself: `jwt_authn`.
    EnvoyJwt,
}

/// A running gateway; it ends when this value goes.
#[derive(Debug)]
pub struct RunningGateway {
    url: String,
    _process: Process,
    _directory: TempDir,
}

impl Gateway {
    /// Every gateway that asks about each request.
    pub const ALL: [Self; 4] = [Self::Caddy, Self::Traefik, Self::HaProxy, Self::Envoy];

    /// Starts it between callers and a service at `application`, with Countersign, or
    /// whatever stands for it, at `countersign`.
    ///
    /// # Errors
    /// If there is no such program, or it does not take the configuration.
    pub async fn start(self, countersign: &str, application: &str) -> Result<RunningGateway> {
        on_a_free_address(async |listen| self.start_on(listen, countersign, application).await)
            .await
    }

    async fn start_on(
        self,
        listen: &str,
        countersign: &str,
        application: &str,
    ) -> Result<RunningGateway> {
        let directory = TempDir::new()?;
        let ours = [listen, countersign, application];
        for file in self.files() {
            let path = repository().join("deploy").join(file);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_name().context("a file")?;
            fs::write(directory.path().join(name), self.with_addresses(&text, ours)?)?;
        }
        let mut command = self.command(directory.path())?;
        command.current_dir(directory.path()).env("HOME", directory.path());
        let mut process = Process::start(&mut command, &directory.path().join("log"))?;
        let url = format!("http://{listen}");
        // Traefik listens before it knows what for, and says 404.
        let knows = async || Request::get("/").send(&url).await.ok().filter(|it| it.status != 404);
        process.ready(knows).await?;
        Ok(RunningGateway { url, _process: process, _directory: directory })
    }

    /// What we ship for it.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Caddy => &["caddy/Caddyfile"],
            Self::Traefik => &["traefik/traefik.yml", "traefik/countersign.yml"],
            Self::HaProxy => &["haproxy/haproxy.cfg", "haproxy/countersign.lua"],
            Self::Envoy => &["envoy/envoy.yaml"],
            Self::EnvoyJwt => &["envoy/jwt-authn.yaml"],
        }
    }

    /// A shipped file with these addresses, and nothing else, in place of those in it.
    fn with_addresses(self, text: &str, ours: [&str; 3]) -> Result<String> {
        let mut text = text.to_owned();
        for (port, address) in ["8000", "8080", "9000"].into_iter().zip(ours) {
            let own_port = address.rsplit_once(':').context("an address with a port")?.1;
            text = text.replace(&format!("127.0.0.1:{port}"), address);
            text = text.replace(&format!("port_value: {port}"), &format!("port_value: {own_port}"));
            ensure!(!text.contains(port), "{self:?}: {port} is left in the configuration");
        }
        Ok(text)
    }

    fn command(self, directory: &Path) -> Result<Command> {
        // Some are in one Python environment.
        let packaged = |name: &str| Ok(tool("COUNTERSIGN_TEST_GATEWAYS")?.with_file_name(name));
        let program: Result<_> = match self {
            Self::Caddy => packaged("caddy"),
            Self::Traefik => packaged("traefik"),
            Self::HaProxy => tool("COUNTERSIGN_TEST_HAPROXY"),
            Self::Envoy | Self::EnvoyJwt => packaged("envoy"),
        };
        let mut command = Command::new(program?);
        match self {
            Self::Caddy => {
                // Another instance may have the port of its administration.
                let configuration = directory.join("Caddyfile");
                let text = fs::read_to_string(&configuration)?;
                let options = "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}\n";
                fs::write(&configuration, format!("{options}{text}"))?;
                command.arg("run").arg("--config").arg(configuration);
            }
            Self::Traefik => {
                command.arg("--configFile=traefik.yml");
            }
            Self::HaProxy => {
                command.args(["-db", "-f", "haproxy.cfg"]);
            }
            Self::Envoy | Self::EnvoyJwt => {
                let file = if self == Self::Envoy { "envoy.yaml" } else { "jwt-authn.yaml" };
                command.args(["-c", file, "--use-dynamic-base-id", "--concurrency", "1"]);
                command.args(["-l", "warning"]);
            }
        }
        Ok(command)
    }
}

impl RunningGateway {
    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}
