//! What tokens say, and which are accepted where.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::ports::{AccountChange, AdminStore as _, ApiKeyStore as _, NewAccount};
use countersign_core::{
    AccessTokenForm, AccessTokenPolicy, AccountId, Algorithm, ApiKey, GroupName, IdentifierRule,
    RsaBits,
};
use countersign_server::{RingSettings, Settings, SigningKeyKind, TokenSettings};
use serde_json::{Value, json};

use crate::support::INSTANCE;
use crate::support::tokens::{IDENTIFIER, OTHER, On, TokenWorld, on_each_database};

on_each_database!(
    a_token_says_who_it_is,
    every_algorithm_signs,
    bad_tokens_are_refused_with_one_answer,
    the_header_is_read_with_forbearance_but_not_twice,
    an_audience_is_validated,
    any_identifier_can_be_claimed_only_when_told_so,
    the_gateway_takes_tokens_and_keys,
    an_api_key_of_ours_is_known_by_its_prefix,
);

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn a_token_says_who_it_is(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, _) = world.session("a key", IDENTIFIER).await;
    let (header, claims) = (part(&jwt, 0), part(&jwt, 1));
    assert_eq!(members(&header), ["alg", "kid", "typ"]);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));
    assert_eq!(members(&claims), ["exp", "iat", "identifier", "jti", "sub", "token_id"]);
    assert_eq!((&claims["identifier"], &claims["sub"]), (&json!(IDENTIFIER), &json!(IDENTIFIER)));
    assert_eq!((&claims["jti"], &claims["iat"]), (&claims["token_id"], &json!(1_800_000_000)));
    assert_eq!(claims["exp"], json!(1_800_000_000 + 15 * 60));

    let groups = AccountChange::SetGroups(vec![GroupName::new("ops").unwrap()]);
    world
        .directory
        .change_account(&world.act(), &TokenWorld::name(IDENTIFIER), groups)
        .await
        .unwrap();
    let again = world.authenticate("a key", IDENTIFIER).await.json::<Value>();
    assert_eq!(part(again["jwt"].as_str().unwrap(), 1)["groups"], json!(["ops"]));

    let policy =
        AccessTokenPolicy { form: AccessTokenForm::Original, ..AccessTokenPolicy::default() };
    let settings = TokenSettings { policy, ..TokenSettings::default() };
    let original = TokenWorld::with(on, Settings::new(INSTANCE), settings).await;
    let (jwt, _) = original.session("a key", IDENTIFIER).await;
    assert_eq!(members(&part(&jwt, 1)), ["exp", "iat", "identifier", "token_id"]);
    assert_eq!(original.validate(&jwt).await.status, 200);
}

async fn every_algorithm_signs(on: On) {
    for algorithm in Algorithm::ALL {
        let kind = SigningKeyKind { algorithm, rsa_bits: RsaBits::B2048 };
        let ring = RingSettings { kind, ..RingSettings::default() };
        let (settings, tokens) = (Settings::new(INSTANCE), TokenSettings::default());
        let world = TokenWorld::with_ring(on, settings, tokens, ring).await;
        let (jwt, _) = world.session("a key", IDENTIFIER).await;
        assert_eq!(part(&jwt, 0)["alg"], algorithm.name());
        assert_eq!(world.validate(&jwt).await.status, 200, "{algorithm}");
        let jwks: Value = world.get("/jwks", &[]).await.json();
        assert_eq!(jwks["keys"][0]["alg"], algorithm.name());
    }
}

async fn bad_tokens_are_refused_with_one_answer(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, refresh_token) = world.session("a key", IDENTIFIER).await;
    let parts: Vec<_> = jwt.split('.').collect();
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let stranger = TokenWorld::new(On::Sqlite).await;
    let (foreign, _) = stranger.session("a key", IDENTIFIER).await;
    let long = "a".repeat(20_000);
    let bad = [
        String::new(),
        "x".to_owned(),
        format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{unsigned}.{}.", parts[1]),
        format!("{jwt}."),
        foreign,
        refresh_token,
        "ü.ü.ü".to_owned(),
        long,
    ];
    for token in &bad {
        let refused = world.validate(token).await;
        assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, "{}"), "{token:.40}");
        // Without a token, it is no attempt at one.
        let expected = if token.is_empty() { 403 } else { 401 };
        let refused = world.validate_request(token).await;
        assert_eq!(refused.headers.contains_key("www-authenticate"), expected == 401);
        assert_eq!(
            (refused.status.as_u16(), refused.body.as_str()),
            (expected, "{}"),
            "{token:.40}"
        );
    }
    assert_eq!(world.validate_request(&jwt).await.status, 200);
}

async fn the_header_is_read_with_forbearance_but_not_twice(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, _) = world.session("a key", IDENTIFIER).await;
    let ask = async |values: &[&str]| world.get("/validate_request", values).await.status.as_u16();
    for scheme in ["Bearer ", "bearer ", "BEARER   ", "Bearer\t"] {
        assert_eq!(ask(&[&format!("{scheme}{jwt}")]).await, 200, "{scheme:?}");
    }
    let good = format!("Bearer {jwt}");
    for values in [
        &[][..],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &[&jwt],
        &["Basic YTpi"],
        &[&format!("JWT {jwt}")],
        &[&format!("{good}, Basic YTpi")],
        &[&good, &good],
    ] {
        assert_eq!(ask(values).await, 403, "{values:?}");
    }
}

async fn an_audience_is_validated(on: On) {
    let policy = AccessTokenPolicy {
        audience: vec!["a".into(), "b".into()],
        issuer: Some("https://auth.example".into()),
        ..AccessTokenPolicy::default()
    };
    let settings = TokenSettings { policy, ..TokenSettings::default() };
    let world = TokenWorld::with(on, Settings::new(INSTANCE), settings).await;
    let (jwt, _) = world.session("a key", IDENTIFIER).await;
    let claims = part(&jwt, 1);
    assert_eq!(
        (&claims["aud"], &claims["iss"]),
        (&json!(["a", "b"]), &json!("https://auth.example"))
    );
    assert_eq!(world.validate(&jwt).await.status, 200);
    assert_eq!(world.validate_request(&jwt).await.status, 200);
}

async fn any_identifier_can_be_claimed_only_when_told_so(on: On) {
    let settings = TokenSettings {
        identifier_rule: IdentifierRule::DangerousAny,
        policy: AccessTokenPolicy {
            form: AccessTokenForm::OriginalWithSubject,
            ..AccessTokenPolicy::default()
        },
        ..TokenSettings::default()
    };
    let world = TokenWorld::with(on, Settings::new(INSTANCE), settings).await;
    world.session("a key", IDENTIFIER).await;
    let claimed: Value = world.authenticate("a key", OTHER).await.json();
    let jwt = claimed["jwt"].as_str().unwrap();
    let claims = part(jwt, 1);
    assert_eq!((&claims["identifier"], &claims["sub"]), (&json!(OTHER), &json!(IDENTIFIER)));
    let said = world.validate_request(jwt).await;
    assert_eq!(said.header("x-auth-account"), IDENTIFIER, "who it really is");
    assert_eq!(said.header("x-auth-identifier"), OTHER, "what it claims");
    let refresh_token = claimed["refresh_token"].as_str().unwrap();
    assert_eq!(world.refresh(refresh_token, OTHER).await.status, 200);

    let strict = TokenWorld::new(on).await;
    let (_, refresh_token) = strict.session("a key", IDENTIFIER).await;
    assert_eq!(strict.authenticate("a key", OTHER).await.status, 401);
    assert_eq!(strict.refresh(&refresh_token, OTHER).await.status, 401);
    assert_eq!(strict.refresh(&refresh_token, IDENTIFIER).await.status, 200);
}

async fn the_gateway_takes_tokens_and_keys(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, _) = world.session("a key", IDENTIFIER).await;
    let allowed = world.get("/forward-auth", &[&format!("Bearer {jwt}")]).await;
    assert_eq!((allowed.status.as_u16(), allowed.body.as_str()), (200, ""));
    assert_eq!(allowed.header("x-auth-account"), IDENTIFIER);
    assert_eq!(allowed.header("x-auth-method"), "access-token");
    assert_eq!(allowed.header("x-auth-credential"), part(&jwt, 1)["jti"].as_str().unwrap());
    assert_eq!(allowed.header("x-auth-identifier"), IDENTIFIER);
    let garbage = "Bearer x.y.z";
    for value in [garbage, "Bearer cs_unknown", "Bearer a key", "Basic YTpi", "JWT x.y.z"] {
        let refused = world.get("/forward-auth", &[value]).await;
        assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, ""), "{value}");
        let challenges = refused.headers.get_all("www-authenticate").iter().collect::<Vec<_>>();
        assert_eq!(challenges, ["Bearer", "JWT"]);
        assert_eq!(refused.header("x-auth-account"), "");
    }
}

async fn an_api_key_of_ours_is_known_by_its_prefix(on: On) {
    let world = TokenWorld::new(on).await;
    let name = TokenWorld::name("robot");
    let id = AccountId(IDENTIFIER.parse().unwrap());
    let new = NewAccount { id, name: name.clone(), groups: Vec::new() };
    world.directory.create_account(&world.act(), new).await.unwrap();
    let key = ApiKey::generate(&*world.random);
    let record = world.tokens.new_api_key(&key, String::new(), None);
    let key_id = record.id;
    world.directory.add_api_key(&world.act(), &name, record).await.unwrap();
    let shown = format!("Bearer {}", key.reveal());
    let allowed = world.get("/forward-auth", &[&shown]).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("x-auth-account"), "robot");
    assert_eq!(allowed.header("x-auth-method"), "api-key");
    assert_eq!(allowed.header("x-auth-credential"), key_id.to_string());
    assert_eq!(allowed.header("x-auth-identifier"), "");
    // It is a key like any other: it buys tokens, and is no token itself.
    assert_eq!(world.authenticate(key.reveal(), IDENTIFIER).await.status, 200);
    assert_eq!(world.get("/validate_request", &[&shown]).await.status, 401);
    world.directory.revoke_api_key(&world.act(), &name, key_id).await.unwrap();
    assert_eq!(world.get("/forward-auth", &[&shown]).await.status, 401);
}
