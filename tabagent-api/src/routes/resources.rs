//! What there is of memory and devices, what a model will take of it, and whether it fits.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_runtime::resources::Estimate;
use tabagent_runtime::{Runtime, VariantFit};

use super::blocking;
use super::inference::InferenceError;
use super::loading::{ResidentModel, device};
use crate::{ApiError, Component, Json, Schema, route};

/// Memory and devices, and the models that use them.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Resources {
    /// Memory.
    pub memory: MemoryUse,
    /// Graphics processors, none where none is seen.
    pub gpus: Vec<GpuUse>,
    /// The models in memory, sorted by id.
    pub models: Vec<ResidentModel>,
}

/// Memory in bytes.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct MemoryUse {
    /// What the server could use at most: the machine's, or the limit of its control group.
    pub total_bytes: u64,
    /// What can be had now.
    pub free_bytes: u64,
    /// What is in use, by this server and others.
    pub used_bytes: u64,
    /// What the server has in RAM, where the system tells.
    pub process_bytes: Option<u64>,
    /// What models may take together (`--memory-limit`), where that is bounded.
    pub models_limit_bytes: Option<u64>,
    /// What models take, by their estimates.
    pub models_bytes: u64,
}

/// A graphics processor.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct GpuUse {
    /// Its name, where known.
    pub name: Option<String>,
    /// Its maker, where known.
    pub vendor: Option<String>,
    /// Its memory in bytes, where the driver tells.
    pub total_bytes: Option<u64>,
    /// What is free of it, where the driver tells.
    pub free_bytes: Option<u64>,
    /// What is in use of it, where the driver tells.
    pub used_bytes: Option<u64>,
}

/// Show memory and devices.
///
/// What there is, what is free, and which model takes how much.
#[route(
    GET, "/v1/resources",
    tag = "resources",
    tests = [
        case("this machine", status = 200, check = |found: &Resources| found.memory.total_bytes >= found.memory.free_bytes && found.memory.free_bytes > 0),
        case("forged host", headers = { "host": "evil.example" }, problem = ApiError::HostNotAllowed),
    ],
)]
pub async fn show_resources(runtime: Component<Runtime>) -> Result<Json<Resources>, Infallible> {
    // Drivers are asked, which can take a second the first time.
    let found = blocking(runtime, Runtime::resources).await;
    let gpus = found.gpus.into_iter().map(|gpu| GpuUse {
        name: gpu.name,
        vendor: gpu.vendor,
        total_bytes: gpu.memory,
        free_bytes: gpu.memory.zip(gpu.used).map(|(total, used)| total.saturating_sub(used)),
        used_bytes: gpu.used,
    });
    Ok(Json(Resources {
        memory: MemoryUse {
            total_bytes: found.memory.total,
            free_bytes: found.memory.available,
            used_bytes: found.memory.total.saturating_sub(found.memory.available),
            process_bytes: found.process,
            models_limit_bytes: found.models_limit,
            models_bytes: found.models_bytes,
        },
        gpus: gpus.collect(),
        models: found.models.into_iter().map(ResidentModel::from).collect(),
    }))
}

/// Which model to estimate.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct EstimateRequest {
    /// Id of the model; `model` and `model_name` are other names for it.
    #[serde(alias = "model", alias = "model_name")]
    #[rule(length(min = 1, max = 256))]
    pub model_id: String,
    /// Name of the variant; the default one when absent.
    #[rule(length(min = 1, max = 256))]
    pub variant: Option<String>,
    /// Tokens of one conversation, for a model that generates text; 2048, or what the model takes, when absent.
    #[rule(range(min = 2, max = 10_000_000))]
    pub context_length: Option<u32>,
    /// Conversations of that length; one when absent.
    #[rule(range(min = 1, max = 4096))]
    pub parallel: Option<u32>,
}

/// What a model will take, in bytes.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct EstimateResponse {
    /// Id of the model.
    pub model_id: String,
    /// Name of the variant.
    pub variant: String,
    /// The parts.
    #[serde(flatten)]
    pub parts: MemoryParts,
    /// What is free, and what models that nobody uses would give back.
    pub available_bytes: u64,
    /// Whether that suffices.
    pub fits: bool,
}

/// What a model will take, in bytes, by what for.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct MemoryParts {
    /// Tokens of each conversation that it is for; null for a model that generates no text.
    pub context_length: Option<usize>,
    /// Weights, as they lie in memory.
    pub weights_bytes: u64,
    /// Keys and values.
    pub kv_cache_bytes: u64,
    /// Keys and values of one token; 0 for a model that generates no text.
    pub kv_bytes_per_token: u64,
    /// Intermediate results.
    pub arena_bytes: u64,
    /// The tokenizer, the graph itself and the threads.
    pub base_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

impl From<Estimate> for MemoryParts {
    fn from(estimate: Estimate) -> Self {
        Self {
            context_length: (estimate.context > 0).then_some(estimate.context),
            weights_bytes: estimate.weights,
            kv_cache_bytes: estimate.cache,
            kv_bytes_per_token: estimate.token_bytes,
            arena_bytes: estimate.arena,
            base_bytes: estimate.base,
            total_bytes: estimate.total(),
        }
    }
}

/// Estimate the memory of a model.
///
/// From its files and its graph: weights, keys and values at a context length, intermediate results. It is what a load has
/// to find room for.
#[route(
    POST, "/v1/resources/estimate",
    tag = "resources",
    tests = [
        case("a model that embeds", json = { "model_id": "tabagent-embed" }, status = 200,
            check = |found: &EstimateResponse| found.fits && found.parts.weights_bytes > 0 && found.parts.kv_cache_bytes == 0),
        case("a chat model at a context", json = { "model": "tabagent-chat", "context_length": 512, "parallel": 2 }, status = 200,
            check = |found: &EstimateResponse| found.parts.kv_cache_bytes == 1024 * found.parts.kv_bytes_per_token),
        case("a context that is too long", json = { "model_id": "tabagent-chat", "context_length": 1_000_000 }, problem = InferenceError::Invalid),
        case("unknown variant", json = { "model_id": "tabagent-chat", "variant": "model_q2" }, problem = InferenceError::Invalid),
        case("unknown model", json = { "model_id": "nobody/nothing" }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a damaged model; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn estimate_memory(
    runtime: Component<Runtime>,
    Json(request): Json<EstimateRequest>,
) -> Result<Json<EstimateResponse>, InferenceError> {
    let context = request.context_length.map(|tokens| tokens as usize);
    let sequences = request.parallel.map_or(1, |count| count as usize);
    let found = runtime.estimate(&request.model_id, request.variant.as_deref(), context, sequences).await?;
    let id = request.model_id.clone();
    let available = blocking(runtime, move |runtime| runtime.available_for(&id, None)).await;
    Ok(Json(EstimateResponse {
        model_id: request.model_id,
        variant: found.variant.name,
        fits: found.estimate.total() <= available,
        parts: found.estimate.into(),
        available_bytes: available,
    }))
}

/// Which model is to run here.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct CompatibilityRequest {
    /// Id of the model; `model` and `model_name` are other names for it.
    #[serde(alias = "model", alias = "model_name")]
    #[rule(length(min = 1, max = 256))]
    pub model_id: String,
    /// Tokens of one conversation, for a model that generates text; 2048, or what the model takes, when absent.
    #[rule(range(min = 2, max = 10_000_000))]
    pub context_length: Option<u32>,
    /// What it is to run on; the server's setting when absent.
    #[rule(length(min = 1, max = 32))]
    pub device: Option<String>,
}

/// Whether a model would run here.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct CompatibilityResponse {
    /// Id of the model.
    pub model_id: String,
    /// Whether it would.
    pub compatible: bool,
    /// What it would run on.
    pub device: String,
    /// The first variant that would run; null where none would.
    pub variant: Option<String>,
    /// Why it would, or would not.
    pub reason: String,
    /// What is free, and what models that nobody uses would give back, in bytes.
    pub available_bytes: u64,
    /// All variants, the default one first.
    pub variants: Vec<VariantCompatibility>,
}

/// Whether a variant would run here.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct VariantCompatibility {
    /// Its name.
    pub variant: String,
    /// Whether it would.
    pub compatible: bool,
    /// Why it would not; null where it would.
    pub reason: Option<String>,
    /// What it would take; null where its file cannot be read.
    pub memory: Option<MemoryParts>,
}

/// Say whether a model fits.
///
/// On which device, with which of its variants, and why. Judged by its files and its graph, not by its name.
#[route(
    POST, "/v1/resources/compatibility",
    tag = "resources",
    tests = [
        case("a model", json = { "model_id": "tabagent-chat", "context_length": 256 }, status = 200,
            check = |found: &CompatibilityResponse| found.compatible && found.device == "cpu" && found.variant.is_some()),
        case("on a device that it does not run on", json = { "model": "tabagent-chat", "device": "cuda" }, status = 200,
            check = |found: &CompatibilityResponse| !found.compatible && found.variant.is_none() && found.reason.contains("cpu")),
        case("unknown device", json = { "model_id": "tabagent-embed", "device": "abacus" }, problem = InferenceError::Invalid),
        case("unknown model", json = { "model_id": "nobody/nothing" }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a damaged model; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn check_compatibility(
    runtime: Component<Runtime>,
    Json(request): Json<CompatibilityRequest>,
) -> Result<Json<CompatibilityResponse>, InferenceError> {
    let asked = request.device.as_deref().map(device).transpose()?;
    let context = request.context_length.map(|tokens| tokens as usize);
    let found = runtime.fit(&request.model_id, context, asked).await?;
    let chosen = found.variants.iter().find(|fit| fit.problem.is_none()).filter(|_| found.problem.is_none());
    let reason = match (chosen, &found.problem) {
        (Some(fit), _) => {
            let needed = fit.estimate.map_or(0, |estimate| estimate.total());
            format!("`{}` takes {needed} bytes of {} that are available", fit.variant.name, found.available)
        }
        (None, Some(problem)) => problem.clone(),
        (None, None) => {
            let reasons = found
                .variants
                .iter()
                .filter_map(|fit| Some(format!("`{}`: {}", fit.variant.name, fit.problem.as_ref()?)));
            reasons.collect::<Vec<_>>().join("; ")
        }
    };
    Ok(Json(CompatibilityResponse {
        model_id: request.model_id,
        compatible: chosen.is_some(),
        device: found.device.to_string(),
        variant: chosen.map(|fit| fit.variant.name.clone()),
        reason,
        available_bytes: found.available,
        variants: found.variants.into_iter().map(VariantCompatibility::from).collect(),
    }))
}

impl From<VariantFit> for VariantCompatibility {
    fn from(fit: VariantFit) -> Self {
        Self {
            variant: fit.variant.name,
            compatible: fit.problem.is_none(),
            reason: fit.problem,
            memory: fit.estimate.map(MemoryParts::from),
        }
    }
}
