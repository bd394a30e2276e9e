//! A TCP proxy that counts connections and, if told to, loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const BUFFER_BYTES: usize = 16 * 1024;

/// What happens to the answers of the server behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// They pass.
    Honest,
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
    target: String,
    loses_answers: AtomicBool,
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
            target: target.to_owned(),
            loses_answers: AtomicBool::new(behaviour == Behaviour::LosesAnswers),
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

    /// Changes what happens to answers from now on, on open connections too.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.loses_answers.store(behaviour == Behaviour::LosesAnswers, Ordering::SeqCst);
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
    let mut server = TcpStream::connect(&shared.target).await?;
    let (mut request, mut answer) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read? {
                0 => return server.shutdown().await,
                length => server.write_all(&request[..length]).await?,
            },
            read = server.read(&mut answer) => match read? {
                0 => return client.shutdown().await,
                _ if shared.loses_answers.load(Ordering::SeqCst) => {
                    shared.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                length => client.write_all(&answer[..length]).await?,
            },
        }
    }
}
