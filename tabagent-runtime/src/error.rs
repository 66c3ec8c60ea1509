//! The fourteen ways in which the runtime fails.
//!
//! Every failure is constructed here, by the code that knows what happened; no caller guesses from text. The variants are
//! fixed: the HTTP side gives each its status and its hint.

use std::time::Duration;

/// A failure of the runtime.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// The model exists and is not in memory, and is not brought there now: the runtime is shutting down.
    #[error("model `{model}` is not loaded: {reason}")]
    ModelNotLoaded {
        /// Id of the model.
        model: String,
        /// Why it is not.
        reason: String,
    },
    /// No model of this id is in the models folder or embedded.
    #[error("there is no model `{model}` here")]
    ModelNotFound {
        /// Id that was asked for.
        model: String,
    },
    /// The memory that the work needs is not there.
    #[error("{required} bytes of memory are needed and {available} are available")]
    OutOfMemory {
        /// Bytes needed.
        required: u64,
        /// Bytes available.
        available: u64,
    },
    /// The deadline of the request passed before its answer was complete.
    #[error("the work did not finish within {seconds} seconds")]
    GenerationTimeout {
        /// The deadline, in seconds.
        seconds: f64,
    },
    /// A value in the request cannot be used.
    #[error("`{field}`: {reason}")]
    InvalidInput {
        /// Field at fault, as the request names it (`input[3]`).
        field: String,
        /// What is wrong with it and what would be right.
        reason: String,
        /// Which kind of mistake it is.
        cause: InvalidCause,
    },
    /// An execution provider failed: CUDA or any other, and ONNX Runtime itself.
    #[error("execution provider {provider} failed ({code}): {message}")]
    CudaError {
        /// Name of the execution provider, such as `CUDA` or `CPU`.
        provider: String,
        /// ONNX Runtime's error code.
        code: i32,
        /// ONNX Runtime's message.
        message: String,
    },
    /// The files of a model cannot be what they claim to be.
    #[error("model `{model}` is damaged or incomplete: {reason}")]
    ModelCorrupted {
        /// Id of the model.
        model: String,
        /// What was found.
        reason: String,
    },
    /// A bounded resource is used up: a queue, slots, a budget.
    #[error("{resource} is at its limit ({current} of {limit})")]
    ResourceLimitExceeded {
        /// What is used up.
        resource: String,
        /// Its bound.
        limit: u64,
        /// How much is in use.
        current: u64,
        /// When another try is sensible.
        retry_after: Duration,
    },
    /// No session of this id is stored.
    #[error("there is no session `{session}`")]
    SessionNotFound {
        /// Id that was asked for.
        session: String,
    },
    /// Something needs an embedding model and none is usable.
    #[error("no embedding model is available for {required_for}")]
    EmbeddingModelNotAvailable {
        /// What needs it.
        required_for: String,
    },
    /// The vector store failed.
    #[error("vector store: {operation}: {reason}")]
    VectorStoreError {
        /// What was being done.
        operation: String,
        /// Why it failed.
        reason: String,
    },
    /// A state that the code holds to be impossible, or a failed part of the operating system.
    #[error("internal error: {context}")]
    InternalError {
        /// What happened, for the log and the person who reads it.
        context: String,
    },
    /// A setting of the operator cannot be used.
    #[error("setting `{setting}`: {reason}")]
    ConfigurationError {
        /// Name of the setting.
        setting: String,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// The request asks for something that this build or this model does not do.
    #[error("{feature} is not supported")]
    NotImplemented {
        /// What was asked for, and what to use instead.
        feature: String,
    },
}

/// Which kind of mistake a [`BackendError::InvalidInput`] is; clients handle the second one by sending less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidCause {
    /// A value that cannot be used.
    Value,
    /// More tokens than the model takes.
    ContextLength,
}

/// Result of the runtime.
pub type Result<T, E = BackendError> = std::result::Result<T, E>;

impl BackendError {
    /// An [`BackendError::InvalidInput`] about a value.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidInput { field: field.into(), reason: reason.into(), cause: InvalidCause::Value }
    }

    /// An [`BackendError::InvalidInput`] about more tokens than the model takes.
    pub fn context_length(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidInput { field: field.into(), reason: reason.into(), cause: InvalidCause::ContextLength }
    }

    /// An [`BackendError::InternalError`].
    pub fn internal(context: impl Into<String>) -> Self {
        Self::InternalError { context: context.into() }
    }

    /// A [`BackendError::ConfigurationError`].
    pub fn configuration(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::ConfigurationError { setting: setting.into(), reason: reason.into() }
    }

    /// A [`BackendError::ModelCorrupted`].
    pub fn corrupted(model: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::ModelCorrupted { model: model.into(), reason: reason.into() }
    }
}
