//! No secret in any line that a full run writes for people or logs.

use crate::support::{Said, Sandbox};

/// The lines of a PEM file that carry the key, each enough to give it away.
fn secret_lines(pem: &str) -> impl Iterator<Item = String> {
    pem.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned)
}

#[test]
fn the_most_verbose_run_shows_no_secret() {
    let sandbox = Sandbox::new();
    let passphrase = "correct horse battery staple";
    sandbox.write("passphrase", passphrase);
    let server = sandbox.serve(&["--log-level", "trace"]);
    let mut said = String::new();
    let mut run = |arguments: &[&str], code: i32| {
        let outcome: Said = sandbox.run(arguments);
        assert_eq!(outcome.code, code, "{arguments:?}: {}", outcome.stderr);
        said += &outcome.stderr;
        outcome.stdout
    };
    let locked = ["--passphrase-file", "passphrase"];
    said_key(&mut run, &locked);
    run(&["account", "create", "robot"], 0);
    run(&["key", "add", "robot", "robot.key.pub"], 0);

    let caller = [&["--account", "robot", "--key", "robot.key"], &locked[..]].concat();
    let mut secrets = vec![passphrase.to_owned()];
    let tokens: Vec<_> = (0..4)
        .map(|_| run(&[&["header"], &caller[..]].concat(), 0).trim().to_owned())
        .map(|line| line.strip_prefix("Authorization: JWT ").unwrap().to_owned())
        .collect();
    // Allowed, replayed, with another scheme, and with a broken signature.
    assert_eq!(server.forward_auth(&format!("JWT {}", tokens[0])), 200);
    assert_eq!(server.forward_auth(&format!("JWT {}", tokens[0])), 401);
    assert_eq!(server.forward_auth(&format!("Bearer {}", tokens[1])), 401);
    assert_eq!(server.forward_auth(&format!("JWT {}x", tokens[2])), 401);
    assert_eq!(server.forward_auth(&format!("JWT token=\"{}\"", tokens[3])), 200);
    run(&[&["request"], &caller[..], &[&server.public("/forward-auth")]].concat(), 0);
    run(&["header", "--account", "robot", "--key", "robot.key"], 2);
    run(&["key", "list", "robot"], 0);
    let api_key = run(&["api-key", "create", "robot"], 0).trim().to_owned();
    let id = run(&["account", "show", "robot", "-o", "json"], 0);
    let id: serde_json::Value = serde_json::from_str(&id).unwrap();
    let (jwt, refresh_token) = server.authenticate(&api_key, id["id"].as_str().unwrap());
    for credential in [&jwt, &api_key] {
        assert_eq!(server.forward_auth(&format!("Bearer {credential}")), 200);
        assert_eq!(server.forward_auth(&format!("Bearer {credential}x")), 401);
    }
    secrets.extend([api_key, jwt.rsplit('.').next().unwrap().to_owned(), jwt, refresh_token]);
    run(&["account", "disable", "robot"], 0);
    run(&[&["request"], &caller[..], &[&server.public("/forward-auth")]].concat(), 1);
    run(&["account", "delete", "robot", "--yes"], 0);

    let log = server.stop();
    assert!(log.contains("replayed"), "the log was captured");
    for token in &tokens {
        // The signature is what makes a token one; the claims are no secret.
        secrets.extend([token.clone(), token.rsplit('.').next().unwrap().to_owned()]);
    }
    secrets.extend(secret_lines(&sandbox.read("robot.key")));
    secrets.extend(secret_lines(&sandbox.read("data/admin.key")));
    secrets.push(sandbox.read("data/encryption.key").trim().to_owned());
    assert!(secrets.len() > 10);
    for secret in secrets {
        assert!(!log.contains(&secret), "the log shows {secret}");
        assert!(!said.contains(&secret), "a command's stderr shows {secret}");
    }
    assert!(!log.to_lowercase().contains("authorization: jwt"), "{log}");
}

fn said_key(run: &mut impl FnMut(&[&str], i32) -> String, locked: &[&str]) {
    let shown = run(&[&["key", "generate", "--out", "robot.key"], locked].concat(), 0);
    assert!(!shown.contains("PRIVATE KEY"));
}
