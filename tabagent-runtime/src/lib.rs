//! Models on ONNX Runtime: the library, sessions, tokenizers, embeddings, rerank, generation, and the store.
//!
//! This crate knows models and machines and nothing of HTTP. [`Runtime`] is its front: one typed method a capability.
//! Inference runs on threads of this crate, never on an async worker; dropping the future of a call cancels it.

pub mod analytics;
pub mod bench;
mod compute;
pub mod device;
pub mod documents;
pub mod embed;
pub mod error;
pub mod generate;
pub mod hardware;
pub mod hub;
pub mod library;
pub mod models;
pub mod rerank;
pub mod resources;
pub mod runtime;
pub mod session;
pub mod similarity;
pub mod store;
pub mod tokenizer;

pub use embed::{EmbedInput, EmbedRequest, Embeddings, Prompt};
pub use error::{BackendError, Result};
pub use generate::{
    CallConstraint, CallableTool, Constraint, Conversation, FinishReason, GeneratePrompt, GenerateRequest,
    GeneratedToken, Generation, GenerationEvent, Markup, MarkupParser, Piece, SamplingRequest,
    TextConstraint, TextForm, TokenProbability,
};
pub use hub::{Hub, HubOptions};
pub use models::{EmbeddingModelInfo, ModelDetails, ModelInfo, ModelKind};
pub use rerank::{RankMethod, Ranked, Ranking, RerankRequest};
pub use runtime::{
    AnswerRequest, DefaultModels, DocumentContent, DocumentIndexState, DocumentIndexes, Fit, Generating,
    Health, IndexReport, IngestProgress, IngestRequest, IngestStage, Ingested, KeepAlive, LoadOutcome,
    LoadRequest, LoadedModel, ModelHealth, ModelState, ParamsInForce, Passage, PassageAnswer, PassageScores,
    PoolMetrics, RegisteredModel, Rerank, Resources, Retrieval, RetrievalMode, RetrievalRequest, Runtime,
    RuntimeMetrics, RuntimeOptions, UnloadOutcome, VariantEstimate, VariantFit, cited, registered_models,
};
pub use similarity::{Metric, Similarities, SimilarityRequest};
pub use store::{
    Append, GenerationParams, MessageBody, NewMessage, Page, Paged, Place, Session, SessionTail, StoreUsage,
    StoredMessage, StoredResponse,
};
