//! What watches over a container asks `countersign health`.

use std::net::TcpListener;

use crate::support::Sandbox;

#[test]
fn a_server_that_takes_requests_is_healthy_and_one_that_is_gone_is_not() {
    let sandbox = Sandbox::new();
    let said = sandbox.fails(4, &["health"]);
    assert!(said.contains("no server runs on") && said.contains("or give a URL"), "{said}");

    let server = sandbox.serve(&["--url-prefix", "/auth"]);
    assert_eq!(sandbox.ok(&["health"]), "ready\n");
    assert_eq!(sandbox.json(&["health"]), "ready");
    assert_eq!(sandbox.ok(&["health", &server.internal("")]), "ready\n");
    assert_eq!(sandbox.ok(&["health", &server.public("/auth/")]), "ready\n");
    let (nowhere, public) = (server.public("/elsewhere"), server.public("/auth"));
    let said = sandbox.fails(4, &["health", &nowhere]);
    assert!(said.contains("/elsewhere/health/ready answered 404"), "{said}");

    // It leaves a file behind that says where it was.
    server.kill();
    for arguments in [&["health"][..], &["health", &public]] {
        let said = sandbox.fails(4, arguments);
        assert!(said.starts_with("error: cannot reach http://127.0.0.1:"), "{said}");
    }
}

#[test]
fn a_server_with_tls_is_known_by_its_data_directory_or_by_a_certificate() {
    let sandbox = Sandbox::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    sandbox.write("cert.pem", made.cert.pem());
    sandbox.write("key.pem", made.signing_key.serialize_pem());
    let server = sandbox.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    sandbox.ok(&["health"]);
    sandbox.ok(&["health", &server.public(""), "--ca-cert", "cert.pem"]);
    let said = sandbox.fails(4, &["health", &server.public("")]);
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn whoever_does_not_answer_is_not_waited_for() {
    let sandbox = Sandbox::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let said = sandbox.fails(4, &["health", &url, "--timeout", "200ms"]);
    assert!(said.contains("timed out"), "{said}");
    let said = sandbox.fails(2, &["health", "127.0.0.1:8080"]);
    assert!(said.contains("expected http(s)://HOST:PORT"), "{said}");
}
