//! The server: configuration, commands, listener, log, and the pages beside the API.
//!
//! [`main`] is the binary `tabagent`. [`build_app`] is the app that it serves, for tests that call the router itself.

pub mod cli;
mod client;
mod commands;
pub mod config;
pub mod http;
pub mod logging;
pub mod output;
pub mod pages;
mod process;
pub mod readiness;

use tabagent_runtime::runtime::Runtime;

use crate::framework::{App, Examples};
use config::Config;
use http::OpenConnections;
use pages::metrics::MetricsPage;

pub use cli::main;
pub use readiness::{Readiness, Stage};

/// Responses that the cases have seen; `TABAGENT_EXAMPLES=<this file> cargo test -p tabagent-tests --test cases` records them.
const EXAMPLES: &str = include_str!("../../assets/examples.json");

/// The app of all routes, without the components that they need: enough for the list of routes and the document.
pub fn routes(config: &Config) -> App {
    // Naming the crate from inside itself keeps the list of crates in one place.
    let app = crate::app! { crates: [tabagent_api] }.configure(config.api());
    // A test holds that they parse; the document without them is still whole.
    app.examples(Examples::parse(EXAMPLES).unwrap_or_default())
}

/// The app that is served, ready from the start.
pub fn build_app(config: &Config, runtime: Runtime) -> App {
    assemble(config, runtime, Readiness::ready(), OpenConnections::default())
}

/// The app, with the parts that the listener changes while it is served.
fn assemble(config: &Config, runtime: Runtime, readiness: Readiness, open: OpenConnections) -> App {
    let metrics = MetricsPage {
        runtime: runtime.clone(),
        readiness: readiness.clone(),
        open,
        api_key: config.api_key.clone(),
    };
    routes(config).provide(runtime).provide(readiness).pages(pages::swagger::pages()).pages(metrics.pages())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_examples_can_be_read() {
        assert_ne!(Examples::parse(EXAMPLES), Ok(Examples::default()));
    }
}
