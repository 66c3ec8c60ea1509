//! The HTTP side of the process: the listener, its connections, and how they end.

mod connection;
mod listen;
mod rejection;

pub use connection::{ConnectionLimits, OpenConnections};
pub use listen::{BindError, BoundPort, Server};
