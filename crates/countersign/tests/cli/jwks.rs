//! Accounts that publish their own keys.

use crate::support::{Sandbox, wait_for};

#[test]
fn an_account_is_trusted_through_the_keys_it_publishes() {
    let sandbox = Sandbox::new();
    sandbox.key("robot");
    // The server publishes the robot's key, and trusts the robot through itself.
    let options = ["--request-keys", "robot.key.pub", "--dangerous-allow-insecure-jwks"];
    let server = sandbox.serve(&options);
    let url = server.public("/.well-known/request-keys.json");
    sandbox.ok(&["account", "create", "robot"]);
    sandbox.ok(&["jwks", "add", "robot", &url]);
    wait_for("the keys to be fetched", || {
        (server.forward_auth(&sandbox.authorization("robot")) == 200).then_some(())
    });
    let listed = sandbox.json(&["jwks", "list", "robot"]);
    assert_eq!(listed["endpoints"][0]["keys"], 1, "{listed}");
    assert!(listed["endpoints"][0]["error"].is_null(), "{listed}");

    sandbox.ok(&["jwks", "remove", "robot", &url]);
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 401, "at once");
    assert!(server.stop().contains("whoever is on the way"), "the option warns");
}

#[test]
fn a_server_on_this_host_is_not_trusted_without_the_dangerous_option() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    for host in ["localhost", "127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254"] {
        let said = sandbox.fails(2, &["jwks", "add", "robot", &format!("https://{host}/jwks")]);
        assert!(said.contains("is not public"), "{host}: {said}");
    }
}
