//! Whole journeys: cargo as a route author runs it, the real binary, real clients, hostile input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test target, all of it: clippy exempts only the fns that are marked as tests"
)]

// The routes of `panics` are mounted under the name of this crate.
extern crate self as it;

mod analytics;
mod bench;
mod cargo;
mod clients;
mod contract;
mod departures;
mod documents;
mod durability;
mod example;
mod hostile;
mod invariants;
mod models;
mod panics;
mod pool;
mod requests;
mod run;
mod server;
mod sessions;
mod store;
