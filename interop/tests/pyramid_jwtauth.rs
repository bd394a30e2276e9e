//! The real `pyramid_jwtauth` on a real Pyramid, both ways: what its callers send to a
//! service behind our middleware, and what we send to a service behind its policy.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::header::Spelling;
use countersign_core::{
    Algorithm, Check, Clock, HmacAlgorithm, Issuer, KeyKind, PrivateKey, RsaBits, SharedSecret,
    UnixTime,
};
use countersign_system::SystemRandom;
use countersign_tower::{BearerTokens, Membership, Policy, PolicyBuilder, require_group};
use interop::{
    Guarded, KeyFiles, KeyFormat, Minted, PyramidAnswer, PyramidRequest, PyramidService,
    TokenMaker, pyramid_authorizations,
};
use serde_json::{Value, json};

const SECRET: &str = "a shared secret that nobody guesses";
/// Where both clocks stand.
const NOW: i64 = 1_800_000_000;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(NOW)
    }
}

/// A policy of ours that does what the service of the original does.
fn ours(tokens: BearerTokens) -> PolicyBuilder {
    Policy::accepting(tokens.scheme("JWT")).clock(Arc::new(Stopped)).groups(|account, _| {
        let membership = match account.as_str() {
            "worker" => "ops".parse().map(|ops| Membership::Groups(vec![ops])),
            "blocked" => Ok(Membership::Blocked),
            _ => Ok(Membership::Groups(Vec::new())),
        };
        Box::pin(async move { Ok(membership.unwrap_or(Membership::Blocked)) })
    })
}

fn with_secret() -> Result<BearerTokens> {
    Ok(BearerTokens::shared_secret(SharedSecret::new(SECRET.as_bytes())?))
}

fn theirs() -> PyramidService {
    PyramidService::new(&[("jwtauth.master_secret", SECRET)])
}

fn at(service: &PyramidService, path: &'static str, authorization: &str) -> PyramidRequest {
    let authorization = Some(authorization.to_owned());
    PyramidRequest { service: service.clone(), path, authorization }
}

fn quoted(token: &str) -> String {
    Spelling::Quoted.value("JWT", token)
}

fn hs256(claims: Value) -> Minted {
    Minted { claims, key: SECRET.to_owned(), algorithm: "HS256".to_owned() }
}

/// The claims of a good token of this account.
fn claims(account: &str) -> Value {
    json!({"sub": account, "exp": NOW + 900})
}

fn rsa() -> Result<PrivateKey> {
    Ok(PrivateKey::generate(KeyKind::Rsa(RsaBits::B2048))?)
}

/// The token in a header that the original made.
fn token(authorization: &str) -> Result<&str> {
    let token = authorization.strip_prefix("JWT token=\"").and_then(|rest| rest.strip_suffix('"'));
    token.with_context(|| format!("the original made {authorization:?}"))
}

#[tokio::test]
async fn what_the_originals_callers_send_is_understood_as_there() -> Result<()> {
    let key = rsa()?;
    let pem = key.to_pkcs8_pem(None, &SystemRandom)?;
    let public = key.public_key().to_spki_pem();
    let claims = json!({"sub": "worker", "exp": NOW + 900, "tenant": 4, "names": ["grü", null]});
    let rs256 =
        Minted { claims: claims.clone(), key: pem.to_string(), algorithm: "RS256".to_owned() };
    let made = pyramid_authorizations(&[hs256(claims.clone()), rs256])?;

    let their_key = PyramidService::new(&[
        ("jwtauth.algorithm", "RS256"),
        ("jwtauth.public_key", &public),
        ("jwtauth.private_key", &pem),
    ]);
    let there = PyramidService::answers(
        NOW,
        &[at(&theirs(), "/", &made[0]), at(&their_key, "/", &made[1])],
    )?;
    let with_key = BearerTokens::public_keys([key.public_key().clone()]);
    let here =
        [ours(with_secret()?).build()?, ours(with_key.algorithms([Algorithm::Rs256])).build()?];
    for ((policy, header), there) in here.iter().zip(&made).zip(there) {
        let answer = Guarded::by(policy, &[header]).await?;
        let caller = answer.caller.with_context(|| format!("refused: {header}"))?;
        assert_eq!((there.status, &there.userid), (200, &json!("worker")));
        assert_eq!(
            (caller.account.as_str(), &caller.groups[..]),
            ("worker", &["ops".to_owned()][..])
        );
        assert_eq!((&caller.claims, &there.claims), (&claims, &claims));
    }
    Ok(())
}

/// Its policy makes tokens, too, with the secret or with the private key in its settings.
#[tokio::test]
async fn what_the_originals_services_make_is_understood_as_there() -> Result<()> {
    let mut sides = vec![(theirs(), with_secret()?)];
    let plain = |format: &KeyFormat| format.is_rsa() && !format.encrypted;
    let files = KeyFormat::ALL.into_iter().filter(plain).map(KeyFiles::make);
    let files = files.collect::<Result<Vec<_>>>()?;
    for files in &files {
        let there = PyramidService::new(&[
            ("jwtauth.algorithm", "RS256"),
            ("jwtauth.private_key_file", &files.private_key().to_string_lossy()),
            ("jwtauth.public_key_file", &files.public_key().to_string_lossy()),
        ]);
        let here = BearerTokens::key_files([files.public_key()])?;
        sides.push((there, here.algorithms([Algorithm::Rs256])));
    }
    for (there, here) in sides {
        let made = there.issue(&[claims("worker")])?;
        let header = quoted(&made[0]);
        let answers = PyramidService::answers(NOW, &[at(&there, "/", &header)])?;
        assert_eq!((answers[0].status, &answers[0].claims), (200, &claims("worker")));
        let answer = Guarded::by(&ours(here).build()?, &[&header]).await?;
        let caller = answer.caller.with_context(|| format!("refused: {header}"))?;
        assert_eq!((caller.account.as_str(), &caller.claims), ("worker", &claims("worker")));
        assert_eq!(caller.groups, ["ops"]);
    }
    Ok(())
}

#[tokio::test]
async fn another_claim_names_the_account() -> Result<()> {
    let by_client = json!({"client_id": "worker", "sub": "visitor", "exp": NOW + 900});
    let headers = pyramid_authorizations(&[hs256(by_client), hs256(claims("worker"))])?;
    let service = PyramidService::new(&[
        ("jwtauth.master_secret", SECRET),
        ("jwtauth.userid_in_claim", "client_id"),
    ]);
    let requests: Vec<_> = headers.iter().map(|header| at(&service, "/", header)).collect();
    let answers = PyramidService::answers(NOW, &requests)?;
    let policy = ours(with_secret()?.account_claim("client_id")).build()?;
    assert_eq!((answers[0].status, &answers[0].userid), (200, &json!("worker")));
    assert_eq!(Guarded::by(&policy, &[&headers[0]]).await?.account(), Ok("worker"));
    assert_eq!(answers[1].status, 401);
    assert_eq!(Guarded::by(&policy, &[&headers[1]]).await?.account(), Err(401));
    Ok(())
}

#[tokio::test]
async fn the_original_understands_what_we_send() -> Result<()> {
    let key = rsa()?;
    let public = key.public_key().to_spki_pem();
    let secret = SharedSecret::new(SECRET.as_bytes())?;
    let more = json!({"tenant": 4});
    let by_secret = Issuer::with_secret(secret.clone(), HmacAlgorithm::Hs256);
    let by_key = Issuer::with_key(key, Algorithm::Rs256);
    let by_client = by_secret.clone().with_account_claim("client_id");
    let their_key =
        PyramidService::new(&[("jwtauth.algorithm", "RS256"), ("jwtauth.public_key", &public)]);
    let their_claim = PyramidService::new(&[
        ("jwtauth.master_secret", SECRET),
        ("jwtauth.userid_in_claim", "client_id"),
    ]);
    let mut requests = Vec::new();
    for (issuer, service) in [(by_secret, theirs()), (by_key, their_key), (by_client, their_claim)]
    {
        let token = issuer.issue("worker", &more, Stopped.now())?;
        requests.push(at(&service, "/", &quoted(&token)));
        requests.push(at(&service, "/close", &quoted(&token)));
    }
    for answer in PyramidService::answers(NOW, &requests)? {
        let expected = json!(["worker", "system.Everyone", "system.Authenticated", "ops"]);
        assert_eq!((answer.status, &answer.userid), (200, &json!("worker")), "{answer:?}");
        assert_eq!(json!(answer.principals), expected);
        assert_eq!(answer.claims["tenant"], 4);
    }
    Ok(())
}

/// Headers around one good token: what each side answers.
#[tokio::test]
async fn spellings_of_the_header() -> Result<()> {
    let made = pyramid_authorizations(&[hs256(claims("worker"))])?;
    let good = token(&made[0])?;
    let rows = [
        // What is sent, what the original answers, and what we do.
        (format!("JWT token=\"{good}\""), 200, 200),
        (format!("jwt  token=\"{good}\""), 200, 200),
        (format!("JWT realm=\"a, b\", token=\"{good}\", other=1"), 200, 200),
        (format!("JWT token={good}"), 401, 200),
        (format!("JWT {good}"), 401, 200),
        (format!("JWT token=\"a.b.c\", token=\"{good}\""), 200, 401),
        (format!("JWT token=\"{good}\", token=\"a.b.c\""), 401, 401),
        (format!("JWT token=\"{good}\", token=\"{good}\""), 200, 401),
        (format!("JWT token=\"{good}\", Bearer x"), 401, 401),
        (format!("JWT token=\"{good}"), 401, 401),
        (format!("Bearer token=\"{good}\""), 401, 401),
        ("JWT realm=\"x\"".to_owned(), 401, 401),
        ("JWT".to_owned(), 401, 401),
        (String::new(), 401, 401),
    ];
    let policy = ours(with_secret()?).build()?;
    let as_strict = ours(with_secret()?.spellings([Spelling::Quoted])).build()?;
    let requests: Vec<_> = rows.iter().map(|(sent, ..)| at(&theirs(), "/", sent)).collect();
    let answers = PyramidService::answers(NOW, &requests)?;
    for ((sent, there, here), answer) in rows.iter().zip(answers) {
        let stricter = Guarded::by(&as_strict, &[sent]).await?;
        assert_eq!(stricter.status, (*there).max(*here), "{sent}");
        let ours = Guarded::by(&policy, &[sent]).await?;
        assert_eq!((answer.status, ours.status), (*there, *here), "{sent}: {answer:?}");
        if ours.status == 401 {
            // A header that is malformed is as if it were not there.
            assert_eq!(ours.challenge.as_deref(), Some("JWT"), "{sent}");
        }
        if answer.status == 401 {
            assert_eq!(answer.challenge.as_deref(), Some("JWT"), "{sent}");
        }
    }

    let nothing = PyramidRequest { authorization: None, ..at(&theirs(), "/", "") };
    let there = &PyramidService::answers(NOW, &[nothing])?[0];
    let here = Guarded::by(&policy, &[]).await?;
    assert_eq!((there.status, there.challenge.as_deref()), (401, Some("JWT")));
    assert_eq!((here.status, here.challenge.as_deref()), (401, Some("JWT")));
    Ok(())
}

/// Tokens in the spelling that both read: what each side answers.
#[tokio::test]
async fn tokens_and_their_claims() -> Result<()> {
    let stranger = Minted {
        key: "another secret, which is long enough".to_owned(),
        ..hs256(claims("worker"))
    };
    let hs512 = Minted { algorithm: "HS512".to_owned(), ..hs256(claims("worker")) };
    let pem = rsa()?.to_pkcs8_pem(None, &SystemRandom)?.to_string();
    let other_family = Minted { claims: claims("worker"), key: pem, algorithm: "RS256".to_owned() };
    let with = |more: Value| {
        let mut claims = claims("worker");
        if let (Some(claims), Value::Object(more)) = (claims.as_object_mut(), more) {
            claims.extend(more);
        }
        hs256(claims)
    };
    let rows = [
        ("good", hs256(claims("worker")), 200, 200),
        ("without groups", hs256(claims("visitor")), 200, 200),
        ("blocked", hs256(claims("blocked")), 401, 401),
        ("of another secret", stranger, 401, 401),
        ("of another algorithm of the family", hs512, 200, 401),
        ("of another family", other_family, 500, 401),
        ("without an expiry", hs256(json!({"sub": "worker"})), 200, 401),
        ("that expires now", with(json!({"exp": NOW})), 200, 401),
        ("that has expired", with(json!({"exp": NOW - 1})), 401, 401),
        ("for somebody", with(json!({"aud": "billing"})), 500, 401),
        ("that is not valid yet", with(json!({"nbf": NOW + 60})), 500, 401),
        ("that was issued at no time", with(json!({"iat": "yesterday"})), 500, 401),
        ("that was issued in the future", with(json!({"iat": NOW + 60})), 200, 401),
        ("whose expiry is no time", with(json!({"exp": "soon"})), 401, 401),
        ("without an account", hs256(json!({"exp": NOW + 900})), 401, 401),
        ("of an account without a name", hs256(claims("")), 200, 401),
        ("of an account whose name is a number", with(json!({"sub": 7})), 200, 401),
    ];
    let minted: Vec<_> = rows.iter().map(|(_, minted, ..)| minted.clone()).collect();
    let headers = pyramid_authorizations(&minted)?;
    let requests: Vec<_> = headers.iter().map(|header| at(&theirs(), "/", header)).collect();
    let answers = PyramidService::answers(NOW, &requests)?;
    let policy = ours(with_secret()?).build()?;
    for (((what, _, there, here), header), answer) in rows.iter().zip(&headers).zip(answers) {
        let ours = Guarded::by(&policy, &[header]).await?;
        assert_eq!((answer.status, ours.status), (*there, *here), "{what}: {answer:?}");
        if ours.status == 401 {
            assert_eq!(ours.challenge.as_deref(), Some("JWT error=\"invalid_token\""), "{what}");
        }
        if answer.status == 401 {
            assert_eq!(answer.challenge.as_deref(), Some("JWT"), "{what}");
        }
    }

    // What callers of the original may rely on can be had, one check at a time.
    let endless = with_secret()?.dangerous().skip(Check::ExpiryPresent);
    let endless = ours(endless).build()?;
    let header = pyramid_authorizations(&[hs256(json!({"sub": "worker"}))])?;
    assert_eq!(Guarded::by(&endless, &[&header[0]]).await?.account(), Ok("worker"));
    Ok(())
}

#[tokio::test]
async fn tokens_that_no_key_has_signed() -> Result<()> {
    // A token that is not signed at all, which no library makes any more.
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let unsigned = quoted(&format!("{}.{}.", part(json!({"alg": "none"})), part(claims("worker"))));

    // The old attack: what everybody knows of a key, used as a shared secret. The original's
    // library makes no such token.
    let public = rsa()?.public_key().clone();
    let confused = Minted { key: public.to_spki_pem(), ..hs256(claims("worker")) };
    let confused = quoted(&TokenMaker::Jose.make(&[confused])?[0]);
    let their_key = PyramidService::new(&[
        ("jwtauth.algorithm", "RS256"),
        ("jwtauth.public_key", &public.to_spki_pem()),
    ]);
    let with_key = ours(BearerTokens::public_keys([public])).build()?;

    let rows =
        [(unsigned, theirs(), ours(with_secret()?).build()?), (confused, their_key, with_key)];
    let requests: Vec<_> = rows.iter().map(|(sent, there, _)| at(there, "/", sent)).collect();
    for ((sent, _, policy), there) in rows.iter().zip(PyramidService::answers(NOW, &requests)?) {
        assert_eq!((there.status, Guarded::by(policy, &[sent]).await?.status), (500, 401));
    }
    Ok(())
}

/// There an account that is called like a group is in it.
#[tokio::test]
async fn an_account_is_no_group() -> Result<()> {
    let minted = ["worker", "visitor", "ops"].map(|account| hs256(claims(account)));
    let headers = pyramid_authorizations(&minted)?;
    let requests: Vec<_> = headers.iter().map(|header| at(&theirs(), "/close", header)).collect();
    let there = PyramidService::answers(NOW, &requests)?;
    let there: Vec<_> = there.iter().map(|answer| answer.status).collect();
    assert_eq!(there, [200, 401, 200]);

    let challenging = ours(with_secret()?).challenge_the_forbidden().build()?;
    for (policy, forbidden) in [(ours(with_secret()?).build()?, 403), (challenging, 401)] {
        let mut here = Vec::new();
        for header in &headers {
            let answer = Guarded::with_rules(&policy, require_group("ops"), &[header]).await?;
            here.push(answer.status);
        }
        assert_eq!(here, [200, forbidden, forbidden]);
    }

    let names = ["ops", "group:admin"];
    let headers = pyramid_authorizations(&names.map(|name| hs256(claims(name))))?;
    let requests: Vec<_> = headers.iter().map(|header| at(&theirs(), "/", header)).collect();
    let there = PyramidService::answers(NOW, &requests)?;
    let policy = ours(with_secret()?).build()?;
    for ((name, header), there) in names.into_iter().zip(&headers).zip(there) {
        let principals = json!([name, "system.Everyone", "system.Authenticated"]);
        assert_eq!(json!(there.principals), principals);
        let caller = Guarded::by(&policy, &[header]).await?.caller.context("refused")?;
        assert_eq!((caller.account.as_str(), caller.groups.len()), (name, 0));
        let in_group = Guarded::with_rules(&policy, require_group(name), &[header]).await?;
        assert_eq!(in_group.status, 403, "{name}");
    }
    Ok(())
}

/// Settings that do harm there; what ours say is tested with `PolicySettings`.
#[tokio::test]
async fn settings_of_the_original_that_do_harm() -> Result<()> {
    let stranger = "another secret, which is long enough".to_owned();
    let forged = Minted { key: stranger, ..hs256(claims("worker")) };
    let headers = pyramid_authorizations(&[hs256(claims("worker")), forged])?;
    let with =
        |name, value| PyramidService::new(&[("jwtauth.master_secret", SECRET), (name, value)]);
    let answers = PyramidService::answers(
        NOW,
        &[
            at(&with("jwtauth.leeway", "10"), "/", &headers[0]),
            at(&with("jwtauth.disable_verify_signature", "false"), "/", &headers[1]),
            at(&with("jwtauth.scheme", "Bearer"), "/", &headers[0].replace("JWT", "Bearer")),
            at(&PyramidService::new(&[]), "/", &headers[0]),
            at(&with("jwtauth.audience", "billing"), "/", &headers[0]),
        ],
    )?;
    let statuses: Vec<_> = answers.iter().map(|PyramidAnswer { status, .. }| *status).collect();
    assert_eq!(statuses, [500, 200, 401, 500, 500], "{answers:?}");
    let reason = answers[4].error.as_deref();
    assert_eq!(reason, Some("ValueError"), "an unknown setting stops the start");

    let bearer = Policy::accepting(with_secret()?.scheme("Bearer")).clock(Arc::new(Stopped));
    let shown = headers[0].replace("JWT", "bEaReR");
    assert_eq!(Guarded::by(&bearer.build()?, &[&shown]).await?.account(), Ok("worker"));
    Ok(())
}
