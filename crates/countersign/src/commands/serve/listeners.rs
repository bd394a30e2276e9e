//! The two listeners: one that gateways and callers reach, one for operators.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::config::{Limits, Settings};
use crate::failure::Failure;
use crate::listener::{Answers, Listener};
use crate::tls::Tls;

/// Both listeners, bound, and the TLS they share.
pub(super) struct Listeners {
    pub(super) public: Listener,
    pub(super) internal: Listener,
    tls: Option<Tls>,
}

impl Listeners {
    /// Takes both addresses.
    pub(super) async fn bind(settings: &Settings) -> Result<Self, Failure> {
        let tls = settings.tls.clone().map(Tls::load).transpose()?;
        let acceptor = || tls.as_ref().map(Tls::acceptor);
        let public = Listener::bind("listen", settings.listen, acceptor()).await?;
        let internal =
            Listener::bind("internal_listen", settings.internal_listen, acceptor()).await?;
        Ok(Self { public, internal, tls })
    }

    /// The file with the certificate that both show.
    pub(super) fn certificate_file(&self) -> Option<PathBuf> {
        let file = self.tls.as_ref()?.certificate_file();
        Some(std::path::absolute(file).unwrap_or_else(|_| file.to_owned()))
    }

    /// Serves until `stop`, then drains; how many connections were cut off.
    pub(super) async fn serve(
        self,
        public: impl Answers,
        internal: impl Answers,
        limits: Limits,
        stop: &CancellationToken,
    ) -> usize {
        let watch = self.tls.map(|tls| tokio::spawn(tls.watch()));
        let (cut_off, also) = tokio::join!(
            self.public.serve(public, limits, stop.clone()),
            self.internal.serve(internal, limits, stop.clone()),
        );
        if let Some(watch) = watch {
            watch.abort();
        }
        cut_off + also
    }
}
