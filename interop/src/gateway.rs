//! Caddy, Traefik, `HAProxy`, Envoy and Apache with the configurations that we ship.

use std::fmt::Write as _;
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
    /// `ext_authz` over gRPC.
    EnvoyGrpc,
    /// Envoy, which verifies access tokens by itself: `jwt_authn`.
    EnvoyJwt,
    /// Apache, which verifies access tokens by itself: `mod_oauth2`.
    Apache,
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
    pub const ASKING: [Self; 5] =
        [Self::Caddy, Self::Traefik, Self::HaProxy, Self::Envoy, Self::EnvoyGrpc];

    /// Every gateway that verifies access tokens by itself.
    pub const VERIFYING: [Self; 2] = [Self::EnvoyJwt, Self::Apache];

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
            Self::EnvoyGrpc => &["envoy/grpc.yaml"],
            Self::EnvoyJwt => &["envoy/jwt-authn.yaml"],
            Self::Apache => &["apache/countersign.conf"],
        }
    }

    /// A shipped file with these addresses, and nothing else, in place of those in it.
    fn with_addresses(self, text: &str, ours: [&str; 3]) -> Result<String> {
        let countersign = if self == Self::EnvoyGrpc { "8082" } else { "8080" };
        let shipped = ["8000", countersign, "9000"];
        let marks = ["@listen", "@countersign", "@application"];
        let mut text = text.to_owned();
        // All marks before the first address: one with port 39000 has no 9000 left in it.
        for (port, mark) in shipped.into_iter().zip(marks) {
            text = text.replace(&format!("127.0.0.1:{port}"), &format!("{mark}@"));
            text =
                text.replace(&format!("port_value: {port}"), &format!("port_value: {mark}_port@"));
            ensure!(!text.contains(port), "{self:?}: {port} is left in the configuration");
        }
        for (address, mark) in ours.into_iter().zip(marks) {
            let own_port = address.rsplit_once(':').context("an address with a port")?.1;
            text = text.replace(&format!("{mark}_port@"), own_port);
            text = text.replace(&format!("{mark}@"), address);
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
            Self::Envoy | Self::EnvoyGrpc | Self::EnvoyJwt => packaged("envoy"),
            Self::Apache => tool("COUNTERSIGN_TEST_APACHE"),
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
            Self::Envoy | Self::EnvoyGrpc | Self::EnvoyJwt => {
                let path = Path::new(self.files()[0]);
                command.arg("-c").args(path.file_name());
                command.args(["--use-dynamic-base-id", "--concurrency", "1"]);
                command.args(["-l", "warning"]);
            }
            Self::Apache => {
                let configuration = directory.join("apache2.conf");
                fs::write(&configuration, apache_around(directory)?)?;
                command.args(["-DFOREGROUND", "-f"]).arg(configuration);
            }
        }
        Ok(command)
    }
}

/// What the packages of a distribution say around a site: where everything is, and the
/// modules that are switched on.
fn apache_around(directory: &Path) -> Result<String> {
    let modules = tool("COUNTERSIGN_TEST_APACHE_MODULES")?;
    let directory = directory.display();
    let mut lines = format!(
        "ServerRoot {directory}\nDefaultRuntimeDir {directory}\nPidFile {directory}/pid\n\
         ErrorLog {directory}/errors\nServerName localhost\n\
         User nobody\nGroup nogroup\nStartServers 1\n"
    );
    for name in
        ["mpm_event", "authn_core", "authz_core", "headers", "proxy", "proxy_http", "oauth2"]
    {
        let module = modules.join(format!("mod_{name}.so"));
        writeln!(lines, "LoadModule {name}_module {}", module.display())?;
    }
    Ok(lines + "Include countersign.conf\n")
}

impl RunningGateway {
    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}
