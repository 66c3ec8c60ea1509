//! Routes that cannot be wrong.
//!
//! One attribute, [`route`], makes a handler fn a registered route: router, OpenAPI document, validation, tracing,
//! limits, tests and docs examples all come from it. This crate is the framework; with the feature `server` it is also
//! TabAgent's own routes and the binary `tabagent`.

// Generated code names this crate by an absolute path, in this crate as everywhere else.
extern crate self as tabagent_api;

pub mod framework;
#[cfg(feature = "server")]
pub mod routes;
#[cfg(feature = "server")]
pub mod server;

pub use framework::*;

/// The rules of `#[route]`, `#[derive(Problem)]` and `#[derive(Schema)]`: what each refuses, why, and the way out.
#[doc = include_str!("../../tabagent-macros/docs/rules.md")]
pub mod rules {}

/// The programs in README and CONTRIBUTING, as documentation tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../CONTRIBUTING.md")]
    struct Contributing;
}

/// What generated code uses. Not for people: no promise is made about anything in it.
#[doc(hidden)]
pub mod __private {
    pub use ::garde;
    pub use ::inventory;
    pub use ::serde;
    pub use ::serde_json;
    pub use ::utoipa;
    pub use axum::extract::{Request, State};
    pub use axum::response::Response;

    pub use crate::framework::assertions::*;
    pub use crate::framework::case::{check_no_body, run_check};
    pub use crate::framework::mount::*;
    pub use crate::framework::validation::*;
    pub use crate::framework::*;
}
