//! The front of the runtime: one typed method a capability, over models that load on first use.

mod encoders;
mod health;
mod options;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

pub use health::{Health, ModelHealth, RuntimeMetrics};
pub use options::RuntimeOptions;

use crate::{
    device,
    embed::{
        loaded::{Loaded, Slot, spawn},
        shutting_down,
    },
    error::{BackendError, Result},
    hardware::{self, SystemInfo},
    library::{self, Library},
    models::{Catalog, EmbeddingModelInfo, Entry, ModelDetails, ModelInfo, ModelKind},
    session::{SessionOptions, ThreadBudget},
};

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
