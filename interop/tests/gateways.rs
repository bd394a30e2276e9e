//! Caddy, Traefik, `HAProxy` and Envoy with the configurations that we ship, each with a real
//! Countersign before it and a service behind that says what reached it.

use anyhow::Result;
use countersign_core::KeyKind;
use interop::{
    Answer, Behaviour, Caller, Countersign, Gateway, Proxy, Request, RunningGateway, Upstream,
};

/// Everything around one gateway.
struct House {
    countersign: Countersign,
    /// Stands between the gateway and Countersign.
    proxy: Proxy,
    upstream: Upstream,
    caller: Caller,
    gateway: RunningGateway,
}

impl House {
    async fn around(gateway: Gateway, options: &[&str]) -> Result<Self> {
        let over_grpc = gateway == Gateway::EnvoyGrpc;
        let mut options = options.to_vec();
        options.extend(over_grpc.then_some("--envoy-listen=127.0.0.1:0"));
        let countersign = Countersign::start_with(&options).await?;
        let caller = Caller::new("robot", KeyKind::Ed25519)?;
        countersign.account(caller.account(), &[caller.public_key()])?;
        let asked = if over_grpc { countersign.envoy_address()? } else { countersign.address() };
        let proxy = Proxy::start(asked, Behaviour::Honest).await?;
        let upstream = Upstream::start().await?;
        let gateway = gateway.start(proxy.address(), upstream.address()).await?;
        Ok(Self { countersign, proxy, upstream, caller, gateway })
    }

    /// A request that the caller has signed.
    fn signed(&self) -> Result<Request> {
        Ok(Request::get("/things?page=2").authorization(&self.caller.authorization()?))
    }

    async fn send(&self, request: &Request) -> Result<Answer> {
        request.send(self.gateway.url()).await
    }
}

fn assert_challenged(gateway: Gateway, answer: &Answer) {
    assert_eq!(answer.status, 401, "{gateway:?}: {answer:?}");
    assert_eq!(answer.all("www-authenticate"), ["Bearer", "JWT"], "{gateway:?}: {answer:?}");
    assert_eq!(answer.all("x-auth-account").concat(), "", "{gateway:?}");
}

/// What callers hear when Countersign does not answer.
fn outage(gateway: Gateway) -> u16 {
    match gateway {
        Gateway::Caddy => 502,
        Gateway::Traefik => 500,
        Gateway::HaProxy | Gateway::Envoy | Gateway::EnvoyGrpc => 503,
        Gateway::EnvoyJwt | Gateway::Apache => unreachable!("it asks nobody"),
    }
}

#[tokio::test]
async fn a_caller_with_a_registered_key_is_allowed_once() -> Result<()> {
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &[]).await?;
        let request = house.signed()?;
        let answer = house.send(&request).await?;
        assert_eq!(answer.status, 200, "{gateway:?}: {answer:?}");
        let seen = answer.seen()?;
        assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("GET", "/things?page=2"));
        assert_eq!(seen.all("x-auth-account"), ["robot"], "{gateway:?}");
        assert_eq!(seen.all("x-auth-account-id").concat().len(), 36, "{gateway:?}");
        assert_eq!(seen.all("x-auth-method"), ["signed-request"], "{gateway:?}");
        assert!(seen.all("x-auth-credential").concat().starts_with("SHA256:"), "{gateway:?}");
        assert_eq!(seen.all("authorization").concat(), "", "{gateway:?}: the token is spent");

        assert_challenged(gateway, &house.send(&request).await?);
        assert_eq!(house.upstream.requests(), 1, "{gateway:?}");
    }
    Ok(())
}

#[tokio::test]
async fn everybody_else_is_challenged() -> Result<()> {
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &[]).await?;
        let impostor = Caller::new("robot", KeyKind::Ed25519)?;
        let good = house.caller.authorization()?;
        for request in [
            Request::get("/"),
            Request::get("/").authorization("JWT nonsense"),
            Request::get("/").authorization("Bearer nonsense"),
            Request::get("/").authorization(&impostor.authorization()?),
            Request::get("/").authorization(&house.caller.old_authorization()?),
            Request::get("/").authorization(&format!("{good}, {good}")),
            Request::post("/", "body"),
        ] {
            assert_challenged(gateway, &house.send(&request).await?);
        }
        let twice = Request::get("/").authorization(&good).authorization(&good);
        assert_challenged(gateway, &house.send(&twice).await?);
        assert_eq!(house.upstream.requests(), 0, "{gateway:?}");
    }
    Ok(())
}

#[tokio::test]
async fn identity_headers_of_the_client_never_pass() -> Result<()> {
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &[]).await?;
        let seen = house.send(&house.signed()?.with_forged_identity()).await?.seen()?;
        assert_eq!(seen.all("x-auth-account"), ["robot"], "{gateway:?}");
        assert_eq!(seen.all("x-auth-groups").concat(), "", "{gateway:?}");
        assert_eq!(seen.forged(), [""; 0], "{gateway:?}");
        // A proxy drops what is named here (RFC 9110 section 7.6.1).
        let hop_by_hop = house.signed()?.line("Connection", "X-Auth-Account, X-Auth-Groups");
        let seen = house.send(&hop_by_hop).await?.seen()?;
        assert_eq!(seen.all("x-auth-account"), ["robot"], "{gateway:?}");
        let seen = house.send(&house.signed()?.line("X-Other", "kept")).await?.seen()?;
        assert_eq!(seen.all("x-other"), ["kept"], "{gateway:?}: the filter is no accident");
    }
    Ok(())
}

#[tokio::test]
async fn the_request_reaches_the_service_whole() -> Result<()> {
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &[]).await?;
        let body = "0123456789".repeat(5000);
        let request = Request::post("/things", &body).authorization(&house.caller.authorization()?);
        let seen = house.send(&request).await?.seen()?;
        assert_eq!((seen.method.as_str(), seen.body == body), ("POST", true), "{gateway:?}");
    }
    Ok(())
}

#[tokio::test]
async fn ten_requests_use_one_connection_to_countersign() -> Result<()> {
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &[]).await?;
        for number in 0..10 {
            // Refusals keep the connection too.
            assert_challenged(gateway, &house.send(&Request::post("/", "body")).await?);
            let answer = house.send(&house.signed()?).await?;
            assert_eq!(answer.status, 200, "{gateway:?}, request {number}: {answer:?}");
        }
        assert_eq!(house.proxy.connections(), 1, "{gateway:?}");
        assert_eq!(house.upstream.requests(), 10, "{gateway:?}");
    }
    Ok(())
}

#[tokio::test]
async fn without_countersign_nobody_is_allowed() -> Result<()> {
    for gateway in Gateway::ASKING {
        let mut house = House::around(gateway, &[]).await?;
        let request = house.signed()?;
        house.countersign.kill()?;
        for _ in 0..3 {
            let answer = house.send(&request).await?;
            assert_eq!(answer.status, outage(gateway), "{gateway:?}: {answer:?}");
        }
        assert_eq!(house.upstream.requests(), 0, "{gateway:?}");
    }
    Ok(())
}

/// Each gateway says the original request in the way that its endpoint reads.
#[tokio::test]
async fn a_caller_over_its_limit_hears_when_to_come_back() -> Result<()> {
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &["--rate-limit-per-credential=1/h"]).await?;
        assert_eq!(house.send(&house.signed()?).await?.status, 200, "{gateway:?}");
        let limited = house.send(&house.signed()?).await?;
        assert_eq!(limited.status, 429, "{gateway:?}: {limited:?}");
        let seconds: u64 = limited.all("retry-after").concat().parse()?;
        assert!((1..=3600).contains(&seconds), "{gateway:?}: {limited:?}");
        assert_eq!(house.upstream.requests(), 1, "{gateway:?}");
    }
    Ok(())
}

#[tokio::test]
async fn rules_are_decided_on_the_original_request() -> Result<()> {
    let rules = tempfile::NamedTempFile::new()?;
    std::fs::write(
        rules.path(),
        "[[rules]]\nhost = 'other.example'\npath = '/**'\nallow = 'public'\n\
         [[rules]]\npath = '/open/*'\nmethods = ['GET']\nallow = 'public'\n\
         [[rules]]\nhost = '127.0.0.1'\npath = '/things/**'\nallow = 'authenticated'\n\
         [[rules]]\npath = '/closed'\nallow = ['ops']",
    )?;
    let path = rules.path().to_string_lossy();
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &["--rules-file", &path]).await?;
        let signed = |request: Request| -> Result<Request> {
            Ok(request.authorization(&house.caller.authorization()?))
        };
        // What a client says about its own request is not believed.
        let lying = signed(Request::get("/nothing"))?
            .line("X-Forwarded-Method", "GET")
            .line("X-Forwarded-Host", "other.example")
            .line("X-Forwarded-Uri", "/open/1")
            .line("X-Original-Method", "GET")
            .line("X-Original-Host", "other.example")
            .line("X-Original-URI", "/open/1");
        for (request, status) in [
            (Request::get("/open/1?x=/closed"), 200),
            (Request::post("/open/1", ""), 403),
            (Request::get("/things"), 401),
            (signed(Request::get("/things?x"))?, 200),
            (signed(Request::get("/closed"))?, 403),
            (signed(Request::get("/open/%2e%2e/things"))?, 403),
            (lying, 403),
        ] {
            let answer = house.send(&request).await?;
            // Envoy normalises the path, and asks about the one that it passes on.
            let expected = match (gateway, status, request.path()) {
                (
                    Gateway::Envoy | Gateway::EnvoyGrpc | Gateway::Traefik,
                    403,
                    "/open/%2e%2e/things",
                ) => [403, 200, 400],
                (_, status, _) => [status; 3],
            };
            assert!(expected.contains(&answer.status), "{gateway:?} {request:?}: {answer:?}");
        }
    }
    Ok(())
}

/// A question whose answer was lost has spent the token: asked again, it could only be
/// refused. Traefik's client asks again over HTTP/1, whatever the configuration says.
#[tokio::test]
async fn a_kept_connection_that_breaks_is_an_accident() -> Result<()> {
    for gateway in Gateway::ASKING {
        let house = House::around(gateway, &[]).await?;
        assert_eq!(house.send(&house.signed()?).await?.status, 200, "{gateway:?}");

        house.proxy.behave(Behaviour::LosesAnswers);
        let answer = house.send(&house.signed()?).await?;
        assert_eq!(answer.status, outage(gateway), "{gateway:?}: {answer:?}");
        let asked = if gateway == Gateway::Traefik { 2 } else { 1 };
        assert_eq!((house.proxy.lost(), house.upstream.requests()), (asked, 1), "{gateway:?}");

        house.proxy.behave(Behaviour::Honest);
        assert_eq!(house.send(&house.signed()?).await?.status, 200, "{gateway:?}");
    }
    Ok(())
}

/// Without asking anybody: by the keys that Countersign publishes.
#[tokio::test]
async fn some_verify_access_tokens_by_themselves() -> Result<()> {
    for gateway in Gateway::VERIFYING {
        verifies_access_tokens(gateway).await?;
    }
    Ok(())
}

async fn verifies_access_tokens(gateway: Gateway) -> Result<()> {
    let identifier = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
    let for_things = ["--issuer", "https://auth.example", "--token-audiences", "things"];
    let mut house = House::around(gateway, &for_things).await?;
    let token = house.countersign.access_token("the key of a caller", identifier).await?;
    let bearer = |token: &str| Request::get("/things").authorization(&format!("Bearer {token}"));
    // The keys are fetched in the background.
    let good = bearer(&token)
        .with_forged_identity()
        .line("Connection", "X-Auth-Account-Id, X-Auth-Identifier");
    let seen = interop::eventually("the keys", async || {
        let answer = house.send(&good).await.ok()?;
        (answer.status == 200).then(|| answer.seen().ok()).flatten()
    });
    let seen = seen.await?;
    assert_eq!(seen.all("x-auth-account-id"), [identifier]);
    assert_eq!(seen.all("x-auth-identifier"), [identifier]);
    assert_eq!(seen.all("x-auth-account").concat(), "");
    assert_eq!(seen.all("authorization").concat(), "");
    assert_eq!(seen.forged(), [""; 0]);

    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{first}{}", signature.get(1..).unwrap_or_default());
    let stranger = Countersign::start_with(&for_things).await?;
    let strange = stranger.access_token("another key", identifier).await?;
    let twice = bearer(&token).authorization(&format!("Bearer {token}"));
    for (request, what) in [
        (bearer(&forged), "forged"),
        (twice, "twice"),
        (bearer(&strange), "of another server"),
        (bearer("a.b.c"), "no token"),
        (Request::get("/"), "nothing"),
        (Request::get("/").authorization(&house.caller.authorization()?), "a signed request"),
    ] {
        let answer = house.send(&request).await?;
        assert_eq!(answer.status, 401, "{gateway:?}, {what}: {answer:?}");
        assert!(answer.all("www-authenticate").concat().starts_with("Bearer "), "{answer:?}");
    }
    let posted = Request::post("/things", "body").authorization(&format!("Bearer {token}"));
    let seen = house.send(&posted).await?.seen()?;
    assert_eq!((seen.method.as_str(), seen.body.as_str()), ("POST", "body"));

    // Of the keys that it knows by now, and not for it, or no longer.
    for (options, lifetime) in [
        (["--issuer", "https://other.example", "--token-audiences", "things"], "15m"),
        (["--issuer", "https://auth.example", "--token-audiences", "others"], "15m"),
        (for_things, "1s"),
    ] {
        let options = [&options[..], &["--access-token-lifetime", lifetime]].concat();
        house.countersign.restart_with(&options).await?;
        let token = house.countersign.access_token("the key of a caller", identifier).await?;
        let is_refused = async || {
            let status = house.send(&bearer(&token)).await.ok()?.status;
            matches!(status, 401 | 403).then_some(())
        };
        if lifetime == "1s" {
            assert_eq!(house.send(&bearer(&token)).await?.status, 200, "{gateway:?}");
            interop::eventually(&format!("{gateway:?}: the end of the token"), is_refused).await?;
        } else {
            assert_eq!(is_refused().await, Some(()), "{gateway:?} {options:?}");
        }
    }
    Ok(())
}
