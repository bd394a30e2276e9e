//! The Helm chart that we ship: `helm lint` and the schemas of Kubernetes have nothing to say,
//! and what it tells the server, the server understands.

use std::env;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use interop::{Countersign, Page, Rendered, Request, capture, repository, tool, yaml};
use serde_json::{Value, json};

/// Every value that switches something on.
fn everything() -> Value {
    json!({
        "image": {"repository": "registry.example/auth/countersign", "digest": format!("sha256:{:064}", 0)},
        "imagePullSecrets": [{"name": "registry"}],
        "settings": {
            "url_prefix": "/auth",
            "tolerance": "30s",
            "replay_capacity": 33_554_432,
            "trusted_proxies": ["10.0.0.0/8", "::1"],
            "openapi": false,
            "replay_guard": "redis",
            "issuer": "https://auth.example/\"quoted\" & <odd>",
        },
        "rules": "[[rules]]\npath = '/public/**'\nallow = 'public'\n",
        "database": {"existingSecret": "database"},
        "redis": {"existingSecret": "redis"},
        "encryptionKey": {"existingSecret": "encryption-key"},
        "tls": {"existingSecret": "tls"},
        "admin": {"publicKey": "ssh-ed25519 AAAA admin"},
        "persistence": {"storageClass": "fast"},
        "service": {"type": "NodePort", "envoyPort": 8082, "annotations": {"a": "b"}},
        "serviceAccount": {"annotations": {"a": "b"}},
        "networkPolicy": {
            "enabled": true,
            "from": [{"podSelector": {"matchLabels": {"app": "gateway"}}}],
        },
        "podDisruptionBudget": {"enabled": true},
        "autoscaling": {"enabled": true, "maxReplicas": 7},
        "podAnnotations": {"a": "b"},
        "podLabels": {"a": "b"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "topologySpreadConstraints": [
            {"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"},
        ],
    })
}

#[test]
fn as_it_comes_it_is_one_server_with_a_volume_and_no_rights() -> Result<()> {
    let rendered = Rendered::with(&json!({}))?;
    let kinds = ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Service", "ServiceAccount"];
    assert_eq!(rendered.kinds(), kinds);
    assert!(
        matches!(&rendered, Rendered::Manifests { lint, .. } if lint.is_empty()),
        "{rendered:?}"
    );

    let deployment = &rendered.manifest("Deployment")?["spec"];
    assert_eq!(deployment["replicas"], 1);
    assert_eq!(deployment["strategy"], json!({"type": "Recreate"}));
    let pod = &deployment["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let dockerfile = fs::read_to_string(repository().join("Dockerfile"))?;
    let user = &pod["securityContext"]["runAsUser"];
    assert!(dockerfile.contains(&format!("USER {user}:{user}\n")), "another user: {user}");
    assert_eq!(
        rendered.container()?["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    Ok(())
}

#[test]
fn with_everything_on_it_is_good_too_and_holds_no_secret() -> Result<()> {
    let rendered = Rendered::with(&everything())?;
    let kinds = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(rendered.kinds(), kinds);
    assert!(
        matches!(&rendered, Rendered::Manifests { lint, .. } if lint.is_empty()),
        "{rendered:?}"
    );
    let container = rendered.container()?;
    assert_eq!(container["readinessProbe"]["httpGet"]["scheme"], "HTTPS");
    let variables = container["env"].as_array().context("no variables")?;
    for (variable, secret) in
        [("COUNTERSIGN_DATABASE_URL", "database"), ("COUNTERSIGN_REDIS_URL", "redis")]
    {
        let set = variables.iter().find(|it| it["name"] == variable);
        let from = &set.with_context(|| format!("no {variable}"))?["valueFrom"]["secretKeyRef"];
        assert_eq!(*from, json!({"name": secret, "key": "url"}));
    }
    let pod = &rendered.manifest("Deployment")?["spec"]["template"]["spec"];
    assert_eq!(pod["topologySpreadConstraints"][0]["topologyKey"], "rack");
    assert_eq!(rendered.manifest("HorizontalPodAutoscaler")?["spec"]["maxReplicas"], 7);
    Ok(())
}

/// Values of servers that share everything.
fn shared() -> Value {
    json!({
        "replicas": 3,
        "settings": {"replay_guard": "database"},
        "database": {"existingSecret": "database"},
        "encryptionKey": {"existingSecret": "encryption-key"},
    })
}

#[test]
fn several_replicas_are_upgraded_one_after_the_other_and_keep_nothing() -> Result<()> {
    let rendered = Rendered::with(&shared())?;
    assert_eq!(rendered.kinds(), ["ConfigMap", "Deployment", "Service", "ServiceAccount"]);
    let deployment = &rendered.manifest("Deployment")?["spec"];
    assert_eq!(deployment["replicas"], 3);
    let rolling = json!({"maxUnavailable": 0, "maxSurge": 1});
    assert_eq!(deployment["strategy"], json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
    let pod = &deployment["template"]["spec"];
    assert_eq!(pod["volumes"][0], json!({"name": "data", "emptyDir": {}}));
    let spread = pod["topologySpreadConstraints"].as_array().context("not spread")?;
    assert_eq!(spread.len(), 2);
    for over in spread {
        assert_eq!(over["labelSelector"], deployment["selector"], "{over}");
        assert_eq!(over["whenUnsatisfiable"], "ScheduleAnyway", "{over}");
    }
    // What a pod takes to stop fits into what it is given.
    let variables = rendered.container()?["env"].as_array().context("no variables")?;
    let delay = variables.iter().find(|it| it["name"] == "COUNTERSIGN_DRAIN_DELAY");
    assert_eq!(delay.context("no delay")?["value"], "5s");
    assert_eq!(pod["terminationGracePeriodSeconds"], 45, "5 s, 30 s, and some");

    let mut own_delay = shared();
    own_delay["settings"]["drain_delay"] = json!("12s");
    let rendered = Rendered::with(&own_delay)?;
    let variables = rendered.container()?["env"].as_array().context("no variables")?;
    assert!(variables.iter().all(|it| it["name"] != "COUNTERSIGN_DRAIN_DELAY"));
    let settings = &rendered.manifest("ConfigMap")?["data"]["countersign.toml"];
    assert!(settings.as_str().is_some_and(|it| it.contains("drain_delay = \"12s\"")), "{settings}");
    Ok(())
}

#[test]
fn several_replicas_that_do_not_share_everything_are_refused() -> Result<()> {
    for (change, said) in [
        (json!({"database": {}}), "up to 3 replicas, and no database.existingSecret"),
        (json!({"encryptionKey": {}}), "up to 3 replicas, and no encryptionKey.existingSecret"),
        (json!({"settings": {}}), "settings.replay_guard is \"durable\""),
        (json!({"settings": {"replay_guard": "memory"}}), "settings.replay_guard is \"memory\""),
        (json!({"settings": {"replay_guard": "redis"}}), "no redis.existingSecret"),
        (
            json!({"database": {}, "autoscaling": {"enabled": true, "maxReplicas": 8}}),
            "up to 8 replicas",
        ),
        (
            json!({"autoscaling": {"enabled": true, "minReplicas": 3, "maxReplicas": 2}}),
            "3 to 2 replicas",
        ),
    ] {
        let mut values = shared();
        for (name, value) in change.as_object().context("no change")? {
            values[name] = value.clone();
        }
        let rendered = Rendered::with(&values)?;
        assert!(
            matches!(&rendered, Rendered::Refused { refused } if refused.contains(said)),
            "{change}: {rendered:?}"
        );
    }
    Ok(())
}

#[test]
fn values_that_do_harm_are_refused() -> Result<()> {
    for (values, said) in [
        (json!({"replicas": 2}), "up to 2 replicas, and no database.existingSecret"),
        (json!({"replicas": 0}), "0 to 0 replicas, expected at least 1"),
        (json!({"settings": {"database_url": "postgres://u:p@h/d"}}), "what the chart sets"),
        (json!({"settings": {"log_level": null, "a b": 1}}), "a b"),
        (json!({"admin": {"publicKey": "-----BEGIN PRIVATE KEY-----"}}), "publicKey"),
        (json!({"encryptionkey": {"existingSecret": "a"}}), "encryptionkey"),
    ] {
        let rendered = Rendered::with(&values)?;
        assert!(
            matches!(&rendered, Rendered::Refused { refused } if refused.contains(said)),
            "{values}: {rendered:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_server_takes_its_files_and_answers_its_probes() -> Result<()> {
    let directory = tempfile::TempDir::new()?;
    let mut values = everything();
    values["tls"] = json!({});
    // This one is alone, on a file.
    values["autoscaling"] = json!({});
    values["settings"]["replay_guard"] = json!("durable");
    let rendered = Rendered::with(&values)?;
    let files = rendered.manifest("ConfigMap")?["data"].as_object().context("no files")?;
    for (name, content) in files {
        fs::write(directory.path().join(name), content.as_str().context("no text")?)?;
    }
    let option =
        |name: &str, file: &str| format!("--{name}={}", directory.path().join(file).display());
    let options = [option("config", "countersign.toml"), option("rules-file", "rules.toml")];
    let server = Countersign::start_with(&options.each_ref().map(String::as_str)).await?;
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = rendered.container()?[probe]["httpGet"]["path"].as_str().context("no path")?;
        let answer = Request::get(path).send(server.url()).await?;
        assert_eq!(answer.status, 200, "{probe}: {path}");
    }
    Ok(())
}

#[test]
fn the_values_of_the_page_are_good() -> Result<()> {
    let page = Page::read("containers.md")?.section("## Kubernetes")?.blocks("sh");
    let script = page.iter().find_map(|block| {
        let (before, heredoc) = block.split_once("cat > values.yaml <<END\n")?;
        let key = before.lines().last()?;
        let values = heredoc.split_once("\nEND\n")?.0;
        Some(format!("{key}\ncat > values.yaml <<END\n{values}\nEND\n"))
    });
    let directory = tempfile::TempDir::new()?;
    let mut make = Command::new("sh");
    let program = tool("COUNTERSIGN_TEST_BIN")?;
    let ours = program.parent().context("a program in a directory")?.to_owned();
    let path = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    make.env("PATH", env::join_paths([ours].into_iter().chain(path))?);
    make.args(["-euc", &script.context("the page makes no values.yaml")?]);
    capture(make.current_dir(directory.path()))?;

    let rendered = Rendered::with(&yaml(&directory.path().join("values.yaml"))?)?;
    let container = rendered.container()?;
    assert_eq!(container["image"], "REGISTRY/countersign:0.1.0");
    assert_eq!(container["readinessProbe"]["httpGet"]["scheme"], "HTTPS");
    let settings = rendered.manifest("ConfigMap")?["data"]["countersign.toml"].as_str();
    let settings = settings.context("no settings")?;
    for setting in ["log_format = \"json\"", "10.0.0.0/8"] {
        assert!(settings.contains(setting), "no {setting} in {settings}");
    }
    let variables = container["env"].as_array().context("no variables")?;
    let name = "COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY";
    let admin = variables.iter().find(|it| it["name"] == name).context("no administrator")?;
    assert!(
        admin["value"].as_str().is_some_and(|key| key.starts_with("ssh-ed25519 AAAA")),
        "{admin}"
    );
    Ok(())
}
