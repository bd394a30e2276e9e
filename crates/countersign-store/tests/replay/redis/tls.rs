//! A Redis that speaks TLS, and wants a password.

use std::fs;
use std::sync::Arc;

use countersign_core::ports::GuardError;
use countersign_store::replay::{RedisError, RedisServer};
use countersign_testbed::Redis;
use tempfile::TempDir;

use super::{at, settled, spent, start};
use crate::outages::is_unavailable;
use crate::support::{ManualClock, NOON};

#[tokio::test]
async fn certificate_and_password_are_checked() {
    let directory = TempDir::new().unwrap();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    fs::write(&cert, certified.cert.pem()).unwrap();
    fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let settings = [
        ["--tls-cert-file", cert.to_str().unwrap()],
        ["--tls-key-file", key.to_str().unwrap()],
        ["--tls-auth-clients", "no"],
        ["--requirepass", "opensesame"],
    ]
    .concat();
    let redis = Redis::start(directory.path(), &settings).unwrap();
    let server = |login: &str, root_certificate: Option<String>| RedisServer {
        root_certificate: root_certificate.map(String::into_bytes),
        ..at(&format!("rediss://{login}{}", redis.address()))
    };
    let trusted = Some(certified.cert.pem());
    let (guard, clock) = settled(server(":opensesame@", trusted.clone())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 1).await, Err(GuardError::Replayed));

    let clock = Arc::new(ManualClock::at(NOON));
    let stranger = start(server(":opensesame@", None), &clock).await.unwrap();
    let refused = spent(&stranger, &clock, 2).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    for wrong in [":wrong-word@", ""] {
        let Err(RedisError::Unfit(refused)) = start(server(wrong, trusted.clone()), &clock).await
        else {
            panic!("accepted {wrong}");
        };
        assert!(!refused.contains("wrong-word"), "{refused}");
    }
}
