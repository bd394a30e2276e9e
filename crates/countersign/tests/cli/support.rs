//! A sandbox: a home, a data directory, and the binary run inside them.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
/// How often, and how long in all, something is waited for.
const POLL: Duration = Duration::from_millis(20);
const POLLS: usize = 3000;

/// A place of its own for one test.
pub(crate) struct Sandbox {
    home: TempDir,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running server. It is killed when the test ends.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// What it wrote into `server.json`.
    pub(crate) file: Value,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// The binary with an environment that holds nothing of the tester's own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("COUNTERSIGN_DATA_DIR", self.data_dir())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&mut self.command(arguments))
    }

    /// Runs a command that must succeed; what it wrote to stdout.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.stderr);
        said.stdout
    }

    /// The same, with `-o json`.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[&["-o", "json"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Runs a command that must fail with this code; what it wrote to stderr.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}{}", said.stdout, said.stderr);
        said.stderr
    }

    /// A server on free ports, ready.
    #[track_caller]
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with(arguments, &[])
    }

    /// The same, with these variables.
    #[track_caller]
    pub(crate) fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let any_ports = ["serve", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
        self.start(&[&any_ports, arguments].concat(), variables)
    }

    /// A server with exactly these arguments, ready.
    #[track_caller]
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let log = self.path("server.log");
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        wait_for("the server to be ready", || {
            let said = fs::read_to_string(&log).unwrap();
            assert_eq!(child.try_wait().unwrap(), None, "the server ended: {said}");
            said.contains("is ready").then_some(())
        });
        let file = fs::read(self.data_dir().join("server.json")).unwrap();
        Server { child, log, file: serde_json::from_slice(&file).unwrap() }
    }

    /// A new key pair in `NAME.key` and `NAME.key.pub`.
    pub(crate) fn key(&self, name: &str) {
        self.ok(&["key", "generate", "--out", &format!("{name}.key")]);
    }

    /// An account with a key in `NAME.key`.
    pub(crate) fn account(&self, name: &str) {
        self.key(name);
        self.ok(&["account", "create", name]);
        self.ok(&["key", "add", name, &format!("{name}.key.pub")]);
    }

    /// A fresh `Authorization` value of an account.
    pub(crate) fn authorization(&self, name: &str) -> String {
        let line = self.ok(&["header", "--account", name, "--key", &format!("{name}.key")]);
        line.trim().strip_prefix("Authorization: ").unwrap().to_owned()
    }

    /// The fingerprint of the key in `NAME.key`.
    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let shown = self.json(&["key", "show", &format!("{name}.key.pub")]);
        shown["fingerprints"]["openssh"].as_str().unwrap().to_owned()
    }
}

impl Said {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::of_output(command.output().unwrap())
    }

    pub(crate) fn of_output(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Server {
    /// The URL of a path on the public listener.
    pub(crate) fn public(&self, path: &str) -> String {
        format!("{}{path}", self.file["public"].as_str().unwrap())
    }

    /// The URL of a path on the internal listener.
    pub(crate) fn internal(&self, path: &str) -> String {
        format!("{}{path}", self.file["internal"].as_str().unwrap())
    }

    /// The address of the public listener.
    pub(crate) fn public_address(&self) -> SocketAddr {
        address(&self.public(""))
    }

    /// The address of the internal listener.
    pub(crate) fn internal_address(&self) -> SocketAddr {
        address(&self.internal(""))
    }

    /// The status of `/forward-auth` for this `Authorization` value.
    pub(crate) fn forward_auth(&self, authorization: &str) -> u16 {
        self.response(authorization).status().as_u16()
    }

    /// The whole answer of `/forward-auth`.
    pub(crate) fn response(&self, authorization: &str) -> reqwest::Response {
        let request = reqwest::Client::new()
            .get(self.public("/forward-auth"))
            .header(AUTHORIZATION, authorization);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(request.send()).unwrap()
    }

    /// What a `POST` of JSON to this URL is answered: the status and the JSON, if any.
    pub(crate) fn post(url: &str, body: &Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(url).body(body.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            (status, serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }

    /// What a `GET` of this URL is answered.
    pub(crate) fn get(url: &str) -> Value {
        serde_json::from_str(&Self::text(url)).unwrap()
    }

    /// The text that a `GET` of this URL is answered with.
    pub(crate) fn text(url: &str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { reqwest::get(url).await.unwrap().text().await }).unwrap()
    }

    /// An access token and a refresh token for an API key.
    #[track_caller]
    pub(crate) fn authenticate(&self, key: &str, identifier: &str) -> (String, String) {
        let body = serde_json::json!({ "key": key, "identifier": identifier });
        let (status, answer) = Self::post(&self.public("/authenticate"), &body);
        assert_eq!(status, 200, "{answer}");
        let text = |member: &str| answer[member].as_str().unwrap().to_owned();
        (text("jwt"), text("refresh_token"))
    }

    /// Everything it has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the server to end", || self.child.try_wait().unwrap())
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it and waits for its end; everything it said.
    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        self.log()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    for _ in 0..POLLS {
        if let Some(answer) = answer() {
            return answer;
        }
        std::thread::sleep(POLL);
    }
    panic!("waited for {what} in vain");
}

/// The permission bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).unwrap().mode() & 0o777
}

fn address(url: &str) -> SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}
