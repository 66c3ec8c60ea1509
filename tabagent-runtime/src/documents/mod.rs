//! Documents: what is read of them (`parse`), how it is cut (`chunk`), and how it is found again (`index`, `filter`).
//!
//! Nothing here keeps anything: [`crate::store`] does. The methods of [`crate::Runtime`] over both are in
//! `runtime/documents`.

pub(crate) mod chunk;
pub(crate) mod codes;
mod filter;
pub(crate) mod fingerprint;
pub(crate) mod index;
pub(crate) mod parse;

pub use filter::{Comparison, Condition, Filter, FilterField, Scalar, Test};
pub use parse::{Block, BlockKind, PdfReader, is_read, read_pdf};
