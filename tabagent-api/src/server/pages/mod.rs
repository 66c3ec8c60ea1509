//! Pages beside the API: Swagger UI and the metrics.

pub mod metrics;
pub mod swagger;
