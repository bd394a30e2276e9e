//! Rules on what gateways let through, in a file.

use crate::support::Sandbox;

const RULES: &str = r#"
[[rules]]
path = "/health"
allow = "public"

[[rules]]
host = "*.books.example"
path = "/books/**"
methods = ["GET", "HEAD"]
allow = "authenticated"

[[rules]]
host = "*.books.example"
path = "/books/**"
allow = ["editors"]
"#;

#[test]
fn a_file_is_checked_and_explained() {
    let sandbox = Sandbox::new();
    sandbox.write("rules.toml", RULES);
    let shown = sandbox.ok(&["rules", "check", "rules.toml"]);
    assert!(shown.contains("2     GET, HEAD *.books.example/books/**: authenticated"), "{shown}");

    let explain = |arguments: &[&str]| {
        let options = ["rules", "explain", "--rules-file", "rules.toml"];
        let said = sandbox.run(&[&options, arguments].concat());
        (said.code, said.stdout, said.stderr)
    };
    let books = "https://eu.books.example/books/7";
    for (arguments, code, said) in [
        (vec!["GET", "https://a.example/health?x"], 0, "allowed to everyone\nrule 1 decides"),
        (vec!["GET", books], 0, "allowed to whoever proves who it is\nrule 2 decides"),
        (vec!["PUT", books], 1, "denied, but to callers in one of the rule's groups\nrule 3"),
        (
            vec!["PUT", books, "--group", "editors"],
            0,
            "allowed to a caller in these groups\nrule 3",
        ),
        (vec!["PUT", books, "--group", "readers"], 1, "denied to a caller in these groups"),
        (vec!["GET", "https://books.example/books/7"], 1, "denied to everyone: no rule fits"),
        (vec!["GET", "https://eu.books.example/a/%2e%2e/books"], 1, "it has a dot segment"),
    ] {
        let (found, stdout, stderr) = explain(&arguments);
        assert_eq!(found, code, "{arguments:?}: {stdout}{stderr}");
        assert!(stdout.contains(said), "{arguments:?}: {stdout}");
    }
    let (code, _, stderr) = explain(&["GET", "/books/7"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("give the whole URL"), "{stderr}");
}

#[test]
fn the_server_follows_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("rules.toml", "[[rules]]\npath = '/books'\nallow = ['editors']");
    let server = sandbox.serve(&["--rules-file", "rules.toml"]);
    for (account, group) in [("editor", "editors"), ("reader", "readers")] {
        sandbox.account(account);
        sandbox.ok(&["account", "set-groups", account, group]);
    }
    let ask = |account: &str, uri: &str| {
        let request = reqwest::Client::new()
            .get(server.public("/forward-auth"))
            .header("authorization", sandbox.authorization(account))
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", uri);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(request.send()).unwrap().status()
    };
    assert_eq!(ask("editor", "/books"), 200);
    assert_eq!(ask("reader", "/books"), 403);
    assert_eq!(ask("editor", "/"), 403);
}

#[test]
fn a_bad_file_stops_the_start_and_is_named_with_its_line() {
    let sandbox = Sandbox::new();
    for (text, said) in [
        ("[[rules]]\npath = '/a'\nallow = 'all'", "line 3: found \"all\""),
        ("[[rules]]\npath = 'a'\nallow = 'public'", "line 2: \"a\": a path must begin with `/`"),
        ("rules = []", "has no rule"),
        ("[[rules]", "line 1: "),
    ] {
        sandbox.write("rules.toml", text);
        for arguments in
            [&["rules", "check", "rules.toml"][..], &["serve", "--rules-file", "rules.toml"]]
        {
            let error = sandbox.fails(2, arguments);
            assert!(error.contains("rules.toml") && error.contains(said), "{arguments:?}: {error}");
            assert_eq!(error.lines().filter(|line| line.starts_with("error: ")).count(), 1);
        }
    }
    assert!(!sandbox.data_dir().exists(), "nothing is made");
    let missing = sandbox.fails(2, &["serve", "--rules-file", "/nowhere/rules.toml"]);
    assert!(missing.contains("cannot read /nowhere/rules.toml"), "{missing}");
}
