#[derive(Debug, thiserror::Error, Problem)]
pub enum EmbeddingError {
    /// Longer words.
    #[error("there is no model `{model}`")]
    #[problem(status = 404, title = "Model not found", hint = "GET /v1/models lists the models")]
    ModelNotFound {
        #[problem(param)]
        field: String,
        model: String,
    },
    #[error("busy")]
    #[problem(status = 503, title = "Busy", hint = "try again", code = "overloaded", retry = true)]
    Busy(#[problem(retry_after)] Duration),
    #[error(transparent)]
    #[problem(transparent)]
    Runtime(#[from] RuntimeProblem),
}
