//! What matters only on a real connection.

use countersign_core::{BoundTo, RequestBinding};
use http::StatusCode;

use crate::forward_auth::IDENTITY;
use crate::support::raw::{Connection, serve};
use crate::support::{INSTANCE, World, http2};

#[tokio::test]
async fn http2_has_no_host_and_works() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let internal = serve(world.internal()).await;
    let url = format!("http://{internal}/v1/accounts");
    let body = r#"{"name": "over-http2"}"#;
    let call = async |signed_uri: &str| {
        let binding = RequestBinding::of("POST", signed_uri, body.as_bytes());
        let to = BoundTo { audience: INSTANCE, request: &binding };
        let token = admin.bound_authorization(&*world.clock, &*world.random, &to).unwrap();
        http2::status("POST", url.clone(), token, body).await
    };
    assert_eq!(call("http://localhost/v1/accounts").await, 401);
    assert_eq!(call(&url).await, 201);

    let public = serve(world.public()).await;
    let url = format!("http://{public}/forward-auth");
    let large = "x".repeat(3_000_000);
    assert_eq!(http2::status("POST", url, world.authorization(&admin), large).await, 200);
}

#[tokio::test]
async fn heads_of_any_size_and_form_are_the_callers_fault() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let address = serve(world.public()).await;
    let good = world.authorization(&signer);
    let many = "x: y\r\n".repeat(200);
    for (head, expected) in [
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(70_000)), 414),
        (format!("GET /forward-auth HTTP/1.1\r\nhost: x\r\n{many}\r\n"), 431),
        ("GET /forward-auth HTTP/1.1\r\nhost: x\r\nauthorization: JWT \u{fc}.b.c\r\n\r\n".into(), 401),
        ("GET /forward-auth HTTP/1.1\r\nhost: x\r\nauthorization: a\0b\r\n\r\n".into(), 400),
        ("GET /forward-auth HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n".into(), 400),
        ("GET /forward-auth HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".into(), 400),
        ("nonsense\r\n\r\n".into(), 400),
        (format!("GET /forward-auth HTTP/1.0\r\nauthorization: {good}\r\n\r\n"), 200),
    ] {
        let mut connection = Connection::open(address).await;
        connection.send(&head).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status(), expected, "{}", &head[..head.len().min(80)]);
    }
}

#[tokio::test]
async fn head_is_answered_without_a_body_and_the_connection_goes_on() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let mut connection = Connection::open(serve(world.public()).await).await;
    for method in ["HEAD", "GET", "OPTIONS", "PURGE", "HEAD"] {
        let token = world.authorization(&signer);
        let head = format!("{method} /forward-auth HTTP/1.1\r\nhost: x\r\nauthorization: {token}");
        connection.send(format!("{head}\r\n\r\n")).await;
        assert_eq!(connection.answer().await.status(), StatusCode::OK.as_u16(), "{method}");
    }
}

#[tokio::test]
async fn many_requests_use_one_connection() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let mut connection = Connection::open(serve(world.public()).await).await;
    for round in 0..10 {
        let authorization = match round % 2 {
            0 => world.authorization(&signer),
            _ => "JWT a.b.c".to_owned(),
        };
        let head =
            format!("GET /forward-auth HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}");
        connection.send(format!("{head}\r\n\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status(), if round % 2 == 0 { 200 } else { 401 });
        assert_eq!(answer.headers("content-length"), ["0"]);
        assert_eq!(answer.headers("connection"), [""; 0]);
        for name in IDENTITY {
            assert_eq!(answer.headers(name).len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_sent_is_not_waited_for_and_keeps_the_connection() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let mut connection = Connection::open(serve(world.public()).await).await;
    let get = || {
        format!(
            "GET /forward-auth HTTP/1.1\r\nhost: x\r\nauthorization: {}",
            world.authorization(&signer)
        )
    };
    let post = || get().replace("GET", "POST");
    for body in [1, 100, 3_000] {
        let request = format!("{}\r\ncontent-length: {body}\r\n\r\n{}", post(), "x".repeat(body));
        connection.send(request).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status(), answer.headers("connection").len()), (200, 0), "{body}");
        connection.send(format!("{}\r\n\r\n", get())).await;
        assert_eq!(connection.answer().await.status(), 200, "after a body of {body}");
    }
    let chunked = "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    connection.send(format!("{}\r\n{chunked}", post())).await;
    assert_eq!(connection.answer().await.status(), 200);
    connection.send(format!("{}\r\n\r\n", get())).await;
    assert_eq!(connection.answer().await.status(), 200);

    // The rest of a body that has begun is read away behind the answer.
    let (begin, end) = ("x".repeat(10_000), "x".repeat(90_000));
    connection.send(format!("{}\r\ncontent-length: 100000\r\n\r\n{begin}", post())).await;
    assert_eq!(connection.answer().await.status(), 200);
    connection.send(format!("{end}{}\r\n\r\n", get())).await;
    assert_eq!(connection.answer().await.status(), 200);
}

#[tokio::test]
async fn a_body_that_is_only_promised_ends_the_connection_after_the_answer() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let address = serve(world.public()).await;
    for promise in [
        "content-length: 5",
        "transfer-encoding: chunked",
        "content-length: 5\r\nexpect: 100-continue",
        "content-length: 999999999999",
    ] {
        let mut connection = Connection::open(address).await;
        let authorization = world.authorization(&signer);
        let head =
            format!("POST /forward-auth HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}");
        connection.send(format!("{head}\r\n{promise}\r\n\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status(), 200, "{promise}");
        assert_eq!(answer.headers("connection"), ["close"], "{promise}");
        // A caller that sends its body now all the same is not cut off rudely.
        connection.send("x".repeat(5)).await;
    }
}
