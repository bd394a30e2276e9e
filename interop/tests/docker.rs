//! The commands of `docs/containers.md`, as they stand there, in Docker. No registry is
//! asked: images of Debian's packages have the names of the official ones.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use interop::{Docker, Page, capture, repository, tool};
use tempfile::TempDir;

/// The directories of a checkout that take no part, some of them large.
const LEFT_OUT: [&str; 3] = ["--exclude=./.git", "--exclude=./fuzz", "--exclude=./target"];

const WITH_COMPOSE: &str = "## A whole installation with Compose";

/// What `docker inspect` is asked of each container.
const LOCKED_UP: &str =
    "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.State.Health.Status}}";

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() -> Result<()> {
    let docker = Docker::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    official_images(&docker)?;
    let checkout = checkout()?;

    let said = docker.shell(checkout.path(), &commands("## One container")?.concat())?;
    ensure!(said.contains("\nready\n") && said.contains("HTTP/1.1 200 OK"), "{said}");
    ensure!(said.contains("x-auth-account: robot"), "{said}");

    let said = docker.shell(checkout.path(), &commands(WITH_COMPOSE)?.concat())?;
    ensure!(said.contains("HTTP/1.1 200 OK") && said.ends_with("\nhello robot\n"), "{said}");
    let deploy = checkout.path().join("deploy");
    without_a_token_nothing_passes(&docker, &deploy)?;
    every_container_is_locked_up(&docker, &deploy)?;
    it_goes_on_after_a_restart(&docker, &deploy)?;
    two_servers_share_what_was_spent(&docker, &deploy)
}

/// Each is asked in its turn, and what one has accepted the other does not.
fn two_servers_share_what_was_spent(docker: &Docker, deploy: &Path) -> Result<()> {
    docker.shell(deploy, &commands("## Two servers with Compose")?.concat())?;
    let twice = r#"
        token=$(docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/keys" countersign \
            header --account robot --key /keys/robot.key)
        for attempt in 1 2; do
            docker compose exec -T nginx wget -S -O - --header "$token" http://127.0.0.1:8000/ 2>&1 || true
        done"#;
    let said = docker.shell(deploy, twice)?;
    ensure!(said.matches("HTTP/1.1 200 OK").count() == 1, "{said}");
    ensure!(said.matches("HTTP/1.1 401 Unauthorized").count() == 1, "{said}");
    let logs = "docker compose --file compose.yaml --file compose.replicas.yaml logs";
    let refusals = |server: &str| -> Result<usize> {
        let log = docker.shell(deploy, &format!("{logs} {server}"))?;
        Ok(log.matches("replayed").count())
    };
    let refused = [refusals("countersign")?, refusals("countersign-2")?];
    ensure!(refused.iter().sum::<usize>() == 1, "{refused:?}");
    // The other one was asked first.
    let ready = "for server in countersign countersign-2; do
        docker compose --file compose.yaml --file compose.replicas.yaml exec -T $server countersign health
    done";
    let said = docker.shell(deploy, ready)?;
    ensure!(said.matches("ready").count() == 2, "{said}");
    Ok(())
}

/// The commands of a section.
fn commands(heading: &str) -> Result<Vec<String>> {
    let commands = Page::read("containers.md")?.section(heading)?.blocks("sh");
    ensure!(!commands.is_empty(), "{heading} has no commands");
    Ok(commands)
}

fn without_a_token_nothing_passes(docker: &Docker, deploy: &Path) -> Result<()> {
    let wget = "docker compose exec -T nginx wget -S -O - http://127.0.0.1:8000/ 2>&1 || true";
    let said = docker.shell(deploy, wget)?;
    ensure!(said.contains("HTTP/1.1 401 Unauthorized"), "{said}");
    // Whom nginx asks for is known by nginx's word: its address is a trusted one.
    let log = docker.shell(deploy, "docker compose logs countersign")?;
    let refused = log.lines().find(|line| line.contains("header_missing"));
    let refused = refused.with_context(|| format!("no refusal in {log}"))?;
    ensure!(refused.contains(r#""client":"127.0.0.1""#), "{refused}");
    Ok(())
}

fn every_container_is_locked_up(docker: &Docker, deploy: &Path) -> Result<()> {
    let inspect = format!("docker inspect --format '{LOCKED_UP}' $(docker compose ps --quiet)");
    let containers = docker.shell(deploy, &inspect)?;
    assert_eq!(containers, "true [ALL] healthy\n".repeat(5));
    // Seen from inside.
    let within = "for service in countersign nginx postgres redis service; do
        docker compose exec -T $service sh -c '
            ! touch /written 2>/dev/null
            grep -E \"^(Uid|CapEff|NoNewPrivs):\" /proc/1/status'
    done";
    let said = docker.shell(deploy, within)?;
    assert_eq!(said.matches("CapEff:\t0000000000000000\n").count(), 5, "{said}");
    assert_eq!(said.matches("NoNewPrivs:\t1\n").count(), 5, "{said}");
    ensure!(said.matches("Uid:\t").count() == 5 && !said.contains("Uid:\t0\t"), "{said}");
    Ok(())
}

/// Accounts are in the database, and nginx finds the new containers.
fn it_goes_on_after_a_restart(docker: &Docker, deploy: &Path) -> Result<()> {
    let anew = "docker compose down && docker compose up --detach --wait";
    docker.shell(deploy, anew)?;
    // Redis was started again, too, and nobody can say what it has forgotten.
    let accepted = "until docker compose exec countersign countersign account list > /dev/null 2>&1; \
        do sleep 1; done";
    docker.shell(deploy, accepted)?;
    let call = commands(WITH_COMPOSE)?;
    let said = docker.shell(deploy, call.last().context("the call")?)?;
    ensure!(said.ends_with("\nhello robot\n"), "{said}");
    Ok(())
}

/// Gives the images that `Dockerfile` and `compose.yaml` name to an engine without a network.
fn official_images(docker: &Docker) -> Result<()> {
    let stand_ins = tool("COUNTERSIGN_TEST_STAND_INS")?;
    docker.debian(&["debian", &named("Dockerfile", "ARG RUNTIME_IMAGE=")?])?;
    let compiled = tool("COUNTERSIGN_TEST_BIN")?;
    docker.stand_in(
        &named("Dockerfile", "ARG BUILD_IMAGE=")?,
        "rust",
        &[(&compiled, "countersign")],
    )?;
    for name in ["nginx", "postgres", "redis"] {
        let image = named("deploy/compose.yaml", &format!("image: {name}:"))?;
        let archives = stand_ins.join(name).join("archives");
        docker.stand_in(&format!("{name}:{image}"), name, &[(&archives, "archives")])?;
    }
    Ok(())
}

/// What follows these words in a line of a file of the repository.
fn named(file: &str, words: &str) -> Result<String> {
    let text = fs::read_to_string(repository().join(file))?;
    let found = text.lines().find_map(|line| line.trim().strip_prefix(words));
    Ok(found.with_context(|| format!("no {words:?} in {file}"))?.to_owned())
}

/// A copy of the repository, in which commands may leave what they make.
fn checkout() -> Result<TempDir> {
    let directory = TempDir::new()?;
    let archive = directory.path().join("repository.tar");
    let mut pack = Command::new("tar");
    pack.arg("--create").arg("--file").arg(&archive).args(LEFT_OUT);
    capture(pack.arg("--directory").arg(repository()).arg("."))?;
    let mut unpack = Command::new("tar");
    unpack.arg("--extract").arg("--file").arg(&archive).arg("--directory").arg(directory.path());
    capture(&mut unpack)?;
    fs::remove_file(archive)?;
    Ok(directory)
}
