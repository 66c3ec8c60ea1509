//! What there is of memory and devices, who uses it, and whether a model would fit.

use super::{LoadedModel, Runtime, loading::blocking};
use crate::{
    device::{self, Device, DeviceOptions, ProviderState},
    error::{BackendError, Result},
    hardware::{self, Gpu, Memory},
    models::{ModelKind, Variant},
    resources::{Estimate, Place},
};

/// Memory and devices, and the models that use them.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// The memory of the machine, or of the limit that this process has.
    pub memory: Memory,
    /// Memory of this process that is in RAM, in bytes, where the system tells.
    pub process: Option<u64>,
    /// Bytes that models may take together, where the operator bounded them.
    pub models_limit: Option<u64>,
    /// Bytes that they take.
    pub models_bytes: u64,
    /// Graphics processors.
    pub gpus: Vec<Gpu>,
    /// The models in memory.
    pub models: Vec<LoadedModel>,
}

/// Whether a variant of a model would run here.
#[derive(Debug, Clone)]
pub struct VariantFit {
    /// The variant.
    pub variant: Variant,
    /// Its bytes, where its file can be read.
    pub estimate: Option<Estimate>,
    /// Why it would not run, where it would not.
    pub problem: Option<String>,
}

/// Whether a model would run here, and how.
#[derive(Debug, Clone)]
pub struct Fit {
    /// What it would run on.
    pub device: Device,
    /// Memory that it could have: what is free, and what models that nobody uses would give back.
    pub available: u64,
    /// Its variants, the default one first.
    pub variants: Vec<VariantFit>,
    /// Why none of them would run, where that does not lie in their memory.
    pub problem: Option<String>,
}

impl Runtime {
    /// Memory and devices as they are now. May block for a second the first time.
    pub fn resources(&self) -> Resources {
        let models = self.loaded();
        Resources {
            memory: hardware::memory(),
            process: hardware::resident_memory(),
            models_limit: self.inner.pool.limit(),
            models_bytes: models.iter().map(|model| model.bytes).sum(),
            gpus: hardware::gpus(),
            models,
        }
    }

    /// Bytes that a model could have on a device, or on the one that the server was told to use: what is free, and what
    /// other models there that nobody uses would give back. Blocks.
    pub fn available_for(&self, model: &str, device: Option<Device>) -> u64 {
        let device = match device.unwrap_or(self.inner.options.device) {
            Device::Auto => automatic(),
            device => device,
        };
        let place = Place::of(device);
        self.inner.pool.available(model, place, place.free())
    }

    /// Whether a model would run here, with each of its variants.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`], [`BackendError::ModelCorrupted`], [`BackendError::InvalidInput`] for a context that it
    /// does not take.
    pub async fn fit(&self, model: &str, context: Option<usize>, device: Option<Device>) -> Result<Fit> {
        let entry = self.entry(model).await?;
        let kind = entry.usable()?.kind;
        let wanted = device.unwrap_or(self.inner.options.device);
        let (runtime, id) = (self.clone(), model.to_owned());
        let (usable, available) = blocking(move || {
            let usable = usable(kind, wanted);
            let device = usable.as_ref().copied().unwrap_or(Device::Cpu);
            Ok((usable, runtime.available_for(&id, Some(device))))
        })
        .await?;
        let (device, problem) = match usable {
            Ok(device) => (device, None),
            Err(reason) => (wanted, Some(reason)),
        };
        let mut variants = Vec::with_capacity(entry.variants.len());
        for variant in &entry.variants {
            let estimated = self.estimate(model, Some(&variant.name), context, 1).await;
            let (estimate, problem) = match estimated {
                Ok(found) if found.estimate.total() > available => {
                    let required = found.estimate.total();
                    let reason =
                        format!("{required} bytes of memory are needed and {available} are available");
                    (Some(found.estimate), Some(reason))
                }
                Ok(found) => (Some(found.estimate), None),
                // A value of the request, which is the same for all variants.
                Err(error @ BackendError::InvalidInput { .. }) => return Err(error),
                Err(error) => (None, Some(error.to_string())),
            };
            variants.push(VariantFit { variant: variant.clone(), estimate, problem });
        }
        Ok(Fit { device, available, variants, problem })
    }
}

/// The first device that works here. Blocks, the first time for a second.
pub(super) fn automatic() -> Device {
    let mut reports = hardware::execution_providers().iter();
    let usable = reports.find(|report| report.state == ProviderState::Usable);
    usable.and_then(|report| report.name.parse().ok()).unwrap_or(Device::Cpu)
}

/// The device that a model of a kind would run on, or why it would on none.
fn usable(kind: ModelKind, device: Device) -> std::result::Result<Device, String> {
    match (kind, device) {
        (ModelKind::Unknown, _) => Err("its files do not tell what it does".to_owned()),
        (ModelKind::Chat, Device::Auto | Device::Cpu) => Ok(Device::Cpu),
        (ModelKind::Chat, other) => Err(format!("text generation runs on `cpu`, not on `{other}`")),
        (_, Device::Auto) => Ok(automatic()),
        (_, other) => match device::check(other, &DeviceOptions::default()) {
            Ok(()) => Ok(other),
            Err(BackendError::ConfigurationError { reason, .. }) => Err(reason),
            Err(error) => Err(error.to_string()),
        },
    }
}
