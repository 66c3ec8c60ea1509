//! Problems of the API itself: what extractors, limits and middleware answer, the same on every route.

use super::problem::FieldError;
use crate::Problem;

/// A failure before, around or after a handler.
#[derive(Debug, thiserror::Error, Problem)]
pub enum ApiError {
    /// The body is not the JSON that its content type promises: it is cut off, not UTF-8, nested too deep or no JSON.
    #[error("the body cannot be read: {reason}")]
    #[problem(status = 400, title = "Body malformed", hint = "send one JSON value in UTF-8")]
    BodyMalformed {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// The body, the query or the path is well-formed and breaks a rule that its schema states. `errors` has each field
    /// that is wrong; `body`, `query` and `path` are the names of these where one is wrong as a whole.
    #[error("{}", summary(errors))]
    #[problem(status = 400, title = "Request invalid", hint = "/openapi.json has the schema")]
    RequestInvalid {
        /// Every rule that is broken.
        #[problem(errors)]
        errors: Vec<FieldError>,
    },
    /// The content type is absent or not one that the route reads.
    #[error("the content type is {found}")]
    #[problem(
        status = 415,
        title = "Content type not supported",
        hint = "send `content-type: application/json`"
    )]
    ContentTypeUnsupported {
        /// What was sent.
        found: String,
    },
    /// The body is compressed, or encoded in another way; the route reads it as it is.
    #[error("the content encoding is `{found}`")]
    #[problem(
        status = 415,
        title = "Content encoding not supported",
        hint = "send the body as it is, without `content-encoding`"
    )]
    ContentEncodingUnsupported {
        /// What was sent.
        found: String,
    },
    /// The body is longer than the route takes.
    #[error("the body is longer than {limit} bytes")]
    #[problem(status = 413, title = "Body too large", hint = "send less at once")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The client began a body and did not go on.
    #[error("the body did not arrive within {seconds} seconds")]
    #[problem(status = 408, title = "Request timed out", hint = "send the whole body without pauses")]
    BodyStalled {
        /// How long was waited.
        seconds: u64,
    },
    /// No route has this path.
    #[error("there is no route {path}")]
    #[problem(status = 404, title = "Route not found", hint = "/openapi.json lists the routes")]
    RouteNotFound {
        /// The path.
        path: String,
    },
    /// The path has routes, but none of this method.
    #[error("{path} does not answer {method}")]
    #[problem(
        status = 405,
        title = "Method not allowed",
        hint = "the header `allow` lists the methods that it answers"
    )]
    MethodNotAllowed {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// The operator has set an API key and the request does not carry it.
    #[error("{reason}")]
    #[problem(
        status = 401,
        title = "API key needed",
        code = "invalid_api_key",
        hint = "send `authorization: Bearer <key>` with the key that the server was started with"
    )]
    Unauthorized {
        /// What is wrong with the credentials.
        reason: &'static str,
    },
    /// The host that the request names is not this server: a sign of DNS rebinding.
    #[error("the host {host} is not served here")]
    #[problem(
        status = 403,
        title = "Host not allowed",
        hint = "use a loopback address, or start the server with --allow-host"
    )]
    HostNotAllowed {
        /// The host.
        host: String,
    },
    /// A web page that the operator has not named sent the request.
    #[error("pages of {origin} may not use this server")]
    #[problem(
        status = 403,
        title = "Origin not allowed",
        hint = "start the server with --allow-origin to name the page's origin"
    )]
    OriginNotAllowed {
        /// The origin.
        origin: String,
    },
    /// The headers together, or their number, are over the limit.
    #[error("the headers are over the limit: {found} of {limit} {unit}")]
    #[problem(status = 431, title = "Headers too large", hint = "send fewer or shorter headers")]
    HeadersTooLarge {
        /// How much was sent.
        found: usize,
        /// The limit.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// The path and query are longer than the server reads.
    #[error("path and query have {found} bytes of at most {limit}")]
    #[problem(status = 414, title = "URI too long", hint = "send long values in a body")]
    UriTooLong {
        /// Length in bytes.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The route's deadline passed before the response began.
    #[error("the route did not answer within {seconds} seconds")]
    #[problem(status = 504, title = "Deadline passed", hint = "ask for less at once", retry = false)]
    DeadlinePassed {
        /// The deadline.
        seconds: u64,
    },
    /// A handler panicked, or a part of the framework found itself in a state that should not exist.
    #[error("the server failed: {reason}")]
    #[problem(status = 500, title = "Internal error", hint = "report it with the request id", retry = false)]
    Internal {
        /// What is known; never a secret.
        reason: String,
    },
    /// A layer below the routes refused the request.
    #[error("the request was refused: {reason}")]
    #[problem(status = 400, title = "Request refused", hint = "the reason says what to change")]
    Refused {
        /// What the layer said.
        reason: String,
    },
}

/// All broken rules in one sentence.
fn summary(errors: &[FieldError]) -> String {
    let mut text = String::new();
    for FieldError { field, message } in errors {
        if !text.is_empty() {
            text.push_str("; ");
        }
        if !field.is_empty() {
            text.push('`');
            text.push_str(field);
            text.push_str("`: ");
        }
        text.push_str(message);
    }
    text
}

impl axum::response::IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        super::problem::problem_response(&self)
    }
}
