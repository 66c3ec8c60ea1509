//! The front of the runtime: one typed method a capability, over models that load on first use.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use crate::{
    compute::compute,
    device::{self, Device, ProviderReport},
    embed::{
        EmbedInput, EmbedRequest, Embeddings, Prompt, check_dimensions, cut,
        loaded::{Field, Inferred, Input, Loaded, Slot, spawn},
        metrics::ModelMetrics,
        shutting_down,
    },
    error::{BackendError, Result},
    hardware::{self, SystemInfo},
    library::{self, Library, LibraryOptions},
    models::{Catalog, EMBED_ID, EmbeddingModelInfo, Entry, ModelDetails, ModelInfo, ModelKind, Step},
    rerank::{RankMethod, Ranking, RerankRequest, rank, sigmoid, unit_interval},
    session::{SessionOptions, ThreadBudget},
    similarity::{Metric, Similarities, SimilarityRequest, matrix},
};

/// How a runtime is started.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The models folder: each subfolder laid out like a Hugging Face repository is a model. It need not exist.
    pub models_dir: PathBuf,
    /// What models run on.
    pub device: Device,
    /// Threads that share one operator; the physical cores that this process may use where there is none.
    pub threads: Option<usize>,
    /// How ONNX Runtime is found or installed.
    pub library: LibraryOptions,
    /// Texts that may wait for each model. Beyond it requests are refused with a time to come back.
    pub queue: usize,
    /// Longest time for one request, loading the model included.
    pub deadline: Duration,
    /// Id of the model that serves requests which name none.
    pub default_model: String,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            models_dir: PathBuf::from("models"),
            device: Device::Auto,
            threads: None,
            library: LibraryOptions::default(),
            queue: 8192,
            deadline: Duration::from_secs(300),
            default_model: EMBED_ID.to_owned(),
        }
    }
}

/// Models on ONNX Runtime. Clones share everything.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    options: RuntimeOptions,
    library: &'static Library,
    catalog: Catalog,
    slots: Mutex<HashMap<String, Slot>>,
    /// Permits of the tokenising jobs: as many as there are threads.
    workers: Arc<Semaphore>,
    closed: AtomicBool,
}

/// Whether the runtime can serve, and what it is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// Whether requests are served.
    pub usable: bool,
    /// Why not, or what does not work beside it.
    pub problems: Vec<String>,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Texts admitted that have not begun to run, over all models.
    pub waiting: usize,
    /// Models in memory or on their way there, sorted by id.
    pub models: Vec<ModelHealth>,
}

/// One model in memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelHealth {
    /// Id.
    pub id: String,
    /// Whether it is ready; else it is being loaded.
    pub ready: bool,
    /// What it runs on, once it is ready.
    pub device: Option<String>,
    /// Execution providers that were passed over on the way to that, with the reason.
    pub refused: Vec<ProviderReport>,
    /// Seconds that loading took, once it is ready.
    pub load_seconds: Option<f64>,
    /// Whether each of its texts runs alone, because its graph quantises its activations.
    pub alone: bool,
    /// Texts admitted that have not begun to run.
    pub waiting: usize,
    /// Seconds that the batch under way has taken so far.
    pub running_seconds: Option<f64>,
}

/// What all engines did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuntimeMetrics {
    /// One for each model in memory, sorted by id.
    pub models: Vec<ModelMetrics>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runtime {
    /// Finds or installs ONNX Runtime and looks at the models folder. Blocks; models are loaded on first use.
    ///
    /// # Errors
    /// Those of [`library::ensure`]; [`BackendError::ConfigurationError`] for options that cannot be, a device that is
    /// asked for by name and does not work here among them.
    pub fn start(options: RuntimeOptions) -> Result<Self> {
        if options.queue == 0 {
            return Err(BackendError::configuration("queue", "is 0; at least one text must be able to wait"));
        }
        if options.threads == Some(0) {
            return Err(BackendError::configuration("threads", "is 0; at least one is needed"));
        }
        let library = library::ensure(&options.library)?;
        // Told now, not by the first request.
        device::check(options.device)?;
        let workers = options.threads.unwrap_or_else(|| ThreadBudget::default().intra_op).max(1);
        let catalog = Catalog::new(options.models_dir.clone());
        let runtime = Self {
            inner: Arc::new(Inner {
                catalog,
                library,
                slots: Mutex::default(),
                workers: Arc::new(Semaphore::new(workers)),
                closed: AtomicBool::new(false),
                options,
            }),
        };
        for entry in runtime.inner.catalog.scan() {
            match entry.problem() {
                None => tracing::debug!(model = entry.id, kind = ?entry.kind(), "model found"),
                Some(error) => tracing::warn!(model = entry.id, %error, "model found, and it cannot be used"),
            }
        }
        Ok(runtime)
    }

    /// The library that models run on.
    pub fn library(&self) -> &'static Library {
        self.inner.library
    }

    /// The options that it was started with.
    pub fn options(&self) -> &RuntimeOptions {
        &self.inner.options
    }

    /// Embeds texts or token ids. Dropping the future cancels.
    ///
    /// # Errors
    /// - [`BackendError::ModelNotFound`], [`BackendError::ModelCorrupted`]: the model is not there, or its files are damaged.
    /// - [`BackendError::InvalidInput`]: an input is empty or too long, or the model is no embedding model.
    /// - [`BackendError::ResourceLimitExceeded`]: the queue is full.
    /// - [`BackendError::GenerationTimeout`]: the deadline passed.
    /// - [`BackendError::CudaError`], [`BackendError::OutOfMemory`]: loading or running failed.
    pub async fn embed(&self, request: EmbedRequest) -> Result<Embeddings> {
        let id = self.id(request.model.as_deref());
        self.within(&id, request.deadline, async {
            let model = self.loaded(&id, |kind| embeds(&id, kind)).await?;
            if let Some(wanted) = request.dimensions {
                check_dimensions(wanted, model.dimensions, &model.description.matryoshka)?;
            }
            let permit = model.reserve("input", request.input.len())?;
            let inputs = match request.input {
                EmbedInput::Texts(texts) => prompted(&model, request.prompt.as_ref(), texts)?,
                EmbedInput::Tokens(lists) => lists.into_iter().map(Input::Ids).collect(),
            };
            let workers = &self.inner.workers;
            let Inferred { mut rows, tokens, truncated } =
                model.infer(permit, Field::List("input"), inputs, request.truncate, workers).await?;
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
        let id = self.id(request.model.as_deref());
        if request.documents.is_empty() {
            return Err(BackendError::invalid("documents", "is empty; give at least one"));
        }
        self.within(&id, request.deadline, async {
            let model = self.loaded(&id, |kind| ranks(&id, kind)).await?;
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
        let id = self.id(request.model.as_deref());
        for (field, side) in [("text1", &request.left), ("text2", &request.right)] {
            if side.is_empty() {
                return Err(BackendError::invalid(field, "is empty; give at least one text"));
            }
        }
        self.within(&id, request.deadline, async {
            let model = self.loaded(&id, |kind| embeds(&id, kind)).await?;
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

    /// All models that are here, sorted by id, those that cannot be used with the reason.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.inner.catalog.scan().iter().map(|entry| self.info(entry)).collect()
    }

    /// One model with everything that its files tell.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`].
    pub fn model(&self, id: &str) -> Result<ModelDetails> {
        let entry = self.inner.catalog.get(id)?;
        let (loaded, dimensions) = self.state(&entry);
        Ok(ModelDetails {
            info: self.info(&entry),
            files: entry.list.clone(),
            variants: entry.variants.clone(),
            // A file that is no JSON is already told by `info.problem`.
            config: entry.files.json(id, "config.json").ok().flatten(),
            architecture: entry.description.as_ref().ok().and_then(|found| found.architecture.clone()),
            embedding: EmbeddingModelInfo::new(&entry, loaded, dimensions),
            memory: entry.variants.first().map_or(0, |variant| variant.size),
        })
    }

    /// The models that embed and can be used, sorted by id.
    pub fn embedding_models(&self) -> Vec<EmbeddingModelInfo> {
        let scan = self.inner.catalog.scan();
        scan.iter()
            .filter_map(|entry| {
                let (loaded, dimensions) = self.state(entry);
                EmbeddingModelInfo::new(entry, loaded, dimensions)
            })
            .collect()
    }

    /// The machine, its execution providers and the disk with the models. May block for a second the first time.
    pub fn system(&self) -> SystemInfo {
        hardware::system(&self.inner.options.models_dir)
    }

    /// Whether it can serve. Reads files only where the default model lies in the models folder and is not in memory.
    pub fn health(&self) -> Health {
        let mut problems = Vec::new();
        let closed = self.inner.closed.load(Relaxed);
        if closed {
            problems.push("the runtime is shutting down".to_owned());
        }
        let default = &self.inner.options.default_model;
        let broken = match self.ready(default) {
            Some(_) => None,
            None => self.inner.catalog.get(default).map_or_else(Some, |entry| entry.problem()),
        };
        if let Some(error) = &broken {
            problems.push(format!("the default model cannot be used: {error}"));
        }
        let slots = lock(&self.inner.slots);
        let mut models: Vec<ModelHealth> = slots
            .iter()
            .map(|(id, slot)| {
                let loaded =
                    slot.outcome.borrow().as_ref().and_then(|outcome| outcome.as_ref().ok()).cloned();
                ModelHealth {
                    id: id.clone(),
                    ready: loaded.is_some(),
                    device: loaded.as_ref().map(|model| model.device.to_string()),
                    refused: loaded.as_ref().map(|model| model.refused.clone()).unwrap_or_default(),
                    load_seconds: loaded.as_ref().map(|model| model.load_time.as_secs_f64()),
                    alone: loaded.is_some_and(|model| model.alone),
                    waiting: slot.queue.waiting(),
                    running_seconds: slot.queue.running_for().map(|time| time.as_secs_f64()),
                }
            })
            .collect();
        drop(slots);
        models.sort_by(|a, b| a.id.cmp(&b.id));
        // A batch is bounded by its budget: one that outlasts every request's deadline hangs.
        let limit = self.inner.options.deadline.as_secs_f64();
        let mut hangs = false;
        for model in
            models.iter().filter(|model| model.running_seconds.is_some_and(|seconds| seconds > limit))
        {
            hangs = true;
            problems.push(format!("the engine of `{}` has run one batch for over {limit} seconds", model.id));
        }
        Health {
            usable: !closed && broken.is_none() && !hangs,
            problems,
            onnxruntime: self.inner.library.version.clone(),
            waiting: models.iter().map(|model| model.waiting).sum(),
            models,
        }
    }

    /// Counters of the models in memory.
    pub fn metrics(&self) -> RuntimeMetrics {
        let mut models: Vec<_> = lock(&self.inner.slots)
            .iter()
            .map(|(id, slot)| slot.counters.snapshot(id, slot.queue.waiting()))
            .collect();
        models.sort_by(|a, b| a.model.cmp(&b.model));
        RuntimeMetrics { models }
    }

    /// Admits nothing more, lets what runs finish until `deadline`, ends the rest, and waits for the engines to leave.
    pub async fn shutdown(&self, deadline: Duration) {
        self.inner.closed.store(true, Relaxed);
        let slots: Vec<(String, Slot)> = lock(&self.inner.slots).drain().collect();
        let end = Instant::now() + deadline;
        for (_, slot) in &slots {
            slot.queue.close();
        }
        while Instant::now() < end && !slots.iter().all(|(_, slot)| slot.queue.idle()) {
            sleep(POLL).await;
        }
        for (id, slot) in &slots {
            if !slot.queue.idle() {
                tracing::warn!(
                    model = id,
                    waiting = slot.queue.waiting(),
                    "requests were cut off by the shutdown"
                );
                slot.queue.abort(&shutting_down(id));
            }
        }
        // A run that was told to stop ends within one operator; a load in progress is not waited for.
        let end = Instant::now() + GRACE;
        while Instant::now() < end && !slots.iter().all(|(_, slot)| slot.thread.is_finished()) {
            sleep(POLL).await;
        }
    }

    fn id(&self, model: Option<&str>) -> String {
        model.unwrap_or(&self.inner.options.default_model).to_owned()
    }

    fn info(&self, entry: &Entry) -> ModelInfo {
        let (loaded, dimensions) = self.state(entry);
        ModelInfo::new(entry, loaded, dimensions)
    }

    /// Whether a model is in memory, and the length of its vectors where it makes some.
    fn state(&self, entry: &Entry) -> (bool, Option<usize>) {
        match self.ready(&entry.id) {
            Some(model) => {
                (true, (model.description.kind == ModelKind::Embedding).then_some(model.dimensions))
            }
            None => (false, None),
        }
    }

    /// A model that is in memory.
    fn ready(&self, id: &str) -> Option<Arc<Loaded>> {
        let slots = lock(&self.inner.slots);
        let outcome = slots.get(id)?.outcome.borrow();
        outcome.as_ref()?.as_ref().ok().cloned()
    }

    /// A model of a kind that `accepts` takes, loaded where it is not in memory. Whoever asks while it loads waits for the
    /// same load.
    async fn loaded(&self, id: &str, accepts: impl Fn(ModelKind) -> Result<()>) -> Result<Arc<Loaded>> {
        if self.inner.closed.load(Relaxed) {
            return Err(shutting_down(id));
        }
        // The usual case: no file is looked at.
        if let Some(model) = self.ready(id) {
            accepts(model.description.kind)?;
            return Ok(model);
        }
        let (inner, wanted) = (Arc::clone(&self.inner), id.to_owned());
        let entry =
            tokio::task::spawn_blocking(move || inner.catalog.get(&wanted)).await.map_err(|error| {
                BackendError::internal(format!("reading the models folder ended early: {error}"))
            })??;
        // Told before it is loaded.
        accepts(entry.usable()?.kind)?;
        let mut outcome = {
            let mut slots = lock(&self.inner.slots);
            if self.inner.closed.load(Relaxed) {
                return Err(shutting_down(id));
            }
            match slots.get(id) {
                Some(slot) => slot.outcome.clone(),
                None => {
                    let slot = self.inner.spawn(entry, Arc::downgrade(&self.inner))?;
                    let outcome = slot.outcome.clone();
                    slots.insert(id.to_owned(), slot);
                    outcome
                }
            }
        };
        let outcome = outcome
            .wait_for(Option::is_some)
            .await
            .map_err(|_| BackendError::internal(format!("loading model `{id}` ended without an answer")))?
            .clone();
        outcome.unwrap_or_else(|| Err(BackendError::internal("a load without an outcome")))
    }

    /// Runs `work` until the deadline of the request, or the runtime's where that is shorter.
    async fn within<T>(
        &self,
        id: &str,
        deadline: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let limit =
            deadline.map_or(self.inner.options.deadline, |asked| asked.min(self.inner.options.deadline));
        match timeout(limit, work).await {
            Ok(answer) => answer,
            Err(_) => {
                if let Some(model) = self.ready(id) {
                    model.timed_out();
                }
                Err(BackendError::GenerationTimeout { seconds: limit.as_secs() })
            }
        }
    }

    async fn cross_encode(&self, id: &str, model: &Arc<Loaded>, request: RerankRequest) -> Result<Ranking> {
        let permit = model.reserve("documents", request.documents.len())?;
        let query: Arc<str> = request.query.into();
        let pairs = request
            .documents
            .into_iter()
            .map(|second| Input::Pair { first: Arc::clone(&query), second })
            .collect();
        let inferred = model
            .infer(permit, Field::List("documents"), pairs, request.truncate, &self.inner.workers)
            .await?;
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
        let query = prompted(model, prompt_for(model, &["query"]).as_ref(), vec![request.query])?;
        let documents = prompted(
            model,
            prompt_for(model, &["document", "passage", "corpus"]).as_ref(),
            request.documents,
        )?;
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

/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(5);
/// How long engines may take to leave once they were told to.
const GRACE: Duration = Duration::from_secs(5);

impl Inner {
    /// Starts the engine of a model.
    fn spawn(&self, entry: Arc<Entry>, runtime: Weak<Self>) -> Result<Slot> {
        let session = SessionOptions {
            device: self.options.device,
            threads: self.options.threads.map_or_else(ThreadBudget::default, ThreadBudget::of),
            // Every batch has a shape of its own: a plan for each would be kept and not used again.
            memory_pattern: false,
            ..SessionOptions::default()
        };
        let id = entry.id.clone();
        spawn(entry, session, self.options.queue, move || {
            if let Some(runtime) = runtime.upgrade() {
                lock(&runtime.slots).remove(&id);
            }
        })
    }
}

impl Drop for Inner {
    /// The engines leave when nobody is left who could ask them.
    fn drop(&mut self) {
        for slot in lock(&self.slots).values() {
            slot.queue.close();
        }
    }
}

/// The inputs of texts with their prompt in front.
fn prompted(model: &Loaded, prompt: Option<&Prompt>, texts: Vec<String>) -> Result<Vec<Input>> {
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
fn prompt_for(model: &Loaded, names: &[&str]) -> Option<Prompt> {
    let texts = &model.description.prompts.texts;
    names.iter().find(|name| texts.contains_key(**name)).map(|name| Prompt::Named((*name).to_owned()))
}

/// Whether a model of this kind embeds.
fn embeds(id: &str, kind: ModelKind) -> Result<()> {
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
