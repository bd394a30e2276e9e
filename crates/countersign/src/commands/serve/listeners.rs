//! The listeners: one that gateways and callers reach, one for operators, and one for Envoy
//! if it asks over gRPC.

use std::path::PathBuf;

use countersign_server::Service;
use tokio_util::sync::CancellationToken;

use crate::config::{Limits, Settings};
use crate::failure::Failure;
use crate::listener::Listener;
use crate::tls::Tls;

/// The listeners, bound, and the TLS they share.
pub(super) struct Listeners {
    pub(super) public: Listener,
    pub(super) internal: Listener,
    pub(super) envoy: Option<Listener>,
    tls: Option<Tls>,
}

impl Listeners {
    /// Takes the addresses.
    pub(super) async fn bind(settings: &Settings) -> Result<Self, Failure> {
        let tls = settings.tls.clone().map(Tls::load).transpose()?;
        let acceptor = || tls.as_ref().map(Tls::acceptor);
        let public = Listener::bind("listen", settings.listen, acceptor()).await?;
        let internal =
            Listener::bind("internal_listen", settings.internal_listen, acceptor()).await?;
        let envoy = match settings.envoy_listen {
            Some(address) => Some(Listener::bind("envoy_listen", address, acceptor()).await?),
            None => None,
        };
        Ok(Self { public, internal, envoy, tls })
    }

    /// The file with the certificate that they show.
    pub(super) fn certificate_file(&self) -> Option<PathBuf> {
        let file = self.tls.as_ref()?.certificate_file();
        Some(std::path::absolute(file).unwrap_or_else(|_| file.to_owned()))
    }

    /// Serves until `stop`, then drains; how many connections were cut off.
    pub(super) async fn serve(
        self,
        service: &Service,
        limits: Limits,
        stop: &CancellationToken,
    ) -> usize {
        let watch = self.tls.map(|tls| tokio::spawn(tls.watch()));
        let envoy = async {
            match self.envoy {
                Some(envoy) => envoy.serve(service.envoy(), limits, stop.clone()).await,
                None => 0,
            }
        };
        let (public, internal, envoy) = tokio::join!(
            self.public.serve(service.public(), limits, stop.clone()),
            self.internal.serve(service.internal(), limits, stop.clone()),
            envoy,
        );
        if let Some(watch) = watch {
            watch.abort();
        }
        public + internal + envoy
    }
}
