//! A decoder in memory: its tokenizer, its template, its queue, and the thread that owns its session.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use ort::session::RunOptions;
use tokio::sync::{Semaphore, mpsc};

use super::{
    Constraint, Conversation, GeneratePrompt, GenerateRequest, Generation,
    constraint::{Compiler, Guide, Scout, Thoughts},
    decoder::{self, Decoder},
    engine::{Engine, Limits},
    files::{DecoderFiles, SamplingDefaults},
    markup::{Markup, THINK, THOUGHT},
    metrics::Counters,
    queue::Queue,
    sampler::Sampler,
    sequence::{Job, Sequence},
    template::ChatTemplate,
    text::{Assembler, Stops},
};
use crate::{
    compute::{Abandoned, compute},
    device::{Device, ProviderReport},
    error::{BackendError, Result},
    library::ort_failure,
    models::{Entry, Variant, attends_grouped},
    runtime::pool::{
        Model,
        slot::{self, Event, Slot},
    },
    session::SessionOptions,
    tokenizer::Tokenizer,
};

/// A decoder in memory.
pub(crate) struct LoadedDecoder {
    pub(crate) entry: Arc<Entry>,
    pub(crate) device: Device,
    pub(crate) refused: Vec<ProviderReport>,
    pub(crate) load_time: Duration,
    /// Tokens of one sequence, prompt and answer together.
    pub(crate) context: usize,
    tokenizer: Arc<Tokenizer>,
    template: Option<ChatTemplate>,
    ends: Arc<[u32]>,
    defaults: SamplingDefaults,
    vocabulary: usize,
    /// Compiles constraints, from the first one on.
    compiler: OnceLock<Result<Compiler>>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) counters: Arc<Counters>,
}

/// How generation is bounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GenerationLimits {
    /// Sequences that may wait.
    pub(crate) queue: usize,
    /// Sequences that run side by side.
    pub(crate) rows: usize,
    /// Most tokens of a prompt that are read at once.
    pub(crate) part: usize,
    /// Bytes of the cache.
    pub(crate) cache_bytes: u64,
    /// Most tokens of one sequence; the model's own limit where there is none or a larger one.
    pub(crate) context: Option<usize>,
}

/// Opens everything that a decoder needs.
///
/// # Errors
/// What is wrong with its files, or with the session; [`BackendError::ConfigurationError`] of `cache` where that holds no
/// sequence of it.
fn load(
    entry: Arc<Entry>,
    variant: &Variant,
    session: &SessionOptions,
    bounds: GenerationLimits,
    queue: &Arc<Queue>,
    counters: &Arc<Counters>,
) -> Result<(Arc<LoadedDecoder>, Engine)> {
    let begun = Instant::now();
    let id = entry.id.as_str();
    let description = entry.usable()?.clone();
    let tokenizer = Arc::new(Tokenizer::open(id, &entry.files, &description)?);
    let files = DecoderFiles::read(&entry, &tokenizer)?;
    let template = ChatTemplate::read(id, &entry.files)?;
    let grouped = attends_grouped(id, &entry.files, &variant.file)?;
    let opened = decoder::open(id, &entry.files, &variant.file, session)?;
    let (device, refused) = (*opened.device(), opened.refused().to_vec());
    let decoder = Decoder::open(id, opened, grouped, files.sizes)?;
    let vocabulary = decoder.vocabulary();
    // One sequence always fits the cache.
    let room = usize::try_from(bounds.cache_bytes / decoder.token_bytes().max(1)).unwrap_or(usize::MAX);
    let context = bounds.context.map_or(files.context, |asked| asked.min(files.context)).min(room);
    if context < SHORTEST {
        return Err(too_short(id, room, bounds.cache_bytes, decoder.token_bytes()));
    }
    let run = RunOptions::new().map_err(|error| ort_failure("CPU", &error))?;
    let limits = Limits { rows: bounds.rows, part: bounds.part, cache_bytes: bounds.cache_bytes, context };
    let engine =
        Engine::new(decoder, Arc::clone(&tokenizer), Arc::clone(queue), Arc::clone(counters), limits, run);
    let loaded = Arc::new(LoadedDecoder {
        device,
        refused,
        load_time: begun.elapsed(),
        context,
        tokenizer,
        template,
        ends: files.ends.into(),
        defaults: files.defaults,
        vocabulary,
        compiler: OnceLock::new(),
        queue: Arc::clone(queue),
        counters: Arc::clone(counters),
        entry,
    });
    Ok((loaded, engine))
}

/// Tokens of the shortest sequence: one of the prompt and one of its answer.
pub(crate) const SHORTEST: usize = 2;

/// The setting that leaves no sequence of a model enough room.
fn too_short(id: &str, room: usize, cache_bytes: u64, token_bytes: u64) -> BackendError {
    if room < SHORTEST {
        let needed = token_bytes.saturating_mul(SHORTEST as u64);
        let reason = format!(
            "is {cache_bytes} bytes, and the keys and values of model `{id}` take {needed} for {SHORTEST} tokens; raise \
             it with --cache"
        );
        return BackendError::configuration("cache", reason);
    }
    BackendError::corrupted(id, format!("its files say that it takes fewer than {SHORTEST} tokens"))
}

/// Starts the thread of a decoder.
///
/// # Errors
/// [`BackendError::InternalError`] where the operating system gives no thread.
pub(crate) fn spawn(
    entry: Arc<Entry>,
    variant: Variant,
    session: SessionOptions,
    bounds: GenerationLimits,
    counters: Arc<Counters>,
    tell: impl Fn(Event) + Send + 'static,
) -> Result<Slot<Model>> {
    let id = entry.id.clone();
    let queue = Queue::new(&id, bounds.queue, Arc::clone(&counters));
    let load = {
        let queue = Arc::clone(&queue);
        move || {
            let (loaded, engine) = load(entry, &variant, &session, bounds, &queue, &counters)?;
            tracing::info!(
                model = loaded.entry.id, device = %loaded.device, context = loaded.context,
                seconds = loaded.load_time.as_secs_f64(), "model loaded"
            );
            Ok((Model::Decoder(loaded), move || engine.serve()))
        }
    };
    slot::spawn(&id, queue, load, tell)
}

impl LoadedDecoder {
    /// Begins a generation for each prompt, `request.prompt` the first: all of them, or none.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where a value cannot be used, a prompt is too long or there will never be room for so
    /// many answers, [`BackendError::ResourceLimitExceeded`] where the queue is full, [`BackendError::NotImplemented`] for
    /// messages where the model has no chat template.
    pub(crate) async fn generate(
        self: &Arc<Self>,
        request: GenerateRequest,
        more: Vec<GeneratePrompt>,
        longest: Duration,
        workers: &Arc<Semaphore>,
    ) -> Result<Vec<Generation>> {
        let GenerateRequest { prompt, sampling, constraint, .. } = request;
        let sampling = sampling.over(&self.defaults);
        sampling.check(self.vocabulary)?;
        let choices = request.choices;
        if choices == 0 {
            return Err(BackendError::invalid("n", "is 0; ask for at least one answer"));
        }
        // Told before any of them is read.
        self.queue.has_ever_room(1 + more.len(), choices)?;
        let mut prepared = Vec::with_capacity(1 + more.len());
        for prompt in std::iter::once(prompt).chain(more) {
            prepared.push(self.prepare(prompt, request.max_tokens, constraint.clone(), workers).await?);
        }
        // The time runs from here on: the first prompt does not pay for the reading of the others.
        let since = Instant::now();
        let deadline = since + request.deadline.map_or(longest, |asked| asked.min(longest));
        let keeps_space = constraint.as_ref().is_some_and(Constraint::keeps_space);
        let id: Arc<str> = request.id.into();
        let mut sequences = Vec::with_capacity(prepared.len() * choices);
        let mut generations = Vec::with_capacity(prepared.len());
        for Prepared { tokens: prompt, most, markup, guide } in prepared {
            // A delta a token, a last one for what was held back, an end, and one error.
            let (sender, events) = mpsc::channel(choices * (most + 2) + 1);
            let job = Arc::new(Job {
                id: Arc::clone(&id),
                answer: OnceLock::new(),
                stopped: AtomicBool::new(false),
                deadline,
                since,
                events: sender,
            });
            for choice in 0..choices {
                sequences.push(Sequence {
                    job: Arc::clone(&job),
                    choice,
                    prompt: prompt.len(),
                    limit: prompt.len() + most,
                    ends: if request.ignore_end { Arc::from([]) } else { Arc::clone(&self.ends) },
                    sampler: Sampler::new(sampling.clone(), &prompt, request.logprobs, choice)?,
                    scout: guide.clone().map(Scout::new),
                    late: false,
                    text: if keeps_space { Assembler::with_space() } else { Assembler::default() },
                    stops: Stops::new(request.stop.clone()),
                    cached: None,
                    first: None,
                    last: None,
                    tokens: prompt.clone(),
                });
            }
            generations.push(Generation {
                model: self.entry.id.clone(),
                prompt_tokens: prompt.len(),
                markup,
                sampling: sampling.clone(),
                decoder: Arc::clone(self),
                lease: None,
                job,
                events,
                open: choices,
            });
        }
        let admitted = sequences.len();
        self.queue.push(sequences)?;
        self.counters.admitted(admitted);
        Ok(generations)
    }

    /// Reads a prompt and compiles the constraint of its answers.
    async fn prepare(
        self: &Arc<Self>,
        prompt: GeneratePrompt,
        max_tokens: Option<usize>,
        constraint: Option<Constraint>,
        workers: &Arc<Semaphore>,
    ) -> Result<Prepared> {
        let field = match prompt {
            GeneratePrompt::Chat(_) => "messages",
            GeneratePrompt::Text(_) | GeneratePrompt::Tokens(_) => "prompt",
        };
        let calls = constraint.as_ref().is_some_and(|constraint| constraint.calls.is_some());
        let Prompt { tokens, mut markup, thoughts } = self.prompt(prompt, calls, workers).await?;
        let length = tokens.len();
        if length >= self.context {
            return Err(BackendError::context_length(
                field,
                format!("has {length} tokens or more and the model takes {} with its answer", self.context),
            ));
        }
        let room = self.context - length;
        let most = max_tokens.map_or(room, |asked| asked.min(room));
        if most == 0 {
            return Err(BackendError::invalid("max_tokens", "is 0; ask for at least one token"));
        }
        markup.leading = constraint.as_ref().is_some_and(|constraint| constraint.text.is_some());
        let guide = match constraint {
            Some(constraint) => Some(self.guide(constraint, thoughts, workers).await?),
            None => None,
        };
        Ok(Prepared { tokens, most, markup, guide })
    }

    /// The bytes that a token stands for.
    pub(crate) fn token_bytes(&self, token: u32) -> Vec<u8> {
        self.tokenizer.bytes_of(token)
    }

    /// The text that a conversation is for the model.
    ///
    /// # Errors
    /// [`BackendError::NotImplemented`] where the model has no chat template, [`BackendError::InvalidInput`] where it
    /// refuses the messages.
    pub(crate) fn render(&self, conversation: &Conversation) -> Result<String> {
        let template = self.template.as_ref().ok_or_else(|| BackendError::NotImplemented {
            feature: format!(
                "chat with model `{}`, which has no chat template; POST /v1/completions takes its text, and it",
                self.entry.id
            ),
        })?;
        template.render(conversation)
    }

    /// The tokens of a prompt, and the marks of what follows it. `calls`: whether calls of tools are asked for.
    async fn prompt(
        self: &Arc<Self>,
        prompt: GeneratePrompt,
        calls: bool,
        workers: &Arc<Semaphore>,
    ) -> Result<Prompt> {
        let (field, text, markup) = match prompt {
            GeneratePrompt::Tokens(_) | GeneratePrompt::Text(_) if calls => {
                return Err(BackendError::invalid("tools", "need messages; this prompt has none"));
            }
            GeneratePrompt::Tokens(ids) => {
                let tokens = self.tokenizer.check_ids("prompt", ids, true)?.ids;
                return Ok(Prompt { tokens, markup: Markup::default(), thoughts: Thoughts::None });
            }
            GeneratePrompt::Text(text) => ("prompt", text, None),
            GeneratePrompt::Chat(conversation) => {
                let known = self.template.as_ref().map(ChatTemplate::markup).unwrap_or_default();
                let calls = calls || !conversation.tools.is_empty();
                if calls && !known.calls {
                    return Err(BackendError::invalid(
                        "tools",
                        format!(
                            "are not for model `{}`, whose chat template does not mark calls with <tool_call>; choose \
                             a model whose does",
                            self.entry.id
                        ),
                    ));
                }
                let text = self.render(&conversation)?;
                let thinking = known.thoughts && text.trim_end().ends_with(THINK);
                // Without tools a call would be nobody's.
                ("messages", text, Some(Markup { thinking, calls, ..known }))
            }
        };
        let thoughts = match markup {
            Some(Markup { thinking: true, .. }) => Thoughts::Begun,
            // A thought that the prompt has ended already is the only one.
            Some(Markup { thoughts: true, .. }) if !text.trim_end().ends_with(THOUGHT) => Thoughts::Possible,
            _ => Thoughts::None,
        };
        let model = Arc::clone(self);
        // A thousand operations a byte: short prompts stay, long ones leave the async thread.
        let tokens = compute(workers, text.len().saturating_mul(1000), move |abandoned| {
            let stopped = || abandoned.is_set();
            let tokens = if markup.is_none() {
                model.tokenizer.encode_text(field, &text, model.context, &stopped)?
            } else {
                model.tokenizer.encode_plain(field, &text, model.context, &stopped)?
            };
            if tokens.is_empty() {
                return Err(BackendError::invalid(field, "has no token; give a text that is not empty"));
            }
            Ok(tokens)
        })
        .await?;
        Ok(Prompt { tokens, markup: markup.unwrap_or_default(), thoughts })
    }

    /// Compiles a constraint, away from the async threads and from the engine.
    async fn guide(
        self: &Arc<Self>,
        constraint: Constraint,
        thoughts: Thoughts,
        workers: &Arc<Semaphore>,
    ) -> Result<Guide> {
        let model = Arc::clone(self);
        compute(workers, usize::MAX, move |abandoned| {
            if abandoned.is_set() {
                return Err(Abandoned::error());
            }
            let compiler =
                model.compiler.get_or_init(|| Compiler::new(&model.tokenizer, &model.ends, model.vocabulary));
            compiler.as_ref().map_err(Clone::clone)?.compile(&constraint, thoughts)
        })
        .await
    }
}

/// What the answers to a prompt begin with.
struct Prepared {
    tokens: Vec<u32>,
    /// Most tokens of one answer.
    most: usize,
    markup: Markup,
    guide: Option<Guide>,
}

/// A prompt as it is read, and what may follow it.
struct Prompt {
    tokens: Vec<u32>,
    /// Which marks the answer may have.
    markup: Markup,
    /// Whether the answer begins with a thought.
    thoughts: Thoughts,
}
