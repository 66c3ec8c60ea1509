//! POST /v1/rag/query: passages of the documents that answer a query.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tabagent_runtime::documents::Filter;
use tabagent_runtime::{
    AnswerRequest, Passage, Rerank, RetrievalMode, RetrievalRequest, Runtime, SamplingRequest,
};

use super::RagError;
use super::answer::{self, RagAnswer, RagEvent};
use crate::framework::stream::JsonOrEvents;
use crate::{ApiError, Component, EventStream, Json, JsonOrStream, RequestId, Schema, route};

/// A question to the documents.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct RagQuery {
    /// What is looked for.
    #[rule(length(min = 1, max = 65_536))]
    pub query: String,
    /// Most results, 5 when absent; more than 1000 are as 1000. `top_k` is another name for it.
    #[serde(alias = "top_k")]
    #[rule(range(min = 1, max = 1_000_000))]
    pub k: Option<u32>,
    /// Which documents are searched: names of fields (`document_id`, `title`, `source`, `media_type`, `created`, `updated`) and
    /// of metadata, each with a value, a list any one of which it may be, or comparisons: `eq`, `ne`, `in`, `gt`, `gte`, `lt`,
    /// `lte`. All have to hold.
    #[serde(alias = "filter")]
    #[rule(any("which names and values there are is the metadata's to say; it is checked when it is read"))]
    pub filters: Option<Map<String, Value>>,
    /// How passages are found; by both vectors and words when absent.
    pub mode: Option<RagMode>,
    /// Leaves out results of a lower score, as the last step that ordered them gives it.
    #[rule(range(min = -1_000_000, max = 1_000_000))]
    pub score_threshold: Option<f64>,
    /// Orders up to 100 passages anew by a model that reads each with the query: `true` for the one that ranks by itself, or
    /// the id of a cross-encoder or an embedding model.
    #[rule(nested)]
    pub rerank: Option<RagRerank>,
    /// How much results are to differ from each other, from 0 to 1: maximal marginal relevance.
    #[rule(range(min = 0.0, max = 1.0))]
    pub diversity: Option<f64>,
    /// Adds an answer to the query, which a chat model writes from the results and in which it cites them as `[1]`.
    pub generate: Option<bool>,
    /// Id of the chat model that answers; the default one when absent.
    #[rule(length(min = 1, max = 256))]
    pub model: Option<String>,
    /// Most tokens of the answer; 512 when absent.
    #[rule(range(min = 1, max = 1_000_000))]
    pub max_tokens: Option<u32>,
    /// How freely its tokens are chosen; 0 is always the likeliest.
    #[rule(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f32>,
    /// Repeats the choice of tokens.
    #[rule(any("every number is one"))]
    pub seed: Option<i64>,
    /// Whether the answer comes as it is written: an event `sources` with the results, events `delta`, and `complete`.
    pub stream: Option<bool>,
}

/// Whether passages are ordered anew, and by what.
#[derive(Debug, Clone, Deserialize, Schema)]
#[serde(untagged)]
pub enum RagRerank {
    /// Whether the model that is selected orders them.
    Whether(bool),
    /// Id of the model.
    By(#[rule(length(min = 1, max = 256))] String),
}

/// How passages are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum RagMode {
    /// By what they mean: the cosine of their vectors and the query's.
    Vector,
    /// By their words, in any of their English forms: BM25. Words such as `the` and `which` are looked for only where there
    /// are no others.
    Keyword,
    /// By both: the sum of 1 / (60 + rank) over the two.
    Hybrid,
}

/// Passages of the documents.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RagResponse {
    /// Always `list`.
    pub object: String,
    /// Id of the model whose vectors were compared; null where it was not needed.
    pub model: Option<String>,
    /// How they were found.
    pub mode: RagMode,
    /// Why a hybrid search was by words alone; only there where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// The best first.
    pub results: Vec<RagResult>,
    /// The answer; only there where it was asked for and something was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<RagAnswer>,
}

/// A passage.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RagResult {
    /// Its id: that of the document, and its place in it.
    pub id: String,
    /// Id of its document.
    pub document_id: String,
    /// Title of the document.
    pub title: Option<String>,
    /// Where the document is from.
    pub source: Option<String>,
    /// What else is said of the document.
    pub metadata: Map<String, Value>,
    /// The text.
    pub text: String,
    /// The title and the headings above it, the outermost first.
    pub headings: Vec<String>,
    /// Page on which it begins, from 1, where there are pages.
    pub page: Option<u32>,
    /// Where it begins in the text of the document, in bytes of UTF-8.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// How well it answers, by the last step that ordered the results; larger is better.
    pub score: f64,
    /// What each step said.
    pub scores: RagScores,
}

/// What each step of a search said of a passage; absent where that step did not find it.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RagScores {
    /// Cosine of the vectors, -1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<f64>,
    /// BM25, 0 upwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyword: Option<f64>,
    /// Reciprocal rank fusion of both, up to 2 / 61.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fusion: Option<f64>,
    /// Of the model that ordered anew, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank: Option<f64>,
}

/// Search the documents.
///
/// Finds the passages of the kept documents that answer a query best: by meaning, by words, or by both. Filters are a part of
/// the search: as many results come as pass, however far they are behind others. With `generate` a chat model answers from the
/// results, and what it cites is held against them; where nothing is found it is not asked.
#[route(
    POST, "/v1/rag/query",
    tag = "retrieval",
    stream,
    timeout = "1h",
    tests = [
        case("a question", json = { "query": "How do I install the example?", "filters": { "document_id": "doc_example" } }, status = 200, check = finds_the_example),
        case("by meaning", json = { "query": "unpack", "mode": "vector", "k": 1, "filters": { "about": "examples" } }, status = 200,
            check = |body: &Body| holds(body, |found| found.results.len() == 1 && found.results[0].scores.vector.is_some() && found.model.is_some())),
        case("by words", json = { "query": "\"install\" AND (", "mode": "keyword", "top_k": 3, "filters": { "about": ["examples", "nothing"], "year": { "gte": 2020 } } }, status = 200, check = finds_the_example),
        case("ordered anew", json = { "query": "install", "k": 2, "rerank": true, "diversity": 0.3, "filters": { "about": "examples" } }, status = 200,
            check = |body: &Body| holds(body, |found| !found.results.is_empty() && found.results.iter().all(|result| result.scores.rerank.is_some()))),
        case("ordered by a model that is not here", json = { "query": "install", "rerank": "nobody/nothing", "filters": { "about": "examples" } }, problem = RagError::ModelNotFound),
        case("an answer", json = { "query": "How do I install the example?", "k": 1, "generate": true, "max_tokens": 16, "temperature": 0, "filters": { "document_id": "doc_example" } }, status = 200,
            check = |body: &Body| holds(body, |found| found.answer.as_ref().is_some_and(|answer| answer.results_used == 1 && answer.usage.completion_tokens > 0))),
        case("an answer as a stream", json = { "query": "How do I install the example?", "k": 2, "generate": true, "stream": true, "max_tokens": 8, "seed": 3, "filters": { "document_id": "doc_example" } }, status = 200, check = streams_an_answer),
        case("nothing to answer from", json = { "query": "install", "generate": true, "filters": { "about": "nobody" } }, status = 200,
            check = |body: &Body| holds(body, |found| found.results.is_empty() && found.answer.is_none())),
        case("a stream of nothing", json = { "query": "install", "stream": true }, problem = RagError::Invalid),
        case("nobody passes", json = { "query": "install", "filters": { "about": "nobody" } }, status = 200,
            check = |body: &Body| holds(body, |found| found.results.is_empty())),
        case("fields that are null", json = { "query": "install", "k": null, "filters": null, "mode": null, "score_threshold": null }, status = 200,
            check = |body: &Body| holds(body, |found| found.mode == RagMode::Hybrid && !found.results.is_empty())),
        case("no query", json = { "query": "" }, problem = ApiError::RequestInvalid),
        case("a blank query", json = { "query": " " }, problem = RagError::Invalid),
        case("a filter that is none", json = { "query": "a", "filters": { "year": { "above": 2020 } } }, problem = RagError::Invalid),
        untested(NotFound, "GET of a document has it"),
        untested(Runtime, "needs a full queue or a store that fails; the journeys in tests/ have them"),
    ],
)]
pub async fn query_documents(
    runtime: Component<Runtime>,
    RequestId(id): RequestId,
    Json(request): Json<RagQuery>,
) -> Result<JsonOrStream<RagResponse, RagEvent>, RagError> {
    request.check()?;
    let mode = request.mode.unwrap_or(RagMode::Hybrid);
    let filter = request.filters.as_ref().map(|filters| Filter::read("filters", filters)).transpose()?;
    let found = runtime
        .retrieve(RetrievalRequest {
            query: request.query.clone(),
            count: request.k.unwrap_or(5) as usize,
            filter: filter.unwrap_or_default(),
            mode: match mode {
                RagMode::Vector => RetrievalMode::Vector,
                RagMode::Keyword => RetrievalMode::Keyword,
                RagMode::Hybrid => RetrievalMode::Hybrid,
            },
            least_score: request.score_threshold,
            rerank: match &request.rerank {
                None | Some(RagRerank::Whether(false)) => None,
                Some(RagRerank::Whether(true)) => Some(Rerank::Selected),
                Some(RagRerank::By(model)) => Some(Rerank::By(model.clone())),
            },
            diversity: request.diversity,
            ..RetrievalRequest::default()
        })
        .await?;
    let answers = request.generate == Some(true) && !found.passages.is_empty();
    let answer = match answers {
        true => {
            let asked = AnswerRequest {
                id: id.to_string(),
                model: request.model,
                question: request.query,
                max_tokens: request.max_tokens.map(|count| count as usize),
                sampling: SamplingRequest {
                    temperature: request.temperature,
                    seed: request.seed.map(i64::cast_unsigned),
                    ..SamplingRequest::default()
                },
                deadline: None,
            };
            Some(runtime.answer(asked, &found.passages).await?)
        }
        false => None,
    };
    let mut response = RagResponse {
        object: "list".to_owned(),
        model: found.model,
        mode,
        notice: found.without_vectors,
        results: found.passages.into_iter().map(RagResult::from).collect(),
        answer: None,
    };
    if request.stream == Some(true) {
        return Ok(JsonOrStream::Stream(EventStream::new(answer::events(response, answer))));
    }
    if let Some(answer) = answer {
        response.answer = Some(answer::whole(answer, &response.results).await?);
    }
    Ok(JsonOrStream::Json(response))
}

impl RagQuery {
    /// Refuses what is about an answer where none is asked for.
    fn check(&self) -> Result<(), RagError> {
        let of_an_answer = [
            ("model", self.model.is_some()),
            ("max_tokens", self.max_tokens.is_some()),
            ("temperature", self.temperature.is_some()),
            ("seed", self.seed.is_some()),
            ("stream", self.stream == Some(true)),
        ];
        let found = of_an_answer.into_iter().find(|(_, given)| *given && self.generate != Some(true));
        found.map_or(Ok(()), |(field, _)| {
            Err(RagError::invalid(field, "is for the answer; send `generate: true` with it, or leave it out"))
        })
    }
}

impl From<Passage> for RagResult {
    fn from(Passage { chunk, score, scores }: Passage) -> Self {
        Self {
            id: chunk.id(),
            document_id: chunk.document,
            title: chunk.title,
            source: chunk.source,
            metadata: chunk.metadata,
            text: chunk.text,
            headings: chunk.headings,
            page: chunk.page,
            start: chunk.start,
            end: chunk.end,
            score,
            scores: RagScores {
                vector: scores.vector,
                keyword: scores.keyword,
                fusion: scores.fusion,
                rerank: scores.rerank,
            },
        }
    }
}

/// What the cases see.
type Body = JsonOrEvents<RagResponse, RagEvent>;

fn holds(body: &Body, check: impl Fn(&RagResponse) -> bool) -> bool {
    matches!(body, JsonOrEvents::Json(found) if check(found))
}

fn streams_an_answer(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Events(events) = body else { return Err("no stream".to_owned()) };
    let [first, deltas @ .., last] = &events[..] else { return Err("no events".to_owned()) };
    let text: String = deltas.iter().filter_map(|event| event.delta.as_deref()).collect();
    let answer = last.answer.as_ref().ok_or("no answer at the end")?;
    if first.sources.as_ref().is_none_or(|found| found.results.is_empty()) {
        return Err("the results do not come first".to_owned());
    }
    if answer.text == text {
        Ok(())
    } else {
        Err(format!("`{text}` came, and `{}` is the answer", answer.text))
    }
}

fn finds_the_example(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Json(found) = body else { return Err("a stream".to_owned()) };
    let Some(first) = found.results.first() else { return Err("nothing was found".to_owned()) };
    if first.document_id == "doc_example"
        && first.text.contains("Unpack")
        && first.headings.contains(&"Install".to_owned())
    {
        Ok(())
    } else {
        Err(format!("the first result is {first:?}"))
    }
}
