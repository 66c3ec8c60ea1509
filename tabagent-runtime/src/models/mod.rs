//! The models that are here: those of the models folder and those inside the binary.

mod catalog;
mod config;
mod describe;
mod embedded;
mod files;
pub mod id;
mod info;
mod known;
mod variants;

pub(crate) use catalog::is_inside_model;
pub use catalog::{Catalog, Entry};
pub(crate) use config::DenseConfig;
pub use config::{Pooling, PoolingMode, Prompts};
pub use describe::{Description, ModelKind, Step, describe};
pub use embedded::{CHAT_ID, EMBED_ID};
pub use files::{EmbeddedFile, ModelFile, ModelFiles};
pub use info::{EmbeddingModelInfo, ModelDetails, ModelInfo};
pub use known::{KnownModel, KnownModels, known_models};
pub(crate) use variants::precision;
pub use variants::{Precision, Variant, attends_grouped, quantises_activations, variants};
