//! The front of the runtime: one typed method a capability, over models that load on first use.

mod encoders;
mod generation;
mod health;
mod options;
mod pull;
pub(crate) mod slots;
mod storage;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{JoinHandle, available_parallelism},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

pub use generation::Generating;
pub use health::{Health, ModelHealth, RuntimeMetrics};
pub use options::RuntimeOptions;
pub use pull::RegisteredModel;
use slots::{EngineQueue, Slot, Slots};
pub use storage::ParamsInForce;

use crate::{
    device,
    embed::{self, loaded::Loaded, shutting_down},
    error::{BackendError, Result},
    generate::loaded::{LoadedDecoder, SHORTEST},
    hardware::{self, SystemInfo},
    hub::Hub,
    library::{self, Library},
    models::{Catalog, EmbeddingModelInfo, Entry, ModelDetails, ModelInfo, ModelKind},
    session::{SessionOptions, ThreadBudget},
    store::Store,
};

/// Models on ONNX Runtime, and the store beside them. Clones share everything.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    options: RuntimeOptions,
    library: &'static Library,
    catalog: Catalog,
    hub: Hub,
    encoders: Slots<Loaded>,
    decoders: Slots<LoadedDecoder>,
    /// What is being generated, by request.
    generating: generation::Register,
    store: Arc<dyn Store>,
    params: storage::KnownParams,
    /// Permits of the tokenising jobs: as many as there are threads.
    workers: Arc<Semaphore>,
    closed: AtomicBool,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Finds or installs ONNX Runtime, opens the store and looks at the models folder. Blocks; models are loaded on first use.
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
        // Threads of one operator wait for each other: far more of them than processors stand still.
        let most = MOST_THREADS * available_parallelism().map_or(1, NonZeroUsize::get);
        if let Some(threads) = options.threads.filter(|threads| *threads > most) {
            let reason =
                format!("is {threads}, and on this machine more than {most} would only wait for each other");
            return Err(BackendError::configuration("threads", reason));
        }
        if let Some(context) = options.context.filter(|context| *context < SHORTEST) {
            let reason = format!(
                "is {context}, and a prompt with its answer has {SHORTEST} tokens or more; raise it with --context"
            );
            return Err(BackendError::configuration("context", reason));
        }
        let library = library::ensure(&options.library)?;
        // Told now, not by the first request.
        device::check(options.device)?;
        let (store, params) = storage::open(options.data_dir.as_deref())?;
        let workers = options.threads.unwrap_or_else(|| ThreadBudget::default().intra_op).max(1);
        // Before the folder is looked at: it puts right what a pull left that was killed.
        let hub = Hub::new(options.models_dir.clone(), options.device, options.hub.clone());
        let catalog = Catalog::new(options.models_dir.clone());
        let runtime = Self {
            inner: Arc::new(Inner {
                catalog,
                hub,
                library,
                encoders: Slots::default(),
                decoders: Slots::default(),
                generating: generation::Register::default(),
                store,
                params,
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
        self.inner.hub.close();
        let engines = self.inner.engines();
        let end = Instant::now() + deadline;
        for engine in &engines {
            engine.queue.close();
        }
        while Instant::now() < end && !engines.iter().all(|engine| engine.queue.idle()) {
            sleep(POLL).await;
        }
        for Engine { id, queue, .. } in &engines {
            if !queue.idle() {
                tracing::warn!(
                    model = id,
                    waiting = queue.waiting(),
                    "requests were cut off by the shutdown"
                );
                queue.abort(&shutting_down(id));
            }
        }
        // A run that was told to stop ends within one operator, a generation within one step; a load in progress is not
        // waited for.
        let end = Instant::now() + GRACE;
        while Instant::now() < end && !engines.iter().all(|engine| engine.thread.is_finished()) {
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
        match self.inner.encoders.ready(&entry.id) {
            Some(model) => {
                (true, (model.description.kind == ModelKind::Embedding).then_some(model.dimensions))
            }
            None => (self.inner.decoders.ready(&entry.id).is_some(), None),
        }
    }

    /// An encoder of a kind that `accepts` takes.
    async fn encoder(&self, id: &str, accepts: impl Fn(ModelKind) -> Result<()>) -> Result<Arc<Loaded>> {
        let inner = &self.inner;
        let model = self.loaded(id, &inner.encoders, &accepts, Inner::spawn_encoder).await?;
        accepts(model.description.kind)?;
        Ok(model)
    }

    /// A model, loaded where it is not in memory. Whoever asks while it loads waits for the same load.
    async fn loaded<M>(
        &self,
        id: &str,
        slots: &Slots<M>,
        accepts: impl Fn(ModelKind) -> Result<()>,
        spawn: impl FnOnce(&Inner, Arc<Entry>, Weak<Inner>) -> Result<Slot<M>>,
    ) -> Result<Arc<M>> {
        if self.inner.closed.load(Relaxed) {
            return Err(shutting_down(id));
        }
        // The usual case: no file is looked at.
        if let Some(model) = slots.ready(id) {
            return Ok(model);
        }
        let (inner, wanted) = (Arc::clone(&self.inner), id.to_owned());
        let entry =
            tokio::task::spawn_blocking(move || inner.catalog.get(&wanted)).await.map_err(|error| {
                BackendError::internal(format!("reading the models folder ended early: {error}"))
            })??;
        // Told before it is loaded.
        accepts(entry.usable()?.kind)?;
        let mut outcome = slots.outcome(id, || {
            // Looked at under the lock, so that a shutdown sees every slot.
            if self.inner.closed.load(Relaxed) {
                return Err(shutting_down(id));
            }
            spawn(&self.inner, entry, Arc::downgrade(&self.inner))
        })?;
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
                if let Some(model) = self.inner.encoders.ready(id) {
                    model.timed_out();
                }
                Err(BackendError::GenerationTimeout { seconds: limit.as_secs_f64() })
            }
        }
    }
}

/// Most threads of one operator for each processor.
const MOST_THREADS: usize = 8;
/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(5);
/// How long engines may take to leave once they were told to.
const GRACE: Duration = Duration::from_secs(5);

/// An engine that is to leave.
struct Engine {
    id: String,
    queue: Arc<dyn EngineQueue>,
    thread: JoinHandle<()>,
}

impl Inner {
    fn session(&self) -> SessionOptions {
        SessionOptions {
            device: self.options.device,
            threads: self.options.threads.map_or_else(ThreadBudget::default, ThreadBudget::of),
            // Every batch has a shape of its own: a plan for each would be kept and not used again.
            memory_pattern: false,
            ..SessionOptions::default()
        }
    }

    /// Starts the engine of an encoder.
    fn spawn_encoder(&self, entry: Arc<Entry>, runtime: Weak<Self>) -> Result<Slot<Loaded>> {
        let id = entry.id.clone();
        embed::loaded::spawn(entry, self.session(), self.options.queue, move || {
            if let Some(runtime) = runtime.upgrade() {
                runtime.encoders.remove(&id);
            }
        })
    }

    /// Takes all engines off their lists.
    fn engines(&self) -> Vec<Engine> {
        fn all<M>(slots: &Slots<M>) -> Vec<Engine> {
            let drained = slots.lock().drain().collect::<Vec<_>>();
            drained.into_iter().map(|(id, Slot { queue, thread, .. })| Engine { id, queue, thread }).collect()
        }
        let mut engines = all(&self.encoders);
        engines.extend(all(&self.decoders));
        engines
    }
}

impl Drop for Inner {
    /// The engines leave when nobody is left who could ask them.
    fn drop(&mut self) {
        self.hub.close();
        for engine in self.engines() {
            engine.queue.close();
        }
    }
}
