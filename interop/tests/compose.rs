//! `deploy/compose.yaml`: what can be seen without containers. It is started as a whole in the
//! test of `docs/containers.md`, on stand-ins for its images.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use countersign_core::KeyKind;
use interop::{Caller, Countersign, Nginx, Request, Shipped, Site, repository, yaml};
use serde_json::{Map, Value, json};

fn compose() -> Result<Value> {
    yaml(&repository().join("deploy/compose.yaml"))
}

fn services(compose: &Value) -> Result<&Map<String, Value>> {
    compose["services"].as_object().context("no services")
}

/// With the second server.
fn with_replicas() -> Result<Value> {
    let mut compose = compose()?;
    let more = yaml(&repository().join("deploy/compose.replicas.yaml"))?;
    for what in ["services", "volumes", "secrets"] {
        for (name, of) in more[what].as_object().with_context(|| format!("no {what}"))? {
            if compose[what][name].is_null() {
                compose[what][name] = of.clone();
            }
        }
    }
    Ok(compose)
}

#[test]
fn the_second_server_is_as_the_first_is() -> Result<()> {
    let (compose, more) = (compose()?, yaml(&repository().join("deploy/compose.replicas.yaml"))?);
    let first = &compose["services"]["countersign"];
    let (beside, second) = (&more["services"]["countersign"], &more["services"]["countersign-2"]);
    for same in ["image", "command", "stop_grace_period", "depends_on", "restart"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    let variables = |of: &Value| of["environment"].as_object().cloned().unwrap_or_default();
    let both: Map<_, _> = variables(first).into_iter().chain(variables(beside)).collect();
    assert_eq!(both, variables(second));
    assert_ne!(first["volumes"], second["volumes"], "each locks its directory");
    let servers = fs::read_to_string(repository().join("deploy/compose/two-servers.conf"))?;
    for server in ["countersign", "countersign-2"] {
        ensure!(servers.contains(&format!("server {server}:8080;")), "{server} is not asked");
    }
    Ok(())
}

#[test]
fn every_container_is_locked_up_and_watched_over() -> Result<()> {
    let compose = with_replicas()?;
    let services = services(&compose)?;
    let names: Vec<_> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["countersign", "countersign-2", "nginx", "postgres", "redis", "service"]);
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        // The user and the health check of our own image are in the image.
        let own = name.starts_with("countersign");
        assert!(own || service["user"].as_str().is_some_and(|user| user != "root"), "{name}");
        assert!(own || service["healthcheck"]["test"][0] == "CMD", "{name}");
        let needed = service["depends_on"].as_object();
        for (other, how) in needed.into_iter().flatten() {
            ensure!(services.contains_key(other), "{name} waits for {other}");
            assert_eq!(how["condition"], "service_healthy", "{name} and {other}");
        }
    }
    Ok(())
}

#[test]
fn every_file_and_name_in_it_is_there_and_secrets_are_elsewhere() -> Result<()> {
    let compose = with_replicas()?;
    let deploy = repository().join("deploy");
    let named = |what: &str| -> Result<BTreeSet<String>> {
        Ok(compose[what]
            .as_object()
            .with_context(|| format!("no {what}"))?
            .keys()
            .cloned()
            .collect())
    };
    let (volumes, secrets) = (named("volumes")?, named("secrets")?);
    for (name, service) in services(&compose)? {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let text = volume.as_str().context("a short volume")?;
            let source = text.split(':').next().unwrap_or_default();
            let is_there = if source.starts_with('.') {
                deploy.join(source).is_file() && text.ends_with(":ro")
            } else {
                volumes.contains(source)
            };
            ensure!(is_there, "{name}: {text}");
        }
        for secret in service["secrets"].as_array().into_iter().flatten() {
            ensure!(secret.as_str().is_some_and(|it| secrets.contains(it)), "{name}: {secret}");
        }
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let is_file = variable.ends_with("_FILE");
            ensure!(is_file || !variable.contains("PASSWORD"), "{name}: {variable}={value}");
        }
    }
    let ignored = fs::read_to_string(repository().join(".gitignore"))?;
    ensure!(ignored.lines().any(|line| line == "/deploy/secrets/"), "secrets could be committed");
    Ok(())
}

#[tokio::test]
async fn its_nginx_asks_countersign_before_the_sample_service_answers() -> Result<()> {
    let countersign = Countersign::start().await?;
    let caller = Caller::new("robot", KeyKind::Ed25519)?;
    countersign.account("robot", &[caller.public_key()])?;
    let service =
        Nginx::start(&Site { shipped: Shipped::ComposeService, ..Site::default() }).await?;
    let site = Site {
        shipped: Shipped::Compose,
        countersign: vec![countersign.address().to_owned()],
        application: service.url().trim_start_matches("http://").to_owned(),
        ..Site::default()
    };
    let nginx = Nginx::start(&site).await?;
    assert_eq!(Request::get("/").send(nginx.url()).await?.status, 401);
    let signed = Request::get("/").authorization(&caller.authorization()?);
    let answer = signed.line("X-Auth-Account", "admin").send(nginx.url()).await?;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello robot\n"));
    assert_eq!(Request::get("/health").send(nginx.url()).await?.status, 204);
    Ok(())
}
