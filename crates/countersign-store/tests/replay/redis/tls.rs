//! Redis that speaks TLS, alone, in a cluster and behind a sentinel.

use std::fs;
use std::sync::Arc;

use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_store::replay::{RedisError, RedisServer};
use countersign_testbed::Redis;
use tempfile::TempDir;

use super::{at, nodes, settled, spent, start};
use crate::outages::is_unavailable;
use crate::support::{ManualClock, NOON};

/// A certificate for all servers of a test, which signs itself.
struct Certificate {
    pem: String,
    files: [String; 2],
    _directory: TempDir,
}

impl Certificate {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let pem = certified.cert.pem();
        let contents = [pem.clone(), certified.signing_key.serialize_pem()];
        let files = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
        for (file, content) in files.iter().zip(contents) {
            fs::write(file, content).unwrap();
        }
        let files = files.map(|file| file.to_str().unwrap().to_owned());
        Self { pem, files, _directory: directory }
    }

    /// What has a server speak TLS: to callers, its cluster and its master.
    fn settings(&self) -> Vec<&str> {
        let [cert, key] = &self.files;
        let settings = [
            ["--tls-cert-file", cert],
            ["--tls-key-file", key],
            ["--tls-ca-cert-file", cert],
            ["--tls-auth-clients", "no"],
            ["--tls-cluster", "yes"],
            ["--tls-replication", "yes"],
        ];
        settings.concat()
    }

    /// The servers at this URL, known by this certificate.
    fn knows(&self, url: &str) -> RedisServer {
        RedisServer { root_certificate: Some(self.pem.clone().into_bytes()), ..at(url) }
    }
}

/// That uses are taken by those who know the certificate, and nothing is said to others.
async fn takes_uses_over_tls(certificate: &Certificate, url: &str) {
    let (guard, clock) = settled(certificate.knows(url)).await;
    let another = start(certificate.knows(url), &clock).await.unwrap();
    for number in 0..30 {
        assert_eq!(spent(&guard, &clock, number).await, Ok(()));
        assert_eq!(spent(&another, &clock, number).await, Err(GuardError::Replayed));
    }
    let stranger = start(at(url), &clock).await.unwrap();
    assert!(stranger.check().await.is_err());
    let refused = spent(&stranger, &clock, 30).await;
    assert!(is_unavailable(&refused), "{refused:?}");
}

#[tokio::test]
async fn certificate_and_password_are_checked() {
    let (directory, certificate) = (TempDir::new().unwrap(), Certificate::new());
    let settings = [&certificate.settings()[..], &["--requirepass", "opensesame"]].concat();
    let redis = Redis::start(directory.path(), &settings).unwrap();
    let url = |login: &str| format!("rediss://{login}{}", redis.address());
    takes_uses_over_tls(&certificate, &url(":opensesame@")).await;

    let clock = Arc::new(ManualClock::at(NOON));
    for wrong in [":wrong-word@", ""] {
        let server = certificate.knows(&url(wrong));
        let Err(RedisError::Unfit(refused)) = start(server, &clock).await else {
            panic!("accepted {wrong}");
        };
        assert!(!refused.contains("wrong-word"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_master_of_a_cluster_is_reached_over_tls() {
    let certificate = Certificate::new();
    let masters = nodes::masters(&certificate.settings()).await;
    // The others are found by what the first says.
    let first = masters[0].server.address();
    takes_uses_over_tls(&certificate, &format!("rediss+cluster://{first}")).await;
    for master in &masters {
        assert!(master.keys() > 2, "each takes its part");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_and_its_master_are_reached_over_tls() {
    let (directories, certificate) =
        ([TempDir::new().unwrap(), TempDir::new().unwrap()], Certificate::new());
    let master = Redis::start(directories[0].path(), &certificate.settings()).unwrap();
    let file = directories[1].path().join("sentinel.conf");
    let address = master.address().replace(':', " ");
    fs::write(&file, format!("sentinel monitor main {address} 1\n")).unwrap();
    let first = [file.to_str().unwrap(), "--sentinel"];
    let sentinel = Redis::start_as(directories[1].path(), &first, &certificate.settings()).unwrap();
    takes_uses_over_tls(&certificate, &format!("rediss+sentinel://{}/main", sentinel.address()))
        .await;
}
