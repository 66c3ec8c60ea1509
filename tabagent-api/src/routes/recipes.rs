//! GET /v1/recipes: which form of a model runs on which execution provider, and what would make the others run.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_runtime::{Runtime, device};

use super::blocking;
use crate::{ApiError, Component, Json, Schema, route};

/// What runs where.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RecipeList {
    /// Always `list`.
    pub object: String,
    /// The recipes, in the order of the forms, each with the execution providers in the order in which `--device auto`
    /// tries them.
    pub data: Vec<Recipe>,
}

/// One form of a model on one execution provider.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Recipe {
    /// The form.
    pub format: ModelFormat,
    /// The word for the execution provider in `--device`; null where the form runs on none.
    pub device: Option<String>,
    /// ONNX Runtime's name for it.
    pub provider: Option<String>,
    /// Whether it works.
    pub state: RecipeState,
    /// Why.
    pub reason: String,
    /// What to run or set, where something would help.
    pub command: Option<String>,
}

/// A form in which models come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum ModelFormat {
    /// An ONNX graph that turns texts into vectors or scores.
    OnnxEncoder,
    /// An ONNX graph that continues a text.
    OnnxDecoder,
    /// Weights of transformers without a graph.
    Safetensors,
    /// Weights of llama.cpp without a graph.
    Gguf,
}

impl From<device::ModelFormat> for ModelFormat {
    fn from(format: device::ModelFormat) -> Self {
        match format {
            device::ModelFormat::OnnxEncoder => Self::OnnxEncoder,
            device::ModelFormat::OnnxDecoder => Self::OnnxDecoder,
            device::ModelFormat::Safetensors => Self::Safetensors,
            device::ModelFormat::Gguf => Self::Gguf,
        }
    }
}

/// Whether a recipe works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum RecipeState {
    /// It works now.
    Installed,
    /// It would work, were something installed.
    Installable,
    /// It does not work on this machine, or not at all.
    Unsupported,
}

impl From<device::RecipeState> for RecipeState {
    fn from(state: device::RecipeState) -> Self {
        match state {
            device::RecipeState::Installed => Self::Installed,
            device::RecipeState::Installable => Self::Installable,
            device::RecipeState::Unsupported => Self::Unsupported,
        }
    }
}

impl From<device::Recipe> for Recipe {
    fn from(recipe: device::Recipe) -> Self {
        Self {
            format: recipe.format.into(),
            device: recipe.device,
            provider: recipe.provider,
            state: recipe.state.into(),
            reason: recipe.reason,
            command: recipe.command,
        }
    }
}

/// List what runs where.
///
/// Each form of a model beside each execution provider of ONNX Runtime: whether it works here, why, and the command that
/// would make it work.
#[route(
    GET, "/v1/recipes",
    tag = "models",
    tests = [
        case("this machine", status = 200, check = the_cpu_runs_both_kinds),
        case("forged host", headers = { "host": "evil.example" }, problem = ApiError::HostNotAllowed),
    ],
)]
pub async fn recipes(runtime: Component<Runtime>) -> Result<Json<RecipeList>, Infallible> {
    // The first examination tries every execution provider, which can take a second.
    let data = blocking(runtime, Runtime::recipes).await.into_iter().map(Recipe::from).collect();
    Ok(Json(RecipeList { object: "list".to_owned(), data }))
}

fn the_cpu_runs_both_kinds(list: &RecipeList) -> bool {
    let runs = |format| {
        list.data.iter().any(|recipe| {
            recipe.format == format
                && recipe.device.as_deref() == Some("cpu")
                && recipe.state == RecipeState::Installed
        })
    };
    runs(ModelFormat::OnnxEncoder) && runs(ModelFormat::OnnxDecoder)
}
