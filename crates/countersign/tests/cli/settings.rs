//! Settings: where they come from, in which order, and what is refused.

use crate::support::Sandbox;

/// The scheme word is a setting that every answer shows.
fn challenge(sandbox: &Sandbox, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let server = sandbox.serve_with(arguments, variables);
    let response = server.response("none");
    assert_eq!(response.status(), 401);
    let mut challenges = response.headers().get_all("www-authenticate").iter();
    // Behind that of access tokens.
    challenges.next_back().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn command_line_then_environment_then_file_then_default() {
    let sandbox = Sandbox::new();
    sandbox.write("settings.toml", "scheme = \"InFile\"\n");
    let file = ["--config", "settings.toml"];
    let variable = [("COUNTERSIGN_SCHEME", "InEnvironment")];
    let option = ["--scheme", "OnCommandLine"];

    assert_eq!(challenge(&sandbox, &[], &[]), "JWT");
    assert_eq!(challenge(&sandbox, &file, &[]), "InFile");
    assert_eq!(challenge(&sandbox, &file, &variable), "InEnvironment");
    assert_eq!(challenge(&sandbox, &[&file[..], &option].concat(), &variable), "OnCommandLine");
}

#[test]
fn a_whole_server_from_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "settings.toml",
        "data_dir = \"elsewhere\"\nlisten = \"127.0.0.1:0\"\ninternal_listen = \"127.0.0.1:0\"\n\
         url_prefix = \"/auth\"\ntolerance = \"1m\"\ngroups_header = \"X-Team\"\n",
    );
    let mut command = sandbox.command(&["serve", "--config", "settings.toml"]);
    command.env_remove("COUNTERSIGN_DATA_DIR").stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let file = sandbox.path("elsewhere/server.json");
    crate::support::wait_for("server.json", || file.exists().then_some(()));
    let server: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    sandbox.key("robot");
    let elsewhere = ["--data-dir", "elsewhere"];
    sandbox.ok(&[&["account", "create", "robot", "--group", "blue"], &elsewhere[..]].concat());
    sandbox.ok(&[&["key", "add", "robot", "robot.key.pub"], &elsewhere[..]].concat());
    let url = format!("{}/auth/forward-auth", server["public"].as_str().unwrap());
    let shown = sandbox.ok(&["request", "--account", "robot", "--key", "robot.key", "-i", &url]);
    assert!(shown.contains("\nx-team: blue\n"), "{shown}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_a_file_gets_wrong_is_named_with_its_line() {
    let sandbox = Sandbox::new();
    for (text, expected) in [
        ("# x\ntolernce = \"20s\"\n", "settings.toml, line 2: there is no setting `tolernce`"),
        ("tolerance = \"20\"\n", "settings.toml, line 1: `20` is no span of time"),
        ("\n\nlisten = 8080\n", "settings.toml, line 3: "),
        ("listen = \"localhost\"\n", "settings.toml, line 1: "),
        ("listen = \n", "settings.toml, line 1: "),
        ("trusted_proxies = [\"10.0.0.0/33\"]\n", "settings.toml, line 1: `10.0.0.0/33`"),
        ("tls_cert = \"cert.pem\"\n", "tls_cert is set without tls_key"),
        ("internal_listen = \"0.0.0.0:0\"\n", "--internal-beyond-loopback"),
        ("scheme = \"a b\"\n", "`a b` cannot be the scheme word"),
    ] {
        sandbox.write("settings.toml", text);
        let said =
            sandbox.fails(2, &["serve", "--listen=127.0.0.1:0", "--config", "settings.toml"]);
        assert!(said.contains(expected), "{text}: {said}");
    }
    let said = sandbox.fails(2, &["serve", "--config", "missing.toml"]);
    assert!(said.contains("cannot read missing.toml"), "{said}");
}

#[test]
fn a_wrong_option_exits_with_2_and_says_what_was_expected() {
    let sandbox = Sandbox::new();
    let said = sandbox.fails(2, &["serve", "--tolerance", "20"]);
    assert!(said.contains("--tolerance") && said.contains("`20s`"), "{said}");
    let said = sandbox.fails(2, &["serve", "--replay-guard", "none"]);
    assert!(said.contains("durable") && said.contains("memory"), "{said}");
    sandbox.fails(2, &["serve", "--no-such-option"]);
}

#[test]
fn published_request_keys_are_read_from_files() {
    let sandbox = Sandbox::new();
    sandbox.key("ours");
    let server = sandbox.serve(&["--request-keys", "ours.key.pub"]);
    let url = server.public("/.well-known/request-keys.json");
    let shown = sandbox.ok(&["request", "--account", "x", "--key", "ours.key", &url]);
    let set: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    assert_eq!(set["keys"][0]["kty"], "OKP");
    drop(server);
    let said = sandbox.fails(
        2,
        &[
            "serve",
            "--listen=127.0.0.1:0",
            "--internal-listen=127.0.0.1:0",
            "--request-keys",
            "ours.key",
        ],
    );
    assert!(said.contains("ours.key: found a private key"), "{said}");
}

#[test]
fn every_line_of_a_json_log_is_json() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--log-format", "json", "--log-level", "trace"]);
    sandbox.account("robot");
    let authorization = sandbox.authorization("robot");
    assert_eq!(server.forward_auth(&authorization), 200);
    assert_eq!(server.forward_auth(&authorization), 401);
    let public = server.public("");
    let log = server.stop();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ready = lines.iter().find(|line| line["fields"]["message"] == "countersign is ready");
    assert_eq!(ready.unwrap()["fields"]["public"], public.as_str());
    assert!(lines.iter().any(|line| line["fields"]["reason"] == "replayed"), "{log}");
}

#[test]
fn stored_on_disk_for_the_loss_of_power() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--synchronous", "full"]);
    sandbox.account("robot");
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 200);
}

#[test]
fn a_server_without_its_scheme_is_a_wrong_option() {
    let sandbox = Sandbox::new();
    let error = sandbox.fails(2, &["account", "list", "--server", "localhost:8081"]);
    assert!(error.contains("expected http(s)://HOST:PORT"), "{error}");
}
