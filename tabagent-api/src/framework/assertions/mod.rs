//! Checks that generated code makes at compile time.
//!
//! A rule that needs types is a const evaluation with a sentence of ours: `error[E0080]: evaluation panicked:
//! [route::id] ..` at the author's token. [`Probe`] makes the facts: an inherent item exists where the bounds hold,
//! and where they do not the item of the same name of a fallback trait is found instead. The calls go through it too,
//! so that a type that breaks a rule gets its one sentence and no wall of unsatisfied bounds behind it.

mod check;
mod extract;
mod field;
mod path;
mod sentence;

use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts};
use garde::Validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

pub use check::*;
pub use extract::*;
pub use field::*;
pub use path::*;
pub use sentence::*;

use super::case::{CaseResponse, CheckOutcome, run_check};
use super::component::{AppState, ComponentRequirement};
use super::extract::{Path, PathFields, PathShape, Query, RouteInput};
use super::openapi::OperationBuilder;
use super::output::{BodyKind, RouteOutput};
use super::problem::{Problem, ProblemVariant};
use super::validation::{SchemaType, TextFields};

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
    /// How it reads the path, where it is the `Path` extractor, whatever the name by which it is written.
    const READS_PATH: Option<PathShape> = None;
    /// Whether it is the `Query` extractor, whatever the name by which it is written.
    const READS_QUERY: bool = false;
    /// The fields of what a query or a path is read into; unknown for types whose schema is not derived.
    const TEXT_FIELDS: TextFields = TextFields::Unknown;
    /// Whether the two types of a pair are one.
    const SAME: bool = false;
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
    /// Status of a success that names none; unknown is 0, since another rule speaks.
    const STATUS: u16 = 0;
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

impl<T: PathFields> Probe<Path<T>> {
    /// How it reads the path.
    pub const READS_PATH: Option<PathShape> = Some(T::SHAPE);
}

impl<T: SchemaType> Probe<Path<T>> {
    /// The fields of what the path is read into.
    pub const TEXT_FIELDS: TextFields = T::FIELDS;
}

impl<T: SchemaType> Probe<Query<T>> {
    /// The fields of what the query is read into.
    pub const TEXT_FIELDS: TextFields = T::FIELDS;
}

impl<T> Probe<Query<T>> {
    /// It is the `Query` extractor.
    pub const READS_QUERY: bool = true;
}

impl<T> Probe<(T, T)> {
    /// The two are one.
    pub const SAME: bool = true;
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
    /// Status of a success that names none.
    pub const STATUS: u16 = R::BODY.status();
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
