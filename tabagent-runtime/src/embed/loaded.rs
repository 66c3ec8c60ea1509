//! A model in memory: its tokenizer, its queue, and the thread that owns its session.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    batch::Budget,
    engine::serve,
    graph::Graph,
    metrics::Counters,
    queue::{Permit, Queue, Rows},
};
use crate::{
    compute::{AbandonOnDrop, compute},
    device::{Device, ProviderReport},
    error::{BackendError, Result},
    models::{Description, Entry, ModelFiles, ModelKind, Variant, quantises_activations},
    runtime::pool::{
        Model,
        slot::{self, Event, Slot},
    },
    session::{ModelSource, Session, SessionOptions},
    tokenizer::{First, Tokenizer, Tokens},
};

/// Bytes of text that are tokenised where they are, without a thread of their own: less than a tenth of a millisecond.
const INLINE: usize = 2 << 10;
/// What tokenising a byte takes, in float operations, so that a text of [`INLINE`] is done where it is.
const OPERATIONS: usize = 480;
/// Bytes of text that one tokenising job takes.
const CHUNK: usize = 32 << 10;
/// Bytes of attention scores that one batch may need. A text that needs more runs alone.
const ATTENTION: u64 = 256 << 20;

/// One input as it came.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// A text, and the tokens of a prompt at its start that pooling leaves out.
    Text { text: String, skip: usize },
    /// Two texts for a cross-encoder, of which the first is tokenised.
    Pair { first: Arc<First>, second: String },
    /// Token ids.
    Ids(Vec<u32>),
}

/// The request's field that inputs come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field {
    /// The field is the input.
    One(&'static str),
    /// The field is a list: an input is named by its place in it, as `input[3]`.
    List(&'static str),
}

impl Input {
    fn bytes(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.len(),
            Self::Pair { first, second } => first.len() + second.len(),
            Self::Ids(ids) => ids.len(),
        }
    }
}

/// A model in memory.
pub(crate) struct Loaded {
    pub(crate) entry: Arc<Entry>,
    pub(crate) description: Description,
    pub(crate) tokenizer: Tokenizer,
    /// Length of its vectors; 1 for a cross-encoder.
    pub(crate) dimensions: usize,
    pub(crate) device: Device,
    pub(crate) refused: Vec<ProviderReport>,
    pub(crate) load_time: Duration,
    /// Whether each text runs alone because the graph quantises its activations.
    pub(crate) alone: bool,
    pub(crate) queue: Arc<Queue>,
    pub(crate) counters: Arc<Counters>,
}

/// Starts the thread of an encoder.
///
/// # Errors
/// [`BackendError::InternalError`] where the operating system gives no thread.
pub(crate) fn spawn(
    entry: Arc<Entry>,
    variant: Variant,
    session: SessionOptions,
    capacity: usize,
    counters: Arc<Counters>,
    tell: impl Fn(Event) + Send + 'static,
) -> Result<Slot<Model>> {
    let id = entry.id.clone();
    let queue = Queue::new(&id, capacity, Arc::clone(&counters));
    let load = {
        let queue = Arc::clone(&queue);
        move || {
            let (loaded, graph, budget) = load(entry, &variant, &session, &queue, &counters)?;
            tracing::info!(
                model = loaded.entry.id, device = %loaded.device, dimensions = loaded.dimensions,
                alone = loaded.alone, seconds = loaded.load_time.as_secs_f64(), "model loaded"
            );
            let id = loaded.entry.id.clone();
            Ok((Model::Encoder(loaded), move || serve(&id, graph, &queue, &budget, &counters)))
        }
    };
    slot::spawn(&id, queue, load, tell)
}

/// Opens everything that a model needs.
fn load(
    entry: Arc<Entry>,
    variant: &Variant,
    session: &SessionOptions,
    queue: &Arc<Queue>,
    counters: &Arc<Counters>,
) -> Result<(Arc<Loaded>, Graph, Budget)> {
    let begun = Instant::now();
    let id = entry.id.as_str();
    let description = entry.usable()?.clone();
    let alone = quantises_activations(id, &entry.files, &variant.file)?;
    let tokenizer = Tokenizer::open(id, &entry.files, &description)?;
    let opened = match &entry.files {
        ModelFiles::Embedded(_) => {
            let bytes = entry.files.read(id, &variant.file)?.unwrap_or_default();
            Session::open(id, ModelSource::Bytes(&bytes), session)?
        }
        ModelFiles::Folder(_) => {
            let path = entry
                .files
                .path(&variant.file)
                .ok_or_else(|| BackendError::corrupted(id, format!("{} is missing", variant.file)))?;
            Session::open(id, ModelSource::File(&path), session)?
        }
    };
    let probe = match description.kind {
        ModelKind::Rerank => tokenizer.encode_pair("probe", "a", "b", true)?,
        _ => tokenizer.encode("probe", "a", true)?,
    };
    let graph = Graph::open(id, opened, &entry.files, &description, &probe)?;
    let budget = budget(&description, graph.session().device(), alone);
    let loaded = Arc::new(Loaded {
        tokenizer,
        dimensions: graph.dimensions(),
        device: *graph.session().device(),
        refused: graph.session().refused().to_vec(),
        load_time: begun.elapsed(),
        alone,
        queue: Arc::clone(queue),
        counters: Arc::clone(counters),
        description,
        entry,
    });
    Ok((loaded, graph, budget))
}

/// What one batch of a model may cost, by where it runs.
///
/// On a CPU the matrices of a few hundred tokens keep all cores busy, and larger ones leave the caches. A static
/// embedding computes next to nothing a token, so that a batch there pays for the run alone.
fn budget(description: &Description, device: &Device, alone: bool) -> Budget {
    let heads = description.heads;
    let tokens = match device {
        _ if heads == 0 => 16_384,
        Device::Cpu => 512,
        _ => 16_384,
    };
    let overhead = if heads == 0 { 4096 } else { 16 };
    Budget { tokens, attention_bytes: ATTENTION, heads, overhead, alone }
}

impl Loaded {
    /// Reserves places for all inputs of a request at once: parts that reserve for themselves would stand in each
    /// other's way. `field` is named where there are too many.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where there is none; those of [`Queue::reserve`].
    pub(crate) fn reserve(&self, field: &str, inputs: usize) -> Result<Permit> {
        if inputs == 0 {
            return Err(BackendError::invalid(field, "is empty; give at least one"));
        }
        self.queue.reserve(field, inputs)
    }

    /// Tokenises `inputs` and runs them. Rows come in the order of the inputs, tokens are counted without padding.
    ///
    /// `permit` has a place for each input, and `field` names them in errors. Dropping the future takes the inputs out of
    /// the queue.
    ///
    /// # Errors
    /// Those of the tokenizer and of the run.
    pub(crate) async fn infer(
        self: &Arc<Self>,
        permit: Permit,
        field: Field,
        inputs: Vec<Input>,
        truncate: bool,
        workers: &Arc<Semaphore>,
    ) -> Result<Inferred> {
        let texts = self.tokenize(field, inputs, truncate, workers).await?;
        let tokens = texts.iter().map(|text| text.ids.len() as u64).sum();
        let truncated = texts.iter().filter(|text| text.truncated).count();
        self.counters.truncated.fetch_add(truncated as u64, Relaxed);
        let rows = permit.submit(texts).rows().await?;
        let model = Arc::clone(self);
        let rows = compute(workers, rows.len().saturating_mul(self.dimensions), move |_| {
            if rows.iter().flatten().all(|value| value.is_finite()) {
                return Ok(rows);
            }
            Err(BackendError::internal(format!(
                "model `{}` gave a value that is no number; a variant of higher precision may not",
                model.entry.id
            )))
        })
        .await?;
        Ok(Inferred { rows, tokens, truncated })
    }

    /// Notes that a request's deadline passed.
    pub(crate) fn timed_out(&self) {
        self.counters.timeouts.fetch_add(1, Relaxed);
    }

    /// Tokenises the first text of pairs, on the blocking pool where it is long.
    ///
    /// # Errors
    /// Those of the tokenizer.
    pub(crate) async fn first(
        self: &Arc<Self>,
        field: &'static str,
        text: String,
        truncate: bool,
        workers: &Arc<Semaphore>,
    ) -> Result<Arc<First>> {
        let operations = text.len().saturating_mul(OPERATIONS);
        let model = Arc::clone(self);
        compute(workers, operations, move |abandoned| {
            let stopped = || abandoned.is_set() || model.queue.ended();
            match model.tokenizer.first(field, &text, truncate, &stopped) {
                Err(_) if model.queue.ended() => Err(model.queue.end()),
                first => first.map(Arc::new),
            }
        })
        .await
    }

    /// Tokenises on the blocking pool, several jobs at once where there is much, at most as many as `workers` permits.
    async fn tokenize(
        self: &Arc<Self>,
        field: Field,
        inputs: Vec<Input>,
        truncate: bool,
        workers: &Arc<Semaphore>,
    ) -> Result<Vec<Tokens>> {
        if inputs.iter().map(Input::bytes).sum::<usize>() <= INLINE {
            return inputs
                .into_iter()
                .enumerate()
                .map(|(at, input)| self.tokens(field, at, input, truncate, &|| false))
                .collect();
        }
        let total = inputs.len();
        let guard = AbandonOnDrop::default();
        let mut jobs = Vec::new();
        let mut chunk = Vec::new();
        let mut bytes = 0;
        for (at, input) in inputs.into_iter().enumerate() {
            bytes += input.bytes();
            chunk.push((at, input));
            if bytes < CHUNK && at + 1 < total {
                continue;
            }
            bytes = 0;
            let (model, abandoned, inputs) = (Arc::clone(self), guard.flag(), std::mem::take(&mut chunk));
            let worker = Arc::clone(workers)
                .acquire_owned()
                .await
                .map_err(|_| BackendError::internal("the tokenising pool is closed"))?;
            jobs.push(tokio::task::spawn_blocking(move || {
                let _worker = worker;
                let stopped = || abandoned.is_set() || model.queue.ended();
                let mut texts = Vec::with_capacity(inputs.len());
                for (at, input) in inputs {
                    if stopped() {
                        break;
                    }
                    match model.tokens(field, at, input, truncate, &stopped) {
                        Ok(tokens) => texts.push(tokens),
                        // What was left in the middle of a text is no mistake of the text.
                        Err(_) if stopped() => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok::<_, BackendError>(texts)
            }));
        }
        let mut texts = Vec::with_capacity(total);
        for job in jobs {
            let done = job
                .await
                .map_err(|error| BackendError::internal(format!("tokenising ended early: {error}")))?;
            texts.extend(done?);
        }
        // Fewer only where the queue ended meanwhile.
        if texts.len() == total { Ok(texts) } else { Err(self.queue.end()) }
    }

    /// Tokenises one input; a long one is left in the middle once `stopped`.
    fn tokens(
        &self,
        field: Field,
        at: usize,
        input: Input,
        truncate: bool,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Tokens> {
        let field = || match field {
            Field::One(name) => name.to_owned(),
            Field::List(name) => format!("{name}[{at}]"),
        };
        match input {
            Input::Text { text, skip } => {
                let mut tokens = self.tokenizer.encode_until(&field(), &text, truncate, stopped)?;
                tokens.skip = skip;
                Ok(tokens)
            }
            Input::Pair { first, second } => {
                self.tokenizer.pair(&field(), &first, &second, truncate, stopped)
            }
            Input::Ids(ids) => self.tokenizer.check_ids(&field(), ids, truncate),
        }
    }
}

/// What inference gave.
pub(crate) struct Inferred {
    pub(crate) rows: Rows,
    /// Tokens of all inputs, special tokens included, padding not.
    pub(crate) tokens: u64,
    /// Inputs that were cut.
    pub(crate) truncated: usize,
}
