//! Fetching from real servers on this host, well-behaved and hostile ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_core::{AccountId, JwkSet, JwkSetError, KeyKind, PrivateKey, PublicKey};
use countersign_store::{
    EndpointKeys, FetchError, FetchJwks, FetchLimits, ForbiddenAddress, HttpFetcher, JwksRules,
    JwksSchedule, JwksUrl, JwksUrlError, RemoteJwks,
};
use countersign_system::{SystemClock, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use uuid::Uuid;
use wiremock::matchers::{headers, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const INSECURE: JwksRules = JwksRules { dangerous_allow_insecure: true };
const STRICT: JwksRules = JwksRules { dangerous_allow_insecure: false };
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

fn insecure(url: &str) -> JwksUrl {
    JwksUrl::parse(url, &INSECURE).unwrap()
}

fn key() -> PublicKey {
    PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone()
}

async fn fetch(url: &str) -> Result<JwkSet, FetchError> {
    HttpFetcher::new(INSECURE).fetch(&insecure(url)).await
}

async fn fetch_answer(answer: ResponseTemplate) -> Result<JwkSet, FetchError> {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    fetch(&format!("{}/jwks.json", server.uri())).await
}

/// A server that reads one request per connection and then does what `answer`
/// does with the connection. Counts its connections.
async fn raw_server<F, Answer>(answer: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> Answer + Send + 'static,
    Answer: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = connection.read(&mut [0; 4096]).await;
            tokio::spawn(answer(connection));
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_set_is_fetched_with_its_unusable_keys_left_out() {
    let (good, server) = (key(), MockServer::start().await);
    let mut set: serde_json::Value =
        serde_json::from_str(&JwkSet::write(std::slice::from_ref(&good))).unwrap();
    let short = "AQAB".repeat(43);
    set["keys"].as_array_mut().unwrap().extend([
        serde_json::json!({"kty": "RSA", "n": short, "e": "AQAB"}),
        serde_json::json!({"kty": "OKP", "crv": "X25519", "x": "AA"}),
    ]);
    Mock::given(method("GET"))
        .and(path("/jwks.json"))
        .and(headers("accept", vec!["application/jwk-set+json", "application/json"]))
        .respond_with(ResponseTemplate::new(200).set_body_string(set.to_string()))
        .mount(&server)
        .await;
    let set = fetch(&format!("{}/jwks.json", server.uri())).await.unwrap();
    assert_eq!(set.keys.len(), 1);
    assert_eq!(set.keys[0].key, good);
    assert_eq!(set.skipped.len(), 2);
    assert!(set.skipped[0].to_string().contains("at least 2048"), "{}", set.skipped[0]);
}

#[tokio::test]
async fn what_is_no_jwk_set_is_refused() {
    for (body, error) in [
        ("<html>sign in</html>", JwkSetError::NotAnObject),
        ("", JwkSetError::NotAnObject),
        ("{}", JwkSetError::NoKeys),
    ] {
        let answer = ResponseTemplate::new(200).set_body_string(body);
        assert_eq!(fetch_answer(answer).await, Err(FetchError::NotASet(error)), "{body}");
    }
}

#[tokio::test]
async fn another_status_than_200_is_refused_even_with_a_good_set() {
    for status in [201, 203, 204, 206, 400, 404, 500, 503] {
        let answer = ResponseTemplate::new(status).set_body_string(JwkSet::write(&[key()]));
        assert_eq!(fetch_answer(answer).await, Err(FetchError::Status(status)), "{status}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = MockServer::start().await;
    let target = format!("{}/target", server.uri());
    for status in [301, 302, 303, 307, 308] {
        Mock::given(path(format!("/{status}")))
            .respond_with(ResponseTemplate::new(status).insert_header("location", &*target))
            .mount(&server)
            .await;
    }
    Mock::given(path("/target"))
        .respond_with(ResponseTemplate::new(200).set_body_string(JwkSet::write(&[key()])))
        .expect(0)
        .mount(&server)
        .await;
    for status in [301, 302, 303, 307, 308] {
        let fetched = fetch(&format!("{}/{status}", server.uri())).await;
        assert_eq!(fetched, Err(FetchError::Redirected(status)));
    }
}

#[tokio::test]
async fn the_limits_are_five_seconds_and_one_mebibyte() {
    let limits = FetchLimits { time: Duration::from_secs(5), bytes: 1024 * 1024 };
    assert_eq!(FetchLimits::default(), limits);
}

#[tokio::test]
async fn a_body_is_cut_at_the_limit() {
    let body = |length: usize| format!("{{\"keys\":[]{}}}", " ".repeat(length - 11));
    let answer = |length| ResponseTemplate::new(200).set_body_string(body(length));
    assert_eq!(fetch_answer(answer(1024 * 1024)).await, Ok(JwkSet::default()));
    assert_eq!(fetch_answer(answer(1024 * 1024 + 1)).await, Err(FetchError::TooLong(1024 * 1024)));
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let (address, _) = raw_server(|mut connection| async move {
        let head = format!("{OK}transfer-encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        let mut sent = connection.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = connection.write_all(chunk.as_bytes()).await;
        }
    })
    .await;
    let fetched = fetch(&format!("http://{address}/")).await;
    assert_eq!(fetched, Err(FetchError::TooLong(1024 * 1024)));
}

#[tokio::test]
async fn a_slow_answer_is_cut_at_the_limit_wherever_it_stalls() {
    let time = Duration::from_millis(50);
    for sent in ["", OK, &format!("{OK}content-length: 100\r\n\r\n{{\"keys\":[")] {
        let sent = sent.to_owned();
        let (address, _) = raw_server(move |mut connection| {
            let sent = sent.clone();
            async move {
                connection.write_all(sent.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            }
        })
        .await;
        let fetcher = HttpFetcher::new(INSECURE).with_limits(FetchLimits { time, bytes: 1024 });
        let outcome = fetcher.fetch(&insecure(&format!("http://{address}/"))).await;
        assert_eq!(outcome, Err(FetchError::TooSlow(time)));
    }
}

#[tokio::test]
async fn a_broken_connection_is_an_error_without_the_query() {
    let (address, _) = raw_server(|connection| async move { drop(connection) }).await;
    let error = fetch(&format!("http://{address}/k?token=s3cret")).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

#[tokio::test]
async fn without_the_option_nothing_on_this_host_is_connected_to() {
    let (address, connections) = raw_server(|connection| async move { drop(connection) }).await;
    let fetcher = HttpFetcher::new(STRICT);
    let port = address.port();
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let refused = fetcher.fetch(&insecure(&format!("https://{host}:{port}/"))).await;
        let forbidden = matches!(refused, Err(FetchError::Url(JwksUrlError::Forbidden(_))));
        assert!(forbidden, "{host}: {refused:?}");
        let plain = fetcher.fetch(&insecure(&format!("http://{host}:{port}/"))).await;
        assert_eq!(plain, Err(FetchError::Url(JwksUrlError::Insecure)), "{host}");
    }
    let private = fetcher.fetch(&insecure("https://10.0.0.1/")).await;
    let expected = ForbiddenAddress([10, 0, 0, 1].into());
    assert_eq!(private, Err(FetchError::Url(expected.into())));
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_rotated_key_is_picked_up_and_the_directory_told() {
    let (server, old, new) = (MockServer::start().await, key(), key());
    for (set, times) in [(&old, 1), (&new, u64::MAX)] {
        let body = JwkSet::write(std::slice::from_ref(set));
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .up_to_n_times(times)
            .mount(&server)
            .await;
    }
    let cooldown = Duration::ZERO;
    let schedule = JwksSchedule { unknown_kid_cooldown: cooldown, ..JwksSchedule::default() };
    let fetcher = Arc::new(HttpFetcher::new(INSECURE));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let jwks = RemoteJwks::with_schedule(schedule, INSECURE, fetcher, clock, random);
    let (sender, mut told) = mpsc::unbounded_channel();
    jwks.tell(Box::new(move |account| sender.send(account).unwrap()));

    let account = AccountId(Uuid::from_u128(1));
    jwks.set_endpoints(account, &[format!("{}/jwks.json", server.uri())]);
    assert_eq!(told.recv().await, Some(account));
    assert_eq!(jwks.keys(account)[0].key, old);
    jwks.unknown_key(account);
    assert_eq!(told.recv().await, Some(account));
    assert_eq!(jwks.keys(account)[0].key, new);
}
