//! A real PostgreSQL, and a real Redis, for tests and benchmarks.
//!
//! `cargo xtask test` fetches the server, prepares a [`Template`] once, and
//! starts one cluster for the whole run. A test asks for a database of its own
//! there:
//!
//! ```no_run
//! # #[cfg(feature = "databases")]
//! # async fn test() -> anyhow::Result<()> {
//! let database = countersign_testbed::fresh_database().await?;
//! println!("{}", database.url());
//! # Ok(())
//! # }
//! ```
//!
//! A test that stops its server, and a benchmark, start a cluster of their own:
//! [`Postgres::of_its_own`], and again `fresh_database` on it. Where the tools
//! are is told in environment variables; without them a test fails and says so.
//!
//! A [`Redis`] is made by each test for itself: it starts in no time.
//!
//! Everything listens on the loopback interface, with a random password and a
//! certificate of an authority made with the template.

mod certificate;
#[cfg(feature = "databases")]
mod database;
pub mod environment;
mod place;
mod port;
mod postgres;
mod random;
mod redis;
mod template;
mod user;

#[cfg(feature = "databases")]
pub use database::{Database, fresh_database};
pub use postgres::{Durability, Postgres, Snapshot};
pub use redis::Redis;
pub use template::Template;
