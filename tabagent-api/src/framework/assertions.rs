//! Checks that generated code makes at compile time.
//!
//! A rule that needs types is a const evaluation with a sentence of ours: `error[E0080]: evaluation panicked:
//! [route::id] ..` at the author's token. [`Probe`] makes the facts: an inherent item exists where the bounds hold,
//! and where they do not the item of the same name of a fallback trait is found instead. The calls go through it too,
//! so that a type that breaks a rule gets its one sentence and no wall of unsatisfied bounds behind it.

use std::future::{Future, Ready, ready};
use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::case::{CaseResponse, CheckOutcome, run_check};
use super::component::{AppState, ComponentRequirement};
use super::extract::{PathFields, PathShape, RouteInput};
use super::mount::{extract_last, extract_parts, respond};
use super::openapi::OperationBuilder;
use super::output::{BodyKind, RouteOutput};
use super::problem::{Problem, ProblemVariant};

/// What is known of a type at compile time.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

/// What a [`Probe`] says of a type for which nothing better is known.
pub trait Unless: Sized {
    /// Whether requests can be read into it.
    const DESERIALIZES: bool = false;
    /// Whether it can be written as JSON.
    const SERIALIZES: bool = false;
    /// Whether it has a schema.
    const HAS_SCHEMA: bool = false;
    /// Whether it has validation rules.
    const VALIDATES: bool = false;
    /// Whether it can be read from a path.
    const IS_PATH: bool = false;
    /// How it is read from a path.
    const PATH_SHAPE: Option<PathShape> = None;
    /// Whether it is an argument that says what it reads.
    const IS_INPUT: bool = false;
    /// Whether it is an extractor that reads the head of a request.
    const READS_HEAD: bool = false;
    /// Whether it is an extractor that reads the body.
    const READS_BODY: bool = false;
    /// Whether it is a response that says what it is.
    const IS_OUTPUT: bool = false;
    /// Whether a response of it has a body; unknown counts as none, since another rule speaks.
    const HAS_BODY: bool = false;
    /// Whether it can be an event stream.
    const STREAMS: bool = false;
    /// Whether it is a problem.
    const IS_PROBLEM: bool = false;
    /// Name of the problem type.
    const NAME: &'static str = "";
    /// Variants of the problem type.
    const VARIANTS: &'static [ProblemVariant] = &[];

    /// Says nothing of an argument.
    fn describe_input(_: &mut OperationBuilder) {}

    /// Says nothing of a response.
    fn describe_output(_: &mut OperationBuilder) {}

    /// Says nothing of problems.
    fn describe_problems(_: &mut OperationBuilder) {}

    /// Needs no component.
    fn components(_: &mut Vec<ComponentRequirement>) {}

    /// Never called: a const check has stopped the compiler.
    fn run_check<F>(_: &CaseResponse, _: F) -> Result<(), String> {
        Err("the response type cannot be read back".to_owned())
    }
}

impl<T: ?Sized> Unless for Probe<T> {}

impl<T: DeserializeOwned> Probe<T> {
    /// Requests can be read into it.
    pub const DESERIALIZES: bool = true;
}

impl<T: Serialize> Probe<T> {
    /// It can be written as JSON.
    pub const SERIALIZES: bool = true;
}

impl<T: ToSchema> Probe<T> {
    /// It has a schema.
    pub const HAS_SCHEMA: bool = true;
}

impl<T: Validate<Context = ()>> Probe<T> {
    /// It has validation rules.
    pub const VALIDATES: bool = true;
}

impl<T: PathFields> Probe<T> {
    /// It can be read from a path.
    pub const IS_PATH: bool = true;
    /// How it is read from a path.
    pub const PATH_SHAPE: Option<PathShape> = Some(T::SHAPE);
}

impl<A: RouteInput> Probe<A> {
    /// It is an argument that says what it reads.
    pub const IS_INPUT: bool = true;

    /// Adds the argument to the operation.
    pub fn describe_input(operation: &mut OperationBuilder) {
        A::describe(operation);
    }

    /// Lists the components of the argument.
    pub fn components(list: &mut Vec<ComponentRequirement>) {
        A::components(list);
    }
}

impl<A: FromRequestParts<AppState>> Probe<A> {
    /// It is an extractor that reads the head of a request.
    pub const READS_HEAD: bool = true;
}

impl<A: FromRequest<AppState>> Probe<A> {
    /// It is an extractor that reads the body.
    pub const READS_BODY: bool = true;
}

impl<R: RouteOutput> Probe<R> {
    /// It is a response that says what it is.
    pub const IS_OUTPUT: bool = true;
    /// Whether a response of it has a body.
    pub const HAS_BODY: bool = !matches!(R::BODY, BodyKind::None);
    /// Whether it can be an event stream.
    pub const STREAMS: bool = R::BODY.streams();

    /// Adds the response to the operation.
    pub fn describe_output(operation: &mut OperationBuilder) {
        R::describe(operation, operation.success_status());
    }
}

impl<R: RouteOutput> Probe<R>
where
    R::Body: DeserializeOwned,
{
    /// Parses a response and applies a closure to it.
    ///
    /// # Errors
    /// With the reason, when the body is not an `R::Body` or the check does not pass.
    pub fn run_check<F, O>(response: &CaseResponse, check: F) -> Result<(), String>
    where
        F: Fn(&R::Body) -> O,
        O: CheckOutcome,
    {
        run_check::<R, F, O>(response, check)
    }
}

/// The closure itself; its argument is a `&B`.
pub const fn check_of<B, F: Fn(&B) -> O, O>(check: F) -> F {
    check
}

/// A fn that checks a response whose body is a `B`.
pub trait ChecksResponse<B> {
    /// Applies it.
    ///
    /// # Errors
    /// With the reason, when the check does not pass.
    fn check(&self, body: &B) -> Result<(), String>;
}

impl<B, F, O> ChecksResponse<B> for F
where
    F: Fn(&B) -> O,
    O: CheckOutcome,
{
    fn check(&self, body: &B) -> Result<(), String> {
        self(body).outcome()
    }
}

/// A fn `F` as the check of a case whose response is an `R`.
///
/// `(&&CheckFn::<R, _>::new(f)).run(..)` finds the first of three traits that holds, as [`Last`] does: [`CheckFits`],
/// [`CheckMisfits`], [`UnlessParsed`]; [`check_outcome`] then accepts all but the second.
#[derive(Debug)]
pub struct CheckFn<R, F>(F, PhantomData<R>);

impl<R, F: Copy> Clone for CheckFn<R, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, F: Copy> Copy for CheckFn<R, F> {}

impl<R, F> CheckFn<R, F> {
    /// The check `F`.
    pub const fn new(check: F) -> Self {
        Self(check, PhantomData)
    }
}

/// What came of a check of a `B`.
#[derive(Debug)]
pub struct Checked<B, T>(T, PhantomData<B>);

/// A check that takes another type.
#[derive(Debug)]
pub struct Misfit;

/// A check that takes the response.
pub trait CheckFits<B> {
    /// Applies it.
    fn run(self, response: &CaseResponse) -> Checked<B, Result<(), String>>;
}

impl<R: RouteOutput, F: ChecksResponse<R::Body>> CheckFits<R::Body> for &&CheckFn<R, F>
where
    R::Body: DeserializeOwned,
{
    fn run(self, response: &CaseResponse) -> Checked<R::Body, Result<(), String>> {
        Checked(R::parse(response).and_then(|body| self.0.check(&body)), PhantomData)
    }
}

/// A check that takes another type.
pub trait CheckMisfits<B> {
    /// Says so.
    fn run(self, _: &CaseResponse) -> Checked<B, Misfit>;
}

impl<R: RouteOutput, F> CheckMisfits<R::Body> for &CheckFn<R, F>
where
    R::Body: DeserializeOwned,
{
    fn run(self, _: &CaseResponse) -> Checked<R::Body, Misfit> {
        Checked(Misfit, PhantomData)
    }
}

/// A check of what cannot be parsed: never called, since a const check has stopped the compiler.
pub trait UnlessParsed {
    /// Says so.
    fn run(self, _: &CaseResponse) -> Checked<(), Result<(), String>>;
}

impl<R, F> UnlessParsed for CheckFn<R, F> {
    fn run(self, _: &CaseResponse) -> Checked<(), Result<(), String>> {
        Checked(Err("the response type cannot be read back".to_owned()), PhantomData)
    }
}

/// What a fitting check of a `B` gives.
#[diagnostic::on_unimplemented(
    message = "[route::case-type-mismatch] this check does not take `&{B}`, the body of the route's response",
    label = "must be a `fn(&{B})` that returns nothing, a bool or a `Result<(), impl Display>`"
)]
pub trait FittingCheck<B> {
    /// The outcome.
    ///
    /// # Errors
    /// With the reason, when the check did not pass.
    fn into_outcome(self) -> Result<(), String>;
}

impl<B> FittingCheck<B> for Result<(), String> {
    fn into_outcome(self) -> Result<(), String> {
        self
    }
}

/// The outcome of a check.
///
/// # Errors
/// With the reason, when the check did not pass.
pub fn check_outcome<B, T: FittingCheck<B>>(checked: Checked<B, T>) -> Result<(), String> {
    checked.0.into_outcome()
}

impl<E: Problem> Probe<E> {
    /// It is a problem.
    pub const IS_PROBLEM: bool = true;
    /// Name of the problem type.
    pub const NAME: &'static str = E::NAME;
    /// Variants of the problem type.
    pub const VARIANTS: &'static [ProblemVariant] = E::VARIANTS;

    /// Adds the problems to the operation.
    pub fn describe_problems(operation: &mut OperationBuilder) {
        operation.problems(E::VARIANTS);
    }
}

impl<A: RouteInput + FromRequestParts<AppState>> Probe<A> {
    /// Takes an argument that reads the request's head.
    ///
    /// # Errors
    /// The response that the extractor answers with instead.
    pub async fn extract(parts: &mut Parts, state: &AppState) -> Result<A, Response> {
        extract_parts(parts, state).await
    }
}

/// The last argument of a handler, which may read the body.
///
/// `(&&Last::<A>::NEW).extract(..)` finds the first of three traits that holds for `A`, by the compiler's order of
/// dereferencing: [`LastOfHead`], [`LastOfBody`], [`UnlessLast`].
#[derive(Debug)]
pub struct Last<A>(PhantomData<A>);

impl<A> Clone for Last<A> {
    fn clone(&self) -> Self {
        *self
    }
}

// The last of the three takes the probe out of its references.
impl<A> Copy for Last<A> {}

impl<A> Last<A> {
    /// The value to call on.
    pub const NEW: Self = Self(PhantomData);
}

/// A last argument that reads the head of the request.
pub trait LastOfHead<A> {
    /// Takes the argument, or gives the response that the extractor answers with instead.
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send;
}

impl<A: RouteInput + FromRequestParts<AppState>> LastOfHead<A> for &&Last<A> {
    #[allow(clippy::manual_async_fn, reason = "an async fn would capture the reference to the probe")]
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send {
        async move { extract_parts(&mut request.into_parts().0, state).await }
    }
}

/// A last argument that reads the body.
pub trait LastOfBody<A> {
    /// Takes the argument, or gives the response that the extractor answers with instead.
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send;
}

impl<A: RouteInput + FromRequest<AppState>> LastOfBody<A> for &Last<A> {
    fn extract(self, request: Request, state: &AppState) -> impl Future<Output = Result<A, Response>> + Send {
        extract_last(request, state)
    }
}

/// Extraction of a type that cannot be extracted: never called, since a const check has stopped the compiler.
pub trait UnlessLast<A> {
    /// Answers with 500.
    fn extract(self, _: Request, _: &AppState) -> Ready<Result<A, Response>>;
}

impl<A> UnlessLast<A> for Last<A> {
    fn extract(self, _: Request, _: &AppState) -> Ready<Result<A, Response>> {
        ready(Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
    }
}

/// Extraction of an argument before the last that cannot be extracted there: never called either.
pub trait UnlessHead {
    /// The argument.
    type Argument;

    /// Answers with 500.
    fn extract(_: &mut Parts, _: &AppState) -> Ready<Result<Self::Argument, Response>> {
        ready(Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
    }
}

impl<A> UnlessHead for Probe<A> {
    type Argument = A;
}

impl<R: RouteOutput, E: Problem> Probe<Result<R, E>> {
    /// Turns a handler's result into its response.
    pub fn respond(result: Result<R, E>, status: u16) -> Response {
        respond(result, status)
    }
}

/// The response of a type that is none: never called, since a const check has stopped the compiler.
pub trait UnlessResult {
    /// Answers with 500.
    fn respond<T>(_: T, _: u16) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<T> UnlessResult for Probe<T> {}

/// What a handler returns, seen through aliases of `Result`.
#[diagnostic::on_unimplemented(
    message = "[route::handler-not-result] the handler returns `{Self}`, which is no `Result`",
    label = "return `Result<Json<T>, MyError>`"
)]
pub trait HandlerResult {
    /// The response.
    type Success;
    /// The problem.
    type Failure;
}

impl<R, E> HandlerResult for Result<R, E> {
    type Success = R;
    type Failure = E;
}

/// A sentence built at compile time; silent when there is nothing to say.
#[derive(Debug, Clone, Copy)]
pub struct Sentence {
    bytes: [u8; 2048],
    length: usize,
}

impl Sentence {
    /// Nothing to say.
    pub const SILENT: Self = Self { bytes: [0; 2048], length: 0 };

    /// Whether there is nothing to say.
    pub const fn is_silent(&self) -> bool {
        self.length == 0
    }

    /// The sentence.
    pub const fn text(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.length);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => "a rule is broken (its sentence was cut inside a character)",
        }
    }

    const fn and(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.length < self.bytes.len() {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    /// `, ` between the parts of a list.
    const fn separated(self, first: bool) -> Self {
        if first { self } else { self.and(", ") }
    }

    const fn quoted(self, name: &str) -> Self {
        self.and("`").and(name).and("`")
    }
}

/// `problem-case-missing`: no case ends in a problem, and the error type has variants.
pub const fn problem_case_missing(route: &str, error: &str, variants: &[ProblemVariant]) -> Sentence {
    if variants.is_empty() {
        return Sentence::SILENT;
    }
    let say = Sentence::SILENT
        .and("[route::problem-case-missing] no case of the route ")
        .quoted(route)
        .and(" ends in a problem\n  help: add one with `problem = ")
        .and(error)
        .and("::")
        .and(variants[0].name)
        .and("`; the error type can be ");
    names(say, variants)
}

const fn names(mut say: Sentence, variants: &[ProblemVariant]) -> Sentence {
    let mut at = 0;
    while at < variants.len() {
        say = say.separated(at == 0).quoted(variants[at].name);
        at += 1;
    }
    say
}

/// `problem-untested`: the variants that neither a case (type and variant) nor a waiver names.
pub const fn problem_untested(
    error: &str,
    variants: &[ProblemVariant],
    tested: &[(&str, &str)],
    waived: &[&str],
) -> Sentence {
    let mut say = Sentence::SILENT;
    let mut example = "";
    let mut at = 0;
    while at < variants.len() {
        let name = variants[at].name;
        if !is_tested(error, name, tested) && !contains(waived, name) {
            say = if say.is_silent() {
                example = name;
                say.and("[route::problem-untested] no case exercises ")
            } else {
                say.and(", ")
            };
            say = say.quoted(name);
        }
        at += 1;
    }
    if say.is_silent() {
        return say;
    }
    say.and(" of `")
        .and(error)
        .and("`\n  help: add `case(\"..\", .., problem = ")
        .and(error)
        .and("::")
        .and(example)
        .and(")`, or `untested(")
        .and(example)
        .and(", \"why no request can cause it\")` to `tests`")
}

const fn is_tested(error: &str, name: &str, tested: &[(&str, &str)]) -> bool {
    let mut at = 0;
    while at < tested.len() {
        if same(tested[at].0, error) && same(tested[at].1, name) {
            return true;
        }
        at += 1;
    }
    false
}

/// `case-type-mismatch`: the type that a case names is the route's error type or the framework's own, and has the
/// variant.
pub const fn case_problem_unknown(
    own: (&str, &[ProblemVariant]),
    named: (&str, &[ProblemVariant]),
    variant: &str,
) -> Sentence {
    // A route without a problem type has an error of its own.
    if own.0.is_empty() {
        return Sentence::SILENT;
    }
    if named.0.is_empty() {
        return Sentence::SILENT
            .and(
                "[route::case-type-mismatch] this is not a variant of a problem\n  help: name a variant of `",
            )
            .and(own.0)
            .and("`, the error type of the route, or of `ApiError`");
    }
    if !same(own.0, named.0) && !same(named.0, "ApiError") {
        let say = Sentence::SILENT
            .and("[route::case-type-mismatch] ")
            .quoted(named.0)
            .and(" is not the error type of the route, which is ")
            .quoted(own.0)
            .and("\n  help: the route can answer with ");
        return names(say, own.1).and(", or a variant of `ApiError`");
    }
    let mut at = 0;
    let mut nearest = "";
    let mut least = 4;
    while at < named.1.len() {
        let name = named.1[at].name;
        if same(name, variant) {
            return Sentence::SILENT;
        }
        let distance = distance(name, variant);
        if distance < least {
            least = distance;
            nearest = name;
        }
        at += 1;
    }
    let say = Sentence::SILENT
        .and("[route::case-type-mismatch] ")
        .quoted(named.0)
        .and(" has no variant ")
        .quoted(variant)
        .and("\n  help: ");
    let say = if nearest.is_empty() { say } else { say.and("did you mean ").quoted(nearest).and("? ") };
    names(say.and("it has "), named.1)
}

/// `path-param-unused`: parameters (name, drawing) that the type does not read.
pub const fn path_param_unused(parameters: &[(&str, &str)], shape: Option<PathShape>) -> Sentence {
    let read = match shape {
        // Not a path type: `request-undocumented` speaks.
        None => return Sentence::SILENT,
        Some(PathShape::Named(fields)) => return unread_names(parameters, fields),
        Some(PathShape::Scalar) => 1,
        Some(PathShape::Tuple(count)) => count,
    };
    if read >= parameters.len() {
        return Sentence::SILENT;
    }
    let (name, drawing) = parameters[read];
    Sentence::SILENT
        .and("[route::path-param-unused] no argument reads `{")
        .and(name)
        .and("}`: the path has ")
        .and(digit(parameters.len()))
        .and(" parameters, the argument takes ")
        .and(digit(read))
        .and(drawing)
        .and("\n  help: take a tuple of as many values, or a struct that derives `Schema` with a field for each")
}

const fn unread_names(parameters: &[(&str, &str)], fields: &[&str]) -> Sentence {
    let mut at = 0;
    while at < parameters.len() {
        let (name, drawing) = parameters[at];
        if !contains(fields, name) {
            let say = Sentence::SILENT
                .and("[route::path-param-unused] no field reads `{")
                .and(name)
                .and("}`")
                .and(drawing)
                .and("\n  help: ");
            let near = nearest(name, fields);
            return if near.is_empty() {
                say.and("add a field ")
                    .quoted(name)
                    .and(" to the argument's type, or remove it from the path")
            } else {
                say.and("did you mean `{").and(near).and("}`?")
            };
        }
        at += 1;
    }
    Sentence::SILENT
}

/// `path-param-unknown`: what the type reads and the path does not have.
pub const fn path_param_unknown(
    path: &str,
    parameters: &[(&str, &str)],
    shape: Option<PathShape>,
) -> Sentence {
    let read = match shape {
        None => return Sentence::SILENT,
        Some(PathShape::Named(fields)) => return unknown_fields(path, parameters, fields),
        Some(PathShape::Scalar) => 1,
        Some(PathShape::Tuple(count)) => count,
    };
    if read <= parameters.len() {
        return Sentence::SILENT;
    }
    Sentence::SILENT
        .and("[route::path-param-unknown] the argument reads ")
        .and(digit(read))
        .and(" values, and `")
        .and(path)
        .and("` has ")
        .and(digit(parameters.len()))
        .and("\n  help: take as many values as the path has parameters")
}

const fn unknown_fields(path: &str, parameters: &[(&str, &str)], fields: &[&str]) -> Sentence {
    let mut at = 0;
    while at < fields.len() {
        if !has_parameter(parameters, fields[at]) {
            return Sentence::SILENT
                .and("[route::path-param-unknown] no `{")
                .and(fields[at])
                .and("}` in `")
                .and(path)
                .and("` fills the field ")
                .quoted(fields[at])
                .and("\n  help: add the parameter to the path, rename the field, or remove it");
        }
        at += 1;
    }
    Sentence::SILENT
}

const fn has_parameter(parameters: &[(&str, &str)], name: &str) -> bool {
    let mut at = 0;
    while at < parameters.len() {
        if same(parameters[at].0, name) {
            return true;
        }
        at += 1;
    }
    false
}

const fn digit(count: usize) -> &'static str {
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    if count < DIGITS.len() { DIGITS[count] } else { "many" }
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn contains(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if same(names[at], name) {
            return true;
        }
        at += 1;
    }
    false
}

/// The nearest name, or none when all are far.
const fn nearest<'a>(name: &str, known: &[&'a str]) -> &'a str {
    let mut found = "";
    let mut least = 4;
    let mut at = 0;
    while at < known.len() {
        let distance = distance(known[at], name);
        if distance < least && distance * 2 < name.len() {
            least = distance;
            found = known[at];
        }
        at += 1;
    }
    found
}

/// Edits from one name to the other, over bytes; names of 64 bytes and more are far from everything.
const fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() >= 64 || other.len() >= 64 {
        return usize::MAX / 4;
    }
    let mut row = [0; 65];
    let mut at = 0;
    while at <= other.len() {
        row[at] = at;
        at += 1;
    }
    let mut i = 0;
    while i < one.len() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut j = 0;
        while j < other.len() {
            let replaced = diagonal + (one[i] != other[j]) as usize;
            diagonal = row[j + 1];
            let mut best = if row[j] < row[j + 1] { row[j] + 1 } else { row[j + 1] + 1 };
            if replaced < best {
                best = replaced;
            }
            row[j + 1] = best;
            j += 1;
        }
        i += 1;
    }
    row[other.len()]
}
