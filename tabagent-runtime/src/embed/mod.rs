//! Embedding: texts to vectors, in batches across requests.
//!
//! A request is tokenised beside the engine and waits in a bounded queue; the engine of its model takes like lengths
//! together ([`batch`]), runs them, pools and normalises as the model's own files say, and answers each text.
//!
//! Vectors have unit length where the model's `modules.json` ends with Normalize, which most models' does; others keep the
//! length that they were trained with. A vector that is cut to fewer dimensions is always brought back to unit length.
//!
//! A graph that quantises its activations at run time takes one scale for the whole batch, which would make a vector
//! depend on its neighbours (a cosine of 0.98 between two answers for the same text is usual). Such a graph runs every text
//! alone: the same text gives the same vector, at the price of batching.

pub mod batch;
mod dense;
mod engine;
mod graph;
pub(crate) mod loaded;
pub mod metrics;
mod pool;
mod queue;

use std::time::Duration;

pub use pool::normalize;
pub(crate) use queue::shutting_down;

use crate::{
    error::{BackendError, Result},
    models::Description,
};

/// A request for vectors.
#[derive(Debug, Clone, Default)]
pub struct EmbedRequest {
    /// Id of the model; the default one where there is none.
    pub model: Option<String>,
    /// What to embed.
    pub input: EmbedInput,
    /// Length to which the vectors are cut and normalised; the model's own where there is none.
    pub dimensions: Option<usize>,
    /// Whether an input longer than the model takes is cut. Without it such an input is an error.
    pub truncate: bool,
    /// Prompt put before each text; the model's default one where there is none. Token ids get no prompt.
    pub prompt: Option<Prompt>,
    /// When to give up; the runtime's own deadline where there is none or a longer one.
    pub deadline: Option<Duration>,
}

/// What to embed: at least one, none of them empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedInput {
    /// A text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// The token ids of one text, in this model's vocabulary, special tokens as the sender put them.
    Tokens(Vec<u32>),
    /// The token ids of several texts.
    TokenLists(Vec<Vec<u32>>),
}

impl Default for EmbedInput {
    fn default() -> Self {
        Self::Texts(Vec::new())
    }
}

impl EmbedInput {
    /// Number of inputs.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(_) | Self::Tokens(_) => 1,
            Self::Texts(texts) => texts.len(),
            Self::TokenLists(lists) => lists.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Text put before each input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// One of the model's own, by name.
    Named(String),
    /// This text.
    Text(String),
    /// None, even where the model has a default one.
    None,
}

impl Prompt {
    /// The text of `prompt` for a model.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the model has no prompt of that name.
    pub(crate) fn text(prompt: Option<&Self>, description: &Description) -> Result<String> {
        let prompts = &description.prompts;
        let text = match prompt {
            Some(Self::None) => None,
            Some(Self::Text(text)) => Some(text),
            Some(Self::Named(name)) => Some(prompts.texts.get(name).ok_or_else(|| {
                let known: Vec<&str> = prompts.texts.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                BackendError::invalid(
                    "prompt_name",
                    format!("this model has no prompt `{name}`; it has {known}"),
                )
            })?),
            None => prompts.default.as_ref().and_then(|name| prompts.texts.get(name)),
        };
        Ok(text.cloned().unwrap_or_default())
    }
}

/// The vectors of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Id of the model that made them.
    pub model: String,
    /// One for each input, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all inputs: special tokens and prompts included, padding not.
    pub prompt_tokens: u64,
    /// Inputs that were cut to the model's length.
    pub truncated: usize,
}

/// Cuts vectors to `dimensions` and brings them back to unit length.
///
/// # Errors
/// [`BackendError::InvalidInput`] where the model cannot be cut to that length: beyond its own, or where its files name
/// the lengths for which it was trained and this is none of them.
pub(crate) fn cut(
    vectors: &mut [Vec<f32>],
    dimensions: Option<usize>,
    full: usize,
    trained: &[usize],
) -> Result<()> {
    let Some(wanted) = dimensions else { return Ok(()) };
    check_dimensions(wanted, full, trained)?;
    if wanted < full {
        for vector in vectors {
            vector.truncate(wanted);
            normalize(vector);
        }
    }
    Ok(())
}

/// Whether a model's vectors can be cut to `wanted`.
pub(crate) fn check_dimensions(wanted: usize, full: usize, trained: &[usize]) -> Result<()> {
    if wanted == 0 || wanted > full {
        return Err(BackendError::invalid(
            "dimensions",
            format!("is {wanted}; this model gives 1 to {full}"),
        ));
    }
    if wanted < full && !trained.is_empty() && !trained.contains(&wanted) {
        let list: Vec<String> =
            trained.iter().filter(|size| **size < full).chain([&full]).map(usize::to_string).collect();
        return Err(BackendError::invalid(
            "dimensions",
            format!("is {wanted}; this model was trained for {}", list.join(", ")),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_normalises_again() {
        let mut vectors = vec![vec![0.6, 0.0, 0.8]];
        cut(&mut vectors, Some(2), 3, &[]).unwrap();
        assert_eq!(vectors, [[1.0, 0.0]]);
        cut(&mut vectors, None, 2, &[]).unwrap();
        assert_eq!(vectors, [[1.0, 0.0]]);
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_with_those_that_can() {
        let reason = |wanted, trained: &[usize]| match check_dimensions(wanted, 384, trained) {
            Err(BackendError::InvalidInput { field, reason, .. }) if field == "dimensions" => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason(0, &[]).contains("1 to 384"));
        assert!(reason(385, &[]).contains("1 to 384"));
        assert!(reason(100, &[64, 128, 256]).contains("64, 128, 256, 384"));
        assert!(check_dimensions(384, 384, &[128]).is_ok());
        assert!(check_dimensions(128, 384, &[128]).is_ok());
    }
}
