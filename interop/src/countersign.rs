//! Our own server and command line, as the binary that a user runs.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::tool;
use crate::http::Request;
use crate::process::{Process, capture};
use crate::stepped_clock::SteppedClock;

/// A running server with a data directory of its own.
#[derive(Debug)]
pub struct Countersign {
    directory: TempDir,
    options: Vec<String>,
    clock: Option<SteppedClock>,
    process: Process,
    urls: Urls,
}

/// Where the listeners are.
#[derive(Debug)]
struct Urls {
    public: String,
    internal: String,
    envoy: Option<String>,
}

impl Countersign {
    /// Starts a server on an empty data directory.
    ///
    /// # Errors
    /// If there is no binary or it does not become ready.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server with further options of `serve`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        Self::on_a_new_directory(options, None).await
    }

    /// Starts a server that sees this clock.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_clock(clock: SteppedClock, options: &[&str]) -> Result<Self> {
        Self::on_a_new_directory(options, Some(clock)).await
    }

    /// Starts a server on a directory whose `data` another has left.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_on(directory: TempDir, options: &[&str]) -> Result<Self> {
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let (process, urls) = serve(directory.path(), &options, None).await?;
        Ok(Self { directory, options, clock: None, process, urls })
    }

    async fn on_a_new_directory(options: &[&str], clock: Option<SteppedClock>) -> Result<Self> {
        let directory = TempDir::new()?;
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let (process, urls) = serve(directory.path(), &options, clock.as_ref()).await?;
        Ok(Self { directory, options, clock, process, urls })
    }

    /// The clock that it sees, if that is another than everybody's.
    pub fn clock(&self) -> Option<&SteppedClock> {
        self.clock.as_ref()
    }

    /// Starts a server on a PostgreSQL database. There no start makes an administrator by
    /// itself, so it is given the public key of one.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_on_postgres(url: &str, options: &[&str]) -> Result<Self> {
        Self::on_postgres(url, options, None).await
    }

    /// The same of one that sees this clock.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_on_postgres_with_clock(
        clock: SteppedClock,
        url: &str,
        options: &[&str],
    ) -> Result<Self> {
        Self::on_postgres(url, options, Some(clock)).await
    }

    async fn on_postgres(url: &str, options: &[&str], clock: Option<SteppedClock>) -> Result<Self> {
        let directory = TempDir::new()?;
        let data = data(directory.path());
        DirBuilder::new().mode(0o700).create(&data)?;
        // Where commands look for it.
        let key = data.join("admin.key");
        capture(command(directory.path())?.args(["key", "generate", "--out"]).arg(&key))?;
        let public = fs::read_to_string(data.join("admin.key.pub"))?;
        let own = [
            format!("--database-url={url}"),
            format!("--bootstrap-admin-public-key={}", public.trim()),
        ];
        let options: Vec<_> =
            own.into_iter().chain(options.iter().map(|&option| option.to_owned())).collect();
        let (process, urls) = serve(directory.path(), &options, clock.as_ref()).await?;
        Ok(Self { directory, options, clock, process, urls })
    }

    /// The base URL of the public listener.
    pub fn url(&self) -> &str {
        &self.urls.public
    }

    /// The base URL of the internal listener.
    pub fn internal_url(&self) -> &str {
        &self.urls.internal
    }

    /// The address and port of the public listener.
    pub fn address(&self) -> &str {
        self.url().trim_start_matches("http://")
    }

    /// The address and port at which Envoy asks over gRPC.
    ///
    /// # Errors
    /// If it was not started with `--envoy-listen`.
    pub fn envoy_address(&self) -> Result<&str> {
        let url = self.urls.envoy.as_deref().context("started without `--envoy-listen`")?;
        Ok(url.trim_start_matches("http://"))
    }

    /// Ends the server as `kill -9` does.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// What it has logged since it was started last.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Kills it and starts it again on the same data, on another port.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.serve_again().await
    }

    /// Lets it stop by itself, as for an upgrade, and starts it again on the same data, on
    /// another port.
    ///
    /// # Errors
    /// If it does not stop or does not become ready.
    pub async fn upgrade(&mut self) -> Result<()> {
        self.process.terminate().await?;
        self.serve_again().await
    }

    async fn serve_again(&mut self) -> Result<()> {
        let (directory, clock) = (self.directory.path(), self.clock.as_ref());
        (self.process, self.urls) = serve(directory, &self.options, clock).await?;
        Ok(())
    }

    /// Stops it in the middle of whatever it does, until it is told to go on.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn go_on(&self) -> Result<()> {
        self.process.go_on()
    }

    /// Does so with other options of `serve`.
    ///
    /// # Errors
    /// As [`restart`](Self::restart).
    pub async fn restart_with(&mut self, options: &[&str]) -> Result<()> {
        self.options = options.iter().map(|&option| option.to_owned()).collect();
        self.restart().await
    }

    /// Runs a command of the binary against this server; what it prints.
    ///
    /// # Errors
    /// If the command fails; the error holds what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        capture(command(self.directory.path())?.args(arguments))
    }

    /// Runs a command of the binary that need not succeed; all that it says.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn output(&self, arguments: &[&str]) -> Result<Output> {
        Ok(command(self.directory.path())?.args(arguments).output()?)
    }

    /// A command of the binary in this server's environment.
    pub(crate) fn command(&self) -> Result<Command> {
        command(self.directory.path())
    }

    /// Creates an account with the public keys of some files.
    ///
    /// # Errors
    /// If the server refuses one.
    pub fn account(&self, name: &str, keys: &[&Path]) -> Result<()> {
        self.run(&["account", "create", name])?;
        for key in keys {
            self.run(&["key", "add", name, &key.to_string_lossy()])?;
        }
        Ok(())
    }

    /// Registers an API key, and swaps it for an access token.
    ///
    /// # Errors
    /// If the server refuses either.
    pub async fn access_token(&self, key: &str, identifier: &str) -> Result<String> {
        self.access_token_under("", key, identifier).await
    }

    /// The same where the public paths have a prefix.
    ///
    /// # Errors
    /// As [`access_token`](Self::access_token).
    pub async fn access_token_under(
        &self,
        prefix: &str,
        key: &str,
        identifier: &str,
    ) -> Result<String> {
        let body = json!({"key": key, "identifier": identifier}).to_string();
        let registered = Request::post("/register_key", &body).send(self.internal_url()).await?;
        ensure!(registered.status == 201, "not registered: {registered:?}");
        let bought =
            Request::post(&format!("{prefix}/authenticate"), &body).send(self.url()).await?;
        ensure!(bought.status == 200, "no access token: {bought:?}");
        let bought: Value = serde_json::from_str(&bought.body)?;
        Ok(bought["jwt"].as_str().context("no access token")?.to_owned())
    }

    /// The private key of the first administrator.
    pub fn admin_key(&self) -> PathBuf {
        data(self.directory.path()).join("admin.key")
    }

    /// The key that seals the secrets in its database, where the first start made one.
    pub fn encryption_key(&self) -> PathBuf {
        data(self.directory.path()).join("encryption.key")
    }

    /// Puts a file beside the server's data; its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.directory.path().join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// What the gateway endpoint says to an `Authorization` header: the status,
    /// and the account's name if there is one.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn asks(&self, authorization: &str) -> Result<(u16, String)> {
        let request = Request::get("/forward-auth").authorization(authorization);
        let answer = request.send(self.url()).await?;
        Ok((answer.status, answer.all("x-auth-account").concat()))
    }
}

async fn serve(
    directory: &Path,
    options: &[String],
    clock: Option<&SteppedClock>,
) -> Result<(Process, Urls)> {
    let server_file = data(directory).join("server.json");
    let mut serve = command(directory)?;
    serve.args(["serve", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]);
    serve.args(options);
    if let Some(clock) = clock {
        clock.show_to(&mut serve)?;
    }
    let mut process = Process::start(&mut serve, &directory.join("serve.log"))?;
    let urls = process
        .ready(async || {
            let server: Value = serde_json::from_slice(&fs::read(&server_file).ok()?).ok()?;
            let url = |listener: &str| Some(server[listener].as_str()?.to_owned());
            let envoy = url("envoy");
            let urls = Urls { public: url("public")?, internal: url("internal")?, envoy };
            // The internal listener has it at this path, whatever the public one's prefix.
            let answer = Request::get("/health/ready").send(&urls.internal).await.ok()?;
            (answer.status == 200).then_some(urls)
        })
        .await?;
    Ok((process, urls))
}

fn command(directory: &Path) -> Result<Command> {
    let mut command = Command::new(tool("COUNTERSIGN_TEST_BIN")?);
    command.env("COUNTERSIGN_DATA_DIR", data(directory)).env("HOME", directory);
    Ok(command)
}

/// The data directory, which the server's first start makes.
fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}
