//! What breaks, when, and for how long: all of it follows from the seed.

use std::time::Duration;

use turmoil::Sim;

use super::engine::{Engine, Loss};
use super::host::Host;
use super::plan::{CLOCK_STEP, REPLICAS, Simulation, WARM_UP};
use super::random::Seeded;
use super::replica::Replica;

/// How long a message takes when nothing is wrong.
pub(super) const LATENCY: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_millis(20));

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A server ends as by `kill -9`, and is started again.
    Kill(usize),
    /// The engine does.
    KillEngine(Loss),
    /// A server's clock is wrong by so many microseconds more, and then as before.
    ClockStep(usize, i64),
    /// No message passes between two hosts.
    Partition(Host, Host),
    /// No message passes from one to the other; some pass back.
    PartitionOneWay(Host, Host),
    /// Nobody hears of a host, nor it of anyone.
    Isolate(Host),
    /// Messages between two hosts arrive when it is over.
    Hold(Host, Host),
    /// They take so long.
    Slow(Host, Host, Duration),
}

/// A fault and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    pub(super) fault: Fault,
    pub(super) from: Duration,
    pub(super) until: Duration,
}

/// Draws the faults of a plan, spread over its tokens. They may overlap, but for those of the
/// network.
pub(super) fn draw(plan: &Simulation) -> Vec<Scheduled> {
    let random = Seeded::of(plan.seed, "faults");
    let stretch = plan.load() / plan.faults.max(1);
    let mut network_until = Duration::ZERO;
    let scheduled = |number| {
        let from = WARM_UP + stretch * number + random.span(Duration::ZERO, stretch / 2);
        let lasts = if random.once_in(3) { 50..200 } else { 200..3_000 };
        let span = Duration::from_millis(lasts.start + random.below(lasts.end - lasts.start));
        let until = from + span;
        if plan.only_losses {
            // It is back before what it forgot has expired.
            let until = from + span / 10;
            return Scheduled { fault: Fault::KillEngine(Loss::Everything), from, until };
        }
        let fault = if from > network_until && !random.once_in(3) {
            network_until = until;
            network(&random)
        } else {
            host(&random)
        };
        Scheduled { fault, from, until }
    };
    (0..plan.faults).map(scheduled).collect()
}

fn host(random: &Seeded) -> Fault {
    let replica = random.index(REPLICAS);
    match random.below(4) {
        0 => Fault::Kill(replica),
        1 => Fault::ClockStep(replica, random.within(CLOCK_STEP)),
        2 => Fault::KillEngine(Loss::Nothing),
        // Everyone waits afterwards, so not too often.
        _ if random.once_in(2) => Fault::Kill(replica),
        _ if random.once_in(2) => Fault::KillEngine(Loss::Everything),
        _ => Fault::KillEngine(Loss::TheLast(Duration::from_millis(random.below(3_000)))),
    }
}

fn network(random: &Seeded) -> Fault {
    let replica = Host::Replica(random.index(REPLICAS));
    let other = match random.index(3) {
        0 => Host::Caller(0),
        1 => Host::Caller(1),
        _ => Host::Engine,
    };
    match random.below(6) {
        0 => Fault::Partition(replica, other),
        1 => Fault::PartitionOneWay(replica, other),
        2 => Fault::PartitionOneWay(other, replica),
        3 => Fault::Hold(replica, other),
        4 => {
            let latency = Duration::from_millis(50 + random.below(700));
            Fault::Slow(replica, other, latency)
        }
        _ if random.once_in(3) => Fault::Isolate(Host::Engine),
        _ => Fault::Isolate(replica),
    }
}

impl Fault {
    /// Breaks it.
    pub(super) fn begin(self, sim: &mut Sim<'_>, (engine, replicas): (&Engine, &[Replica])) {
        match self {
            Self::Kill(replica) => sim.crash(Host::Replica(replica).name()),
            Self::KillEngine(loss) => {
                engine.killed(loss, sim.elapsed());
                sim.crash(Host::Engine.name());
            }
            Self::ClockStep(replica, micros) => replicas[replica].clock.step(micros),
            Self::Partition(a, b) => sim.partition(a.name(), b.name()),
            Self::PartitionOneWay(from, to) => sim.partition_oneway(from.name(), to.name()),
            Self::Isolate(host) => {
                for other in Host::all().filter(|other| *other != host) {
                    sim.partition(host.name(), other.name());
                }
            }
            Self::Hold(a, b) => sim.hold(a.name(), b.name()),
            Self::Slow(a, b, latency) => sim.set_link_latency(a.name(), b.name(), latency),
        }
    }

    /// Undoes it.
    pub(super) fn end(self, sim: &mut Sim<'_>, replicas: &[Replica]) {
        match self {
            Self::Kill(replica) => sim.bounce(Host::Replica(replica).name()),
            Self::KillEngine(_) => sim.bounce(Host::Engine.name()),
            Self::ClockStep(replica, micros) => replicas[replica].clock.step(-micros),
            Self::Partition(a, b) => sim.repair(a.name(), b.name()),
            Self::PartitionOneWay(from, to) => sim.repair_oneway(from.name(), to.name()),
            Self::Isolate(host) => {
                for other in Host::all().filter(|other| *other != host) {
                    sim.repair(host.name(), other.name());
                }
            }
            Self::Hold(a, b) => sim.release(a.name(), b.name()),
            Self::Slow(a, b, _) => {
                let (least, most) = LATENCY;
                sim.set_link_latency(a.name(), b.name(), least);
                sim.set_link_max_message_latency(a.name(), b.name(), most);
            }
        }
    }
}
