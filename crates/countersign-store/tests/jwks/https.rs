//! Fetching over TLS: the server must prove its name.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign_core::{JwkSet, KeyKind, PrivateKey};
use countersign_store::{FetchError, FetchJwks, HttpFetcher, JwksRules, JwksUrl};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The servers are on this host.
const RULES: JwksRules = JwksRules { dangerous_allow_insecure: true };

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Serves `body` over TLS as `name`.
async fn serve(authority: &Authority, name: &str, body: String) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // A client that does not trust us ends the handshake.
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let _ = connection.read(&mut [0; 4096]).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes()).await;
            let _ = connection.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_proves_its_name_is_believed() {
    let (authority, key) = (authority(), PrivateKey::generate(KeyKind::P256).unwrap());
    let body = JwkSet::write(&[key.public_key().clone()]);
    let address = serve(&authority, "localhost", body).await;
    let url = JwksUrl::parse(&format!("https://localhost:{}/", address.port()), &RULES).unwrap();
    let fetcher = HttpFetcher::new(RULES).trusting(&authority.pem()).unwrap();
    let set = fetcher.fetch(&url).await.unwrap();
    assert_eq!(&set.keys[0].key, key.public_key());
}

#[tokio::test]
async fn a_server_that_does_not_is_refused_even_with_the_dangerous_option() {
    let (authority, other) = (authority(), authority());
    let body = JwkSet::write(&[]);
    let known = serve(&authority, "issuer.example", body.clone()).await;
    let unknown = serve(&other, "localhost", body).await;
    let fetcher = HttpFetcher::new(RULES).trusting(&authority.pem()).unwrap();
    for (case, address) in [("another name", known), ("an unknown authority", unknown)] {
        let url = format!("https://localhost:{}/", address.port());
        let refused = fetcher.fetch(&JwksUrl::parse(&url, &RULES).unwrap()).await;
        match refused {
            Err(FetchError::Unreachable(text)) => {
                assert!(text.contains("certificate"), "{case}: {text}");
            }
            other => panic!("{case}: {other:?}"),
        }
    }
}
