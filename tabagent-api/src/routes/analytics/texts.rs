//! Texts as the routes of this folder take them: bare, or with an id of the client's.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tabagent_runtime::Ranked;

use crate::Schema;
use crate::routes::inference::InferenceError;
use crate::routes::rerank::DocumentText;

/// A text, or an object that holds one.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(untagged)]
pub enum TextItem {
    /// The text.
    Text(#[rule(length(min = 1, max = 1_048_576))] String),
    /// An object with the text.
    Object(#[rule(nested)] TextWithId),
}

/// An object that holds a text.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct TextWithId {
    /// What the client calls it; no other one of its list has the same.
    #[rule(length(min = 1, max = 256))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text.
    #[rule(length(min = 1, max = 1_048_576))]
    pub text: String,
}

/// One text's place in a ranking.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RankedDocument {
    /// Its place in the request.
    pub index: usize,
    /// Its id, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How it was ranked.
    pub score: f64,
    /// The text, unless results are not to repeat it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentText>,
}

/// The texts of a field, and what the client calls them.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) texts: Vec<String>,
    pub(super) ids: Vec<Option<String>>,
}

impl Texts {
    /// Takes the items of `field` apart.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`] where two have one id.
    pub(super) fn of(field: &str, items: Vec<TextItem>) -> Result<Self, InferenceError> {
        let mut texts = Self::default();
        for item in items {
            let (id, text) = match item {
                TextItem::Text(text) => (None, text),
                TextItem::Object(TextWithId { id, text }) => (id, text),
            };
            texts.ids.push(id);
            texts.texts.push(text);
        }
        let mut places = HashMap::new();
        for (at, id) in texts.ids.iter().enumerate() {
            if let Some(id) = id
                && let Some(first) = places.insert(id.as_str(), at)
            {
                let reason = format!("is `{id}`, as that of `{field}[{first}]` is");
                return Err(InferenceError::invalid(format!("{field}[{at}].id"), reason));
            }
        }
        Ok(texts)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The id of one, where it has one.
    pub(super) fn id(&self, index: usize) -> Option<String> {
        self.ids.get(index).cloned().flatten()
    }

    /// Some of them, ranked, with their texts where these are wanted.
    pub(super) fn ranked(&self, results: &[Ranked], with_texts: bool) -> Vec<RankedDocument> {
        let document = |index: usize| Some(DocumentText { text: self.texts.get(index)?.clone() });
        let ranked = |result: &Ranked| RankedDocument {
            index: result.index,
            id: self.id(result.index),
            score: result.score,
            document: if with_texts { document(result.index) } else { None },
        };
        results.iter().map(ranked).collect()
    }

    /// Where each of them stands, by its id.
    pub(super) fn places(&self) -> HashMap<&str, usize> {
        self.ids.iter().enumerate().filter_map(|(at, id)| Some((id.as_deref()?, at))).collect()
    }
}
