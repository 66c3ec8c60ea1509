//! Two routes outside the server: notes that are kept in memory.
//!
//! This is what a route crate looks like. [`store`] holds what the routes share and knows nothing of HTTP, [`routes`] is
//! one fn and one attribute for each route, `main.rs` names the crate and serves it, and `tests/cases.rs` runs every case
//! that the routes state. CONTRIBUTING.md walks through it.

// What the attributes write holds under it too.
#![forbid(unsafe_code)]

pub mod routes;
pub mod store;

pub use store::Notes;
