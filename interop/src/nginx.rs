//! nginx with the configuration that we ship.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::environment::{repository, tool};
use crate::free_address::on_a_free_address;
use crate::process::Process;

/// Where the shipped files are.
const DIRECTORY: &str = "deploy/nginx";
/// The addresses in them that a site replaces: its own, Countersign's and the service's.
const ADDRESSES: [&str; 3] = ["127.0.0.1:8000", "127.0.0.1:8080", "127.0.0.1:9000"];

/// A running nginx; it ends when this value goes.
#[derive(Debug)]
pub struct Nginx {
    url: String,
    _process: Process,
    _directory: TempDir,
}

/// A whole site as we ship it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shipped {
    /// For callers that sign each request: `site.conf`.
    #[default]
    SignedRequests,
    /// For callers with access tokens: `jwthenticator.conf`.
    AccessTokens,
    /// The whole nginx of `compose.yaml`.
    Compose,
    /// The sample service of `compose.yaml`.
    ComposeService,
}

/// What a site puts around and into the shipped configuration.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// What it has in its `http` block.
    pub shipped: Shipped,
    /// The addresses at which Countersign listens.
    pub countersign: Vec<String>,
    /// The address of the service behind nginx.
    pub application: String,
    /// Directives that the operator has in the `http` block.
    pub http: String,
    /// A directive that is taken out of the shipped files, to see what happens
    /// without it.
    pub without: Option<&'static str>,
}

impl Nginx {
    /// Starts nginx for a site.
    ///
    /// # Errors
    /// If there is no nginx, or it does not take the configuration.
    pub async fn start(site: &Site) -> Result<Self> {
        on_a_free_address(async |listen| Self::start_on(site, listen).await).await
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn start_on(site: &Site, listen: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let path = directory.path();
        for (name, text) in site.files(listen)? {
            let name = Path::new(name).file_name().context("a file")?;
            fs::write(path.join(name), text)?;
        }
        fs::write(path.join("main.conf"), main_configuration(site))?;
        let mut command = Command::new(tool("COUNTERSIGN_TEST_NGINX")?);
        command.arg("-p").arg(path).arg("-c").arg(path.join("main.conf")).args(["-e", "stderr"]);
        // One process, in the foreground.
        command.args(["-g", "daemon off; master_process off;"]);
        let mut process = Process::start(&mut command, &path.join("log"))?;
        process.ready(async || TcpStream::connect(listen).await.ok()).await?;
        Ok(Self { url: format!("http://{listen}"), _process: process, _directory: directory })
    }
}

impl Shipped {
    /// The file that includes the others.
    fn site(self) -> &'static str {
        match self {
            Self::SignedRequests => "site.conf",
            Self::AccessTokens => "jwthenticator.conf",
            Self::Compose => "nginx.conf",
            Self::ComposeService => "service.conf",
        }
    }

    /// Whether that is all of nginx's configuration, and not what stands in its `http` block.
    fn is_whole(self) -> bool {
        matches!(self, Self::Compose | Self::ComposeService)
    }

    /// What a site replaces in the files.
    fn addresses(self) -> &'static [&'static str] {
        match self {
            Self::SignedRequests | Self::AccessTokens => &ADDRESSES,
            Self::Compose => &["0.0.0.0:8000", "countersign:8080", "service:9000"],
            Self::ComposeService => &["0.0.0.0:9000"],
        }
    }

    /// That file, and those that it says go to `/etc/nginx`.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::SignedRequests => &[
                "countersign-upstream.conf",
                "countersign-server.conf",
                "countersign-location.conf",
                "countersign-identity.conf",
                "site.conf",
            ],
            Self::AccessTokens => {
                &["countersign-upstream.conf", "countersign-identity.conf", "jwthenticator.conf"]
            }
            Self::Compose => &[
                "countersign-server.conf",
                "countersign-location.conf",
                "countersign-identity.conf",
                "../compose/countersign-servers.conf",
                "../compose/nginx.conf",
            ],
            Self::ComposeService => &["../compose/service.conf"],
        }
    }
}

impl Site {
    /// The shipped files with this site's addresses.
    fn files(&self, listen: &str) -> Result<Vec<(&'static str, String)>> {
        let servers = self.countersign.join(";\n    server ");
        let mut texts = Vec::new();
        for name in self.shipped.files() {
            let path = repository().join(DIRECTORY).join(name);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            texts.push((*name, text));
        }
        let ours = [listen, &servers, &self.application];
        let replacements = self.shipped.addresses().iter().copied().zip(ours);
        let without = self.without.map(|directive| (directive, ""));
        // Relative to the directory of this nginx.
        let directory = self.shipped.is_whole().then_some(("/tmp/", ""));
        for (shipped, ours) in replacements.chain(without).chain(directory) {
            ensure!(
                texts.iter().any(|(_, text)| text.contains(shipped)),
                "the shipped configuration does not hold `{shipped}`"
            );
            for (_, text) in &mut texts {
                *text = text.replace(shipped, ours);
            }
        }
        Ok(texts)
    }
}

/// Its files where the configuration is, and an operator who lets every header through.
fn main_configuration(site: &Site) -> String {
    let (http, shipped) = (&site.http, site.shipped);
    let site = shipped.site();
    if shipped.is_whole() {
        return format!("include {site};\n");
    }
    format!(
        "pid nginx.pid;
error_log stderr info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    underscores_in_headers on;
    {http}
    include {site};
}}
"
    )
}
