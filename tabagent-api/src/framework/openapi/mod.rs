//! The OpenAPI 3.1 document, built from the records and nothing else.
//!
//! utoipa gives each type's JSON Schema; operations, parameters, responses and examples come from the routes. What utoipa
//! would let pass in silence is an error here: two types of one schema name, two responses of one status and media type.

mod document;
mod examples;
mod operation;
mod schemas;

pub use document::build;
pub use examples::Examples;
pub use operation::OperationBuilder;
pub(crate) use operation::parameter_names;
#[cfg(feature = "testing")]
pub(crate) use operation::typed;
pub use schemas::{Schemas, schema_value};
