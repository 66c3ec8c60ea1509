//! Reading: the bytes of a document to its text and how that is made up.
//!
//! The text is what is kept, cut and cited; blocks are ranges of it, in order, that do not overlap.

mod html;
mod kind;
mod markdown;
mod pdf;
#[cfg(test)]
mod tests;
mod text;
mod writer;

use serde::{Deserialize, Serialize};

pub use kind::is_read;
pub(crate) use kind::{MediaType, decoded};

use crate::{compute::Abandoned, error::Result};

/// What a part of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockKind {
    /// A heading of this level, from 1.
    Heading(u8),
    /// Sentences.
    Paragraph,
    /// An item of a list.
    Item,
    /// Lines that are kept as they are.
    Code,
    /// Rows, a line each.
    Table,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    #[serde(rename = "k")]
    pub kind: BlockKind,
    /// Where it begins, in bytes.
    #[serde(rename = "s")]
    pub start: usize,
    /// Where it ends.
    #[serde(rename = "e")]
    pub end: usize,
    /// Page on which it begins, from 1, where there are pages.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
}

/// What was read of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
    /// The title that the document says itself.
    pub(crate) title: Option<String>,
    pub(crate) pages: Option<u32>,
}

/// Reads a document. `field` names it in errors.
///
/// # Errors
/// [`crate::BackendError::InvalidInput`] where it is not what its media type says.
pub(crate) fn parse(field: &str, content: &[u8], kind: &MediaType, abandoned: &Abandoned) -> Result<Parsed> {
    match kind {
        MediaType::Pdf => pdf::parse(field, content, abandoned),
        MediaType::Text { charset, .. } => Ok(text::parse(&decoded(field, content, charset.as_deref())?)),
        MediaType::Markdown { charset } => Ok(markdown::parse(&decoded(field, content, charset.as_deref())?)),
        MediaType::Html { charset } => {
            let charset = charset.clone().or_else(|| html::charset(content));
            Ok(html::parse(&decoded(field, content, charset.as_deref())?))
        }
    }
}
