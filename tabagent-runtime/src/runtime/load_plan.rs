//! What has to be known before a model is loaded: its variant, its device, its context, what it will take, and how its
//! engine is bounded.

use std::{sync::Arc, time::SystemTime};

use super::{
    Inner, Runtime,
    loading::blocking,
    pool::{LoadSpec, Model, Wish, slot},
    resources::automatic,
};
use crate::{
    device::{self, Device},
    embed,
    error::{BackendError, Result},
    generate::{
        files,
        loaded::{self, GenerationLimits},
    },
    hardware, hub,
    models::{Entry, ModelFiles, ModelKind},
    resources::{self, Estimate, EstimateRequest, Place},
};

/// A load as it will be.
pub(super) struct LoadPlan {
    pub(super) entry: Arc<Entry>,
    pub(super) kind: ModelKind,
    pub(super) spec: LoadSpec,
    pub(super) estimate: Estimate,
    /// Which memory it takes.
    pub(super) place: Place,
    /// When it was pulled, where it was.
    pub(super) pulled: Option<SystemTime>,
}

impl Runtime {
    /// What has to be known of a model before it is loaded.
    pub(super) async fn plan_load(
        &self,
        id: &str,
        accepts: &impl Fn(ModelKind) -> Result<()>,
        wish: &Wish,
        on_demand: bool,
    ) -> Result<LoadPlan> {
        let entry = self.entry(id).await?;
        // Told before it is loaded.
        let kind = entry.usable()?.kind;
        accepts(kind)?;
        let options = &self.inner.options;
        if on_demand && !options.autoload {
            let reason = "it is not in memory, and --autoload is no".to_owned();
            return Err(BackendError::ModelNotLoaded { model: id.to_owned(), reason });
        }
        let variant = entry.variant(wish.variant.as_deref())?.clone();
        let device = self.inner.device_for(kind, wish.device)?;
        let context = wish.context;
        let request = self.inner.estimate_request(context.or(options.context));
        let cache_bytes = self.inner.cache_bytes();
        let planned = Arc::clone(&entry);
        let (entry, estimate, place, pulled) = blocking(move || {
            let entry = planned;
            check_context(&entry, context)?;
            // A file that cannot be read is told by its load, which also cools down.
            let estimate = resources::estimate(&entry, &variant, &request);
            let mut estimate = estimate.unwrap_or_else(|error| {
                tracing::debug!(model = entry.id, %error, "no estimate but the file's size");
                Estimate::of_file(&variant)
            });
            if context.is_some() && estimate.cache > cache_bytes {
                let reason = format!(
                    "is {}, whose keys and values take {} bytes where {cache_bytes} are permitted; ask for fewer, or raise \
                     --cache",
                    estimate.context, estimate.cache
                );
                return Err(BackendError::invalid("context_length", reason));
            }
            estimate.cache = estimate.cache.min(cache_bytes);
            // Providers are tried for it, which can take a second.
            let place = Place::of(if device == Device::Auto { automatic() } else { device });
            let pulled = match &entry.files {
                ModelFiles::Folder(folder) => hub::pulled_at(folder),
                ModelFiles::Embedded(_) => None,
            };
            Ok((entry, estimate, place, pulled))
        })
        .await?;
        let variant = entry.variant(wish.variant.as_deref())?.name.clone();
        Ok(LoadPlan { kind, spec: LoadSpec { variant, device, context }, estimate, place, pulled, entry })
    }
}

impl Inner {
    /// Starts the thread of a model. `room` is the memory that there is for it beside its weights.
    pub(super) fn spawn(
        self: &Arc<Self>,
        plan: &LoadPlan,
        serial: u64,
        room: u64,
    ) -> Result<slot::Slot<Model>> {
        let entry = Arc::clone(&plan.entry);
        let variant = entry.variant(Some(&plan.spec.variant))?.clone();
        let pool = Arc::downgrade(&self.pool);
        let id = entry.id.clone();
        let tell = move |event| {
            if let Some(pool) = pool.upgrade() {
                pool.hear(&id, serial, event);
            }
        };
        let session = self.session(plan.spec.device);
        if plan.kind != ModelKind::Chat {
            let counters = self.ledger.encoder(&entry.id);
            return embed::loaded::spawn(entry, variant, session, self.options.queue, counters, tell);
        }
        let bounds = GenerationLimits {
            queue: self.options.generation_queue,
            rows: self.options.parallel,
            part: self.options.prompt_part.max(1),
            cache_bytes: self.cache_bytes().min(room),
            context: plan.spec.context.or(self.options.context),
        };
        let counters = self.ledger.decoder(&entry.id);
        loaded::spawn(entry, variant, session, bounds, counters, tell)
    }

    /// Bytes that the keys and values of one decoder may take.
    pub(super) fn cache_bytes(&self) -> u64 {
        self.options.cache_bytes.unwrap_or_else(|| {
            let total = match hardware::memory().total {
                // A system that does not tell.
                0 => 4 << 30,
                total => total,
            };
            self.options.memory_limit.map_or(total, |limit| limit.min(total)) / 4
        })
    }

    pub(super) fn estimate_request(&self, context: Option<usize>) -> EstimateRequest {
        EstimateRequest {
            context,
            sequences: 1,
            prompt_part: self.options.prompt_part,
            threads: self.threads().intra_op,
        }
    }

    /// What a model of a kind runs on.
    fn device_for(&self, kind: ModelKind, asked: Option<Device>) -> Result<Device> {
        let device = asked.unwrap_or(self.options.device);
        if kind == ModelKind::Chat {
            // Its cache lies in the memory of the CPU.
            return match device {
                Device::Auto | Device::Cpu => Ok(Device::Cpu),
                other if asked.is_some() => Err(BackendError::invalid(
                    "device",
                    format!("`{other}` is not for text generation yet, which runs on `cpu`; leave it out"),
                )),
                other => Err(BackendError::NotImplemented {
                    feature: format!(
                        "text generation on `{other}`; start the server with `--device cpu`, it"
                    ),
                }),
            };
        }
        if asked.is_some() {
            device::check(device, &self.device_options(device)).map_err(|error| match error {
                BackendError::ConfigurationError { reason, .. } => BackendError::invalid("device", reason),
                other => other,
            })?;
        }
        Ok(device)
    }
}

/// A context that a model can have.
pub(super) fn check_context(entry: &Entry, context: Option<usize>) -> Result<()> {
    let Some(asked) = context else { return Ok(()) };
    if entry.usable()?.kind != ModelKind::Chat {
        return Err(BackendError::invalid(
            "context_length",
            format!("is for models that generate text, and `{}` does not; leave it out", entry.id),
        ));
    }
    let (longest, _) = files::sizes(entry)?;
    if asked > longest || asked < loaded::SHORTEST {
        return Err(BackendError::invalid(
            "context_length",
            format!("is {asked}, and model `{}` takes {} to {longest} tokens", entry.id, loaded::SHORTEST),
        ));
    }
    Ok(())
}
