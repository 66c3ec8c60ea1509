//! Which documents are relevant to which queries, by their places or their ids.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::texts::Texts;
use crate::Schema;
use crate::routes::inference::InferenceError;

/// Which documents are relevant: a list in the order of the queries, or a map of queries.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum Relevance {
    /// One for each query, in their order.
    InOrder(#[rule(items(min = 1, max = 1024), each(nested))] Vec<Grades>),
    /// By the ids of queries, or by their places counted from 0. A query that is not there has no relevant document.
    ByQuery(#[rule(items(min = 1, max = 1024), each(nested))] BTreeMap<String, Grades>),
}

/// The documents that are relevant to one query.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum Grades {
    /// Documents that are relevant, all alike.
    Documents(#[rule(items(max = 4096), each(nested))] Vec<DocumentReference>),
    /// Grades by the ids of documents, or by their places counted from 0. 0 is not relevant, as are those that are not there.
    Graded(#[rule(items(max = 4096), each(range(min = 0, max = 1_000)))] BTreeMap<String, f64>),
}

/// A document: its place, counted from 0, or its id.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum DocumentReference {
    /// The place.
    Index(#[rule(range(max = 4095))] u32),
    /// The id, or the place in digits.
    Id(#[rule(length(min = 1, max = 256))] String),
}

impl Relevance {
    /// For each query the grades of documents by their places.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`] where a query or a document is unknown, or the list is not as long as the queries.
    pub(super) fn grades(
        self,
        queries: &Texts,
        documents: &Texts,
    ) -> Result<Vec<BTreeMap<usize, f64>>, InferenceError> {
        let ids = documents.places();
        match self {
            Self::InOrder(list) if list.len() != queries.len() => {
                let reason = format!(
                    "has {} items, and there are {} queries; give one for each",
                    list.len(),
                    queries.len()
                );
                Err(InferenceError::invalid("relevance", reason))
            }
            Self::InOrder(list) => {
                let named = |(at, grades): (usize, Grades)| {
                    grades.by_place(&format!("relevance[{at}]"), &ids, documents.len())
                };
                list.into_iter().enumerate().map(named).collect()
            }
            Self::ByQuery(map) => {
                let places = queries.places();
                let mut relevance = vec![None; queries.len()];
                for (query, grades) in map {
                    let field = format!("relevance.{query}");
                    let at = place(&field, "queries", &query, &places, queries.len())?;
                    let grades = grades.by_place(&field, &ids, documents.len())?;
                    if relevance.get_mut(at).and_then(|found| found.replace(grades)).is_some() {
                        return Err(twice(&field, &query));
                    }
                }
                let relevance = relevance.into_iter().map(Option::unwrap_or_default).collect();
                Ok(relevance)
            }
        }
    }
}

impl Grades {
    fn by_place(
        self,
        field: &str,
        ids: &HashMap<&str, usize>,
        documents: usize,
    ) -> Result<BTreeMap<usize, f64>, InferenceError> {
        let place = |name: &str| place(field, "documents", name, ids, documents);
        match self {
            Self::Graded(grades) => {
                let mut found = BTreeMap::new();
                for (name, grade) in grades {
                    if found.insert(place(&name)?, grade).is_some() {
                        return Err(twice(field, &name));
                    }
                }
                Ok(found)
            }
            Self::Documents(list) => list
                .iter()
                .map(|document| match document {
                    DocumentReference::Index(index) if (*index as usize) < documents => {
                        Ok((*index as usize, 1.0))
                    }
                    DocumentReference::Index(index) => {
                        Err(unknown(field, "documents", &index.to_string(), documents))
                    }
                    DocumentReference::Id(name) => Ok((place(name)?, 1.0)),
                })
                .collect(),
        }
    }
}

/// Where a query or document stands: by its id, else by its place in digits.
fn place(
    field: &str,
    list: &str,
    name: &str,
    ids: &HashMap<&str, usize>,
    count: usize,
) -> Result<usize, InferenceError> {
    if let Some(place) = ids.get(name) {
        return Ok(*place);
    }
    let place = name.parse().ok().filter(|place| *place < count);
    place.ok_or_else(|| unknown(field, list, name, count))
}

/// What is named by its id and by its place has two values.
fn twice(field: &str, name: &str) -> InferenceError {
    InferenceError::invalid(field, format!("names `{name}` a second time, once by id and once by place"))
}

fn unknown(field: &str, list: &str, name: &str, count: usize) -> InferenceError {
    let reason = format!(
        "names `{name}`, which is neither the id of one of the `{list}` nor the place of one, 0 to {}",
        count.saturating_sub(1)
    );
    InferenceError::invalid(field, reason)
}
