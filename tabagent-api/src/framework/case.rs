//! Test cases as data: what a route's author claims, and every test run checks.

use std::fmt::Display;

use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::output::RouteOutput;
use super::problem::ProblemVariant;

/// One request and what must come of it.
#[derive(Debug)]
pub struct TestCase {
    /// Name, unique in its route.
    pub name: &'static str,
    /// Line in the route's source file.
    pub line: u32,
    /// Values of the path's parameters, not yet percent-encoded.
    pub path: &'static [(&'static str, &'static str)],
    /// Query parameters, in order.
    pub query: &'static [(&'static str, &'static str)],
    /// Headers.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: CaseBody,
    /// What must come of it.
    pub expect: Expectation,
}

/// The body of a case's request.
#[derive(Debug)]
pub enum CaseBody {
    /// None.
    None,
    /// JSON text, sent as `application/json`.
    Json(&'static str),
    /// Bytes as they are, for hostile input.
    Raw {
        /// The body.
        bytes: &'static [u8],
        /// Its content type, if one is sent.
        content_type: Option<&'static str>,
    },
}

/// What must come of a case.
#[derive(Debug)]
pub enum Expectation {
    /// This status, and a body that passes the check.
    Success {
        /// The status.
        status: u16,
        /// Parses the response into the route's type and applies the author's check.
        check: fn(&CaseResponse) -> Result<(), String>,
    },
    /// This variant of this error type.
    Problem {
        /// The variants of the error type.
        of: &'static [ProblemVariant],
        /// Name of the variant.
        variant: &'static str,
    },
}

/// A whole response, as a case sees it.
#[derive(Debug, Clone)]
pub struct CaseResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

/// What a check may return: nothing (it asserts), a bool, or a reason.
#[diagnostic::on_unimplemented(
    message = "[route::case-type-mismatch] a check gives nothing, a bool or a `Result<(), impl Display>`, and this one gives `{Self}`",
    label = "does not say whether the response is right"
)]
pub trait CheckOutcome {
    /// `Err` with what was wrong.
    fn outcome(self) -> Result<(), String>;
}

impl CheckOutcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl CheckOutcome for bool {
    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("the check returned false".to_owned()) }
    }
}

impl<E: Display> CheckOutcome for Result<(), E> {
    fn outcome(self) -> Result<(), String> {
        self.map_err(|reason| reason.to_string())
    }
}

/// Parses `response` into the body type of `R` and applies `check` to it.
///
/// # Errors
/// With the reason, when the body is not an `R::Body` or the check does not pass.
pub fn run_check<R, F, O>(response: &CaseResponse, check: F) -> Result<(), String>
where
    R: RouteOutput,
    R::Body: DeserializeOwned,
    F: Fn(&R::Body) -> O,
    O: CheckOutcome,
{
    check(&R::parse(response)?).outcome()
}

/// The check of a response that has no body.
///
/// # Errors
/// When there is one.
pub fn check_no_body(response: &CaseResponse) -> Result<(), String> {
    if response.body.is_empty() {
        Ok(())
    } else {
        Err("the response has a body and should have none".to_owned())
    }
}
