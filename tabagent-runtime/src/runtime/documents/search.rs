//! Retrieval: passages of the documents that answer a query, by their vectors, by their words, or by both.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    super::{Runtime, encoders::Role, pool::Leased},
    LARGE,
    ranking::{Ranked, ranked, relevance, weight},
    serving::Served,
};
use crate::{
    analytics::diversity,
    compute::compute,
    documents::{
        Filter,
        codes::dot,
        index::{Allowed, Near},
    },
    embed::loaded::{Inferred, Loaded},
    error::{BackendError, Result},
    rerank::RerankRequest,
    store::StoredChunk,
};

/// Candidates of each ranking for one result, where results are to differ.
const CANDIDATES: usize = 4;
/// Candidates of each ranking at least.
const LEAST: usize = 100;
/// Passages that a model reads to order them anew, at most.
const MOST_RERANKED: usize = 100;
/// What tokenising a byte takes, in float operations.
const TOKENISING: usize = 1_000;
/// Most results.
pub(crate) const MOST_RESULTS: usize = 1_000;

/// How passages are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetrievalMode {
    /// By the cosine of their vectors and the query's.
    Vector,
    /// By their words, with BM25.
    Keyword,
    /// By both, fused by the reciprocal of their ranks.
    #[default]
    Hybrid,
}

/// A question to the documents.
#[derive(Debug, Clone, Default)]
pub struct RetrievalRequest {
    /// The query.
    pub query: String,
    /// Id of the model whose vectors are to be compared; that of the index where there is none.
    pub model: Option<String>,
    /// Whether a query longer than that model takes is cut.
    pub truncate: bool,
    /// Most passages; at least 1.
    pub count: usize,
    /// Which documents are searched.
    pub filter: Filter,
    /// How.
    pub mode: RetrievalMode,
    /// Passages of a lower score are left out.
    pub least_score: Option<f64>,
    /// Orders what was found anew by how well each passage answers, as a model that reads both says.
    pub rerank: Option<Rerank>,
    /// How much passages are to differ from each other, 0 to 1: maximal marginal relevance over their vectors.
    pub diversity: Option<f64>,
}

/// By which model passages are ordered anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerank {
    /// The one that is selected.
    Selected,
    /// The one of this id.
    By(String),
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retrieval {
    /// Id of the model whose vectors were compared; none where the search was by words alone.
    pub model: Option<String>,
    /// Why a search by both was by words alone: the model of the index is gone, or knows no token of the query.
    pub without_vectors: Option<String>,
    /// Tokens of the query, where its vector was compared.
    pub prompt_tokens: u64,
    /// Whether the query was cut to what the model takes.
    pub truncated: bool,
    /// The best first.
    pub passages: Vec<Passage>,
}

/// A passage.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The chunk.
    pub chunk: StoredChunk,
    /// How well it answers, as the last step said that ordered the passages.
    pub score: f64,
    /// What each step said.
    pub scores: PassageScores,
}

/// What each step of a search said of a passage; none where the step did not find it or was not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PassageScores {
    /// Cosine, -1 to 1.
    pub vector: Option<f64>,
    /// BM25, 0 upwards.
    pub keyword: Option<f64>,
    /// Sum of weight / (10 + rank) over the rankings.
    pub fusion: Option<f64>,
    /// Of the model that ordered anew, 0 to 1.
    pub rerank: Option<f64>,
}

impl Runtime {
    /// Finds passages. Dropping the future cancels.
    ///
    /// # Errors
    /// - [`BackendError::InvalidInput`]: the query is blank, or longer than the model takes; or the index is of another model
    ///   than the one that is named.
    /// - [`BackendError::EmbeddingModelNotAvailable`]: the model of the index is gone.
    /// - Those of [`Runtime::embed`] and of [`crate::store::Store`].
    pub async fn retrieve(&self, request: RetrievalRequest) -> Result<Retrieval> {
        if request.query.trim().is_empty() {
            return Err(BackendError::invalid("query", "is blank; say what is looked for"));
        }
        self.keep_documents_current();
        let count = request.count.clamp(1, MOST_RESULTS);
        let Some(served) = self.served().await? else { return Ok(Retrieval::default()) };
        if let Some(named) = request.model.as_ref().filter(|named| **named != served.index.model) {
            let reason = format!(
                "is `{named}`, and the vectors of the documents are of `{}`; leave it out, or select that model with POST \
                 /v1/models/select, which embeds them anew",
                served.index.model
            );
            return Err(BackendError::invalid("model", reason));
        }
        let candidates = match request.mode {
            RetrievalMode::Vector | RetrievalMode::Keyword
                if request.rerank.is_none() && request.diversity.is_none() =>
            {
                count
            }
            // Places are to be won.
            _ if request.diversity.is_some() => count.saturating_mul(CANDIDATES).max(LEAST),
            // As many for few results as for many, which so begin with the same ones.
            _ => count.max(LEAST),
        };
        let by_vector = async {
            if request.mode == RetrievalMode::Keyword {
                return Ok(Nearest::default());
            }
            match self.nearest(&served, &request, candidates).await {
                // The words are there still, and the vectors are again once the index of another model serves.
                Err(error @ BackendError::EmbeddingModelNotAvailable { .. })
                    if request.mode == RetrievalMode::Hybrid =>
                {
                    Ok(Nearest { without: Some(error.to_string()), ..Nearest::default() })
                }
                outcome => outcome,
            }
        };
        let by_words = async {
            if request.mode == RetrievalMode::Vector {
                return Ok(Vec::new());
            }
            let (index, filter) = (served.index.number, request.filter.clone());
            self.inner.store.keywords(index, &request.query, filter, candidates).await
        };
        let (nearest, worded) = tokio::try_join!(by_vector, by_words)?;
        let Nearest { near, weight, prompt_tokens, truncated, without: without_vectors } = nearest;
        let mut ranked = ranked(request.mode, &near, weight, &worded);
        if let Some(rerank) = &request.rerank {
            ranked = self.reranked(rerank, &request.query, ranked).await?;
        }
        if let Some(least) = request.least_score {
            ranked.retain(|ranked| ranked.score >= least);
        }
        if let Some(diversity) = request.diversity {
            ranked = self.diverse(&served, ranked, diversity, count).await?;
        }
        ranked.truncate(count);
        let passages = self.passages(ranked).await?;
        let compared = request.mode != RetrievalMode::Keyword && without_vectors.is_none();
        let model = compared.then(|| served.index.model.clone());
        Ok(Retrieval { model, without_vectors, prompt_tokens, truncated, passages })
    }

    async fn nearest(
        &self,
        served: &Arc<Served>,
        request: &RetrievalRequest,
        count: usize,
    ) -> Result<Nearest> {
        let allowed = async {
            if request.filter.is_empty() {
                return Ok(None);
            }
            let passing = self.inner.store.passing(request.filter.clone()).await?;
            Ok(Some(passing.into_iter().collect::<Allowed>()))
        };
        let embedded = async {
            let embedder = self.embedder_of(&served.index).await?;
            if !self.knows_of(&embedder.model, &request.query).await? {
                return Ok(None);
            }
            let query = vec![request.query.clone()];
            let weight = weight(&embedder.model.description);
            let embedded =
                self.embed_as(&embedder.model, Role::Query, "query", query, request.truncate).await?;
            Ok(Some((embedded, weight)))
        };
        let (allowed, embedded) = tokio::try_join!(allowed, embedded)?;
        let Some((Inferred { mut rows, tokens, truncated }, weight)) = embedded else {
            let reason = format!("has no token that `{}` knows", served.index.model);
            if request.mode == RetrievalMode::Hybrid {
                return Ok(Nearest { without: Some(format!("the query {reason}")), ..Nearest::default() });
            }
            let reason = format!("{reason}, and no vector so; ask in words, or with `mode` `keyword`");
            return Err(BackendError::invalid("query", reason));
        };
        let vector = rows.pop().ok_or_else(|| BackendError::internal("a query without a vector"))?;
        let served = Arc::clone(served);
        // Whoever changes vectors may hold them: that is not waited for on a thread that serves requests.
        let near = compute(&self.inner.workers, LARGE, move |abandoned| {
            let vectors = served.vectors.read().unwrap_or_else(PoisonError::into_inner);
            vectors.search(&vector, count, allowed.as_ref(), abandoned)
        })
        .await?;
        Ok(Nearest { near, weight, prompt_tokens: tokens, truncated: truncated > 0, without: None })
    }

    /// Whether a model has a token for anything in a query; what it has none for has no vector, as it is with chunks.
    async fn knows_of(&self, model: &Leased<Loaded>, query: &str) -> Result<bool> {
        let (model, query) = (Arc::clone(model), query.to_owned());
        let size = query.len().saturating_mul(TOKENISING);
        compute(&self.inner.workers, size, move |abandoned| {
            let count = model.tokenizer.count("query", &query, &|| abandoned.is_set())?;
            Ok(count > 0)
        })
        .await
    }

    /// The first places in the order that a model gives them which reads them; what comes after is left out.
    async fn reranked(&self, by: &Rerank, query: &str, mut ranked: Vec<Ranked>) -> Result<Vec<Ranked>> {
        ranked.truncate(MOST_RERANKED);
        let mut passages = self.passages(ranked).await?;
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let model = match by {
            Rerank::Selected => None,
            Rerank::By(model) => Some(model.clone()),
        };
        let documents = passages
            .iter()
            .map(|passage| {
                let mut lines = passage.chunk.headings.clone();
                lines.push(passage.chunk.text.clone());
                lines.join("\n")
            })
            .collect();
        // Passages are as long as the model that embeds them takes, which may be more than this one does.
        let request = RerankRequest {
            model,
            query: query.to_owned(),
            documents,
            truncate: true,
            ..RerankRequest::default()
        };
        let ranking = self.rerank(request).await?;
        let order = ranking.results.into_iter().filter_map(|result| {
            let passage = passages.get_mut(result.index)?;
            passage.scores.rerank = Some(result.score);
            Some(Ranked { chunk: passage.chunk.number, score: result.score, scores: passage.scores })
        });
        Ok(order.collect())
    }

    /// Passages in the order in which they are relevant and unlike those before. How alike two are is the cosine of their
    /// vectors.
    async fn diverse(
        &self,
        served: &Arc<Served>,
        ranked: Vec<Ranked>,
        diversity: f64,
        count: usize,
    ) -> Result<Vec<Ranked>> {
        let served = Arc::clone(served);
        compute(&self.inner.workers, LARGE, move |abandoned| {
            let numbers: Vec<i64> = ranked.iter().map(|ranked| ranked.chunk).collect();
            let vectors = {
                let memory = served.vectors.read().unwrap_or_else(PoisonError::into_inner);
                memory.of(&numbers)
            };
            let relevance = relevance(&ranked);
            let like = |a: usize, b: usize| match (&vectors[a], &vectors[b]) {
                (Some(a), Some(b)) => f64::from(dot(a, b)),
                _ => 0.0,
            };
            let order = diversity::order(&relevance, like, diversity, count, &|| abandoned.is_set())?;
            let mut places: Vec<Option<Ranked>> = ranked.into_iter().map(Some).collect();
            Ok(order.into_iter().filter_map(|place| places.get_mut(place)?.take()).collect())
        })
        .await
    }

    /// The chunks that are still there.
    async fn passages(&self, ranked: Vec<Ranked>) -> Result<Vec<Passage>> {
        let numbers = ranked.iter().map(|ranked| ranked.chunk).collect();
        let chunks = self.inner.store.chunks(numbers).await?;
        let mut chunks: HashMap<i64, StoredChunk> =
            chunks.into_iter().map(|chunk| (chunk.number, chunk)).collect();
        let found = ranked.into_iter().filter_map(|Ranked { chunk, score, scores }| {
            Some(Passage { chunk: chunks.remove(&chunk)?, score, scores })
        });
        Ok(found.collect())
    }
}

/// The chunks whose vectors are nearest to that of a query, and what reading the query took.
#[derive(Default)]
struct Nearest {
    near: Vec<Near>,
    /// How much their ranking counts beside that of the words.
    weight: f64,
    prompt_tokens: u64,
    truncated: bool,
    /// Why there are none, where the words alone are to find something.
    without: Option<String>,
}
