//! Regions: services with the same accounts whose guards do not know of each other.

use axum::body::Body;
use countersign_core::{
    AccountName, Binding, BoundTo, KeyKind, PrivateKey, RequestBinding, RequestSigner,
    SignedRequestPolicy,
};
use countersign_server::{METRICS, Settings, SettingsError};
use http::{Request, StatusCode};

use crate::support::{HOST, INSTANCE, World, answer};

/// The settings of a region that takes only what is made for it.
fn only_for(name: &str) -> Settings {
    let policy = SignedRequestPolicy {
        audiences: vec![name.to_owned()],
        binding: Binding::Audience,
        ..SignedRequestPolicy::default()
    };
    Settings { policy, ..Settings::new(INSTANCE) }
}

/// Two regions, and a caller that both know by the same key.
async fn regions(settings: [Settings; 2]) -> ([World; 2], RequestSigner) {
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let name = AccountName::new("worker").unwrap();
    let worlds = settings.map(World::with);
    for world in &worlds {
        world.account("worker", &["admin"]).await;
        world.add_key(&name, key.public_key()).await;
    }
    (worlds, RequestSigner::new(name, key))
}

/// What both answer, one after the other.
async fn statuses([eu, us]: &[World; 2], authorization: &str) -> [u16; 2] {
    [eu.ask(authorization).await.status.as_u16(), us.ask(authorization).await.status.as_u16()]
}

#[tokio::test]
async fn a_token_for_one_region_is_accepted_once_there_and_nowhere_else() {
    let (worlds, signer) = regions([only_for("eu"), only_for("us")]).await;
    for (name, first) in [("eu", [200, 401]), ("us", [401, 200])] {
        let token = worlds[0].authorization(&signer.clone().with_audience(name));
        assert_eq!(statuses(&worlds, &token).await, first, "{name}");
        assert_eq!(statuses(&worlds, &token).await, [401, 401], "{name}, used");
    }
}

#[tokio::test]
async fn a_token_for_no_region_is_accepted_in_none() {
    let (worlds, signer) = regions([only_for("eu"), only_for("us")]).await;
    let [eu, _] = &worlds;
    let refused = eu.ask("JWT a.b.c").await.without_request_id();
    let unbound = eu.authorization(&signer);
    assert_eq!(statuses(&worlds, &unbound).await, [401, 401]);
    let answer_to_unbound = eu.ask(&unbound).await.without_request_id();
    assert_eq!(answer_to_unbound, refused, "an answer that tells why");

    let request = Request::get(METRICS).header("host", HOST).body(Body::empty()).unwrap();
    let metrics = answer(eu.internal(), request).await.body;
    let labels = r#"{method="signed-request",reason="audience_other"}"#;
    assert!(metrics.contains(&format!("countersign_refusals_total{labels} 2\n")), "{metrics}");
}

#[tokio::test]
async fn without_the_setting_each_region_accepts_a_token_for_nobody_once() {
    let (worlds, signer) = regions([Settings::new(INSTANCE), Settings::new(INSTANCE)]).await;
    let unbound = worlds[0].authorization(&signer);
    assert_eq!(statuses(&worlds, &unbound).await, [200, 200]);
    assert_eq!(statuses(&worlds, &unbound).await, [401, 401]);
}

#[tokio::test]
async fn a_region_and_its_administration_do_not_take_each_others_tokens() {
    let ([eu, _], signer) = regions([only_for("eu"), only_for("us")]).await;
    let binding = RequestBinding::of("GET", &format!("http://{HOST}/v1/accounts"), b"");
    let bound_to = |audience| {
        let to = BoundTo { audience, request: &binding };
        signer.clone().with_audience("eu").bound_authorization(&*eu.clock, &*eu.random, &to)
    };
    let call = async |authorization: &str| {
        let call = Request::get("/v1/accounts").header("host", HOST);
        let call = call.header("authorization", authorization).body(Body::empty()).unwrap();
        answer(eu.internal(), call).await.status
    };
    let for_operators = bound_to(INSTANCE).unwrap();
    assert_eq!(eu.ask(&for_operators).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&for_operators).await, StatusCode::OK, "and was not spent by that");
    assert_eq!(call(&bound_to("eu").unwrap()).await, StatusCode::UNAUTHORIZED);

    let instance = World::try_with(only_for(INSTANCE)).err();
    assert_eq!(instance, Some(SettingsError::InstanceIsAudience(INSTANCE.into())));
}
