//! The nginx configuration that we ship for users of jwthenticator, in a real
//! nginx, with a real Countersign before it and a service behind that says what
//! reached it.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use interop::{
    Behaviour, Countersign, Nginx, Proxy, Request, Session, Shipped, Site, Step, Upstream,
    eventually,
};
use serde_json::Value;

const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
const KEY: &str = "a key of a caller";

/// Everything around one test.
struct House {
    countersign: Countersign,
    /// Stands between nginx and Countersign.
    proxy: Proxy,
    upstream: Upstream,
    nginx: Nginx,
    token: String,
}

impl House {
    async fn new(options: &[&str]) -> Result<Self> {
        let countersign = Countersign::start_with(options).await?;
        let token = countersign.access_token(KEY, IDENTIFIER).await?;
        let proxy = Proxy::start(countersign.address(), Behaviour::Honest).await?;
        let upstream = Upstream::start().await?;
        let nginx = Nginx::start(&Site {
            shipped: Shipped::AccessTokens,
            countersign: vec![proxy.address().into()],
            application: upstream.address().into(),
            ..Site::default()
        })
        .await?;
        Ok(Self { countersign, proxy, upstream, nginx, token })
    }

    /// A request of the token's holder.
    fn authorized(&self) -> Request {
        Request::get("/things?page=2").authorization(&self.bearer())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    async fn status(&self, request: &Request) -> Result<u16> {
        Ok(request.send(self.nginx.url()).await?.status)
    }
}

#[tokio::test]
async fn a_holder_of_a_good_token_is_allowed_and_named() -> Result<()> {
    let house = House::new(&[]).await?;
    let claims = house.token.split('.').nth(1).context("no JWT")?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    // A token works as often as one likes.
    for request in [house.authorized(), house.authorized().with_forged_identity()] {
        let answer = request.send(house.nginx.url()).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = answer.seen()?;
        assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("GET", "/things?page=2"));
        assert_eq!(seen.all("x-auth-account"), [IDENTIFIER]);
        assert_eq!(seen.all("x-auth-account-id"), [IDENTIFIER]);
        assert_eq!(seen.all("x-auth-identifier"), [IDENTIFIER]);
        assert_eq!(seen.all("x-auth-method"), ["access-token"]);
        assert_eq!(seen.all("x-auth-credential"), [claims["jti"].as_str().unwrap_or_default()]);
        assert_eq!(seen.all("x-auth-groups").concat(), "");
        assert_eq!(seen.forged(), [""; 0]);
        assert_eq!(seen.all("authorization"), [house.bearer()], "services read it themselves");
    }
    Ok(())
}

#[tokio::test]
async fn the_request_reaches_the_service_whole() -> Result<()> {
    let house = House::new(&[]).await?;
    let body = "0123456789".repeat(5000);
    let request = Request::post("/things", &body).line("Range", "bytes=0-1");
    let request = request.line("If-None-Match", "\"x\"").line("Upgrade", "h2c");
    let answer = request.authorization(&house.bearer()).send(house.nginx.url()).await?;
    let seen = answer.seen()?;
    assert_eq!((seen.method.as_str(), seen.body == body), ("POST", true));
    Ok(())
}

#[tokio::test]
async fn everybody_else_is_refused_as_with_jwthenticator() -> Result<()> {
    let house = House::new(&[]).await?;
    let good = house.bearer();
    let cut = &good[..good.len() - 4];
    let (head, signature) = good.rsplit_once('.').context("no JWT")?;
    let unsigned = format!("{head}.");
    let turned = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let long = format!("Bearer {}", "x".repeat(7000));
    for (authorization, expected) in [
        (None, 403),
        (Some(""), 403),
        (Some("Bearer"), 403),
        (Some("Basic eDp5"), 403),
        (Some(house.token.as_str()), 403),
        (Some("Bearer garbage"), 401),
        (Some("Bearer a.b.c"), 401),
        (Some(long.as_str()), 401),
        (Some(cut), 401),
        (Some(&unsigned), 401),
        (Some(&turned), 401),
    ] {
        let mut request = Request::post("/", "body");
        if let Some(value) = authorization {
            request = request.authorization(value);
        }
        assert_eq!(house.status(&request).await?, expected, "{authorization:?}");
    }
    // nginx itself says 400 to a repeated header.
    let twice = house.authorized().authorization(&good);
    assert!([400, 403].contains(&house.status(&twice).await?));
    assert_eq!(house.upstream.requests(), 0);

    assert_eq!(house.status(&house.authorized()).await?, 200);
    house.countersign.run(&["account", "disable", IDENTIFIER])?;
    assert_eq!(house.status(&house.authorized()).await?, 401);
    Ok(())
}

// The client's process runs while the proxy and the service have to answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_401_and_the_original_client_renews_it() -> Result<()> {
    let house = House::new(&["--access-token-lifetime", "3s"]).await?;
    eventually("the token's end", async || {
        (house.status(&house.authorized()).await.ok()? == 401).then_some(())
    })
    .await?;
    let session = Session {
        jwt: Some(house.token.clone()),
        ..Session::with_key(house.countersign.url(), IDENTIFIER, KEY)
    };
    let url = format!("{}/things", house.nginx.url());
    let outcomes = session.run(&[Step::Get(url.clone()), Step::Post(url, "hello".into())])?;
    for outcome in &outcomes {
        assert_eq!(outcome.value()?["status"], 200, "{outcome:?}");
    }
    Ok(())
}

#[tokio::test]
async fn ten_requests_use_one_connection_to_countersign() -> Result<()> {
    let house = House::new(&[]).await?;
    for _ in 0..10 {
        assert_eq!(house.status(&house.authorized()).await?, 200);
        let refused = Request::get("/").authorization("Bearer garbage");
        assert_eq!(house.status(&refused).await?, 401);
        assert_eq!(house.status(&Request::post("/", "body")).await?, 403);
    }
    assert_eq!(house.proxy.connections(), 1);
    assert_eq!(house.upstream.requests(), 10);
    Ok(())
}

#[tokio::test]
async fn without_countersign_nobody_is_allowed() -> Result<()> {
    let mut house = House::new(&[]).await?;
    house.countersign.kill()?;
    for _ in 0..3 {
        let status = house.status(&house.authorized()).await?;
        assert!([500, 503].contains(&status), "{status}");
    }
    assert_eq!(house.upstream.requests(), 0);
    Ok(())
}

#[tokio::test]
async fn a_caller_over_its_limit_hears_when_to_come_back() -> Result<()> {
    let house = House::new(&["--rate-limit-per-credential=1/h"]).await?;
    assert_eq!(house.status(&house.authorized()).await?, 200);
    let limited = house.authorized().send(house.nginx.url()).await?;
    assert_eq!(limited.status, 429, "{limited:?}");
    let seconds: u64 = limited.all("retry-after").concat().parse()?;
    assert!((1..=3600).contains(&seconds), "{limited:?}");
    assert_eq!(house.upstream.requests(), 1);
    Ok(())
}

#[tokio::test]
async fn the_question_cannot_be_asked_from_outside() -> Result<()> {
    let house = House::new(&[]).await?;
    let request = Request::get("/validate_request").authorization(&house.bearer());
    assert_eq!(house.status(&request).await?, 404);
    assert_eq!(house.status(&Request::get("/health")).await?, 204);
    assert_eq!((house.proxy.connections(), house.upstream.requests()), (0, 0));
    Ok(())
}
