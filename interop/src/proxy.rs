//! A TCP proxy that counts connections and, if told to, is a bad network.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BUFFER_BYTES: usize = 16 * 1024;

/// What happens to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It passes.
    Honest,
    /// It passes, each piece of it so much later.
    Slow(Duration),
    /// The server does its work; its answer is dropped and the connection with it.
    LosesAnswers,
    /// Nothing passes, and no end notices when the other hangs up, as if the wire between them
    /// were cut. What is sent meanwhile passes when it behaves otherwise, as TCP sends it again.
    Holds,
}

/// A running proxy; it ends when this value goes.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<String>,
    behaviour: watch::Sender<Behaviour>,
    cuts: watch::Sender<()>,
    connections: AtomicUsize,
    lost: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy in front of an address.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(target: &str, behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared {
            target: Mutex::new(target.to_owned()),
            behaviour: watch::Sender::new(behaviour),
            cuts: watch::Sender::default(),
            connections: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Its address and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Changes what happens to what passes from now on, on open connections too.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.behaviour.send_replace(behaviour);
    }

    /// Stands in front of another address from the next connection on.
    pub fn aim_at(&self, target: &str) {
        target.clone_into(&mut lock(&self.shared.target));
    }

    /// Cuts every open connection.
    pub fn cut(&self) {
        self.shared.cuts.send_replace(());
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many answers it has lost.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// Until something may pass.
    async fn way_is_free(&self) {
        let mut behaviour = self.behaviour.subscribe();
        // The sender lives as long as `self`.
        let _ = behaviour.wait_for(|behaviour| *behaviour != Behaviour::Holds).await;
    }

    async fn dawdle(&self) {
        self.way_is_free().await;
        let behaviour = *self.behaviour.borrow();
        if let Behaviour::Slow(delay) = behaviour {
            tokio::time::sleep(delay).await;
        }
    }
}

/// What a panic left behind is whole: no change takes two steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        let mut cuts = shared.cuts.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                // Nothing passes any more that was held until now.
                biased;
                _ = cuts.changed() => {}
                // A connection that breaks is the callers' to notice.
                _ = relay(client, &shared) => {}
            }
        });
    }
}

async fn relay(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    shared.way_is_free().await;
    let target = lock(&shared.target).clone();
    let mut server = TcpStream::connect(&target).await?;
    // Whether small pieces wait for others is for the two ends to say.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut request, mut answer) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let length = read?;
                shared.dawdle().await;
                match length {
                    0 => return server.shutdown().await,
                    length => server.write_all(&request[..length]).await?,
                }
            }
            read = server.read(&mut answer) => {
                let length = read?;
                if *shared.behaviour.borrow() == Behaviour::LosesAnswers && length > 0 {
                    shared.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                shared.dawdle().await;
                match length {
                    0 => return client.shutdown().await,
                    length => client.write_all(&answer[..length]).await?,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes back within a while that is long enough for what passes.
    async fn said(stream: &mut TcpStream) -> Option<usize> {
        let mut said = [0; 8];
        let reading = stream.read(&mut said);
        tokio::time::timeout(Duration::from_millis(200), reading)
            .await
            .ok()
            .map(|read| read.unwrap_or(0))
    }

    #[tokio::test]
    async fn what_is_held_passes_afterwards_or_breaks() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = echo.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        let proxy = Proxy::start(&address, Behaviour::Honest).await.unwrap();
        let mut open = TcpStream::connect(proxy.address()).await.unwrap();
        open.write_all(b"one").await.unwrap();
        open.read_exact(&mut [0; 3]).await.unwrap();

        proxy.behave(Behaviour::Holds);
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        for stream in [&mut open, &mut new] {
            stream.write_all(b"two").await.unwrap();
            assert_eq!(said(stream).await, None);
        }
        proxy.behave(Behaviour::Honest);
        for stream in [&mut open, &mut new] {
            let mut said = [0; 3];
            stream.read_exact(&mut said).await.unwrap();
            assert_eq!(&said, b"two");
        }

        proxy.behave(Behaviour::Holds);
        open.write_all(b"three").await.unwrap();
        proxy.cut();
        proxy.behave(Behaviour::Honest);
        assert!(matches!(open.read(&mut [0; 5]).await, Ok(0) | Err(_)));
    }
}
