//! The runtime's fourteen failures as problems: the status and the hint of each, in one table.

use std::time::Duration;

use tabagent_runtime::BackendError;
use tabagent_runtime::error::InvalidCause;

use crate::{FieldError, Problem, ProblemKind, ProblemKinds, ProblemVariant};

/// Seconds after which a model that is being loaded is likely to answer.
const LOADING: u32 = 2;

const fn kind(
    slug: &'static str,
    code: &'static str,
    status: u16,
    title: &'static str,
    hint: &'static str,
) -> ProblemKind {
    ProblemKind { slug, code, status, title, hint, description: "", retry_after: None, retry: None }
}

/// A kind that another try cannot mend, though its status would let clients try.
const fn lasting(kind: ProblemKind) -> ProblemKind {
    ProblemKind { retry: Some(false), ..kind }
}

const fn after(kind: ProblemKind, seconds: u32) -> ProblemKind {
    ProblemKind { retry_after: Some(seconds), ..kind }
}

const fn described(description: &'static str, kind: ProblemKind) -> ProblemKind {
    ProblemKind { description, ..kind }
}

const CONTEXT_LENGTH: ProblemKind = kind(
    "context-length-exceeded",
    "context_length_exceeded",
    400,
    "Longer than the model takes",
    "send less text, or `truncate: true` where the route has it",
);

macro_rules! table {
    ($($variant:ident = $kind:expr;)*) => {
        $(
            #[allow(non_upper_case_globals, reason = "named like the variant")]
            const $variant: ProblemKind = $kind;
        )*
        const TABLE: &[ProblemVariant] = &[
            $(ProblemVariant { name: stringify!($variant), kinds: ProblemKinds::Own($variant) },)*
            ProblemVariant { name: "ContextLength", kinds: ProblemKinds::Own(CONTEXT_LENGTH) },
        ];

        fn kind_of(error: &BackendError) -> &'static ProblemKind {
            match error {
                BackendError::InvalidInput { cause: InvalidCause::ContextLength, .. } => &CONTEXT_LENGTH,
                $(BackendError::$variant { .. } => &$variant,)*
            }
        }
    };
}

table! {
    ModelNotLoaded = after(kind("model-not-loaded", "model_not_loaded", 503, "Model not loaded",
        "ask again: a model is loaded when it is first used, unless --autoload is no; then POST /v1/models/load loads it"), LOADING);
    // The same kind as in the enums of the routes, which state it for their cases.
    ModelNotFound = described("No model of this id is here.", kind("model-not-found", "model_not_found", 404,
        "Model not found", "GET /v1/models lists the models that are here, and POST /v1/pull brings others"));
    OutOfMemory = after(kind("out-of-memory", "out_of_memory", 503, "Not enough memory",
        "unload a model, or use a smaller variant or a shorter context"), 30);
    GenerationTimeout = lasting(kind("generation-timeout", "generation_timeout", 408, "Took too long",
        "ask for less at once"));
    InvalidInput = kind("invalid-input", "invalid_value", 400, "Value cannot be used",
        "change the field that is named");
    CudaError = lasting(kind("execution-provider-failed", "execution_provider_failed", 500, "Execution provider failed",
        "`tabagent doctor` examines the devices"));
    ModelCorrupted = kind("model-corrupted", "model_corrupted", 422, "Model damaged",
        "restore the model's files, then ask again");
    ResourceLimitExceeded = after(kind("resource-limit-exceeded", "rate_limit_exceeded", 429, "Limit reached",
        "try again after the time in `retry-after`"), 1);
    // The same kind as in the enum of the sessions, which states it for its cases.
    SessionNotFound = described("No session of this id is here.", kind("session-not-found", "session_not_found", 404,
        "Session not found", "the first message of a session creates it: POST /v1/sessions/{session_id}/messages"));
    EmbeddingModelNotAvailable = after(kind("embedding-model-not-available", "embedding_model_not_available", 503,
        "No embedding model", "GET /v1/embedding-models lists the models that embed"), LOADING);
    VectorStoreError = lasting(kind("vector-store-error", "vector_store_error", 500, "Vector store failed",
        "the operator has to look at the store"));
    InternalError = lasting(kind("backend-internal-error", "internal_error", 500, "Runtime failed",
        "report it with the request id"));
    ConfigurationError = lasting(kind("configuration-error", "configuration_error", 500, "Setting cannot be used",
        "the operator has to change the setting that is named"));
    NotImplemented = lasting(kind("not-implemented", "not_implemented", 500, "Not supported",
        "the message names what to use instead"));
}

impl Problem for BackendError {
    const NAME: &'static str = "BackendError";
    const VARIANTS: &'static [ProblemVariant] = TABLE;

    fn kind(&self) -> &'static ProblemKind {
        kind_of(self)
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::InvalidInput { field, reason, .. } => {
                vec![FieldError { field: field.clone(), message: reason.clone() }]
            }
            _ => Vec::new(),
        }
    }

    fn param(&self) -> Option<String> {
        match self {
            Self::InvalidInput { field, .. } => Some(field.clone()),
            Self::ModelNotFound { .. } | Self::ModelCorrupted { .. } => Some("model".to_owned()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ResourceLimitExceeded { retry_after, .. } => Some(*retry_after),
            _ => self.kind().retry_after.map(|seconds| Duration::from_secs(seconds.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_the_runtime_has_a_kind_of_its_own() {
        assert_eq!(
            TABLE.len(),
            15,
            "fourteen variants, and the context length beside the other invalid inputs"
        );
        for variant in TABLE {
            for kind in variant.all_kinds() {
                assert!(!kind.hint.is_empty() && !kind.title.is_empty(), "{}", variant.name);
                let overload = matches!(kind.status, 429 | 503);
                assert_eq!(
                    overload,
                    kind.retry_after.is_some(),
                    "{}: 429 and 503 carry Retry-After",
                    variant.name
                );
            }
        }
    }

    #[test]
    fn a_context_that_is_too_long_has_openais_code() {
        let error = BackendError::context_length("input[3]", "9000 tokens of at most 512");
        assert_eq!((error.kind().status, error.kind().code), (400, "context_length_exceeded"));
        assert_eq!(error.param().as_deref(), Some("input[3]"));
    }
}
