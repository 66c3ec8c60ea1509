//! The harness: every case of every mounted route, through the real router, as a test of its own.
//!
//! A test target with `harness = false` calls [`run`] with the app that it would serve. Each case is reported under its
//! route and name. Beside the author's expectation each response is held to the document: its status is declared, its
//! body matches the declared schema, every failure is a problem with a page, and every response carries the request id.
//! So is each request that succeeds: its parameters and its body are what the document allows.
//!
//! With `TABAGENT_EXAMPLES=<file>` the responses of the successful cases are written to that file, from which
//! [`crate::App::examples`] shows them; without it they are compared with what the app shows.

mod case;
mod conformance;
mod recorder;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use super::app::MountedApp;

pub use case::{build_request, send};
pub use conformance::Conformance;
use recorder::Recorder;

/// Runs all cases of the app that `build` makes; the exit code of the test target.
///
/// `build` is called once, within the Tokio runtime that serves the requests, and only when a test is to run.
pub fn run<E: std::fmt::Display>(build: impl FnOnce() -> Result<MountedApp, E>) -> ExitCode {
    // One after the other: they share one server, and a case may stop, or change, what another relies on.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => return failed(&format!("the Tokio runtime does not start: {error}")),
    };
    let _entered = runtime.enter();
    let app = match build() {
        Ok(app) => app,
        Err(error) => return failed(&error.to_string()),
    };
    let conformance = match Conformance::of(&app) {
        Ok(conformance) => Arc::new(conformance),
        Err(reason) => return failed(&reason),
    };
    let recorder = Arc::new(Recorder::of(&app));
    let mut trials = Vec::new();
    for route in app.routes.iter().copied() {
        for path in route.paths() {
            for case in route.cases {
                let (app, conformance, recorder) =
                    (app.clone(), Arc::clone(&conformance), Arc::clone(&recorder));
                let runtime = Arc::clone(&runtime);
                let name = format!("{} {path}::{}", route.method, case.name);
                trials.push(Trial::test(name, move || {
                    runtime.block_on(case::check(&app, &conformance, &recorder, route, path, case)).map_err(
                        |reason| Failed::from(format!("{}:{}: {reason}", route.source.file, case.line)),
                    )
                }));
            }
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Err(reason) = recorder.finish() {
        return failed(&reason);
    }
    conclusion.exit_code()
}

#[allow(clippy::print_stderr, reason = "the output of a test target")]
fn failed(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}
