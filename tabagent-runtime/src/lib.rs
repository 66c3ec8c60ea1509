//! Models on ONNX Runtime: the library, sessions, tokenizers, embeddings and rerank.
//!
//! This crate knows models and machines and nothing of HTTP. [`Runtime`] is its front: one typed method a capability.
//! Inference runs on threads of this crate, never on an async worker; dropping the future of a call cancels it.

pub mod device;
pub mod error;
pub mod hardware;
pub mod library;
pub mod session;

pub use error::{BackendError, Result};
