//! A running cluster.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;
use crate::port::free_port;
use crate::template::{SUPERUSER, Template, copy};
use crate::user;

/// How often a server is asked whether it is ready: a minute in all, for the
/// busiest machine.
pub(crate) const ATTEMPTS: u32 = 6000;
pub(crate) const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

/// How often another port is tried when somebody took the free one first.
const PORTS: usize = 5;

/// For many tests at once, each with a pool.
const MAX_CONNECTIONS: u32 = 400;

/// Whether a commit has reached the disk when it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As PostgreSQL is shipped. A benchmark measures nothing else.
    Full,
    /// Commits survive the server but not the machine, which is quicker and
    /// enough for tests.
    Relaxed,
}

/// A cluster of PostgreSQL on a port of its own, a copy of the [`Template`]. It
/// ends, and its data goes, with this value.
///
/// It also ends with the thread that started it, so that no server outlives a
/// test run that was killed: keep it no longer than the test, and start it from
/// no thread that is only lent.
#[derive(Debug)]
pub struct Postgres {
    // Ends before its place goes.
    server: Option<Server>,
    place: Place,
    template: Template,
    durability: Durability,
    port: u16,
}

/// A cluster's files as they once were; they go with this value.
#[derive(Debug)]
pub struct Snapshot(Place);

impl Postgres {
    /// Starts a cluster that nobody shares, with what `cargo xtask` tells in
    /// environment variables.
    ///
    /// # Errors
    /// If it tells nothing, or the server does not start.
    pub fn of_its_own(durability: Durability) -> Result<Self> {
        Self::start(&Template::from_environment()?, durability)
    }

    /// Starts a copy of a template.
    ///
    /// # Errors
    /// If the server does not start; the error holds what it said.
    pub fn start(template: &Template, durability: Durability) -> Result<Self> {
        let place = Place::new(&template.clusters())?;
        template.copy_data(&place.data())?;
        let (template, port) = (template.clone(), 0);
        Self { server: None, place, template, durability, port }.start_at_a_free_port()
    }

    /// Starts a standby that follows this cluster and can be promoted (`pg_promote()`). This one
    /// is restarted for it, as the copy is taken while nobody writes.
    ///
    /// # Errors
    /// If this one was not running, or either does not start.
    pub fn standby(&mut self) -> Result<Self> {
        self.stop()?;
        let place = Place::new(&self.template.clusters())?;
        copy(&self.place.data(), &place.data())?;
        self.start_again()?;
        let follow = format!("primary_conninfo = '{}'\n", self.url()?);
        let settings = place.data().join("postgresql.auto.conf");
        OpenOptions::new().append(true).open(&settings)?.write_all(follow.as_bytes())?;
        fs::write(place.data().join("standby.signal"), "")?;
        user::give(&place.data())?;
        let (template, durability, port) = (self.template.clone(), self.durability, 0);
        Self { server: None, place, template, durability, port }.start_at_a_free_port()
    }

    /// Copies its files as they are now, which stops it for a moment.
    ///
    /// # Errors
    /// If it was not running, or does not start again.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        self.stop()?;
        let place = Place::new(&self.template.clusters())?;
        copy(&self.place.data(), &place.data())?;
        self.start_again()?;
        Ok(Snapshot(place))
    }

    /// Puts its files back to what they were, as after a restore of the disk.
    ///
    /// # Errors
    /// If it was not running, or does not start again.
    pub fn put_back(&mut self, Snapshot(then): &Snapshot) -> Result<()> {
        self.kill()?;
        fs::remove_dir_all(self.place.data())?;
        copy(&then.data(), &self.place.data())?;
        user::give(&self.place.data())?;
        self.start_again()
    }

    fn start_at_a_free_port(mut self) -> Result<Self> {
        for attempt in 1.. {
            self.port = free_port()?;
            match self.start_again() {
                Err(error)
                    if attempt < PORTS
                        && format!("{error:#}").contains("Address already in use") => {}
                outcome => {
                    outcome?;
                    break;
                }
            }
        }
        Ok(self)
    }

    /// The URL of the superuser's database.
    ///
    /// # Errors
    /// If the template is gone.
    pub fn url(&self) -> Result<String> {
        let password = self.template.password()?;
        Ok(format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{}/{SUPERUSER}", self.port))
    }

    /// The template that this is a copy of.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Stops the server as an operator does: clients lose their connections and
    /// the data stays. Nobody listens at its port until
    /// [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// If it was not running.
    pub fn stop(&mut self) -> Result<()> {
        let mut server = self.server.take().context("PostgreSQL is not running")?;
        let status = server.end(Signal::INT)?;
        if !status.success() {
            bail!("PostgreSQL ended with {status}: {}", self.log());
        }
        Ok(())
    }

    /// Ends every process of the server as `kill -9` does. Nobody listens at its port until
    /// [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill(&mut self) -> Result<()> {
        // None of them may begin another meanwhile.
        self.pause()?;
        let mut server = self.server.take().context("PostgreSQL is not running")?;
        let backends = server.backends()?;
        for backend in &backends {
            kill_process(*backend, Signal::KILL)?;
        }
        server.end(Signal::KILL)?;
        // As long as one of them is there, the server does not start again.
        for _ in 0..ATTEMPTS {
            if backends.iter().all(|backend| has_ended(*backend)) {
                return Ok(());
            }
            thread::sleep(BETWEEN_ATTEMPTS);
        }
        bail!("PostgreSQL was not gone in {:?}", BETWEEN_ATTEMPTS * ATTEMPTS)
    }

    /// Stops every process of the server in the midst of what it does, as a hung machine does.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// If it is not running.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let server = self.server.as_ref().context("PostgreSQL is not running")?;
        // The one that begins others comes first when they stop.
        kill_process(Pid::from_child(&server.0), signal)?;
        for backend in server.backends()? {
            // One that has just ended does not matter.
            let _ = kill_process(backend, signal);
        }
        Ok(())
    }

    /// Starts the server again after [`stop`](Self::stop) or [`kill`](Self::kill), at the same
    /// port.
    ///
    /// # Errors
    /// If it does not start; the error holds what it said.
    pub fn start_again(&mut self) -> Result<()> {
        if self.server.is_some() {
            bail!("PostgreSQL is running already");
        }
        let log = self.place.log();
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = user::command(self.template.program());
        command.arg("-D").arg(self.place.data());
        for setting in settings(self.port, self.durability) {
            command.arg("-c").arg(setting);
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("cannot run setpriv, of Debian's util-linux")?;
        let mut server = Server(child);
        self.wait_for(&mut server).with_context(|| format!("PostgreSQL wrote:\n{}", self.log()))?;
        self.server = Some(server);
        Ok(())
    }

    /// Waits until somebody ends the server.
    ///
    /// # Errors
    /// If it is not running.
    pub fn wait(mut self) -> Result<()> {
        self.server.take().context("PostgreSQL is not running")?.0.wait()?;
        Ok(())
    }

    /// The server writes its state into a file, where its own tools look too.
    fn wait_for(&self, server: &mut Server) -> Result<()> {
        let state = self.place.data().join("postmaster.pid");
        // A server that was killed left its own.
        let own = server.0.id().to_string();
        for _ in 0..ATTEMPTS {
            let written = fs::read_to_string(&state).unwrap_or_default();
            let lines: Vec<_> = written.lines().map(str::trim).collect();
            let is_own = lines.first().is_some_and(|process| *process == own);
            if is_own && matches!(lines.get(7), Some(&("ready" | "standby"))) {
                return Ok(());
            }
            if let Some(status) = server.0.try_wait()? {
                bail!("PostgreSQL did not start: {status}");
            }
            thread::sleep(BETWEEN_ATTEMPTS);
        }
        bail!("PostgreSQL was not ready in {:?}", BETWEEN_ATTEMPTS * ATTEMPTS)
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.place.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The server's process; it ends when this value goes.
#[derive(Debug)]
struct Server(Child);

impl Server {
    /// The processes that it has begun.
    fn backends(&self) -> Result<Vec<Pid>> {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let numbers = children.split_whitespace().map(str::parse::<i32>);
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        Ok(numbers.into_iter().filter_map(Pid::from_raw).collect())
    }

    fn end(&mut self, signal: Signal) -> Result<ExitStatus> {
        // A child that nobody waited for keeps its number.
        kill_process(Pid::from_child(&self.0), signal).context("PostgreSQL is gone")?;
        Ok(self.0.wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once, without tidying data that nobody reads again.
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.end(Signal::QUIT);
        }
    }
}

/// Whether a process is gone, or at most waits for somebody to take note of it.
fn has_ended(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    let Ok(stat) = stat else { return true };
    // The state follows the name, which is in brackets.
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
}

fn settings(port: u16, durability: Durability) -> Vec<String> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "ssl=on".to_owned(),
        format!("max_connections={MAX_CONNECTIONS}"),
        // Compiling takes longer than any query of a test.
        "jit=off".to_owned(),
    ];
    if durability == Durability::Relaxed {
        settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
    }
    settings
}
