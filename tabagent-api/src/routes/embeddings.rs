//! POST /v1/embeddings: OpenAI's embeddings, whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tabagent_runtime::{EmbedInput, EmbedRequest, Prompt, Runtime};

use super::inference::{InferenceError, TokenUsage, some_if_any};
use crate::{ApiError, Component, Json, Schema, route};

/// A request to embed texts.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingRequest {
    /// Id of the model; the default embedding model when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// What to embed: a text, a list of texts, the token ids of one text, or a list of such lists.
    #[rule(nested)]
    pub input: EmbeddingInput,
    /// Form of the vectors; `float` when absent. OpenAI's Python client asks for base64 by default.
    pub encoding_format: Option<EncodingFormat>,
    /// Keeps so many leading dimensions and normalises again.
    #[rule(range(min = 1, max = 65_536))]
    pub dimensions: Option<u32>,
    /// Name of one of the model's prompts, such as `query`; GET /v1/embedding-models lists them.
    #[rule(length(min = 1, max = 64))]
    pub prompt_name: Option<String>,
    /// Cuts texts that are longer than the model takes, instead of refusing them.
    pub truncate: Option<bool>,
    /// Id of the end user, for OpenAI's clients; it is neither stored nor logged.
    #[rule(length(max = 512))]
    pub user: Option<String>,
}

/// What to embed.
#[derive(Debug, Deserialize, Schema)]
#[serde(untagged)]
pub enum EmbeddingInput {
    /// One text.
    Text(#[rule(length(min = 1, max = 1_048_576))] String),
    /// Several texts.
    Texts(#[rule(items(min = 1, max = 2048), each(length(min = 1, max = 1_048_576)))] Vec<String>),
    /// The token ids of one text, in the model's own vocabulary.
    Tokens(#[rule(items(min = 1, max = 65_536))] Vec<u32>),
    /// The token ids of several texts.
    TokenLists(#[rule(items(min = 1, max = 2048), each(items(min = 1, max = 65_536)))] Vec<Vec<u32>>),
}

/// Form of the vectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// The bytes of little-endian 32-bit floats, in base64.
    Base64,
}

/// Embeddings in the order of the inputs.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct EmbeddingResponse {
    /// Always `list`.
    pub object: String,
    /// One for each input.
    pub data: Vec<Embedding>,
    /// Id of the model that answered.
    pub model: String,
    /// Tokens that were read.
    pub usage: TokenUsage,
    /// How many texts were cut to the model's length; only there when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// One embedding.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: String,
    /// Position of its input.
    pub index: usize,
    /// The vector.
    pub embedding: Vector,
}

/// A vector in the form that was asked for.
#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(untagged)]
pub enum Vector {
    /// Numbers.
    Float(Vec<f32>),
    /// Little-endian 32-bit floats in base64.
    Base64(String),
}

/// Embed texts.
///
/// Returns one vector for each input, in the order of the inputs. A text that is longer than the model takes is refused
/// unless `truncate` is set. Token ids are of the model's own vocabulary, not of another's.
#[route(
    POST, "/v1/embeddings",
    tag = "inference",
    alias = ["/embeddings"],
    tests = [
        case("one text", json = { "model": "tabagent-embed", "input": "hello" }, status = 200, check = has_one_vector),
        case("several texts", json = { "input": ["a cat", "a dog", "a train"] }, status = 200,
            check = |response: &EmbeddingResponse| response.data.iter().map(|item| item.index).eq(0..3)),
        case("base64", json = { "model": "tabagent-embed", "input": "hello", "encoding_format": "base64" }, status = 200,
            check = |response: &EmbeddingResponse| matches!(&response.data[..], [Embedding { embedding: Vector::Base64(_), .. }])),
        case("fields that are null", json = { "model": null, "input": "hello", "encoding_format": null, "dimensions": null, "truncate": null, "user": null }, status = 200, check = has_one_vector),
        case("fewer dimensions", json = { "model": "tabagent-embed", "input": "hello", "dimensions": 16 }, status = 200,
            check = has_sixteen_dimensions),
        case("token ids", json = { "model": "tabagent-embed", "input": [[10, 20], [30]] }, status = 200,
            check = |response: &EmbeddingResponse| response.usage.prompt_tokens == 3),
        case("no text", json = { "model": "tabagent-embed", "input": [] }, problem = ApiError::RequestInvalid),
        case("unknown field", json = { "input": "hello", "dimension": 16 }, problem = ApiError::RequestInvalid),
        case("cut off", body = b"{\"input\": \"hel", content_type = "application/json", problem = ApiError::BodyMalformed),
        case("plain text", body = b"hello", content_type = "text/plain", problem = ApiError::ContentTypeUnsupported),
        case("token that the model lacks", json = { "model": "tabagent-embed", "input": [4000000000] }, problem = InferenceError::Invalid),
        case("unknown model", json = { "model": "nobody/nothing", "input": "hello" }, problem = InferenceError::ModelNotFound),
        untested(Runtime, "needs a full queue, a damaged model or a short context; the journeys in tests/ have them"),
    ],
)]
pub async fn embeddings(
    runtime: Component<Runtime>,
    Json(request): Json<EmbeddingRequest>,
) -> Result<Json<EmbeddingResponse>, InferenceError> {
    let format = request.encoding_format.unwrap_or_default();
    let embeddings = runtime
        .embed(EmbedRequest {
            model: request.model,
            input: request.input.into(),
            dimensions: request.dimensions.map(|dimensions| dimensions as usize),
            truncate: request.truncate.unwrap_or(false),
            prompt: request.prompt_name.map(Prompt::Named),
            deadline: None,
        })
        .await?;
    let data = embeddings
        .vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| Embedding {
            object: "embedding".to_owned(),
            index,
            embedding: match format {
                EncodingFormat::Float => Vector::Float(vector),
                EncodingFormat::Base64 => Vector::Base64(base64(&vector)),
            },
        })
        .collect();
    Ok(Json(EmbeddingResponse {
        object: "list".to_owned(),
        data,
        model: embeddings.model,
        usage: TokenUsage::of(embeddings.prompt_tokens),
        truncated: some_if_any(embeddings.truncated),
    }))
}

impl From<EmbeddingInput> for EmbedInput {
    fn from(input: EmbeddingInput) -> Self {
        match input {
            EmbeddingInput::Text(text) => Self::Text(text),
            EmbeddingInput::Texts(texts) => Self::Texts(texts),
            EmbeddingInput::Tokens(tokens) => Self::Tokens(tokens),
            EmbeddingInput::TokenLists(lists) => Self::TokenLists(lists),
        }
    }
}

/// The bytes of little-endian floats in base64, as OpenAI's clients read them.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

fn has_one_vector(response: &EmbeddingResponse) -> Result<(), String> {
    let [Embedding { embedding: Vector::Float(vector), index: 0, .. }] = &response.data[..] else {
        return Err("not one vector of floats".to_owned());
    };
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if (length - 1.0).abs() > 1e-3 {
        return Err(format!("the vector has the length {length}"));
    }
    if response.usage.prompt_tokens == 0 || response.model != "tabagent-embed" {
        return Err("usage or model is not told".to_owned());
    }
    Ok(())
}

fn has_sixteen_dimensions(response: &EmbeddingResponse) -> bool {
    let [Embedding { embedding: Vector::Float(vector), .. }] = &response.data[..] else { return false };
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.len() == 16 && (length - 1.0).abs() < 1e-3
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_little_endian() {
        // struct.pack("<2f", 1.0, -2.5) in base64, by Python.
        assert_eq!(super::base64(&[1.0, -2.5]), "AACAPwAAIMA=");
    }
}
