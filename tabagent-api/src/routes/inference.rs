//! What the routes of inference share: their failures and their token counts.

use serde::{Deserialize, Serialize};
use tabagent_runtime::BackendError;
use tabagent_runtime::error::InvalidCause;

use crate::{Problem, Schema};

/// Why a model did not answer.
#[derive(Debug, thiserror::Error, Problem)]
pub enum InferenceError {
    /// The request keeps its schema, and one of its values cannot be used: the model does not have that token id or that
    /// many dimensions, another field rules it out, or it is not served here.
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

impl InferenceError {
    /// A value that the model, or the route, cannot use.
    pub(super) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    /// Refuses the first field that was found in a request: its name, whether it was, what to send instead.
    ///
    /// # Errors
    /// [`InferenceError::Invalid`].
    pub(super) fn refuse(fields: &[(&str, bool, &str)]) -> Result<(), Self> {
        match fields.iter().find(|(_, found, _)| *found) {
            Some((field, _, reason)) => Err(Self::invalid(*field, *reason)),
            None => Ok(()),
        }
    }
}

impl From<BackendError> for InferenceError {
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

/// Tokens that were read, special tokens included; nothing of this kind produces tokens.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct TokenUsage {
    /// Tokens of all texts.
    pub prompt_tokens: u64,
    /// The same.
    pub total_tokens: u64,
}

impl TokenUsage {
    /// The usage of so many tokens.
    pub fn of(tokens: u64) -> Self {
        Self { prompt_tokens: tokens, total_tokens: tokens }
    }
}

/// A count for a field that is only there when something was counted.
pub(super) fn some_if_any(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}
