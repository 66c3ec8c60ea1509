//! What decoders do: generate text, and stop.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering::Relaxed},
};

use serde::Serialize;

use super::{
    Runtime,
    pool::{Leased, Model, Wish},
};
use crate::{
    error::{BackendError, Result},
    generate::{
        Conversation, GeneratePrompt, GenerateRequest, Generation, loaded::LoadedDecoder, sequence::Job,
    },
    models::ModelKind,
};

/// What is being generated, by the id of its request.
#[derive(Debug, Default)]
pub(super) struct Register(Mutex<BTreeMap<Arc<str>, Vec<Entered>>>);

#[derive(Debug)]
struct Entered {
    model: String,
    job: Weak<Job>,
}

/// A request that is being generated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Generating {
    /// Id of the request.
    pub request_id: String,
    /// Id of the model.
    pub model: String,
    /// Seconds since it was admitted.
    pub seconds: f64,
}

impl Register {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Vec<Entered>>> {
        let mut entered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has ended is dropped here, so that nothing has to be told of an end.
        entered.retain(|_, jobs| {
            jobs.retain(|entered| entered.job.upgrade().is_some_and(|job| !job.abandoned()));
            !jobs.is_empty()
        });
        entered
    }

    fn enter(&self, generation: &Generation) {
        let entered = Entered { model: generation.model.clone(), job: Arc::downgrade(&generation.job) };
        self.lock().entry(Arc::clone(&generation.job.id)).or_default().push(entered);
    }
}

impl Runtime {
    /// Begins to generate. Dropping what it returns stops the work.
    ///
    /// # Errors
    /// - [`BackendError::ModelNotFound`], [`BackendError::ModelCorrupted`]: the model is not there, or its files are damaged.
    /// - [`BackendError::InvalidInput`]: a value cannot be used, the prompt is too long, the model is no decoder, or there
    ///   will never be room for so many answers.
    /// - [`BackendError::ResourceLimitExceeded`]: the queue is full.
    /// - [`BackendError::GenerationTimeout`]: the deadline passed.
    /// - [`BackendError::CudaError`], [`BackendError::OutOfMemory`]: loading or running failed.
    pub async fn generate(&self, request: GenerateRequest) -> Result<Generation> {
        let mut begun = self.generate_all(request, Vec::new()).await?;
        begun.pop().ok_or_else(|| BackendError::internal("a prompt without a generation"))
    }

    /// Begins to generate for the prompt of a request and for `more` of them, which are admitted together or not at all.
    /// Returns one generation a prompt, in their order.
    ///
    /// # Errors
    /// As [`Runtime::generate`].
    pub async fn generate_all(
        &self,
        mut request: GenerateRequest,
        more: Vec<GeneratePrompt>,
    ) -> Result<Vec<Generation>> {
        let id = self.id(request.model.as_deref(), ModelKind::Chat);
        self.inner.params.of(&id).complete(&mut request);
        let longest = self.inner.options.generation_deadline;
        self.within(&id, request.deadline, async {
            let model = self.decoder(&id).await?;
            let mut generations = model.generate(request, more, longest, &self.inner.workers).await?;
            for generation in &mut generations {
                generation.lease = Some(model.lease.clone());
                self.inner.generating.enter(generation);
            }
            Ok(generations)
        })
        .await
    }

    /// The text that a conversation is for a model.
    ///
    /// # Errors
    /// As [`Runtime::generate`].
    pub async fn render(&self, model: &str, conversation: &Conversation) -> Result<String> {
        self.decoder(model).await?.render(conversation)
    }

    /// What is being generated now, by the ids of the requests.
    pub fn generating(&self) -> Vec<Generating> {
        let entered = self.inner.generating.lock();
        let jobs = entered.iter().flat_map(|(id, jobs)| jobs.iter().map(move |entered| (id, entered)));
        jobs.filter_map(|(id, entered)| {
            Some(Generating {
                request_id: id.to_string(),
                model: entered.model.clone(),
                seconds: entered.job.upgrade()?.since.elapsed().as_secs_f64(),
            })
        })
        .collect()
    }

    /// Stops what is being generated under an id, of requests or of an answer ([`Generation::answers_as`]), or all. The answers
    /// end where they are. Returns the ids of the requests.
    pub fn stop(&self, wanted: Option<&str>) -> Vec<String> {
        let entered = self.inner.generating.lock();
        let mut stopped = Vec::new();
        for (id, jobs) in entered.iter() {
            let mut any = false;
            for job in jobs.iter().filter_map(|entered| entered.job.upgrade()) {
                let answer = job.answer.get().map(String::as_str);
                if wanted.is_none_or(|wanted| wanted == &**id || Some(wanted) == answer) {
                    job.stopped.store(true, Relaxed);
                    any = true;
                }
            }
            if any {
                stopped.push(id.to_string());
            }
        }
        stopped
    }

    /// A decoder, held.
    async fn decoder(&self, id: &str) -> Result<Leased<LoadedDecoder>> {
        let resident = self.resident(id, &|kind| continues(id, kind), &Wish::default(), true).await?;
        match resident.model {
            Model::Decoder(model) => Ok(Leased { model, lease: resident.lease }),
            Model::Encoder(_) => Err(BackendError::internal(format!("model `{id}` is no decoder"))),
        }
    }
}

/// Whether a model of this kind continues text.
pub(super) fn continues(id: &str, kind: ModelKind) -> Result<()> {
    let is = match kind {
        ModelKind::Chat => return Ok(()),
        ModelKind::Embedding => "an embedding model",
        ModelKind::Rerank => "a cross-encoder",
        ModelKind::Unknown => "of a kind that its files do not tell",
    };
    Err(BackendError::invalid("model", format!("`{id}` is {is} and generates no text; choose a chat model")))
}
