//! The nginx configuration that we ship, in a real nginx, with a real Countersign
//! before it and a service behind that says what reached it.

use anyhow::Result;
use countersign_core::KeyKind;
use interop::{
    Answer, Behaviour, Caller, Countersign, Nginx, Proxy, Request, Site, Upstream, eventually,
};
use tokio::task::JoinSet;

/// Retries that an operator has switched on for everything.
const RETRIES: &str =
    "proxy_next_upstream error timeout http_500 http_502 http_503 http_504 non_idempotent;";

/// Everything around one test.
struct House {
    countersign: Countersign,
    /// Stands between nginx and Countersign.
    proxy: Proxy,
    upstream: Upstream,
    caller: Caller,
}

impl House {
    async fn new() -> Result<Self> {
        Self::with(&[]).await
    }

    /// With options of Countersign.
    async fn with(options: &[&str]) -> Result<Self> {
        let countersign = Countersign::start_with(options).await?;
        let caller = Caller::new("robot", KeyKind::Ed25519)?;
        countersign.account(caller.account(), &[caller.public_key()])?;
        let proxy = Proxy::start(countersign.address(), Behaviour::Honest).await?;
        Ok(Self { countersign, proxy, upstream: Upstream::start().await?, caller })
    }

    fn site(&self) -> Site {
        Site {
            countersign: vec![self.proxy.address().into()],
            application: self.upstream.address().into(),
            ..Site::default()
        }
    }

    /// A request that the caller has signed.
    fn signed(&self) -> Result<Request> {
        Ok(Request::get("/things?page=2").authorization(&self.caller.authorization()?))
    }
}

fn assert_challenged(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    // The first of Countersign's challenges: nginx passes on no other.
    assert_eq!(answer.all("www-authenticate"), ["Bearer"]);
}

#[tokio::test]
async fn a_caller_with_a_registered_key_is_allowed_once() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let request = house.signed()?;

    let answer = request.send(nginx.url()).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.seen()?;
    assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("GET", "/things?page=2"));
    assert_eq!(seen.all("x-auth-account"), ["robot"]);
    assert_eq!(seen.all("x-auth-account-id").concat().len(), 36);
    assert_eq!(seen.all("x-auth-method"), ["signed-request"]);
    assert!(seen.all("x-auth-credential").concat().starts_with("SHA256:"));
    assert_eq!(seen.all("authorization"), [""; 0], "the spent token goes no further");

    assert_challenged(&request.send(nginx.url()).await?);
    assert_eq!(house.upstream.requests(), 1);
    Ok(())
}

#[tokio::test]
async fn everybody_else_is_challenged() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let impostor = Caller::new("robot", KeyKind::Ed25519)?;
    let stranger = Caller::new("stranger", KeyKind::Ed25519)?;
    for request in [
        Request::get("/"),
        Request::get("/").authorization("JWT nonsense"),
        Request::get("/").authorization("Bearer nonsense"),
        Request::get("/").authorization(&format!("JWT {}", "x".repeat(7000))),
        Request::get("/").authorization(&impostor.authorization()?),
        Request::get("/").authorization(&stranger.authorization()?),
        Request::post("/", "body"),
    ] {
        assert_challenged(&request.send(nginx.url()).await?);
    }
    assert_eq!(house.upstream.requests(), 0);
    Ok(())
}

#[tokio::test]
async fn two_authorization_headers_are_refused() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let good = house.caller.authorization()?;
    let joined = format!("{}, {}", house.caller.authorization()?, house.caller.authorization()?);
    for request in [
        house.signed()?.authorization(&good),
        Request::get("/").authorization("Basic eDp5").authorization(&good),
        Request::get("/").authorization(&good).authorization("Basic eDp5"),
        Request::get("/").authorization(&joined),
    ] {
        // nginx itself says 400 to a repeated header, ours says 401.
        let answer = request.send(nginx.url()).await?;
        assert!([400, 401].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(house.upstream.requests(), 0);
    Ok(())
}

#[tokio::test]
async fn identity_headers_of_the_client_never_pass() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let seen = house.signed()?.with_forged_identity().send(nginx.url()).await?.seen()?;
    assert_eq!(seen.all("x-auth-account"), ["robot"]);
    // The account is in no group: the header says nothing, and the client's is gone.
    assert_eq!(seen.all("x-auth-groups").concat(), "");
    assert_eq!(seen.forged(), [""; 0]);

    // A header that has nothing to do with it does pass: the filter is no accident.
    let seen = house.signed()?.line("X_Other", "kept").send(nginx.url()).await?.seen()?;
    assert_eq!(seen.all("x_other"), ["kept"]);
    Ok(())
}

#[tokio::test]
async fn the_request_reaches_the_service_whole() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let body = "0123456789".repeat(5000);
    let request = Request::post("/things", &body).line("Expect", "").line("Range", "bytes=0-1");
    let request = request.line("If-None-Match", "\"x\"").line("Upgrade", "h2c");
    let answer = request.authorization(&house.caller.authorization()?).send(nginx.url()).await?;
    let seen = answer.seen()?;
    assert_eq!((seen.method.as_str(), seen.body == body), ("POST", true));
    Ok(())
}

#[tokio::test]
async fn what_else_a_client_sends_does_not_reach_countersign() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    // More lines than Countersign reads: it would say 431, and nginx 500.
    let mut request = Request::get("/");
    for number in 0..150 {
        request = request.line(&format!("X-Filler-{number}"), &"x".repeat(100));
    }
    assert_eq!(request.clone().send(house.countersign.url()).await?.status, 431);
    assert_challenged(&request.send(nginx.url()).await?);
    Ok(())
}

#[tokio::test]
async fn the_place_a_caller_comes_from_is_what_nginx_saw() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let forged = house.signed()?.line("X-Forwarded-For", "198.51.100.7");
    assert_eq!(forged.send(nginx.url()).await?.status, 200);
    // The last use is written off the request's path.
    let from = eventually("the last use of the account", async || {
        let shown = house.countersign.run(&["account", "show", "robot", "-o", "json"]).ok()?;
        let shown: serde_json::Value = serde_json::from_str(&shown).ok()?;
        shown["last_used_from"].as_str().map(str::to_owned)
    });
    assert_eq!(from.await?, "127.0.0.1");
    Ok(())
}

#[tokio::test]
async fn ten_requests_use_one_connection_to_countersign() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    for number in 0..10 {
        // Refusals keep the connection too.
        let refused = Request::post("/", "body").send(nginx.url()).await?;
        assert_challenged(&refused);
        let answer = house.signed()?.send(nginx.url()).await?;
        assert_eq!(answer.status, 200, "request {number}: {answer:?}");
    }
    assert_eq!(house.proxy.connections(), 1);
    assert_eq!(house.upstream.requests(), 10);
    Ok(())
}

#[tokio::test]
async fn each_caller_at_once_uses_one_connection_to_countersign() -> Result<()> {
    const CALLERS: usize = 48;
    const ROUNDS: usize = 10;
    for (without, all_new) in [(None, false), (Some("keepalive 256;"), true)] {
        let house = House::new().await?;
        let nginx = Nginx::start(&Site { without, ..house.site() }).await?;
        for _ in 0..ROUNDS {
            let mut under_way = JoinSet::new();
            for _ in 0..CALLERS {
                let (request, url) = (house.signed()?, nginx.url().to_owned());
                under_way.spawn(async move { request.send(&url).await });
            }
            for answer in under_way.join_all().await {
                assert_eq!(answer?.status, 200);
            }
        }
        let (connections, requests) = (house.proxy.connections(), house.upstream.requests());
        assert_eq!(requests, CALLERS * ROUNDS);
        if all_new {
            assert_eq!(connections, requests, "nginx kept some: the count is no measure");
        } else {
            assert!(connections <= CALLERS, "{connections} connections");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_retrying_nginx_asks_once() -> Result<()> {
    let house = House::new().await?;
    let second = Proxy::start(house.countersign.address(), Behaviour::Honest).await?;
    let mut site = house.site();
    site.countersign.push(second.address().into());
    site.http = RETRIES.into();
    let nginx = Nginx::start(&site).await?;

    // Both servers answer, one loses its answers: the caller hears of the
    // accident, and nobody has asked twice.
    house.proxy.behave(Behaviour::LosesAnswers);
    second.behave(Behaviour::LosesAnswers);
    for number in 1..=2 {
        let answer = house.signed()?.send(nginx.url()).await?;
        assert_eq!(answer.status, 500, "{answer:?}");
        assert_eq!(house.proxy.lost() + second.lost(), number);
    }
    assert_eq!(house.upstream.requests(), 0);
    Ok(())
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_not_tried_again() -> Result<()> {
    let house = House::new().await?;
    let mut site = house.site();
    site.http = RETRIES.into();
    let nginx = Nginx::start(&site).await?;
    assert_eq!(house.signed()?.send(nginx.url()).await?.status, 200);

    // nginx tries a request again by itself if a kept connection breaks.
    house.proxy.behave(Behaviour::LosesAnswers);
    assert_eq!(house.signed()?.send(nginx.url()).await?.status, 500);
    assert_eq!((house.proxy.connections(), house.proxy.lost()), (1, 1));

    house.proxy.behave(Behaviour::Honest);
    assert_eq!(house.signed()?.send(nginx.url()).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn without_our_configuration_nginx_would_ask_twice() -> Result<()> {
    let house = House::new().await?;
    let second = Proxy::start(house.countersign.address(), Behaviour::LosesAnswers).await?;
    let mut site = house.site();
    site.countersign.push(second.address().into());
    site.http = RETRIES.into();
    site.without = Some("proxy_next_upstream off;");
    house.proxy.behave(Behaviour::LosesAnswers);
    let nginx = Nginx::start(&site).await?;
    house.signed()?.send(nginx.url()).await?;
    assert_eq!(house.proxy.lost() + second.lost(), 2);
    Ok(())
}

#[tokio::test]
async fn without_countersign_nobody_is_allowed() -> Result<()> {
    let mut house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let request = house.signed()?;
    house.countersign.kill()?;
    for _ in 0..3 {
        let answer = request.send(nginx.url()).await?;
        assert!([500, 503].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(house.upstream.requests(), 0);
    Ok(())
}

/// As `docs/replicas.md` says of nginx without health checks.
#[tokio::test]
async fn of_a_server_that_has_gone_nginx_hears_by_a_request() -> Result<()> {
    for goes_to_the_next in [false, true] {
        let house = House::new().await?;
        let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut site = house.site();
        site.countersign.push(gone.to_string());
        if goes_to_the_next {
            site.without = Some("proxy_next_upstream off;");
            site.http = "proxy_next_upstream error;".into();
        }
        let nginx = Nginx::start(&site).await?;
        let mut failed = 0;
        // Each of its processes hears for itself.
        for _ in 0..50 {
            let answer = house.signed()?.send(nginx.url()).await?;
            assert!([200, 500].contains(&answer.status), "{answer:?}");
            failed += usize::from(answer.status == 500);
        }
        assert_eq!(failed == 0, goes_to_the_next, "{failed} failed");
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_over_its_limit_hears_when_to_come_back() -> Result<()> {
    let house = House::with(&["--rate-limit-per-credential=1/h"]).await?;
    let nginx = Nginx::start(&house.site()).await?;
    assert_eq!(house.signed()?.send(nginx.url()).await?.status, 200);
    let request = Request::post("/", "body").authorization(&house.caller.authorization()?);
    for request in [house.signed()?, request] {
        let limited = request.send(nginx.url()).await?;
        assert_eq!(limited.status, 429, "{limited:?}");
        let seconds: u64 = limited.all("retry-after").concat().parse()?;
        assert!((1..=3600).contains(&seconds), "{limited:?}");
    }
    assert_challenged(&Request::get("/").send(nginx.url()).await?);
    assert_eq!(house.upstream.requests(), 1);
    Ok(())
}

#[tokio::test]
async fn an_address_over_its_limit_is_the_caller_s_and_not_nginx_s() -> Result<()> {
    let house = House::with(&["--rate-limit-per-address=2/h"]).await?;
    let nginx = Nginx::start(&house.site()).await?;
    for _ in 0..2 {
        assert_challenged(&Request::get("/").send(nginx.url()).await?);
    }
    let limited = house.signed()?.send(nginx.url()).await?;
    assert_eq!((limited.status, limited.all("retry-after").len()), (429, 1), "{limited:?}");
    assert_eq!(house.upstream.requests(), 0);
    Ok(())
}

#[tokio::test]
async fn the_question_cannot_be_asked_from_outside() -> Result<()> {
    let house = House::new().await?;
    let nginx = Nginx::start(&house.site()).await?;
    let path = "/_countersign/auth-request";
    let request = Request::get(path).authorization(&house.caller.authorization()?);
    assert_eq!(request.send(nginx.url()).await?.status, 404);
    assert_eq!(Request::get("/health").send(nginx.url()).await?.status, 204);
    assert_eq!((house.proxy.connections(), house.upstream.requests()), (0, 0));
    Ok(())
}

/// What a client says about its own request is not believed.
#[tokio::test]
async fn rules_are_decided_on_the_original_request() -> Result<()> {
    let rules = tempfile::NamedTempFile::new()?;
    std::fs::write(
        rules.path(),
        "[[rules]]\nhost = 'other.example'\npath = '/**'\nallow = 'public'\n\
         [[rules]]\npath = '/open/*'\nmethods = ['GET']\nallow = 'public'\n\
         [[rules]]\nhost = '127.0.0.1'\npath = '/things/**'\nallow = 'authenticated'",
    )?;
    let options = ["--rules-file", &rules.path().to_string_lossy()];
    let house = House::with(&options).await?;
    let nginx = Nginx::start(&house.site()).await?;
    let lying = ["X-Original-Method", "X-Original-Host", "X-Original-URI"]
        .into_iter()
        .zip(["GET", "other.example", "/open/1"])
        .fold(Request::get("/nothing"), |request, (name, value)| request.line(name, value));
    for (request, status) in [
        (Request::get("/open/1?x=/closed"), 200),
        (Request::post("/open/1", ""), 403),
        (Request::get("/things"), 401),
        (house.signed()?, 200),
        (Request::get("/open/%2e%2e/things"), 403),
        (Request::get("//open/1"), 403),
        (lying, 403),
    ] {
        let answer = request.send(nginx.url()).await?;
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
    }
    Ok(())
}
