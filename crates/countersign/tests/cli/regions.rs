//! Regions: servers of the same accounts, each with a database and a replay guard of its own.

use crate::support::{Sandbox, Server};

/// A region with the account that another region has.
fn with_the_account_of(other: &Sandbox) -> Sandbox {
    let sandbox = Sandbox::new();
    for file in ["robot.key", "robot.key.pub"] {
        sandbox.write(file, other.read(file));
    }
    sandbox
}

fn know_robot(sandbox: &Sandbox) {
    sandbox.ok(&["account", "create", "robot"]);
    sandbox.ok(&["key", "add", "robot", "robot.key.pub"]);
}

/// A token of the robot's, for a region or for anybody.
fn token(sandbox: &Sandbox, audience: &[&str]) -> String {
    let header = ["header", "--account", "robot", "--key", "robot.key"];
    let line = sandbox.ok(&[&header[..], audience].concat());
    line.trim().strip_prefix("Authorization: ").unwrap().to_owned()
}

/// What each answers, one after the other.
fn statuses(servers: [&Server; 2], token: &str) -> [u16; 2] {
    servers.map(|server| server.forward_auth(token))
}

#[test]
fn a_token_for_one_region_is_accepted_once_there_and_refused_in_the_other() {
    let eu = Sandbox::new();
    eu.key("robot");
    let us = with_the_account_of(&eu);
    // By the three ways of a setting.
    us.write("settings.toml", "required_audience = \"us\"\n");
    let in_eu = eu.serve(&["--required-audience", "eu"]);
    let in_us = us.serve(&["--config", "settings.toml"]);
    know_robot(&eu);
    know_robot(&us);

    let servers = [&in_eu, &in_us];
    let for_eu = token(&eu, &["--audience", "eu"]);
    assert_eq!(statuses(servers, &for_eu), [200, 401]);
    assert_eq!(statuses(servers, &for_eu), [401, 401], "a replay");
    let for_us = token(&eu, &["--audience=us"]);
    assert_eq!(statuses(servers, &for_us), [401, 200]);
    assert_eq!(statuses(servers, &token(&eu, &[])), [401, 401], "for anybody");

    let request = ["request", "--account", "robot", "--key", "robot.key"];
    let url = in_eu.public("/forward-auth");
    eu.ok(&[&request[..], &["--audience", "eu", &url]].concat());
    eu.fails(1, &[&request[..], &["--audience", "us", &url]].concat());
    eu.fails(1, &[&request[..], &[&url]].concat());
    let doctor = ["doctor", "--gateway", &url, "--account", "robot", "--key", "robot.key"];
    let said = eu.run(&doctor).stdout;
    assert!(said.contains("a signed request of robot is answered 401"), "{said}");
    let said = eu.run(&[&doctor[..], &["--audience", "eu"]].concat()).stdout;
    assert!(!said.contains("a signed request of robot is answered"), "{said}");

    let log = in_us.stop();
    assert!(log.contains("audience_other"), "{log}");
    // The administration goes on: its tokens are for the instance.
    eu.ok(&["account", "list"]);
    drop(in_eu);

    let variable = [("COUNTERSIGN_REQUIRED_AUDIENCE", "other")];
    let elsewhere = eu.serve_with(&[], &variable);
    assert_eq!(elsewhere.forward_auth(&token(&eu, &["--audience", "eu"])), 401);
    assert_eq!(elsewhere.forward_auth(&token(&eu, &["--audience", "other"])), 200);
}

#[test]
fn without_the_setting_each_region_accepts_a_token_once() {
    let eu = Sandbox::new();
    eu.key("robot");
    let us = with_the_account_of(&eu);
    let (in_eu, in_us) = (eu.serve(&[]), us.serve(&[]));
    know_robot(&eu);
    know_robot(&us);
    let for_anybody = token(&eu, &[]);
    assert_eq!(statuses([&in_eu, &in_us], &for_anybody), [200, 200]);
    assert_eq!(statuses([&in_eu, &in_us], &for_anybody), [401, 401]);
}

#[test]
fn a_server_does_not_start_as_a_region_that_is_not_one() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    let instance = server.file["instance_id"].as_str().unwrap().to_owned();
    server.stop();
    for (audience, said) in [(instance.as_str(), "must not be an audience"), ("", "is empty")] {
        let ports = ["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"];
        let arguments = [&ports[..], &["--required-audience", audience]].concat();
        let found = sandbox.fails(2, &arguments);
        assert!(found.contains(said), "{audience:?}: {found}");
    }
}
