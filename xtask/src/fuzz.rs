//! `cargo xtask fuzz-smoke`: every fuzz target is built and run briefly, so that
//! none of them rots. Real fuzzing goes on for longer; see `fuzz/README.md`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{run, workspace};

/// Instruments code for coverage on a stable compiler, as `fuzz/README.md` says.
const RUSTFLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The longest that one target may take, in seconds, whatever its speed.
const SECONDS: u32 = 30;

/// Builds all targets and lets each try `runs` inputs.
pub(crate) fn smoke(runs: u32) -> Result<()> {
    let manifest = workspace::root().join("fuzz/Cargo.toml");
    let target = workspace::root().join("fuzz/target");
    let names = targets(&manifest)?;
    if names.is_empty() {
        bail!("{} has no target", manifest.display());
    }
    // With `--target`, build scripts and macros are compiled without the flags.
    let triple = host_triple()?;
    run::checked(
        run::cargo()
            .args(["build", "--release", "--locked", "--bins", "--target", &triple])
            .arg("--manifest-path")
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&target)
            .env("RUSTFLAGS", RUSTFLAGS),
    )?;
    let programs = target.join(&triple).join("release");
    for name in &names {
        run_target(&programs.join(name), name, &target, runs)?;
    }
    println!("{} fuzz targets ran up to {runs} inputs each", names.len());
    Ok(())
}

fn run_target(program: &Path, name: &str, target: &Path, runs: u32) -> Result<()> {
    let corpus = target.join("corpus").join(name);
    fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    let mut command = Command::new(program);
    command
        .arg(format!("-runs={runs}"))
        .arg(format!("-max_total_time={SECONDS}"))
        .args(["-len_control=0", "-max_len=8192", "-rss_limit_mb=2048", "-timeout=10"])
        .args(["-seed=1", "-verbosity=0", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/{name}-", target.display()))
        .arg(&corpus);
    run::checked(&mut command).with_context(|| format!("the fuzz target {name} found a bug"))
}

fn targets(manifest: &Path) -> Result<Vec<String>> {
    let json = run::capture(
        run::cargo()
            .args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"])
            .arg(manifest),
    )?;
    let metadata: Value = serde_json::from_str(&json)?;
    let targets = metadata["packages"][0]["targets"].as_array().context("fuzz has no targets")?;
    Ok(targets
        .iter()
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
        .collect())
}

fn host_triple() -> Result<String> {
    let version = run::capture(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV does not name the host")?.to_owned())
}
