//! Problems: the one shape of every failure (RFC 9457 members and OpenAI's `error` object in one body).
//!
//! A handler returns an error type that derives [`Problem`]; extractors and middleware return [`super::ApiError`]. Either
//! becomes an empty response that carries a [`ProblemReport`]; the outermost layer, which knows the request id, writes
//! the body ([`super::layers::edge`]), so that no other place makes one.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A failure that a route may answer with. Derived for error enums by `#[derive(Problem)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a route: it is not a problem",
    label = "not a problem",
    note = "derive it: `#[derive(Debug, thiserror::Error, tabagent_api::Problem)]`, each variant with `#[problem(status = .., title = \"..\", hint = \"..\")]`"
)]
pub trait Problem: std::error::Error + Send + Sync + 'static {
    /// Name of the type.
    const NAME: &'static str;
    /// Its variants, in order.
    const VARIANTS: &'static [ProblemVariant];

    /// The kind of this value.
    fn kind(&self) -> &'static ProblemKind;

    /// The fields of the request that are at fault.
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// The one field at fault, as OpenAI's `error.param`.
    fn param(&self) -> Option<String> {
        self.fields().into_iter().next().map(|error| error.field)
    }

    /// When another try is sensible.
    fn retry_after(&self) -> Option<Duration> {
        self.kind().retry_after.map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// One variant of a problem type.
#[derive(Debug, Clone, Copy)]
pub struct ProblemVariant {
    /// Name of the variant.
    pub name: &'static str,
    /// What it stands for.
    pub kinds: ProblemKinds,
}

/// What a variant stands for.
#[derive(Debug, Clone, Copy)]
pub enum ProblemKinds {
    /// A kind of its own.
    Own(ProblemKind),
    /// Every kind of the problem that it wraps.
    Transparent(&'static [ProblemVariant]),
}

impl ProblemVariant {
    /// All kinds of this variant, own or wrapped.
    pub fn all_kinds(&'static self) -> Vec<&'static ProblemKind> {
        match &self.kinds {
            ProblemKinds::Own(kind) => vec![kind],
            ProblemKinds::Transparent(inner) => inner.iter().flat_map(Self::all_kinds).collect(),
        }
    }
}

/// A kind of problem: what all its occurrences share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemKind {
    /// Last segment of the problem's `type`, unique among the kinds of an app.
    pub slug: &'static str,
    /// OpenAI's `error.code`, in snake case.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Short name for people, the same for every occurrence.
    pub title: &'static str,
    /// What to do next.
    pub hint: &'static str,
    /// Longer words for its page; may be empty.
    pub description: &'static str,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
    /// Value of `x-should-retry`, which OpenAI's clients obey, where the status alone would mislead them.
    pub retry: Option<bool>,
}

impl ProblemKind {
    /// The problem's `type`: a path at which its page is served.
    pub fn uri(&self) -> String {
        format!("/problems/{}", self.slug)
    }

    /// OpenAI's `error.type` for the status.
    pub fn error_type(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            status if status >= 500 => "server_error",
            _ => "invalid_request_error",
        }
    }
}

/// A field of the request that is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldError {
    /// The field, as a path: `input[3]`. `body`, `query` or `path` where that is wrong as a whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// What the body is called where it is wrong as a whole: of another type than the schema has, or against a rule between
/// its fields. Until a report is made its field is empty, so that a field of this name is told from it.
const WHOLE_BODY: &str = "body";

/// Longest path of a field, and longest message about one, in bytes: both may repeat what the client sent.
const FIELD_BYTES: usize = 512;

/// Longest `detail` in bytes, without the hint.
const DETAIL_BYTES: usize = 4096;

impl FieldError {
    /// What is wrong with a field, or with the whole body where `field` is empty; both are cut where they are far too
    /// long.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: shortened(field.into(), FIELD_BYTES), message: shortened(message.into(), FIELD_BYTES) }
    }

    /// What a problem says of the field that it names. A text that begins with the field, as `` `input`: is too long `` does
    /// where it stands alone, does not repeat it here.
    pub fn of(field: impl Into<String>, text: &str) -> Self {
        let field = field.into();
        let begin = text.strip_prefix('`').unwrap_or(text);
        let rest = begin.strip_prefix(field.as_str()).filter(|_| !field.is_empty());
        let message = rest.and_then(|rest| rest.strip_prefix('`').unwrap_or(rest).strip_prefix(": "));
        Self::new(field.clone(), message.unwrap_or(text))
    }
}

/// Cuts a text at a character, and shows that it was cut.
fn shortened(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    text
}

/// The body of every failure.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Kind of the problem: a path at which a page about it is served.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short name, the same for every problem of this kind.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time, and what to do next.
    pub detail: String,
    /// The id that the log has for this request, also in the header `x-request-id`.
    pub request_id: String,
    /// The fields of the request that are at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The same, as OpenAI's clients read it.
    pub error: ErrorBody,
}

/// OpenAI's error object.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = ProblemError)]
pub struct ErrorBody {
    /// What happened, and what to do next.
    pub message: String,
    /// Family of the error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field at fault; null where it is not one field.
    #[schema(required)]
    pub param: Option<String>,
    /// Kind of the problem in snake case.
    pub code: String,
}

/// One occurrence of a problem, before it has a body.
#[derive(Debug, Clone)]
pub struct ProblemReport {
    pub(crate) kind: ProblemKind,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) param: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl ProblemReport {
    /// The report of a problem.
    pub fn of<P: Problem + ?Sized>(problem: &P) -> Self {
        let mut errors = problem.fields();
        for error in errors.iter_mut().filter(|error| error.field.is_empty()) {
            WHOLE_BODY.clone_into(&mut error.field);
        }
        Self {
            kind: *problem.kind(),
            detail: shortened(problem.to_string(), DETAIL_BYTES),
            errors,
            param: problem.param().filter(|param| !param.is_empty()),
            retry_after: problem.retry_after(),
        }
    }

    /// The body, for the request of this id.
    pub fn body(&self, request_id: &str) -> ProblemBody {
        let detail = match (self.detail.as_str(), self.kind.hint) {
            (detail, "") => detail.to_owned(),
            (detail, hint) => format!("{detail}; {hint}"),
        };
        ProblemBody {
            kind: self.kind.uri(),
            title: self.kind.title.to_owned(),
            status: self.kind.status,
            detail: detail.clone(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
            error: ErrorBody {
                message: detail,
                kind: self.kind.error_type().to_owned(),
                param: self.param.clone(),
                code: self.kind.code.to_owned(),
            },
        }
    }

    /// An empty response that carries this report; the outermost layer gives it its body.
    pub fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() =
            StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            // Rounded up: a client that waits this long must not come too early.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.kind.status == StatusCode::UNAUTHORIZED.as_u16() {
            // RFC 9110 demands that a 401 names the scheme; the API has one.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(retry) = self.kind.retry {
            headers.insert("x-should-retry", HeaderValue::from_static(if retry { "true" } else { "false" }));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The response of a problem.
pub fn problem_response<P: Problem + ?Sized>(problem: &P) -> Response {
    ProblemReport::of(problem).into_response()
}

/// Different kinds of one slug, each with the first of that slug.
pub(crate) fn duplicate_kinds(
    variants: impl IntoIterator<Item = &'static ProblemVariant>,
) -> Vec<(&'static ProblemKind, &'static ProblemKind)> {
    let mut kinds: BTreeMap<&'static str, Vec<&'static ProblemKind>> = BTreeMap::new();
    for kind in variants.into_iter().flat_map(ProblemVariant::all_kinds) {
        let known = kinds.entry(kind.slug).or_default();
        if !known.contains(&kind) {
            known.push(kind);
        }
    }
    let pairs = |known: Vec<&'static ProblemKind>| {
        known
            .first()
            .copied()
            .into_iter()
            .flat_map(move |first| known.clone().into_iter().skip(1).map(move |other| (first, other)))
            .collect::<Vec<_>>()
    };
    kinds.into_values().flat_map(pairs).collect()
}

#[cfg(test)]
mod tests {
    use super::FieldError;

    #[test]
    fn a_message_does_not_repeat_its_field() {
        let message = |text: &str| FieldError::of("input[3]", text).message;
        assert_eq!(message("`input[3]`: has 600 tokens"), "has 600 tokens");
        assert_eq!(message("input[3]: has 600 tokens"), "has 600 tokens");
        assert_eq!(message("`input[3]` has 600 tokens"), "`input[3]` has 600 tokens");
        assert_eq!(message("there is no model"), "there is no model");
        assert_eq!(FieldError::of("", ": odd").message, ": odd");
    }
}
