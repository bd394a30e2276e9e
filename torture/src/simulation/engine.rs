//! The engine that remembers spent nonces for all replicas: as much of Redis as the guard
//! asks for, on a host that can be killed.
//!
//! What matters of Redis is here: one command at a time; what was acknowledged outlives a
//! kill, or a failover to a copy that fell behind loses it; each start has another run id;
//! keys expire by this host's clock; a client may never hear of a write that was made.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::Clock as _;
use countersign_core::ports::NONCE_RETENTION_MARGIN;
use countersign_store::replay::MAX_CLOCK_SKEW;
use futures_util::{SinkExt as _, StreamExt as _};
use redis::ValueCodec;
use tokio_util::codec::Framed;
use turmoil::net::{TcpListener, TcpStream};

use super::clock::{HostClock, elapsed};
use super::host::REDIS;
use super::plan::Flaw;
use super::random::Seeded;
use super::wire::{Answer, words};

/// The longest that a command takes before it is carried out, and an answer after that.
const DISK: Duration = Duration::from_millis(8);

/// A Redis; its memory outlives its process.
#[derive(Clone)]
pub(super) struct Engine {
    memory: Arc<Mutex<Memory>>,
    random: Arc<Seeded>,
    flaw: Flaw,
}

/// What a kill takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Nothing,
    /// A copy takes over that had not heard of what came last.
    TheLast(Duration),
    /// It begins empty.
    Everything,
}

#[derive(Default)]
struct Memory {
    starts: u32,
    keys: BTreeMap<Vec<u8>, Entry>,
}

struct Entry {
    value: Vec<u8>,
    written: Duration,
    expires: Option<Duration>,
}

impl Engine {
    pub(super) fn new(seed: u64, flaw: Flaw) -> Self {
        let random = Arc::new(Seeded::of(seed, "engine"));
        Self { memory: Arc::default(), random, flaw }
    }

    /// What becomes of its memory as its process ends.
    pub(super) fn killed(&self, loss: Loss, now: Duration) {
        let mut memory = self.memory();
        match loss {
            // As if nothing had happened: the epoch stands there as it was.
            _ if self.flaw == Flaw::ForgetsSilently => {
                memory.keys.retain(|key, _| is_mark(key));
            }
            Loss::Nothing => {}
            Loss::TheLast(span) => memory.keys.retain(|_, entry| entry.written + span < now),
            Loss::Everything => memory.keys.clear(),
        }
    }

    /// Serves until its host ends.
    pub(super) async fn serve(self) -> turmoil::Result {
        self.memory().starts += 1;
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, REDIS)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A client that goes away is no failure.
            // A local task: those end in their order when the host does.
            tokio::task::spawn_local(self.clone().converse(stream));
        }
    }

    async fn converse(self, stream: TcpStream) -> Result<(), io::Error> {
        let mut conversation = Framed::new(stream, ValueCodec::default());
        while let Some(Ok(command)) = conversation.next().await {
            tokio::time::sleep(self.random.span(Duration::ZERO, DISK)).await;
            let answer = self.memory().answer(&words(command), self.flaw);
            tokio::time::sleep(self.random.span(Duration::ZERO, DISK)).await;
            conversation.send(answer.encoded()).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn answer(&mut self, command: &[Vec<u8>], flaw: Flaw) -> Answer {
        let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        match *words.as_slice() {
            [b"INFO", b"server"] => Answer::Text(self.server(flaw)),
            [b"INFO", b"replication"] => Answer::Text(self.replication(flaw)),
            [b"CONFIG", b"GET", name] => setting(name),
            [b"GET", key] => self.find(key),
            [b"MGET", ref keys @ ..] => {
                Answer::All(keys.iter().map(|key| self.find(key)).collect())
            }
            [b"TIME"] => time(),
            // A script that keeps the latest time, and time goes forward here.
            [b"EVAL", _, b"1", key] => {
                self.write(key, now().to_string().as_bytes(), None);
                Answer::Nothing
            }
            // A script that begins an epoch.
            [b"EVAL", _, b"2", epoch, clock, text, time] => {
                self.write(epoch, text, None);
                self.write(clock, time, None);
                Answer::Nothing
            }
            [b"SET", key, value] => {
                self.write(key, value, None);
                Answer::Ok
            }
            [b"SET", key, value, b"NX", b"GET"] => {
                let found = self.find(key);
                if matches!(found, Answer::Nothing) {
                    self.write(key, value, None);
                }
                found
            }
            [b"SET", key, value, b"NX", b"GET", b"PX", span] => {
                let found = self.find(key);
                if matches!(found, Answer::Nothing) {
                    self.write(key, value, lifetime(span, flaw));
                }
                found
            }
            _ => Answer::Error("unknown command"),
        }
    }

    fn server(&self, flaw: Flaw) -> Vec<u8> {
        let run = if flaw == Flaw::ForgetsSilently { 1 } else { self.starts };
        format!("# Server\r\nredis_version:7.0.15\r\nrun_id:{run:040x}\r\n").into_bytes()
    }

    fn replication(&self, flaw: Flaw) -> Vec<u8> {
        let run = if flaw == Flaw::ForgetsSilently { 1 } else { self.starts };
        format!("# Replication\r\nrole:master\r\nmaster_replid:{run:040x}\r\n").into_bytes()
    }

    fn find(&mut self, key: &[u8]) -> Answer {
        let now = elapsed();
        self.keys.retain(|_, entry| entry.expires.is_none_or(|at| at > now));
        self.keys.get(key).map_or(Answer::Nothing, |entry| Answer::Text(entry.value.clone()))
    }

    fn write(&mut self, key: &[u8], value: &[u8], lifetime: Option<Duration>) {
        let written = elapsed();
        let expires = lifetime.map(|lifetime| written + lifetime);
        self.keys.insert(key.to_vec(), Entry { value: value.to_vec(), written, expires });
    }
}

fn setting(name: &[u8]) -> Answer {
    let value: &[u8] = match name {
        b"appendonly" => b"yes",
        b"appendfsync" => b"always",
        b"no-appendfsync-on-rewrite" => b"no",
        b"maxmemory-policy" => b"noeviction",
        _ => return Answer::All(Vec::new()),
    };
    Answer::All([name, value].map(|text| Answer::Text(text.to_vec())).into())
}

/// This host's clock, in microseconds since 1970.
fn now() -> i64 {
    HostClock::off_by(0).now().as_micros()
}

fn time() -> Answer {
    let parts = [now() / 1_000_000, now() % 1_000_000];
    Answer::All(parts.map(|part| Answer::Text(part.to_string().into_bytes())).into())
}

/// Whether a key is none of a use, but tells what its master has been through.
fn is_mark(key: &[u8]) -> bool {
    key.ends_with(b"}")
}

fn lifetime(millis: &[u8], flaw: Flaw) -> Option<Duration> {
    let millis = std::str::from_utf8(millis).ok()?.parse().ok()?;
    let lifetime = Duration::from_millis(millis);
    let margin = NONCE_RETENTION_MARGIN + MAX_CLOCK_SKEW;
    let early = if flaw == Flaw::ForgetsEarly { margin } else { Duration::ZERO };
    Some(lifetime.saturating_sub(early))
}
