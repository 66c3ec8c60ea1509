//! What is said of many vectors: the texts of a request are embedded side by side, the rest is arithmetic.

use super::{
    Runtime,
    encoders::{Role, embeds, prompt_for, prompted},
};
use crate::{
    analytics::{
        ClusterInput, ClusterRequest, Clustering, Distance, EvaluateRequest, Evaluation, Matrix,
        PairsRequest, RankedItems, RecommendRequest, SearchRequest, Space,
        cluster::cluster,
        evaluate::evaluate,
        pairs::{self, Pairs},
        ranking,
        recommend::recommend,
        search::search,
    },
    compute::compute,
    embed::{
        check_dimensions, cut,
        loaded::{Field, Inferred},
    },
    error::{BackendError, Result},
    models::ModelKind,
};

/// Texts of one field of a request.
struct Part {
    field: Field,
    name: &'static str,
    texts: Vec<String>,
    /// What they are for, which decides on the prompt before each; the model's default one where that is open.
    role: Option<Role>,
}

impl Part {
    fn list(name: &'static str, texts: Vec<String>, role: Option<Role>) -> Self {
        Self { field: Field::List(name), name, texts, role }
    }

    /// A part without texts.
    fn none() -> Self {
        Self::list("", Vec::new(), None)
    }
}

/// The vectors of the parts of a request.
struct Embedded {
    /// Those of each part; nothing for a part without texts.
    parts: [Option<Matrix>; 4],
    tokens: u64,
    truncated: usize,
}

impl Runtime {
    /// Ranks documents for queries by their vectors, and judges the rankings. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`Runtime::embed`]; [`BackendError::InvalidInput`] where the relevance does not go with the texts.
    pub async fn evaluate_embeddings(&self, request: EvaluateRequest) -> Result<Evaluation> {
        request.check()?;
        let id = self.id(request.model.as_deref(), ModelKind::Embedding);
        self.within(&id, request.deadline, async {
            let parts = [
                Part::list("queries", request.queries, Some(Role::Query)),
                Part::list("documents", request.documents, Some(Role::Document)),
                Part::none(),
                Part::none(),
            ];
            let Embedded { parts: [Some(queries), Some(documents), ..], tokens, truncated } =
                self.embed_parts(&id, parts, request.dimensions, request.truncate).await?
            else {
                return Err(BackendError::internal("a field with texts has no vectors"));
            };
            let (metric, relevance, cutoffs) = (request.metric, request.relevance, request.cutoffs);
            let operations = operations(queries.len(), documents.len(), queries.dimensions());
            let queries = compute(&self.inner.workers, operations, move |abandoned| {
                evaluate(&queries, &documents, metric, &relevance, &cutoffs, &|| abandoned.is_set())
            })
            .await?;
            let mean = ranking::mean(queries.iter().filter_map(|query| query.metrics.as_ref()))
                .ok_or_else(|| BackendError::internal("no query has a relevant document"))?;
            Ok(Evaluation { model: id.clone(), mean, queries, prompt_tokens: tokens, truncated })
        })
        .await
    }

    /// Measures vectors pair by pair, without a model. Dropping the future cancels.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the two sides do not go together; [`BackendError::GenerationTimeout`].
    pub async fn evaluate_pairs(&self, request: PairsRequest) -> Result<Pairs> {
        let PairsRequest { left, right, metric, labels, deadline } = request;
        self.within("", deadline, async {
            let dimensions = left.first().map_or(0, Vec::len);
            let operations = operations(1, left.len(), dimensions);
            compute(&self.inner.workers, operations, move |abandoned| {
                let left = Matrix::new("embeddings1", &left)?;
                let right = Matrix::new("embeddings2", &right)?;
                pairs::compare(&left, &right, metric, labels.as_deref(), &|| abandoned.is_set())
            })
            .await
        })
        .await
    }

    /// Groups texts by their vectors, or vectors. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`Runtime::embed`]; [`BackendError::InvalidInput`] where vectors do not go together, or an algorithm does not take
    /// the metric or as many.
    pub async fn cluster(&self, request: ClusterRequest) -> Result<Clustering> {
        let ClusterRequest { model, input, algorithm, distance, dimensions, truncate, deadline } = request;
        let id = match &input {
            ClusterInput::Texts(_) => Some(self.id(model.as_deref(), ModelKind::Embedding)),
            ClusterInput::Vectors(_) => None,
        };
        let count = match &input {
            ClusterInput::Texts(texts) => texts.len(),
            ClusterInput::Vectors(vectors) => vectors.len(),
        };
        algorithm.check(distance, count)?;
        let name = id.clone();
        self.within(name.as_deref().unwrap_or_default(), deadline, async {
            let (texts, vectors) = match input {
                ClusterInput::Texts(texts) => (Some(texts), Vec::new()),
                ClusterInput::Vectors(vectors) => (None, vectors),
            };
            let mut embedded = Embedded { parts: [const { None }; 4], tokens: 0, truncated: 0 };
            if let (Some(id), Some(texts)) = (&id, texts) {
                let parts = [Part::list("texts", texts, None), Part::none(), Part::none(), Part::none()];
                embedded = self.embed_parts(id, parts, dimensions, truncate).await?;
            }
            let Embedded { parts: [matrix, ..], tokens, truncated } = embedded;
            let dimensions =
                matrix.as_ref().map_or_else(|| vectors.first().map_or(0, Vec::len), Matrix::dimensions);
            // Silhouettes compare all with all; starts of k-means compare all with their centres, some thousand times.
            let operations = operations(count, count.saturating_add(5_000), dimensions);
            let clusters = compute(&self.inner.workers, operations, move |abandoned| {
                let matrix = match matrix {
                    Some(matrix) => matrix,
                    None => Matrix::new("embeddings", &vectors)?,
                };
                cluster(&Space::new(&matrix, distance), algorithm, &|| abandoned.is_set())
            })
            .await?;
            Ok(Clustering { model: id, clusters, prompt_tokens: tokens, truncated })
        })
        .await
    }

    /// Ranks items by how much they are like what is wanted. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`Runtime::embed`]; [`BackendError::InvalidInput`] where nothing says what is wanted.
    pub async fn recommend(&self, request: RecommendRequest) -> Result<RankedItems> {
        request.check()?;
        let id = self.id(request.model.as_deref(), ModelKind::Embedding);
        self.within(&id, request.deadline, async {
            let query = Part {
                field: Field::One("query"),
                ..Part::list("query", request.query.into_iter().collect(), Some(Role::Query))
            };
            let parts = [
                query,
                Part::list("liked", request.liked, Some(Role::Document)),
                Part::list("disliked", request.disliked, Some(Role::Document)),
                Part::list("candidates", request.candidates, Some(Role::Document)),
            ];
            let Embedded { parts: [query, liked, disliked, Some(candidates)], tokens, truncated } =
                self.embed_parts(&id, parts, request.dimensions, request.truncate).await?
            else {
                return Err(BackendError::internal("candidates have no vectors"));
            };
            let (diversity, top_n) = (request.diversity, request.top_n);
            // Each result is compared with all that are left.
            let results = top_n.unwrap_or(usize::MAX).min(candidates.len());
            let operations = operations(results, candidates.len(), candidates.dimensions());
            let results = compute(&self.inner.workers, operations, move |abandoned| {
                let space = |matrix: &Matrix| Space::new(matrix, Distance::Cosine);
                let liked: Vec<Space> = [query, liked].iter().flatten().map(space).collect();
                let liked: Vec<&Space> = liked.iter().collect();
                let disliked = disliked.as_ref().map(space);
                let stopped = || abandoned.is_set();
                recommend(&liked, disliked.as_ref(), &space(&candidates), diversity, top_n, &stopped)
            })
            .await?;
            Ok(RankedItems { model: id.clone(), results, prompt_tokens: tokens, truncated })
        })
        .await
    }

    /// Searches documents that come with the request. Dropping the future cancels.
    ///
    /// # Errors
    /// As [`Runtime::embed`].
    pub async fn semantic_search(&self, request: SearchRequest) -> Result<RankedItems> {
        if request.documents.is_empty() {
            return Err(BackendError::invalid("documents", "is empty; give at least one"));
        }
        let id = self.id(request.model.as_deref(), ModelKind::Embedding);
        self.within(&id, request.deadline, async {
            let query = Part {
                field: Field::One("query"),
                ..Part::list("query", vec![request.query], Some(Role::Query))
            };
            let parts = [
                query,
                Part::list("documents", request.documents, Some(Role::Document)),
                Part::none(),
                Part::none(),
            ];
            let Embedded { parts: [Some(query), Some(documents), ..], tokens, truncated } =
                self.embed_parts(&id, parts, request.dimensions, request.truncate).await?
            else {
                return Err(BackendError::internal("query or documents have no vectors"));
            };
            let (metric, k, threshold) = (request.metric, request.k, request.score_threshold);
            let operations = operations(1, documents.len(), documents.dimensions());
            let results = compute(&self.inner.workers, operations, move |abandoned| {
                search(query.row(0), &documents, metric, k, threshold, &|| abandoned.is_set())
            })
            .await?;
            Ok(RankedItems { model: id.clone(), results, prompt_tokens: tokens, truncated })
        })
        .await
    }

    /// Embeds the parts of a request side by side, so that texts of all run in the same batches, each named by its field.
    async fn embed_parts(
        &self,
        id: &str,
        parts: [Part; 4],
        dimensions: Option<usize>,
        truncate: bool,
    ) -> Result<Embedded> {
        let model = self.encoder(id, |kind| embeds(id, kind)).await?;
        if let Some(wanted) = dimensions {
            check_dimensions(wanted, model.dimensions, &model.description.matryoshka)?;
        }
        let counts = parts.each_ref().map(|part| part.texts.len());
        let largest = parts.iter().max_by_key(|part| part.texts.len()).map_or("", |part| part.name);
        let permit = model.reserve(largest, counts.iter().sum())?;
        let (first, rest) = permit.split(counts[0]);
        let (second, rest) = rest.split(counts[1]);
        let (third, fourth) = rest.split(counts[2]);
        let names = parts.each_ref().map(|part| part.name);
        let workers = &self.inner.workers;
        let infer = |permit, part: Part| {
            let model = &model;
            async move {
                if part.texts.is_empty() {
                    return Ok(Inferred { rows: Vec::new(), tokens: 0, truncated: 0 });
                }
                let inputs = prompted(
                    model,
                    prompt_for(model, part.role.map_or(&[], Role::prompts)).as_ref(),
                    part.texts,
                )?;
                model.infer(permit, part.field, inputs, truncate, workers).await
            }
        };
        let [one, two, three, four] = parts;
        let (one, two, three, four) = tokio::try_join!(
            infer(first, one),
            infer(second, two),
            infer(third, three),
            infer(fourth, four)
        )?;
        let inferred = [one, two, three, four];
        let tokens = inferred.iter().map(|part| part.tokens).sum();
        let truncated = inferred.iter().map(|part| part.truncated).sum();
        let size = operations(1, counts.iter().sum(), model.dimensions);
        let parts = compute(workers, size, move |_| {
            let mut matrices = [const { None }; 4];
            for ((matrix, mut part), name) in matrices.iter_mut().zip(inferred).zip(names) {
                cut(&mut part.rows, dimensions, model.dimensions, &model.description.matryoshka)?;
                if !part.rows.is_empty() {
                    *matrix = Some(Matrix::new(name, &part.rows)?);
                }
            }
            Ok(matrices)
        })
        .await?;
        Ok(Embedded { parts, tokens, truncated })
    }
}

/// The size of comparing so many vectors with so many others.
fn operations(left: usize, right: usize, dimensions: usize) -> usize {
    left.saturating_mul(right).saturating_mul(dimensions)
}
