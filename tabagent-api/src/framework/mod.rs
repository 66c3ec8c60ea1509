//! The framework: what a route is, how it is mounted, documented, guarded and tested.
//!
//! It does not know the runtime. In reading order: [`record`] is what `#[route]` registers, [`problem`] what a route
//! answers when it fails, [`extract`] and [`output`] what it takes and gives, [`app`] puts routes behind a router.

pub mod api_error;
pub mod app;
pub mod assertions;
pub mod case;
pub mod component;
pub mod config;
pub mod extract;
pub mod layers;
pub mod mount;
pub mod openapi;
pub mod output;
pub mod pages;
pub mod problem;
pub mod record;
pub mod registry;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;
pub mod validation;

pub use api_error::ApiError;
pub use app::{App, MountedApp};
pub use case::{CaseBody, CaseResponse, Expectation, TestCase};
pub use component::{AppState, Component, ComponentRequirement, Components};
pub use config::ApiConfig;
pub use extract::{
    FormFile, FormRequest, Json, JsonOrForm, Path, PathFields, PathShape, Query, RequestId, RouteInput,
};
pub use openapi::{Examples, OperationBuilder};
pub use output::{BodyKind, NoContent, RouteOutput, Text};
pub use pages::Pages;
pub use problem::{FieldError, Problem, ProblemKind, ProblemKinds, ProblemVariant};
pub use record::{Auth, Method, RouteAlias, RouteHandler, RouteLimits, RouteMetadata, Source};
pub use registry::{StartError, StartErrors};
pub use stream::{EventStream, JsonOrStream, StreamEvent};
pub use tabagent_macros::{Problem, Schema, route};
