//! A running Redis.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::environment;
use crate::port::free_port;
use crate::postgres::{ATTEMPTS, BETWEEN_ATTEMPTS};

/// What a replay guard requires of it.
const DURABLE: [&str; 6] =
    ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"];

/// A Redis server on a port of its own, in a directory of the test's. It ends with this
/// value, and with the thread that started it.
#[derive(Debug)]
pub struct Redis {
    directory: PathBuf,
    port: u16,
    settings: Vec<String>,
    server: Option<Child>,
}

impl Redis {
    /// Starts one that keeps what it acknowledges. Settings are such as `--maxmemory`, `2mb`,
    /// and come after those.
    ///
    /// # Errors
    /// If it does not start; the error holds what it said.
    pub fn start(directory: &Path, settings: &[&str]) -> Result<Self> {
        Self::start_as(directory, &[], settings)
    }

    /// Starts one whose first arguments are these: a sentinel's are its file and
    /// `--sentinel`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_as(directory: &Path, first: &[&str], settings: &[&str]) -> Result<Self> {
        let durable: &[&str] = if first.is_empty() { &DURABLE } else { &[] };
        let settings = [first, durable, settings].concat();
        let settings = settings.into_iter().map(str::to_owned).collect();
        let mut redis =
            Self { directory: directory.to_owned(), port: free_port()?, settings, server: None };
        redis.start_again()?;
        Ok(redis)
    }

    /// Where it listens, without TLS.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it, as `kill -9` does. Nobody listens until [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("Redis is not running")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }

    /// Starts it again, at the same port and on the same data.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_again(&mut self) -> Result<()> {
        let log = self.directory.join("redis.log");
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // Whatever becomes of the thread that started it, it does not stay behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(environment::variable(environment::REDIS)?);
        command.args(&self.settings).args(["--bind", "127.0.0.1", "--save", ""]);
        let port = self.port.to_string();
        if self.is_encrypted() {
            command.args(["--port", "0", "--tls-port", &port]);
            command.arg("--unixsocket").arg(self.socket());
        } else {
            command.args(["--port", &port]);
        }
        command.arg("--dir").arg(&self.directory);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        self.server = Some(command.spawn().context("cannot run setpriv, of Debian's util-linux")?);
        self.wait_until_ready().with_context(|| {
            format!("Redis wrote:\n{}", std::fs::read_to_string(&log).unwrap_or_default())
        })
    }

    /// Stops it in the midst of what it does, as a hung machine does.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If it is not running.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Sends one command without blanks in its words, and returns what comes back at first.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn command(&self, words: &str) -> Result<String> {
        let patience = Some(Duration::from_secs(10));
        if self.is_encrypted() {
            let stream = UnixStream::connect(self.socket())?;
            stream.set_read_timeout(patience)?;
            return ask(stream, words);
        }
        let stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(patience)?;
        ask(stream, words)
    }

    fn is_encrypted(&self) -> bool {
        self.settings.iter().any(|setting| setting == "--tls-cert-file")
    }

    /// Where one that speaks TLS takes commands without it.
    fn socket(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let server = self.server.as_ref().context("Redis is not running")?;
        kill_process(Pid::from_child(server), signal).context("Redis is gone")
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            // While this one was away another test's may have taken its port.
            let own = self.server.as_ref().map(|server| format!("process_id:{}\r\n", server.id()));
            let loaded = self.command("PING").is_ok_and(|said| !said.starts_with("-LOADING"));
            let is_ready = loaded
                && self.command("INFO server").is_ok_and(|said| {
                    // A password keeps it from telling.
                    said.starts_with("-NOAUTH") || own.is_some_and(|own| said.contains(&own))
                });
            if is_ready {
                return Ok(());
            }
            let server = self.server.as_mut().context("Redis is not running")?;
            if let Some(status) = server.try_wait()? {
                bail!("Redis did not start: {status}");
            }
            thread::sleep(BETWEEN_ATTEMPTS);
        }
        bail!("Redis was not ready in {:?}", BETWEEN_ATTEMPTS * ATTEMPTS)
    }
}

fn ask(mut stream: impl Read + Write, words: &str) -> Result<String> {
    stream.write_all(format!("{words}\r\n").as_bytes())?;
    let mut answer = vec![0; 1 << 16];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.kill();
    }
}
