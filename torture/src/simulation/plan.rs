//! What a simulation is asked to do.

use std::time::Duration;

use clap::{Args, ValueEnum};

/// What replicas allow a token's time to be off by. Short, so that a run sees tokens expire
/// and waits end.
pub(super) const TOLERANCE: Duration = Duration::from_secs(5);
/// How many servers share the engine.
pub(super) const REPLICAS: usize = 3;
/// How many hosts make tokens. The clock of the last is so far ahead that its tokens are good
/// late or at some replicas only: nobody promises that they are accepted.
pub(super) const CALLERS: u32 = 3;
/// How far from the truth a caller's clock is at most, and a replica's that may also be
/// stepped, in microseconds.
pub(super) const CLOCK_ERROR: i64 = 1_000_000;
/// By how much a fault steps a clock at most, in microseconds.
pub(super) const CLOCK_STEP: i64 = 1_500_000;
/// When the first token is made: replicas have waited until then for what a new engine may
/// have forgotten.
pub(super) const WARM_UP: Duration = Duration::from_secs(25);
/// How much time a caller leaves between two tokens.
pub(super) const BETWEEN_TOKENS: Duration = Duration::from_millis(600);
/// How long a run goes on behind the last token: until all its uses are over.
pub(super) const CLOSING: Duration = Duration::from_secs(35);

/// A run of the simulation.
#[derive(Clone, Debug, Args)]
pub struct Simulation {
    /// What everything follows from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many tokens are made.
    #[arg(long, default_value_t = 200)]
    pub tokens: u32,
    /// How many faults happen meanwhile.
    #[arg(long, default_value_t = 8)]
    pub faults: u32,
    /// Lets the engine lose all it knows with each fault, and nothing else happen.
    #[arg(long)]
    pub only_losses: bool,
    /// What is wrong with the guard. The simulation has to find it.
    #[arg(long, value_enum, default_value = "none")]
    pub flaw: Flaw,
}

/// What can be wrong with a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flaw {
    /// It is the one that users have.
    None,
    /// It asks whether a use has been entered, and then enters it.
    AsksThenWrites,
    /// Its engine forgets what it acknowledged when it is killed, and does not tell.
    ForgetsSilently,
    /// Its uses are remembered for as long as one clock says, without a margin for others.
    ForgetsEarly,
}

impl Simulation {
    /// A run from this seed, as the tests make them.
    pub fn of(seed: u64) -> Self {
        Self { seed, tokens: 200, faults: 8, only_losses: false, flaw: Flaw::None }
    }

    /// How far a replica's clock is from the truth at most, in microseconds. Then no two differ
    /// by more than the five seconds that they may.
    pub(super) fn clock_error(&self) -> i64 {
        if self.only_losses { CLOCK_ERROR + CLOCK_STEP } else { CLOCK_ERROR }
    }

    /// How long the load lasts.
    pub(super) fn load(&self) -> Duration {
        BETWEEN_TOKENS * self.tokens.div_ceil(CALLERS)
    }

    /// The command that does the same again.
    pub(super) fn again(&self) -> String {
        let Self { seed, tokens, faults, only_losses, flaw } = self;
        let flaw = flaw.to_possible_value().map_or_else(String::new, |flaw| flaw.get_name().into());
        let only_losses = if *only_losses { " --only-losses" } else { "" };
        format!(
            "cargo xtask torture simulate --seed {seed} --tokens {tokens} --faults {faults}\
             {only_losses} --flaw {flaw}"
        )
    }
}
