//! What is said of many vectors: the texts of a request are embedded side by side, the rest is arithmetic.

use super::{
    Runtime,
    encoders::{embeds, prompt_for, prompted},
};
use crate::{
    analytics::{
        EvaluateRequest, Evaluation, Matrix, PairsRequest,
        evaluate::evaluate,
        pairs::{self, Pairs},
        ranking,
    },
    compute::compute,
    embed::{
        check_dimensions, cut,
        loaded::{Field, Inferred},
    },
    error::{BackendError, Result},
    models::ModelKind,
};

/// Names under which models have the prompt of what is asked, and of what is searched.
const QUERY: &[&str] = &["query"];
const DOCUMENT: &[&str] = &["document", "passage", "corpus"];

/// Texts of one field of a request.
struct Part {
    field: Field,
    name: &'static str,
    texts: Vec<String>,
    /// Names of the prompt that goes before each; the model's default one where there are none.
    prompts: &'static [&'static str],
}

impl Part {
    fn list(name: &'static str, texts: Vec<String>, prompts: &'static [&'static str]) -> Self {
        Self { field: Field::List(name), name, texts, prompts }
    }

    /// A part without texts.
    fn none() -> Self {
        Self::list("", Vec::new(), &[])
    }
}

/// The vectors of the parts of a request.
struct Embedded {
    /// Those of each part; nothing for a part without texts.
    parts: [Option<Matrix>; 3],
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
                Part::list("queries", request.queries, QUERY),
                Part::list("documents", request.documents, DOCUMENT),
                Part::none(),
            ];
            let Embedded { parts: [Some(queries), Some(documents), _], tokens, truncated } =
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

    /// Embeds the parts of a request side by side, so that texts of all run in the same batches, each named by its field.
    async fn embed_parts(
        &self,
        id: &str,
        parts: [Part; 3],
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
        let (second, third) = rest.split(counts[1]);
        let names = parts.each_ref().map(|part| part.name);
        let workers = &self.inner.workers;
        let infer = |permit, part: Part| {
            let model = &model;
            async move {
                if part.texts.is_empty() {
                    return Ok(Inferred { rows: Vec::new(), tokens: 0, truncated: 0 });
                }
                let inputs = prompted(model, prompt_for(model, part.prompts).as_ref(), part.texts)?;
                model.infer(permit, part.field, inputs, truncate, workers).await
            }
        };
        let [one, two, three] = parts;
        let (one, two, three) = tokio::try_join!(infer(first, one), infer(second, two), infer(third, three))?;
        let inferred = [one, two, three];
        let tokens = inferred.iter().map(|part| part.tokens).sum();
        let truncated = inferred.iter().map(|part| part.truncated).sum();
        let size = operations(1, counts.iter().sum(), model.dimensions);
        let parts = compute(workers, size, move |_| {
            let mut matrices = [const { None }; 3];
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
