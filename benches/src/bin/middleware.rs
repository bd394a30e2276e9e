//! What the middleware costs a service beyond what it must: beyond the bare service
//! with a shared secret, and beyond bare verification with a cached key.
//!
//! Bare verification is what a service without the layer has to do: core reads the
//! token and verifies it, and nobody writes down who calls. What the signature check
//! alone is of all this is shown beside it.

use std::convert::Infallible;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_benches::bare::BareCheck;
use countersign_benches::clock::{NOW, Stopped, Stopwatch};
use countersign_benches::pairs::{Pairs, Ratios};
use countersign_benches::report::{Limit, Row, print};
use countersign_benches::tokens::{ed25519, rsa};
use countersign_core::{
    BearerPolicy, HmacAlgorithm, Issuer, PrivateKey, PublicJwk, SharedSecret, TrustedKeys, header,
};
use countersign_tower::{BearerTokens, Identity, Policy, RequireAuth};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer as _, Service};

/// Requests in one half of a pair.
const REQUESTS: usize = 2_000;
/// How much the layer with HS256 may cost beyond the bare service.
const MOST_MICROSECONDS: f64 = 3.0;
/// How much the layer may cost beyond verifying the token without it, as a ratio.
const MOST_RATIO: f64 = 1.05;
const KID: &str = "spring";
const ACCOUNT: &str = "billing-worker-7";
const AUDIENCE: &str = "billing";
const LEEWAY: Duration = Duration::from_secs(5);

type Answer = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// What makes the rows of one comparison.
type Measure = fn() -> Vec<Row>;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let comparisons: [(&str, Measure); 3] = [
        ("HS256", || vec![with_secret()]),
        ("EdDSA", || with_key("EdDSA", &ed25519(0))),
        ("RS512", || with_key("RS512", &rsa())),
    ];
    let chosen = comparisons.into_iter().filter(|(name, _)| name.contains(&wanted));
    let rows: Vec<Row> = chosen.flat_map(|(_, measure)| measure()).collect();
    if print("The middleware before a service that does nothing", &rows) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The service: whether somebody is known to it.
fn answer(request: Request<()>) -> Answer {
    let is_known = Identity::find(request.extensions()).is_some();
    black_box((is_known, request));
    std::future::ready(Ok(Response::new(Full::default())))
}

fn request(token: &str) -> Request<()> {
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
    let mut request = Request::new(());
    request.headers_mut().insert(AUTHORIZATION, value);
    request.headers_mut().insert("accept", HeaderValue::from_static("*/*"));
    request.headers_mut().insert("host", HeaderValue::from_static("billing.example"));
    request
}

/// One call, which never waits.
fn timed<S: Service<Request<()>, Response = Response<B>, Error = Infallible>, B>(
    service: &mut S,
    request: Request<()>,
) -> Duration {
    let mut context = Context::from_waker(Waker::noop());
    let watch = Stopwatch::start();
    assert!(service.poll_ready(&mut context).is_ready());
    let mut future = std::pin::pin!(service.call(request));
    let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut context) else {
        panic!("an answer at once")
    };
    let elapsed = watch.elapsed();
    assert_eq!(response.status(), 200);
    elapsed
}

fn with_secret() -> Row {
    let secret = SharedSecret::new(b"a shared secret that nobody guesses").expect("long enough");
    let issuer = Issuer::with_secret(secret.clone(), HmacAlgorithm::Hs256);
    let layer = layer(BearerTokens::shared_secret(secret));
    let mut bare = tower::service_fn(answer);
    let mut guarded = layer.layer(tower::service_fn(answer));
    let tokens = tokens(&issuer);
    let mut pairs = Pairs::new(|micros: &f64| *micros);
    while pairs.are_too_few() {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for token in &tokens {
            without.push(timed(&mut bare, request(token)));
            with.push(timed(&mut guarded, request(token)));
        }
        pairs.add(median_micros(without), median_micros(with));
    }
    let beyond = pairs.undisturbed().map(|(without, with)| with - without);
    Row {
        name: "HS256: microseconds beyond the bare service".to_owned(),
        ratios: Ratios::new(beyond.collect()),
        limit: Limit::AtMost,
        value: MOST_MICROSECONDS,
    }
}

fn with_key(name: &str, key: &PrivateKey) -> Vec<Row> {
    let issuer = Issuer::with_key(key.clone(), key.default_algorithm()).with_kid(KID);
    let jwk = PublicJwk {
        key: key.public_key().clone(),
        kid: Some(KID.to_owned()),
        algorithm: Some(key.default_algorithm()),
    };
    let keys = Arc::new(TrustedKeys::new([jwk]));
    let tokens = tokens(&issuer);
    let mut guarded =
        layer(BearerTokens::keys(Arc::new(Arc::clone(&keys)))).layer(tower::service_fn(answer));
    let mut bare = tower::service_fn(answer);

    let policy = BearerPolicy {
        audiences: vec![AUDIENCE.to_owned()],
        leeway: LEEWAY,
        ..BearerPolicy::default()
    };
    let algorithms = [key.default_algorithm()];
    let by_verification = ratios(&tokens, &mut guarded, |token| {
        let request = request(token);
        let watch = Stopwatch::start();
        let token = header::token(request.headers(), "Bearer").expect("a token");
        let verified = policy.verify_with_keys(&token, &keys, &algorithms, NOW);
        assert_eq!(black_box(verified).expect("a good token").account().as_str(), ACCOUNT);
        drop(token);
        watch.elapsed() + timed(&mut bare, request)
    });

    let check = BareCheck::new(key.public_key());
    let by_signature = ratios(&tokens, &mut guarded, |token| {
        let (input, signature) = token.rsplit_once('.').expect("a compact JWS");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let request = request(token);
        let watch = Stopwatch::start();
        let right = check.verify(input.as_bytes(), black_box(&signature));
        let checked = watch.elapsed();
        assert!(right);
        checked + timed(&mut bare, request)
    });
    vec![
        Row {
            name: format!("{name}, cached key: layer and service / bare verification and service"),
            ratios: by_verification,
            limit: Limit::AtMost,
            value: MOST_RATIO,
        },
        Row {
            name: format!(
                "{name}, cached key: layer and service / bare signature check and service"
            ),
            ratios: by_signature,
            limit: Limit::Shown,
            value: 0.0,
        },
    ]
}

/// What requests cost behind the layer, relative to what `without` takes for each token.
fn ratios<S, B>(
    tokens: &[String],
    guarded: &mut S,
    mut without: impl FnMut(&str) -> Duration,
) -> Ratios
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let mut pairs = Pairs::new(|micros: &f64| *micros);
    while pairs.are_too_few() {
        let (mut bare, mut with) = (Vec::new(), Vec::new());
        for token in tokens {
            bare.push(without(token));
            with.push(timed(guarded, request(token)));
        }
        pairs.add(median_micros(bare), median_micros(with));
    }
    Ratios::new(pairs.undisturbed().map(|(without, with)| with / without).collect())
}

fn layer(tokens: BearerTokens) -> RequireAuth {
    let policy = Policy::accepting(tokens.audience(AUDIENCE).leeway(LEEWAY));
    RequireAuth::new(policy.clock(Arc::new(Stopped)).build().expect("a policy"))
}

/// Tokens such as services have them: who, for whom, and two claims more.
fn tokens(issuer: &Issuer) -> Vec<String> {
    let issuer = issuer.clone().with_name("https://auth.example").with_audience([AUDIENCE]);
    let claims = |number: usize| serde_json::json!({"jti": number, "groups": ["ops"]});
    let token = |number| issuer.issue(ACCOUNT, &claims(number), NOW).expect("a token");
    (0..REQUESTS).map(token).collect()
}

fn median_micros(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
