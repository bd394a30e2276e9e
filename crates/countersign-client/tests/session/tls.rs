//! The service proves its name, and the caller who it is.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use countersign_client::{CallError, Service, ServiceBuilder, Session, SessionError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use reqwest::Url;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::support::{IDENTIFIER, QUICK, key};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// PEM of a certificate and its key, for a caller.
fn caller(authority: &Authority) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["caller".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    format!("{}{}", params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (connection, address) = self.listener.accept().await.unwrap();
            // Whoever is not trusted, or does not trust us, ends the handshake.
            if let Ok(connection) = self.acceptor.accept(connection).await {
                return (connection, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A service that `authority` vouches for, and that speaks only with callers whom it
/// vouches for.
async fn serve(authority: &Authority) -> Url {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let callers = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(callers)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    let router = Router::new().fallback(async || "{\"jwt\":\"a.b.c\"}");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("https://localhost:{port}/").parse().unwrap()
}

async fn ask(service: ServiceBuilder) -> Result<String, SessionError> {
    let service = service.with_retries(QUICK).build().unwrap();
    let token = Session::new(service, IDENTIFIER, key()).access_token().await?;
    Ok(token.reveal().to_owned())
}

#[tokio::test]
async fn who_is_vouched_for_on_both_sides_is_answered() {
    let authority = authority();
    let url = serve(&authority).await;
    let at = || Service::at(url.clone()).with_client_certificate(caller(&authority));
    for service in [at().trusting(authority.pem()), at().trusting_only(authority.pem())] {
        assert_eq!(ask(service).await.unwrap(), "a.b.c");
    }
}

#[tokio::test]
async fn a_service_that_is_not_vouched_for_is_told_nothing() {
    let (authority, other) = (authority(), authority());
    let url = serve(&authority).await;
    let at = || Service::at(url.clone()).with_client_certificate(caller(&authority));
    for service in [at(), at().trusting(other.pem()), at().trusting_only(other.pem())] {
        match ask(service).await {
            Err(SessionError::Call(CallError::Unreachable(text))) => {
                assert!(text.contains("certificate"), "{text}");
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_caller_that_is_not_vouched_for_is_told_nothing() {
    let (authority, other) = (authority(), authority());
    let url = serve(&authority).await;
    let at = || Service::at(url.clone()).trusting_only(authority.pem());
    for service in [at(), at().with_client_certificate(caller(&other))] {
        let outcome = ask(service).await;
        let is_refused = matches!(outcome, Err(SessionError::Call(CallError::Unreachable(_))));
        assert!(is_refused, "{outcome:?}");
    }
}
