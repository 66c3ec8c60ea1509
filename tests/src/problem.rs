//! The one body of every failure, held to all that is promised of it.

use serde_json::Value;

use crate::http::Response;

/// Asserts that a response is the problem `slug` with this status, whole and nothing else; its body.
pub fn assert_problem(response: &Response, status: u16, slug: &str) -> Value {
    let body = assert_some_problem(response);
    assert_eq!(
        (response.status, body["type"].as_str()),
        (status, Some(&*format!("/problems/{slug}"))),
        "{body:#}"
    );
    body
}

/// Asserts that a response is a problem of any kind, whole and nothing else; its body.
pub fn assert_some_problem(response: &Response) -> Value {
    let shown = || format!("{} {:?}\n{}", response.status, response.headers, response.text());
    assert!((400..600).contains(&response.status), "not a failure: {}", shown());
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{}", shown());
    let body = response.json();
    let members = ["type", "title", "status", "detail", "request_id", "error"];
    for member in members {
        assert!(!body[member].is_null(), "`{member}` is missing: {}", shown());
    }
    for member in body.as_object().expect("a problem is an object").keys() {
        assert!(
            members.contains(&&**member) || ["instance", "errors"].contains(&&**member),
            "`{member}`: {}",
            shown()
        );
    }
    assert_eq!(body["status"], response.status, "{}", shown());
    assert_eq!(body["request_id"].as_str(), response.header("x-request-id"), "{}", shown());
    for member in ["type", "title", "detail"] {
        assert!(
            body[member].as_str().is_some_and(|text| !text.is_empty()),
            "`{member}` says nothing: {}",
            shown()
        );
    }
    let error = body["error"].as_object().expect("`error` is an object");
    let mut keys: Vec<_> = error.keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["code", "message", "param", "type"], "{}", shown());
    for member in ["message", "type", "code"] {
        assert!(error[member].as_str().is_some_and(|text| !text.is_empty()), "`error.{member}`: {}", shown());
    }
    assert!(error["param"].is_null() || error["param"].is_string(), "{}", shown());
    for entry in body["errors"].as_array().into_iter().flatten() {
        for member in ["field", "message"] {
            let says = entry[member].as_str().is_some_and(|text| !text.is_empty());
            assert!(says, "`errors.{member}`: {}", shown());
        }
    }
    if matches!(response.status, 429 | 503) {
        let seconds = response.header("retry-after").and_then(|text| text.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| seconds > 0), "no Retry-After: {}", shown());
    }
    body
}
