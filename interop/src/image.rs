//! Our image, built by buildah from the `Dockerfile` that we ship.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::environment::{repository, tool};
use crate::process::capture;

/// Names inside a storage of images that nobody else uses.
const DEBIAN: &str = "localhost/debian";
const BUILD: &str = "localhost/build";
const IMAGE: &str = "localhost/countersign";

/// As root, buildah would leave notes on images in `/var/lib`.
const LEAVES_NOTHING: &str = "mount -t tmpfs none /var/lib && exec \"$@\"";

/// What the image brings for the authorities that it believes.
pub const AUTHORITIES: &str = "the authorities of the image that the build ran in\n";

/// A built image, with its file system unpacked; both go with this value.
#[derive(Debug)]
pub struct Image {
    root: PathBuf,
    config: ImageConfig,
    _store: Store,
}

/// What an image says about how it is run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageConfig {
    /// Who runs it.
    pub user: String,
    /// Its environment.
    pub env: Vec<String>,
    /// The program.
    pub entrypoint: Vec<String>,
    /// Its arguments, if there are no others.
    pub cmd: Vec<String>,
    /// Where it keeps data.
    pub volumes: serde_json::Map<String, serde_json::Value>,
    /// How it is watched over.
    pub healthcheck: HealthCheck,
}

/// A command that says whether a container is well.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheck {
    /// `CMD`, and the command.
    pub test: Vec<String>,
}

impl Image {
    /// Builds the image, with everything that takes below a directory. It is large, perhaps
    /// more than fits into a `/tmp` in memory.
    ///
    /// # Errors
    /// If a tool is missing, or a line of the `Dockerfile` fails.
    pub fn build(below: &Path) -> Result<Self> {
        let debian = tool("COUNTERSIGN_TEST_DEBIAN")?;
        let stand_ins = tool("COUNTERSIGN_TEST_STAND_INS")?;
        let store = Store::new(below)?;
        let ours = |name: &str| repository().join("interop/image").join(name);
        let directory = debian.parent().context("an archive in a directory")?;
        store.bud(DEBIAN, &ours("debian.Dockerfile"), directory, &[])?;

        let context = store.directory.path().join("context");
        fs::create_dir(&context)?;
        capture(
            Command::new("cp")
                .arg("--recursive")
                .arg(stand_ins.join("rust/archives"))
                .arg(&context),
        )?;
        fs::copy(ours("config.toml"), context.join("config.toml"))?;
        fs::write(context.join("ca-certificates.crt"), AUTHORITIES)?;
        store.bud(BUILD, &ours("rust.Dockerfile"), &context, &[])?;

        let rust = capture(Command::new("rustc").args(["--print", "sysroot"]))?;
        let options = [
            format!("--build-arg=BUILD_IMAGE={BUILD}"),
            format!("--build-arg=RUNTIME_IMAGE={DEBIAN}"),
            format!("--volume={}:/usr/local/rust:ro", rust.trim()),
            format!("--volume={}:/usr/local/vendor:ro", stand_ins.join("vendor/sources").display()),
        ];
        store.bud(IMAGE, &repository().join("Dockerfile"), repository(), &options)?;

        let config = store.config()?;
        let root = store.unpacked()?;
        Ok(Self { root, config, _store: store })
    }

    /// How it wants to be run.
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// Its file system.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Images and containers, and the files that buildah would look for on this machine.
#[derive(Debug)]
struct Store {
    directory: TempDir,
    /// It stays: what was compiled for an image is not compiled again for the next.
    cache: PathBuf,
}

impl Store {
    fn new(below: &Path) -> Result<Self> {
        let directory = TempDir::new_in(below)?;
        let path = directory.path();
        let cache = below.join("image-cache");
        fs::create_dir_all(&cache)?;
        fs::write(
            path.join("policy.json"),
            r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
        )?;
        fs::write(path.join("registries.conf"), "")?;
        fs::write(path.join("storage.conf"), "[storage]\ndriver = \"vfs\"\n")?;
        let network = path.join("network");
        let containers = format!("[network]\nnetwork_config_dir = \"{}\"\n", network.display());
        fs::write(path.join("containers.conf"), containers)?;
        Ok(Self { directory, cache })
    }

    /// Builds an image; nothing is fetched from anywhere.
    fn bud(&self, name: &str, file: &Path, context: &Path, options: &[String]) -> Result<()> {
        let mut bud = self.buildah("bud")?;
        // Of the two formats only Docker's has health checks.
        bud.args(["--isolation=chroot", "--format=docker", "--pull-never", "--layers=false"]);
        bud.arg("--signature-policy").arg(self.directory.path().join("policy.json"));
        bud.args(options);
        capture(bud.arg("--tag").arg(name).arg("--file").arg(file).arg(context)).map(drop)
    }

    fn config(&self) -> Result<ImageConfig> {
        #[derive(Deserialize)]
        struct Inspected {
            #[serde(rename = "Docker")]
            docker: Docker,
        }
        #[derive(Deserialize)]
        struct Docker {
            config: ImageConfig,
        }
        let inspected = capture(self.buildah("inspect")?.args(["--type=image", IMAGE]))?;
        let inspected: Inspected = serde_json::from_str(&inspected)
            .with_context(|| format!("buildah inspect said {inspected}"))?;
        Ok(inspected.docker.config)
    }

    /// The directory that holds the file system of a new container.
    fn unpacked(&self) -> Result<PathBuf> {
        let container = capture(self.buildah("from")?.args(["--pull-never", IMAGE]))?;
        let root = PathBuf::from(capture(self.buildah("mount")?.arg(container.trim()))?.trim());
        ensure!(root.starts_with(self.directory.path()), "{} is elsewhere", root.display());
        Ok(root)
    }

    fn buildah(&self, subcommand: &str) -> Result<Command> {
        let path = self.directory.path();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", LEAVES_NOTHING, "sh"]);
        command.arg(tool("COUNTERSIGN_TEST_BUILDAH")?);
        command.arg("--root").arg(path.join("store")).arg("--runroot").arg(path.join("run"));
        command.args(["--storage-driver=vfs", subcommand]);
        command.env("TMPDIR", &self.cache).env("HOME", path);
        for (variable, file) in [
            ("CONTAINERS_CONF", "containers.conf"),
            ("CONTAINERS_REGISTRIES_CONF", "registries.conf"),
            ("CONTAINERS_STORAGE_CONF", "storage.conf"),
        ] {
            command.env(variable, path.join(file));
        }
        Ok(command)
    }
}
