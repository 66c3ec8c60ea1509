//! Models into memory and out of it: on demand, by name, and by the operator.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    Runtime,
    load_plan::check_context,
    pool::{Admission, Arrival, Found, GiveWay, KeepAlive, Lease, LoadedModel, Model, Wish, slot},
};
use crate::{
    device::Device,
    embed::shutting_down,
    error::{BackendError, Result},
    models::{Entry, ModelKind, Variant},
    resources::{self, Estimate, EstimateRequest, Place},
};

/// Longest time that a request waits for room, where its deadline is not shorter. Then it is refused with the numbers.
const ROOM: Duration = Duration::from_secs(30);
/// How long a load waits for a model to come free by itself before it asks one to give way.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a load looks again whether there is room: other processes give memory back as well.
const LOOK: Duration = Duration::from_millis(500);

/// How a model is to be loaded. What is absent stays as it is for one that is in memory, and is the server's to say for
/// another one.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// Id.
    pub model: String,
    /// Name of the variant.
    pub variant: Option<String>,
    /// What it is to run on.
    pub device: Option<Device>,
    /// Most tokens of one sequence, prompt and answer together.
    pub context: Option<usize>,
    /// How long it stays when nobody uses it.
    pub keep_alive: Option<KeepAlive>,
    /// Whether it stays until it is unloaded by name.
    pub pinned: Option<bool>,
    /// When to give up; the runtime's own deadline where there is none or a longer one.
    pub deadline: Option<Duration>,
}

/// What a load came to.
#[derive(Debug, Clone)]
pub struct LoadOutcome {
    /// The model as it is in memory now.
    pub model: LoadedModel,
    /// Whether it was there before, in the way that was asked for.
    pub was_loaded: bool,
}

/// What an unload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnloadOutcome {
    /// Ids of the models that left.
    pub unloaded: Vec<String>,
}

/// What a variant of a model will take.
#[derive(Debug, Clone)]
pub struct VariantEstimate {
    /// The variant.
    pub variant: Variant,
    /// Its bytes.
    pub estimate: Estimate,
}

impl Runtime {
    /// Loads a model, or changes how it is kept where it is in memory. One that is there with another variant, device or
    /// context than asked for is let go and loaded anew. Returns once it is usable.
    ///
    /// # Errors
    /// - [`BackendError::ModelNotFound`], [`BackendError::ModelCorrupted`]: the model is not there, or its files are damaged.
    /// - [`BackendError::InvalidInput`]: a value cannot be used with this model or on this machine.
    /// - [`BackendError::OutOfMemory`], [`BackendError::ResourceLimitExceeded`]: there is no room for it.
    /// - [`BackendError::GenerationTimeout`]: the deadline passed. What was begun goes on.
    /// - What loading fails with.
    pub async fn load(&self, request: LoadRequest) -> Result<LoadOutcome> {
        let id = request.model.clone();
        let wish = Wish { variant: request.variant, device: request.device, context: request.context };
        self.within(&id, request.deadline, async {
            // Whoever loads by name wants what is on the disk now.
            self.inner.pool.let_go_stale(&*self.entry(&id).await?);
            let fits = |kind| if kind == ModelKind::Unknown { Err(unknown_kind(&id)) } else { Ok(()) };
            let Resident { lease, was_loaded, .. } = self.resident(&id, &fits, &wish, false).await?;
            self.inner.pool.keep(&lease, request.keep_alive, request.pinned);
            // Held until it is told, so that it is this one.
            let model = self.inner.pool.report(&lease).ok_or_else(|| slot::unloaded(&id))?;
            drop(lease);
            Ok(LoadOutcome { model, was_loaded })
        })
        .await
    }

    /// Unloads a model, or all. Requests that run finish first, unless `force`; requests that come meanwhile wait, and load
    /// it again. Returns once the memory is free.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`] for a model that is neither in memory nor on the disk;
    /// [`BackendError::GenerationTimeout`] where requests run longer than the deadline: the models leave afterwards.
    pub async fn unload(&self, model: Option<&str>, force: bool) -> Result<UnloadOutcome> {
        let pool = &self.inner.pool;
        let ids: Vec<String> = match model {
            Some(id) => vec![id.to_owned()],
            None => pool.list().into_iter().map(|model| model.id).collect(),
        };
        let unloaded: Vec<String> = ids.into_iter().filter(|id| pool.unload(id, force)).collect();
        if let Some(id) = model.filter(|_| unloaded.is_empty()) {
            self.entry(id).await?;
        }
        let about = model.unwrap_or_default();
        self.within(about, None, async {
            loop {
                let changed = pool.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if !unloaded.iter().any(|id| pool.is_leaving(id)) {
                    return Ok(UnloadOutcome { unloaded: unloaded.clone() });
                }
                changed.await;
            }
        })
        .await
    }

    /// The models in memory or on their way there, sorted by id.
    pub fn loaded(&self) -> Vec<LoadedModel> {
        self.inner.pool.list()
    }

    /// Estimates what a model will take.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`], [`BackendError::ModelCorrupted`], [`BackendError::InvalidInput`] for a variant that
    /// it has not, or a context that it does not take.
    pub async fn estimate(
        &self,
        model: &str,
        variant: Option<&str>,
        context: Option<usize>,
        sequences: usize,
    ) -> Result<VariantEstimate> {
        let entry = self.entry(model).await?;
        let request = EstimateRequest { sequences, ..self.inner.estimate_request(context) };
        let variant = variant.map(str::to_owned);
        blocking(move || {
            check_context(&entry, context)?;
            let variant = entry.variant(variant.as_deref())?;
            let estimate = resources::estimate(&entry, variant, &request)?;
            Ok(VariantEstimate { variant: variant.clone(), estimate })
        })
        .await
    }

    /// A model as its files are, away from the async threads.
    pub(super) async fn entry(&self, id: &str) -> Result<Arc<Entry>> {
        let (inner, wanted) = (Arc::clone(&self.inner), id.to_owned());
        blocking(move || inner.catalog.get(&wanted)).await
    }

    /// A model of a kind that `accepts` takes, held, loaded where it is not in memory. Whoever asks while it loads waits for
    /// the same load. `on_demand`: a request uses it, rather than somebody loads it by name.
    pub(super) async fn resident(
        &self,
        id: &str,
        accepts: &(impl Fn(ModelKind) -> Result<()> + Sync),
        wish: &Wish,
        on_demand: bool,
    ) -> Result<Resident> {
        let pool = &self.inner.pool;
        let begun = Instant::now();
        let mut wish = wish.clone();
        let mut planned = None;
        // Held until there is room, so that the model that gives way admits nobody meanwhile.
        let mut gives_way: Option<GiveWay> = None;
        // As long as this load waits, the model that it replaces admits nobody either.
        let mut replaces: Option<GiveWay> = None;
        let mut refusal = None;
        loop {
            if self.inner.closed.load(Relaxed) {
                return Err(shutting_down(id));
            }
            let changed = pool.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match pool.find(id, &wish, on_demand) {
                Found::Here(lease, kind, outcome) => {
                    accepts(kind)?;
                    let was_loaded = outcome.borrow().is_some();
                    let model = ready(id, outcome).await?;
                    return Ok(Resident { model, lease, was_loaded });
                }
                Found::Otherwise(spec) => {
                    let whole = wish.clone().over(spec);
                    if whole != wish {
                        (wish, planned) = (whole, None);
                    }
                    // What cannot be is told before what serves leaves for it.
                    let plan = match planned.take() {
                        Some(plan) => plan,
                        None => self.plan_load(id, accepts, &wish, on_demand).await?,
                    };
                    pool.check_cooling(&plan.entry, &plan.spec)?;
                    let free = free(plan.place).await?;
                    let (required, available) = (plan.estimate.total(), pool.available(id, plan.place, free));
                    if required <= available {
                        planned = Some(plan);
                        replaces = pool.let_go(id).or(replaces);
                        continue;
                    }
                    let lacks = BackendError::OutOfMemory { required, available };
                    if required > pool.attainable(id, plan.place, free) {
                        return Err(lacks);
                    }
                    planned = Some(plan);
                    refusal = Some(lacks);
                }
                Found::Gone => return Err(BackendError::ModelNotFound { model: id.to_owned() }),
                Found::Leaves => {}
                Found::Absent => {
                    if planned.is_none() {
                        planned = Some(self.plan_load(id, accepts, &wish, on_demand).await?);
                    }
                    let Some(plan) = &planned else { continue };
                    gives_way = gives_way.filter(|wish| !wish.is_over());
                    let arrival = Arrival {
                        entry: &plan.entry,
                        kind: plan.kind,
                        spec: &plan.spec,
                        estimate: plan.estimate,
                        place: plan.place,
                        free: free(plan.place).await?,
                        pulled: plan.pulled,
                        insists: begun.elapsed() >= PATIENCE && gives_way.is_none(),
                        uses: on_demand,
                    };
                    match pool.admit(&arrival, |serial, room| self.inner.spawn(plan, serial, room))? {
                        Admission::Begun(lease, outcome) => {
                            let model = ready(id, outcome).await?;
                            return Ok(Resident { model, lease, was_loaded: false });
                        }
                        Admission::Again => continue,
                        Admission::Later(error, wish) => {
                            gives_way = gives_way.or(wish);
                            refusal = Some(error);
                        }
                    }
                }
            }
            if begun.elapsed() >= ROOM {
                return Err(refusal.unwrap_or_else(|| still_leaving(id)));
            }
            // Whether something has changed or not: it is looked at again.
            let _changed = timeout_at(Instant::now() + LOOK, changed).await;
        }
    }
}

/// A model in memory with the hold on it.
pub(super) struct Resident {
    pub(super) model: Model,
    pub(super) lease: Lease,
    was_loaded: bool,
}

/// Waits for the outcome of a load.
async fn ready(id: &str, mut outcome: watch::Receiver<slot::Outcome<Model>>) -> Result<Model> {
    let outcome = outcome
        .wait_for(Option::is_some)
        .await
        .map_err(|_| BackendError::internal(format!("loading model `{id}` ended without an answer")))?
        .clone();
    outcome.unwrap_or_else(|| Err(BackendError::internal("a load without an outcome")))
}

/// What a request is told whose model was told to leave and has not left.
fn still_leaving(id: &str) -> BackendError {
    let reason = "it leaves memory, and requests that began before have not ended".to_owned();
    BackendError::ModelNotLoaded { model: id.to_owned(), reason }
}

fn unknown_kind(id: &str) -> BackendError {
    BackendError::invalid(
        "model",
        format!("`{id}` is of a kind that its files do not tell, and is not served"),
    )
}

/// Bytes that are free in a memory.
async fn free(place: Place) -> Result<u64> {
    blocking(move || Ok(place.free())).await
}

/// Reads files away from the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| BackendError::internal(format!("reading the models folder ended early: {error}")))?
}
