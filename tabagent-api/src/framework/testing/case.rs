//! One case: its request, and its response held to the expectation.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::header;
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tower::ServiceExt;

use super::{Conformance, Recorder};
use crate::framework::MountedApp;
use crate::framework::case::{CaseBody, CaseResponse, Expectation, TestCase};
use crate::framework::problem::{ProblemBody, ProblemVariant};
use crate::framework::record::RouteMetadata;

/// What a segment keeps as it is; a slash is part of a value and is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What a `{*rest}` keeps: its slashes separate segments.
const REST: &AsciiSet = &SEGMENT.remove(b'/');

/// The request of a case at one path of its route.
///
/// # Errors
/// When the case's values do not make a request.
pub fn build_request(route: &RouteMetadata, path: &str, case: &TestCase) -> Result<Request, String> {
    let mut uri = path.to_owned();
    for (name, value) in case.path {
        uri = uri.replace(&format!("{{{name}}}"), &utf8_percent_encode(value, SEGMENT).to_string());
        uri = uri.replace(&format!("{{*{name}}}"), &utf8_percent_encode(value, REST).to_string());
    }
    if !case.query.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(case.query).finish();
        uri = format!("{uri}?{query}");
    }
    let mut request = http::Request::builder().method(route.method.as_str()).uri(uri);
    if !case.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header(header::HOST, "localhost");
    }
    for (name, value) in case.headers {
        request = request.header(*name, *value);
    }
    let body = match case.body {
        CaseBody::None => Body::empty(),
        CaseBody::Json(text) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(text)
        }
        CaseBody::Raw { bytes, content_type } => {
            if let Some(content_type) = content_type {
                request = request.header(header::CONTENT_TYPE, content_type);
            }
            Body::from(bytes)
        }
    };
    request.body(body).map_err(|error| format!("the case is not a request: {error}"))
}

/// Sends a request through a router and reads the whole response.
///
/// # Errors
/// When the body ends in an error.
pub async fn send(router: &Router, request: Request) -> Result<CaseResponse, String> {
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| format!("the body breaks off: {error}"))?.to_bytes();
    Ok(CaseResponse { status: parts.status, headers: parts.headers, body: body.to_vec() })
}

pub(super) async fn check(
    app: &MountedApp,
    conformance: &Conformance,
    recorder: &Recorder,
    route: &'static RouteMetadata,
    path: &str,
    case: &'static TestCase,
) -> Result<(), String> {
    let response = send(&app.router, build_request(route, path, case)?).await?;
    let shown = || String::from_utf8_lossy(&response.body).chars().take(600).collect::<String>();
    conformance
        .check(route.method, path, &response)
        .map_err(|reason| format!("{reason}\nresponse: {} {}", response.status, shown()))?;
    match &case.expect {
        Expectation::Success { status, check } => {
            if response.status.as_u16() != *status {
                return Err(format!("status {} where {status} is expected: {}", response.status, shown()));
            }
            conformance.check_request(route.method, path, case)?;
            check(&response).map_err(|reason| format!("{reason}\nresponse: {}", shown()))?;
            if path == route.path { recorder.see(route, case, &response) } else { Ok(()) }
        }
        Expectation::Problem { of, variant } => expect_problem(of, variant, &response)
            .map_err(|reason| format!("{reason}\nresponse: {} {}", response.status, shown())),
    }
}

fn expect_problem(
    of: &'static [ProblemVariant],
    variant: &str,
    response: &CaseResponse,
) -> Result<(), String> {
    let body: ProblemBody = serde_json::from_slice(&response.body)
        .map_err(|error| format!("not a problem, where `{variant}` is expected: {error}"))?;
    let kinds: Vec<_> =
        of.iter().filter(|candidate| candidate.name == variant).flat_map(ProblemVariant::all_kinds).collect();
    if kinds.iter().any(|kind| kind.uri() == body.kind && kind.status == response.status.as_u16()) {
        return Ok(());
    }
    let expected: Vec<String> =
        kinds.iter().map(|kind| format!("{} ({})", kind.uri(), kind.status)).collect();
    Err(format!("problem {} where {} is expected", body.kind, expected.join(" or ")))
}
