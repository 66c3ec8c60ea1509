//! /v1/rag: documents that are kept, and passages of them that answer a query.

pub mod answer;
pub mod documents;
pub mod index;
pub mod ingest;
pub mod query;

use tabagent_runtime::BackendError;
use tabagent_runtime::error::InvalidCause;

use crate::Problem;

/// Why documents were not kept, shown or searched.
#[derive(Debug, thiserror::Error, Problem)]
pub enum RagError {
    /// A value keeps the schema and cannot be used: a file that is damaged, a media type that is not read, a filter.
    #[error("`{field}`: {reason}")]
    #[problem(
        status = 400,
        title = "A value cannot be used",
        code = "invalid_value",
        hint = "change the field that is named, or leave it out"
    )]
    Invalid {
        /// The field at fault.
        #[problem(param)]
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No document of this id is kept.
    #[error("there is no document `{document_id}` here")]
    #[problem(
        status = 404,
        title = "Document not found",
        slug = "document-not-found",
        code = "document_not_found",
        hint = "GET /v1/rag/documents lists the documents that are here"
    )]
    NotFound {
        /// The id.
        document_id: String,
    },
    /// No model of this id is here.
    #[error("there is no model `{model}` here")]
    #[problem(
        status = 404,
        title = "Model not found",
        slug = "model-not-found",
        code = "model_not_found",
        hint = "GET /v1/models lists the models that are here, and POST /v1/pull brings others"
    )]
    ModelNotFound {
        /// The id.
        model: String,
    },
    /// Anything else that the runtime answers.
    #[error(transparent)]
    #[problem(transparent)]
    Runtime(BackendError),
}

impl RagError {
    pub(super) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }
}

impl From<BackendError> for RagError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::InvalidInput { field, reason, cause: InvalidCause::Value } => {
                Self::Invalid { field, reason }
            }
            BackendError::ModelNotFound { model } => Self::ModelNotFound { model },
            other => Self::Runtime(other),
        }
    }
}
