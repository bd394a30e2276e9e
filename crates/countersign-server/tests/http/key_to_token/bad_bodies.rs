//! Bodies that are not what they should be: a complaint each, never a 5xx.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::tokens::{IDENTIFIER, On, TokenWorld, on_each_database};
use crate::support::{Answer, HOST, answer};

on_each_database!(
    what_is_no_object_is_refused,
    every_member_is_complained_about,
    a_uuid_may_be_written_in_any_way,
    the_content_type_does_not_matter_but_its_charset_does,
);

/// The routes with their members.
const ROUTES: [(&str, &[&str]); 5] = [
    ("/authenticate", &["key", "identifier"]),
    ("/refresh", &["refresh_token", "identifier"]),
    ("/validate", &["jwt"]),
    ("/register_key", &["key", "identifier"]),
    ("/is_key_registered", &["key"]),
];

async fn post(world: &TokenWorld, path: &str, body: impl Into<Body>) -> Answer {
    let router = if path.contains("_key") { world.internal() } else { world.public() };
    let request = Request::post(path).header("host", HOST).body(body.into()).unwrap();
    answer(router, request).await
}

#[track_caller]
fn complains(answer: &Answer, expected: &Value) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json::<Value>(), *expected);
}

async fn what_is_no_object_is_refused(on: On) {
    let world = TokenWorld::new(on).await;
    let deep = "[".repeat(60_000);
    let not_json: [&[u8]; 9] = [
        b"",
        b"{",
        b"{\"key\": \"a\"",
        b"nonsense",
        b"{\"key\": \"\xff\"}",
        b"{\"key\": \"\\ud800\"}",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        deep.as_bytes(),
    ];
    for (path, _) in ROUTES {
        for body in not_json {
            complains(&post(&world, path, body.to_vec()).await, &json!({}));
        }
        for body in ["[]", "1", "null", "\"a\"", "true"] {
            let expected = json!({ "_schema": ["Invalid input type."] });
            complains(&post(&world, path, body).await, &expected);
        }
        let large = format!("{{\"key\": \"{}\"}}", "x".repeat(64 * 1024));
        assert_eq!(post(&world, path, large).await.status, 413);
    }
}

async fn every_member_is_complained_about(on: On) {
    let world = TokenWorld::new(on).await;
    for (path, members) in ROUTES {
        let all = |complaint: &dyn Fn(&str) -> &'static str| -> Value {
            members.iter().map(|name| ((*name).to_owned(), json!([complaint(name)]))).collect()
        };
        let body = |value: &Value| -> String {
            let body: Value =
                members.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
            body.to_string()
        };
        let missing = all(&|_| "Missing data for required field.");
        complains(&post(&world, path, "{}").await, &missing);
        let null = all(&|_| "Field may not be null.");
        complains(&post(&world, path, body(&Value::Null)).await, &null);
        for value in [json!(1), json!(1.5), json!(true), json!([]), json!({})] {
            let wrong = all(&|name| match name {
                "identifier" => "Not a valid UUID.",
                _ => "Not a valid string.",
            });
            complains(&post(&world, path, body(&value)).await, &wrong);
        }
        let mut unknown = missing.clone();
        unknown["x"] = json!(["Unknown field."]);
        complains(&post(&world, path, "{\"x\": 1}").await, &unknown);
        let null_byte = post(&world, path, format!("{{\"{}\": \"a\\u0000b\"}}", members[0])).await;
        assert_eq!(null_byte.status, 400);
        assert_eq!(
            null_byte.json::<Value>()[members[0]],
            json!(["Null characters are not allowed."])
        );
    }
    for (key, complaint) in [
        (String::new(), "Shorter than minimum length 1."),
        ("x".repeat(1025), "Longer than maximum length 1024."),
    ] {
        let body = json!({ "key": key, "identifier": IDENTIFIER }).to_string();
        let expected = json!({ "key": [complaint] });
        complains(&post(&world, "/register_key", body).await, &expected);
        // To someone who holds keys it is one like any other that is not registered.
        assert_eq!(world.authenticate(&key, IDENTIFIER).await.status, 401);
    }
    for id in ["", "x", "3fa85f64-5717-4562-b3fc-2c963f66afa", "3fa85f64-5717-4562-b3fc"] {
        let body = json!({ "key": "a", "identifier": id }).to_string();
        let expected = json!({ "identifier": ["Not a valid UUID."] });
        complains(&post(&world, "/register_key", body).await, &expected);
    }
}

async fn a_uuid_may_be_written_in_any_way(on: On) {
    let world = TokenWorld::new(on).await;
    let simple = IDENTIFIER.replace('-', "");
    for (number, written) in [
        IDENTIFIER.to_owned(),
        IDENTIFIER.to_uppercase(),
        simple.clone(),
        format!("{{{IDENTIFIER}}}"),
        format!("urn:uuid:{IDENTIFIER}"),
    ]
    .iter()
    .enumerate()
    {
        let key = format!("key {number}");
        assert_eq!(world.register(&key, written).await.status, 201, "{written}");
        let answer = world.authenticate(&key, &simple).await;
        let jwt = answer.json::<Value>()["jwt"].as_str().unwrap().to_owned();
        let said = world.validate_request(&jwt).await;
        assert_eq!(said.header("x-auth-identifier"), IDENTIFIER, "lower case with dashes");
    }
}

async fn the_content_type_does_not_matter_but_its_charset_does(on: On) {
    let world = TokenWorld::new(on).await;
    let body = json!({ "key": "a key", "identifier": IDENTIFIER }).to_string();
    let send = async |content_type: &str| {
        let request = Request::post("/register_key").header("host", HOST);
        let request = request.header("content-type", content_type);
        answer(world.internal(), request.body(Body::from(body.clone())).unwrap()).await.status
    };
    for good in ["application/json", "text/plain", "x", "", "a/b; charset=\"UTF-8\"", "a/b;charset"]
    {
        assert_eq!(send(good).await, 201, "{good}");
    }
    for bad in ["application/json; charset=latin-1", "a/b; charset=", "a/b; x=y; charset=utf-16"] {
        assert_eq!(send(bad).await, 400, "{bad}");
    }
}
