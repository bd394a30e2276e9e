//! What is to be done.

use std::time::Duration;

use clap::{Args, ValueEnum};

/// How far a token's time may lie from now. Short, so that what has to wait for the end of the
/// window after a fault does not make up the whole run.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(5);

/// Where spent nonces are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// In the memory of the one process. What a restart forgets is no part of its promise, so
    /// nothing is killed.
    Memory,
    /// In a journal on SQLite, of the one process.
    Sqlite,
    /// In PostgreSQL, for all replicas.
    Postgres,
    /// In Redis, for all replicas; accounts are in PostgreSQL.
    Redis,
}

/// A run of the torture.
#[derive(Clone, Debug, Args)]
pub struct Plan {
    /// Where spent nonces are kept.
    #[arg(long, value_enum, default_value = "sqlite")]
    pub engine: Engine,
    /// How many tokens are made.
    #[arg(long, default_value_t = 10_000)]
    pub tokens: u32,
    /// How many faults happen meanwhile.
    #[arg(long, default_value_t = 20)]
    pub faults: u32,
    /// What the schedule follows from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Kills servers whose engine does not survive it, too. The promises are broken then, and
    /// the torture has to find that.
    #[arg(long)]
    pub kill_all: bool,
}

impl Plan {
    /// Whether servers are killed.
    pub(crate) fn kills(&self) -> bool {
        self.kill_all || self.engine.survives_a_kill()
    }
}

impl Engine {
    /// How many servers can share it.
    pub(crate) fn replicas(self) -> usize {
        match self {
            Self::Memory | Self::Sqlite => 1,
            Self::Postgres | Self::Redis => 3,
        }
    }

    /// How many tokens are made a second. Behind a Redis that was started again nothing is
    /// accepted for a quarter of a minute, and a partition takes some seconds, which would be
    /// most of a shorter run.
    pub(crate) fn pace(self) -> u32 {
        match self {
            Self::Memory | Self::Sqlite => 500,
            Self::Postgres | Self::Redis => 200,
        }
    }

    /// Whether it is a server of its own.
    pub(crate) fn is_a_server(self) -> bool {
        matches!(self, Self::Postgres | Self::Redis)
    }

    /// Whether what was spent survives a server that is killed.
    fn survives_a_kill(self) -> bool {
        self != Self::Memory
    }
}
