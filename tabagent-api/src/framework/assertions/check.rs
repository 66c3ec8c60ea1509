//! Whether a case's check fits the response: a sentence where it does not, instead of a wall of bounds.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::framework::case::{CaseResponse, CheckOutcome};
use crate::framework::output::RouteOutput;

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
/// `(&&&CheckFn::<R, _>::new(f)).run(..)` finds the first of four traits that holds, as [`super::Last`] does: [`CheckFits`],
/// [`CheckOfNothing`], [`CheckMisfits`], [`UnlessParsed`]; [`check_outcome`] then accepts all but the third.
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

impl<R: RouteOutput, F: ChecksResponse<R::Body>> CheckFits<R::Body> for &&&CheckFn<R, F>
where
    R::Body: DeserializeOwned,
{
    fn run(self, response: &CaseResponse) -> Checked<R::Body, Result<(), String>> {
        Checked(R::parse(response).and_then(|body| self.0.check(&body)), PhantomData)
    }
}

/// A check of a response that has no body: never called, since a const check has stopped the compiler.
pub trait CheckOfNothing {
    /// Says so.
    fn run(self, _: &CaseResponse) -> Checked<(), Result<(), String>>;
}

impl<R: RouteOutput<Body = ()>, F> CheckOfNothing for &&CheckFn<R, F> {
    fn run(self, _: &CaseResponse) -> Checked<(), Result<(), String>> {
        Checked(Err("the response has no body to check".to_owned()), PhantomData)
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
    message = "[route::case-type-mismatch] this check is no `fn(&{B})` that gives nothing, a bool or a `Result<(), impl Display>`",
    label = "the body of the route's response is `{B}`"
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
