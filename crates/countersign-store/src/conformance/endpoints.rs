//! JWKS endpoints: trusted once, listed in order, trusted no longer.

use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::ports::{AdminStore, JwksEndpoint, StoreError};

use super::{act, cases, create, id, name};

cases!(AdminStore:
    an_endpoint_is_trusted_once,
    endpoints_are_listed_in_the_order_they_were_added,
    an_endpoint_is_trusted_no_longer,
    an_unknown_account_has_no_endpoints,
);

const URL: &str = "https://keys.example/jwks.json?a=1";

async fn an_endpoint_is_trusted_once(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let url = URL.to_owned();
    let created_at = UnixTime::from_secs(2);
    let expected = JwksEndpoint { account: id(1), url, created_at, status: None };
    for seconds in [2, 3] {
        let added = store.add_jwks_endpoint(&act(seconds), &name("robot"), URL).await;
        assert_eq!(added, Ok(expected.clone()));
    }
    assert_eq!(store.jwks_endpoints(&name("robot")).await, Ok(Some(vec![expected])));
}

async fn endpoints_are_listed_in_the_order_they_were_added(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let urls = ["https://z.example/", "https://a.example/", "https://m.example/"];
    for url in urls {
        store.add_jwks_endpoint(&act(2), &name("robot"), url).await.expect("an endpoint");
    }
    let listed = store.jwks_endpoints(&name("robot")).await.expect("an answer");
    let listed: Vec<_> = listed.expect("the account").into_iter().map(|e| e.url).collect();
    assert_eq!(listed, urls);
}

async fn an_endpoint_is_trusted_no_longer(store: Arc<dyn AdminStore>) {
    for (number, called) in [(1, "a"), (2, "b")] {
        create(&*store, number, called, &[]).await;
        store.add_jwks_endpoint(&act(2), &name(called), URL).await.expect("an endpoint");
    }
    let other = "https://other.example/";
    assert_eq!(store.remove_jwks_endpoint(&act(3), &name("a"), other).await, Ok(false));
    assert_eq!(store.remove_jwks_endpoint(&act(3), &name("a"), URL).await, Ok(true));
    assert_eq!(store.remove_jwks_endpoint(&act(3), &name("a"), URL).await, Ok(false));
    assert_eq!(store.jwks_endpoints(&name("a")).await, Ok(Some(Vec::new())));
    let others = store.jwks_endpoints(&name("b")).await.expect("an answer");
    assert_eq!(others.map(|endpoints| endpoints.len()), Some(1));
}

async fn an_unknown_account_has_no_endpoints(store: Arc<dyn AdminStore>) {
    let nobody = name("nobody");
    let added = store.add_jwks_endpoint(&act(2), &nobody, URL).await;
    assert_eq!(added, Err(StoreError::NoSuchAccount));
    assert_eq!(store.jwks_endpoints(&nobody).await, Ok(None));
    assert_eq!(store.remove_jwks_endpoint(&act(2), &nobody, URL).await, Ok(false));
}
