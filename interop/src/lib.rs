//! Drives the real originals and real gateways against Countersign, both ways.
//!
//! Everything started here listens on a free port of the loopback interface,
//! keeps its files in a directory of its own, and ends with the value that
//! stands for it. The tools are found by `cargo xtask test`, which tells where
//! they are in environment variables; without one a test fails and says so.

mod browser;
mod caller;
mod chart;
mod container;
mod countersign;
mod debian;
mod django;
mod docker;
mod environment;
mod forgery;
mod free_address;
mod gateway;
mod guarded;
mod http;
mod image;
mod import;
mod jwks_reader;
mod jwthenticator;
mod key_file;
mod machine;
mod network;
mod nginx;
mod page;
mod process;
mod proxy;
mod pyramid_jwtauth;
mod python;
mod schemathesis;
mod stepped_clock;
mod systemd;
mod token_maker;
mod upstream;
mod yaml;

pub use browser::{Browser, Key};
pub use caller::Caller;
pub use chart::Rendered;
pub use container::{Container, Volume};
pub use countersign::Countersign;
pub use debian::{DebianPackage, DebianRoot, InstalledServer};
pub use django::Django;
pub use docker::Docker;
pub use environment::{repository, tool};
pub use gateway::{Gateway, RunningGateway};
pub use guarded::{Guarded, Known};
pub use http::{Answer, Request};
pub use image::{AUTHORITIES, HealthCheck, Image, ImageConfig};
pub use import::ImportReport;
pub use jwks_reader::{JwksReader, Presented, Verdict};
pub use jwthenticator::{Jwthenticator, Outcome, ProtectedService, Session, Step};
pub use key_file::{KeyFiles, KeyFormat, PASSPHRASE};
pub use machine::Machine;
pub use nginx::{Nginx, Shipped, Site};
pub use page::{Page, Typed};
pub use process::{Process, capture, converse, eventually};
pub use proxy::{Behaviour, Proxy};
pub use pyramid_jwtauth::{
    PyramidAnswer, PyramidRequest, PyramidService, pyramid_authorizations, serve_pyramid,
};
pub use python::{Original, Signed};
pub use schemathesis::Schemathesis;
pub use stepped_clock::SteppedClock;
pub use systemd::{Unit, Verdict as UnitVerdict};
pub use token_maker::{Minted, TokenMaker};
pub use upstream::{Seen, Upstream};
pub use yaml::yaml;
