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

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use kind::is_read;
pub(crate) use kind::{MediaType, decoded};
pub use pdf::{PdfReader, read_pdf};

use crate::{
    compute::Abandoned,
    error::{BackendError, Result},
};

/// Longest time for reading one document.
const DEADLINE: Duration = Duration::from_secs(120);

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parsed {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
    /// The title that the document says itself.
    pub(crate) title: Option<String>,
    pub(crate) pages: Option<u32>,
}

/// How long a document is read: while somebody waits, and no longer than [`DEADLINE`].
#[derive(Debug)]
struct Patience<'a> {
    field: &'a str,
    abandoned: &'a Abandoned,
    end: Instant,
}

impl<'a> Patience<'a> {
    fn new(field: &'a str, abandoned: &'a Abandoned) -> Self {
        Self { field, abandoned, end: Instant::now() + DEADLINE }
    }

    /// # Errors
    /// [`Abandoned::error`] where nobody waits, and [`BackendError::InvalidInput`] of a document that takes too long.
    fn check(&self) -> Result<()> {
        if self.abandoned.is_set() {
            return Err(Abandoned::error());
        }
        if Instant::now() > self.end {
            let reason = format!("takes more than {} seconds to read; part it", DEADLINE.as_secs());
            return Err(BackendError::invalid(self.field, reason));
        }
        Ok(())
    }
}

/// Reads a document. `field` names it in errors; `reader` reads PDFs, which are read in this process where there is none.
///
/// # Errors
/// [`crate::BackendError::InvalidInput`] where it is not what its media type says, or takes too long to read.
pub(crate) fn parse(
    field: &str,
    content: &[u8],
    kind: &MediaType,
    reader: Option<&PdfReader>,
    abandoned: &Abandoned,
) -> Result<Parsed> {
    let patience = Patience::new(field, abandoned);
    match kind {
        MediaType::Pdf => pdf::parse(field, content, reader, abandoned),
        MediaType::Text { charset, .. } => Ok(text::parse(&decoded(field, content, charset.as_deref())?)),
        MediaType::Markdown { charset } => {
            markdown::parse(&decoded(field, content, charset.as_deref())?, &patience)
        }
        MediaType::Html { charset } => {
            let charset = charset.clone().or_else(|| html::charset(content));
            html::parse(&decoded(field, content, charset.as_deref())?, &patience)
        }
    }
}
