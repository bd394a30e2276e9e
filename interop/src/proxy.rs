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
    behaviour: Mutex<Behaviour>,
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
            behaviour: Mutex::new(behaviour),
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
        *lock(&self.shared.behaviour) = behaviour;
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
    async fn dawdle(&self) {
        let behaviour = *lock(&self.behaviour);
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
        tokio::spawn(async move {
            // A connection that breaks is the callers' to notice.
            let _ = relay(client, &shared).await;
        });
    }
}

async fn relay(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut cuts = shared.cuts.subscribe();
    let target = lock(&shared.target).clone();
    let mut server = TcpStream::connect(&target).await?;
    let (mut request, mut answer) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read? {
                0 => return server.shutdown().await,
                length => {
                    shared.dawdle().await;
                    server.write_all(&request[..length]).await?;
                }
            },
            read = server.read(&mut answer) => match read? {
                0 => return client.shutdown().await,
                _ if *lock(&shared.behaviour) == Behaviour::LosesAnswers => {
                    shared.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                length => {
                    shared.dawdle().await;
                    client.write_all(&answer[..length]).await?;
                }
            },
            _ = cuts.changed() => return Ok(()),
        }
    }
}
