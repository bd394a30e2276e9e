//! What the benchmarks share: paired measurement, the load, and the report.
//!
//! Two things are measured alternately, A B A B, in one run, and only their
//! ratio is judged: absolute numbers drift on a shared machine, ratios of
//! neighbours do not.

pub mod arrivals;
pub mod bare;
pub mod clock;
pub mod engines;
pub mod live_nonces;
pub mod load;
pub mod measured;
pub mod measured_tokens;
pub mod pairs;
pub mod process;
pub mod report;
pub mod shared_guards;
pub mod shares;
pub mod tokens;

/// The allocator of the real binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
