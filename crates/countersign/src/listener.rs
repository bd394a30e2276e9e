//! A listening socket and the connections it accepts.
//!
//! Every connection has a limit on its header section, on the time until its
//! first request and between requests, and a place among a limited number.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use countersign_server::PeerAddress;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config::Limits;
use crate::failure::Failure;

/// How long to wait when the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many requests one HTTP/2 connection may have under way.
const MAX_CONCURRENT_STREAMS: u32 = 250;
/// How often a silent HTTP/2 connection is asked whether it is still there.
const HTTP2_PING: Duration = Duration::from_secs(30);

/// A bound socket, accepting once [`serve`](Self::serve) runs.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

/// What answers the requests of a listener.
pub(crate) trait Answers: Clone + Send + Sync + 'static
where
    Self: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>,
{
}

impl<A: Clone + Send + Sync + 'static> Answers for A where
    A: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
{
}

/// What every connection of a listener shares.
struct Connections<A> {
    http: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    answers: A,
    header_timeout: Duration,
    stop: CancellationToken,
}

impl Listener {
    /// Takes the address; `setting` names it in the error.
    ///
    /// # Errors
    /// A [`Failure`] that says what to do if the address is taken.
    pub(crate) async fn bind(
        setting: &str,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) -> Result<Self, Failure> {
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => Failure::usage(format_args!(
                "{setting} {address} is taken by another program: stop it, or choose another address (port 0 takes a free one)"
            )),
            io::ErrorKind::PermissionDenied => Failure::usage(format_args!(
                "{setting} {address} may not be used by this user: choose a port above 1023"
            )),
            _ => Failure::usage(format_args!("cannot listen on {setting} {address}: {error}")),
        };
        let socket = TcpListener::bind(address).await.map_err(cannot)?;
        let address = socket.local_addr().map_err(cannot)?;
        Ok(Self { socket, address, tls })
    }

    /// The URL at which this machine reaches the listener.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("{scheme}://{address}")
    }

    /// Accepts connections until `stop` and for as long behind it as load balancers take to
    /// notice, then lets requests under way finish; the number of connections that did not
    /// in time.
    pub(crate) async fn serve(
        self,
        answers: impl Answers,
        limits: Limits,
        stop: CancellationToken,
    ) -> usize {
        let places = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let connections = Arc::new(Connections {
            http: http(limits),
            tls: self.tls,
            answers,
            header_timeout: limits.header_timeout,
            stop: stop.clone(),
        });
        let mut end = std::pin::pin!(async {
            stop.cancelled().await;
            tokio::time::sleep(limits.drain_delay).await;
        });
        loop {
            let (stream, peer, place) = tokio::select! {
                accepted = accept(&self.socket, &places) => accepted,
                () = &mut end => break,
            };
            let (connections, watcher) = (Arc::clone(&connections), graceful.watcher());
            tokio::spawn(async move {
                connections.serve(stream, peer, watcher).await;
                drop(place);
            });
        }
        // From here on the port is free for the next process.
        drop(self.socket);
        let connections = limits.connections;
        tokio::select! {
            () = graceful.shutdown() => 0,
            () = tokio::time::sleep(limits.drain_timeout) => connections - places.available_permits(),
        }
    }
}

/// The next connection, once there is a place for it. Those that wait for one
/// wait in the kernel's queue.
async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    // Unwrap safety: the semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.expect("an open semaphore");
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            // The caller went away between knocking and being let in.
            Err(error) if is_callers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_callers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn http(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .keep_alive_interval(HTTP2_PING);
    builder
}

impl<A: Answers> Connections<A> {
    async fn serve(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Small answers must not wait for the acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.converse(stream, peer, watcher).await,
            Some(acceptor) => {
                let handshake = acceptor.accept(stream);
                match tokio::time::timeout(self.header_timeout, handshake).await {
                    Ok(Ok(stream)) => self.converse(stream, peer, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                }
            }
        }
    }

    async fn converse<S>(self: &Arc<Self>, stream: S, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let first_request = Notify::new();
        let service = service_fn(|request| {
            first_request.notify_one();
            Arc::clone(self).answer(request, peer)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(watcher.watch(connection));
        // The HTTP library's own timeout begins only when it knows which HTTP
        // is spoken: a caller that never says so must go too.
        let outcome = tokio::select! {
            outcome = &mut connection => outcome,
            () = first_request.notified() => connection.await,
            () = tokio::time::sleep(self.header_timeout) => {
                tracing::debug!(%peer, "no request in time");
                return;
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, error, "connection ended early");
        }
    }

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Infallible> {
        let keeps_connections_alive = request.version() < Version::HTTP_2;
        request.extensions_mut().insert(PeerAddress(peer));
        let mut response = self.answers.clone().call(request.map(Body::new)).await?;
        // A connection that is closed while it is idle may cross with its next request. HTTP/2
        // has a word for that (GOAWAY); here the last answer says that it is the last.
        if keeps_connections_alive && self.stop.is_cancelled() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}
