//! TLS: the certificate that the listeners show, read again when its files change.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::failure::Failure;
use crate::files;

/// How often the files are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The certificate to show, which can be exchanged while connections go on.
#[derive(Debug)]
struct CurrentCertificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// TLS for the listeners, and the watch over its files.
pub(crate) struct Tls {
    files: TlsFiles,
    seen: Stamp,
    current: Arc<CurrentCertificate>,
    config: Arc<rustls::ServerConfig>,
}

impl Tls {
    /// Reads the certificate chain and its key.
    ///
    /// # Errors
    /// A [`Failure`] that names the file and what is wrong with it.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, Failure> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let seen = Stamp::of(&files);
        let certificate = read(&files, &provider)?;
        let current = Arc::new(CurrentCertificate(ArcSwap::from_pointee(certificate)));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<CurrentCertificate>::clone(&current);
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Failure::refused)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, seen, current, config: Arc::new(config) })
    }

    /// What a listener accepts with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }

    /// The file that holds the certificate.
    pub(crate) fn certificate_file(&self) -> &Path {
        &self.files.cert
    }

    /// Shows a new certificate when the files change, for as long as it runs.
    /// Files that are no good, or belong to different keys because only one of
    /// them has been replaced yet, change nothing.
    pub(crate) async fn watch(mut self) {
        let provider = aws_lc_rs::default_provider();
        let mut interval = tokio::time::interval(WATCH_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let stamp = Stamp::of(&self.files);
            if stamp == self.seen {
                continue;
            }
            self.seen = stamp;
            match read(&self.files, &provider) {
                Ok(certificate) => {
                    self.current.0.store(Arc::new(certificate));
                    tracing::info!(file = %self.files.cert.display(), "TLS certificate reloaded");
                }
                Err(error) => tracing::warn!(
                    %error,
                    "the TLS files changed but cannot be used: the former certificate stays"
                ),
            }
        }
    }
}

/// What tells one state of the files from another.
#[derive(Debug, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64, u64)>; 2]);

impl Stamp {
    fn of(files: &TlsFiles) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let stamp = |path: &Path| -> io::Result<_> {
            // Followed: certificate tools move a symbolic link.
            let found = fs::metadata(path)?;
            Ok((found.modified()?, found.len(), found.ino()))
        };
        Self([stamp(&files.cert).ok(), stamp(&files.key).ok()])
    }
}

fn read(tls: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, Failure> {
    let chain = certificates(&tls.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&files::read(&tls.key)?).map_err(|_| {
        Failure::usage(format_args!(
            "{} holds no private key that TLS can use, expected PEM (PKCS#8, PKCS#1 or SEC1, without a passphrase)",
            tls.key.display()
        ))
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => Failure::usage(format_args!(
            "{} is not the private key of the certificate in {}",
            tls.key.display(),
            tls.cert.display()
        )),
        error => Failure::usage(format_args!(
            "{} and {} cannot be used for TLS: {error}",
            tls.cert.display(),
            tls.key.display()
        )),
    })
}

/// The certificates in a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = files::read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(Failure::usage(format_args!(
            "{} holds no certificate, expected PEM that begins with `-----BEGIN CERTIFICATE-----`",
            path.display()
        ))),
    }
}
