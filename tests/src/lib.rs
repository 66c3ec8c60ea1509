//! What whole journeys need: the real binary as a child process, a client of raw HTTP, cargo, Python and Node as tools.
//!
//! Everything here fails by panicking with a sentence, as tests do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "the library of a test package"
)]

pub mod http;
pub mod hub;
pub mod mounts;
pub mod node;
pub mod problem;
pub mod process;
pub mod project;
pub mod python;
pub mod server;
pub mod workspace;
