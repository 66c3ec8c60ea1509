//! The routes of TabAgent. Each is one fn and one `#[route]`; there is no list of them anywhere else.

pub mod backend;
pub mod embeddings;
pub mod health;
pub mod inference;
pub mod models;
pub mod rerank;
pub mod similarity;
pub mod system;
