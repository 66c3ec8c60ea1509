//! What encoders do: embed, rank and compare texts.

use std::sync::Arc;

use super::{Runtime, pool::Leased};
use crate::{
    compute::compute,
    embed::{
        EmbedInput, EmbedRequest, Embeddings, Prompt, check_dimensions, cut,
        loaded::{Field, Inferred, Input, Loaded},
    },
    error::{BackendError, Result},
    models::{ModelKind, Step},
    rerank::{RankMethod, Ranking, RerankRequest, rank, sigmoid, unit_interval},
    similarity::{Metric, Similarities, SimilarityRequest, matrix},
};

impl Runtime {
    /// Embeds texts or token ids. Dropping the future cancels.
    ///
    /// # Errors
    /// - [`BackendError::ModelNotFound`], [`BackendError::ModelCorrupted`]: the model is not there, or its files are damaged.
    /// - [`BackendError::InvalidInput`]: an input is empty or too long, or the model is no embedding model.
    /// - [`BackendError::ResourceLimitExceeded`]: the queue is full.
    /// - [`BackendError::GenerationTimeout`]: the deadline passed.
    /// - [`BackendError::CudaError`], [`BackendError::OutOfMemory`]: loading or running failed.
    pub async fn embed(&self, request: EmbedRequest) -> Result<Embeddings> {
        let id = self.id(request.model.as_deref(), ModelKind::Embedding);
        self.within(&id, request.deadline, async {
            let model = self.encoder(&id, |kind| embeds(&id, kind)).await?;
            if let Some(wanted) = request.dimensions {
                check_dimensions(wanted, model.dimensions, &model.description.matryoshka)?;
            }
            let permit = model.reserve("input", request.input.len())?;
            let prompted = |texts| prompted(&model, request.prompt.as_ref(), texts);
            let (field, inputs) = match request.input {
                EmbedInput::Text(text) => (Field::One("input"), prompted(vec![text])?),
                EmbedInput::Texts(texts) => (Field::List("input"), prompted(texts)?),
                EmbedInput::Tokens(ids) => (Field::One("input"), vec![Input::Ids(ids)]),
                EmbedInput::TokenLists(lists) => {
                    (Field::List("input"), lists.into_iter().map(Input::Ids).collect())
                }
            };
            let workers = &self.inner.workers;
            let Inferred { mut rows, tokens, truncated } =
                model.infer(permit, field, inputs, request.truncate, workers).await?;
            if let Some(wanted) = request.dimensions {
                rows = compute(workers, rows.len().saturating_mul(wanted), move |_| {
                    cut(&mut rows, Some(wanted), model.dimensions, &model.description.matryoshka)?;
                    Ok(rows)
                })
                .await?;
            }
            Ok(Embeddings { model: id.clone(), vectors: rows, prompt_tokens: tokens, truncated })
        })
        .await
    }

    /// Ranks documents by how well they answer a query. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`Runtime::embed`].
    pub async fn rerank(&self, request: RerankRequest) -> Result<Ranking> {
        let id = self.id(request.model.as_deref(), ModelKind::Rerank);
        if request.documents.is_empty() {
            return Err(BackendError::invalid("documents", "is empty; give at least one"));
        }
        self.within(&id, request.deadline, async {
            let model = self.encoder(&id, |kind| ranks(&id, kind)).await?;
            if model.description.kind == ModelKind::Rerank {
                self.cross_encode(&id, &model, request).await
            } else {
                self.by_cosine(&id, &model, request).await
            }
        })
        .await
    }

    /// Compares texts by their vectors. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`Runtime::embed`].
    pub async fn similarity(&self, request: SimilarityRequest) -> Result<Similarities> {
        let id = self.id(request.model.as_deref(), ModelKind::Embedding);
        for (field, side) in [("text1", &request.left), ("text2", &request.right)] {
            if side.is_empty() {
                return Err(BackendError::invalid(field, "is empty; give at least one text"));
            }
        }
        self.within(&id, request.deadline, async {
            let model = self.encoder(&id, |kind| embeds(&id, kind)).await?;
            let full = model.dimensions;
            if let Some(wanted) = request.dimensions {
                check_dimensions(wanted, full, &model.description.matryoshka)?;
            }
            let (lefts, rights) = (request.left.len(), request.right.len());
            let larger = if lefts > rights { "text1" } else { "text2" };
            let (permit1, permit2) = model.reserve(larger, lefts.saturating_add(rights))?.split(lefts);
            let left = prompted(&model, None, request.left)?;
            let right = prompted(&model, None, request.right)?;
            let workers = &self.inner.workers;
            // Side by side, so that texts of both run in the same batches, each named by its own field.
            let (mut left, mut right) = tokio::try_join!(
                model.infer(permit1, Field::List("text1"), left, request.truncate, workers),
                model.infer(permit2, Field::List("text2"), right, request.truncate, workers),
            )?;
            let unit = request.dimensions.is_some_and(|wanted| wanted < full)
                || model.description.steps.last() == Some(&Step::Normalize);
            let (prompt_tokens, truncated) = (left.tokens + right.tokens, left.truncated + right.truncated);
            let pairs = lefts.saturating_mul(rights);
            let scores = compute(workers, pairs.saturating_mul(full), move |abandoned| {
                let trained = &model.description.matryoshka;
                cut(&mut left.rows, request.dimensions, full, trained)?;
                cut(&mut right.rows, request.dimensions, full, trained)?;
                matrix(request.metric, &left.rows, &right.rows, abandoned)
            })
            .await?;
            Ok(Similarities {
                model: id.clone(),
                scores,
                metric: request.metric,
                range: request.metric.range(request.dimensions.unwrap_or(full), unit),
                prompt_tokens,
                truncated,
            })
        })
        .await
    }

    /// Embeds texts of documents, or a query to them, with the prompt that the model has for that. `field` names them in
    /// errors. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`Runtime::embed`].
    pub(super) async fn embed_as(
        &self,
        model: &Leased<Loaded>,
        role: Role,
        field: &'static str,
        texts: Vec<String>,
        truncate: bool,
    ) -> Result<Inferred> {
        self.within(&model.entry.id, None, async {
            let permit = model.reserve(field, texts.len())?;
            let texts = prompted(model, prompt_for(model, role.prompts()).as_ref(), texts)?;
            model.infer(permit, Field::One(field), texts, truncate, &self.inner.workers).await
        })
        .await
    }

    async fn cross_encode(&self, id: &str, model: &Arc<Loaded>, request: RerankRequest) -> Result<Ranking> {
        let permit = model.reserve("documents", request.documents.len())?;
        let workers = &self.inner.workers;
        let query = model.first("query", request.query, request.truncate, workers).await?;
        let pairs = request
            .documents
            .into_iter()
            .map(|second| Input::Pair { first: Arc::clone(&query), second })
            .collect();
        let inferred =
            model.infer(permit, Field::List("documents"), pairs, request.truncate, workers).await?;
        let logits = inferred.rows.iter().map(|row| f64::from(row.first().copied().unwrap_or_default()));
        let mut results = rank(logits, request.top_n);
        if !request.raw_scores {
            results.iter_mut().for_each(|result| result.score = sigmoid(result.score));
        }
        Ok(Ranking {
            model: id.to_owned(),
            method: RankMethod::CrossEncoder,
            results,
            tokens: inferred.tokens,
            truncated: inferred.truncated,
        })
    }

    async fn by_cosine(&self, id: &str, model: &Arc<Loaded>, request: RerankRequest) -> Result<Ranking> {
        // The query has a place beside the documents.
        let texts = request.documents.len().saturating_add(1);
        let (first, rest) = model.reserve("documents", texts)?.split(1);
        let query = prompted(model, prompt_for(model, Role::Query.prompts()).as_ref(), vec![request.query])?;
        let documents =
            prompted(model, prompt_for(model, Role::Document.prompts()).as_ref(), request.documents)?;
        let workers = &self.inner.workers;
        let (query, documents) = tokio::try_join!(
            model.infer(first, Field::One("query"), query, request.truncate, workers),
            model.infer(rest, Field::List("documents"), documents, request.truncate, workers),
        )?;
        let (tokens, truncated) = (query.tokens + documents.tokens, query.truncated + documents.truncated);
        let mut scores = compute(workers, texts.saturating_mul(model.dimensions), move |abandoned| {
            matrix(Metric::Cosine, &query.rows, &documents.rows, abandoned)
        })
        .await?;
        let cosines = scores.pop().unwrap_or_default();
        let mut results = rank(cosines, request.top_n);
        if !request.raw_scores {
            results.iter_mut().for_each(|result| result.score = unit_interval(result.score));
        }
        Ok(Ranking { model: id.to_owned(), method: RankMethod::Cosine, results, tokens, truncated })
    }
}

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It asks.
    Query,
    /// It answers.
    Document,
}

impl Role {
    /// Names under which models have a prompt for it.
    pub(super) fn prompts(self) -> &'static [&'static str] {
        match self {
            Self::Query => &["query"],
            Self::Document => &["document", "passage", "corpus"],
        }
    }
}

impl Loaded {
    /// Tokens that a text of this role may have beside the special ones and the prompt.
    ///
    /// # Errors
    /// Those of the tokenizer.
    pub(crate) fn room(&self, role: Role) -> Result<usize> {
        let Some(most) = self.tokenizer.max_length() else { return Ok(usize::MAX) };
        let prompt = Prompt::text(prompt_for(self, role.prompts()).as_ref(), &self.description)?;
        let prompt = self.tokenizer.count("prompt", &prompt, &|| false)?;
        Ok(most.saturating_sub(self.tokenizer.special() + prompt).max(1))
    }
}

/// The inputs of texts with their prompt in front.
pub(super) fn prompted(model: &Loaded, prompt: Option<&Prompt>, texts: Vec<String>) -> Result<Vec<Input>> {
    let prompt = Prompt::text(prompt, &model.description)?;
    if prompt.is_empty() {
        return Ok(texts.into_iter().map(|text| Input::Text { text, skip: 0 }).collect());
    }
    let left_out = model
        .description
        .steps
        .iter()
        .any(|step| matches!(step, Step::Pool(pooling) if !pooling.include_prompt));
    let skip = if left_out { model.tokenizer.prompt_length(&prompt)? } else { 0 };
    Ok(texts.into_iter().map(|text| Input::Text { text: format!("{prompt}{text}"), skip }).collect())
}

/// The prompt that a model has for a use, under the first of these names.
pub(super) fn prompt_for(model: &Loaded, names: &[&str]) -> Option<Prompt> {
    let texts = &model.description.prompts.texts;
    names.iter().find(|name| texts.contains_key(**name)).map(|name| Prompt::Named((*name).to_owned()))
}

/// Whether a model of this kind embeds.
pub(super) fn embeds(id: &str, kind: ModelKind) -> Result<()> {
    if kind == ModelKind::Embedding { Ok(()) } else { Err(wrong_kind(id, kind, "embed")) }
}

/// Whether a model of this kind ranks.
fn ranks(id: &str, kind: ModelKind) -> Result<()> {
    match kind {
        ModelKind::Rerank | ModelKind::Embedding => Ok(()),
        kind => Err(wrong_kind(id, kind, "rerank")),
    }
}

fn wrong_kind(id: &str, kind: ModelKind, what: &str) -> BackendError {
    let is = match kind {
        ModelKind::Embedding => "an embedding model",
        ModelKind::Rerank => "a cross-encoder",
        ModelKind::Chat => "a chat model",
        ModelKind::Unknown => "of a kind that its files do not tell",
    };
    BackendError::invalid("model", format!("`{id}` is {is} and cannot {what}; choose an embedding model"))
}
