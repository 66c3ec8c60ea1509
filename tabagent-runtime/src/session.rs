//! One model in ONNX Runtime: opened on a device, with a stated budget of threads.

use std::path::Path;

use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, TensorElementType, ValueType};

use crate::device::{Device, DeviceOptions, PROVIDERS, Provider, ProviderReport, ProviderState};
use crate::library::{environment, one_line, ort_failure};
use crate::{BackendError, Result, hardware};

/// Where the graph comes from.
#[derive(Debug, Clone, Copy)]
pub enum ModelSource<'a> {
    /// A file; weights that it keeps in other files are read from the same folder.
    File(&'a Path),
    /// The bytes of a file. ONNX Runtime copies what it needs.
    Bytes(&'a [u8]),
}

/// How many threads a session may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadBudget {
    /// Threads that share the work of one operator, the calling thread included; at least 1.
    pub intra_op: usize,
    /// Operators that may run at the same time; at least 1. Transformers are chains, where more brings nothing.
    pub inter_op: usize,
    /// Whether idle threads spin for a moment before they sleep. Spinning makes the next operator start sooner and keeps
    /// cores busy that others could use.
    pub spin: bool,
}

impl Default for ThreadBudget {
    /// One thread for each physical core that this process may use, one operator at a time, spinning.
    fn default() -> Self {
        Self { intra_op: hardware::physical_cores(), inter_op: 1, spin: true }
    }
}

impl ThreadBudget {
    /// The default with this many threads within an operator.
    pub fn of(threads: usize) -> Self {
        Self { intra_op: threads.max(1), ..Self::default() }
    }
}

/// How to open a session.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// What to run on. Default: [`Device::Auto`].
    pub device: Device,
    /// What the device is told beside the model.
    pub device_options: DeviceOptions,
    /// The thread budget.
    pub threads: ThreadBudget,
    /// Whether memory for intermediate results is planned once for each input shape. Helps where shapes repeat; costs
    /// memory for each new one. Default: yes, as in ONNX Runtime.
    pub memory_pattern: bool,
    /// Whether the CPU provider keeps freed memory for the next run. Default: yes, as in ONNX Runtime.
    pub arena: bool,
    /// Further entries of ONNX Runtime's session configuration, such as `session.use_device_allocator_for_initializers`.
    pub config: Vec<(String, String)>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            device: Device::Auto,
            device_options: DeviceOptions::default(),
            threads: ThreadBudget::default(),
            memory_pattern: true,
            arena: true,
            config: Vec::new(),
        }
    }
}

/// An input or output of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the graph.
    pub name: String,
    /// The type of its elements.
    pub element_type: TensorElementType,
    /// Its dimensions; `None` where the graph leaves one open.
    pub shape: Vec<Option<u64>>,
    /// The names that the graph gives to open dimensions (`batch_size`), empty where it gives none; as long as `shape`.
    pub symbols: Vec<String>,
}

/// An opened model.
#[derive(Debug)]
pub struct Session {
    inner: ort::session::Session,
    device: Device,
    refused: Vec<ProviderReport>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
}

impl Session {
    /// Opens a model. `model` is its id, for errors. Blocks for as long as reading and optimising the graph takes.
    ///
    /// # Errors
    ///
    /// - [`BackendError::ModelCorrupted`]: the file is missing, cut off, or not a graph that ONNX Runtime accepts.
    /// - [`BackendError::ConfigurationError`]: the device was asked for by name and the loaded library lacks it, or an
    ///   option is refused.
    /// - [`BackendError::CudaError`]: the device was asked for by name and failed.
    /// - [`BackendError::NotImplemented`]: the graph has an operator that this build lacks, or inputs or outputs that are
    ///   not tensors.
    /// - [`BackendError::OutOfMemory`]: the weights do not fit.
    pub fn open(model: &str, source: ModelSource<'_>, options: &SessionOptions) -> Result<Self> {
        let size = check_source(model, source)?;
        let mut refused = Vec::new();
        let (inner, device) = match options.device {
            Device::Auto => match automatic(source, options, &mut refused)? {
                Some(opened) => opened,
                None => (on_cpu(model, source, size, options)?, Device::Cpu),
            },
            Device::Cpu => (on_cpu(model, source, size, options)?, Device::Cpu),
            named => (by_name(model, source, size, options, named)?, named),
        };
        let inputs = inner.inputs().iter().map(|outlet| tensor_info(model, outlet)).collect::<Result<_>>()?;
        let outputs =
            inner.outputs().iter().map(|outlet| tensor_info(model, outlet)).collect::<Result<_>>()?;
        Ok(Self { inner, device, refused, inputs, outputs })
    }

    /// The inputs, in the order of the graph.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// The outputs, in the order of the graph.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// What it really runs on; never [`Device::Auto`].
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The providers that [`Device::Auto`] passed over, and why.
    pub fn refused(&self) -> &[ProviderReport] {
        &self.refused
    }

    /// The session of ONNX Runtime, for running it.
    pub fn inner_mut(&mut self) -> &mut ort::session::Session {
        &mut self.inner
    }

    /// The session of ONNX Runtime, for looking at it.
    pub fn inner(&self) -> &ort::session::Session {
        &self.inner
    }
}

/// Rules out what would only give a riddle later; returns the size of the graph's own file in bytes.
fn check_source(model: &str, source: ModelSource<'_>) -> Result<u64> {
    let size = match source {
        ModelSource::Bytes(bytes) => bytes.len() as u64,
        ModelSource::File(path) => {
            let metadata = std::fs::metadata(path).map_err(|error| {
                BackendError::corrupted(model, format!("`{}` cannot be read: {error}", path.display()))
            })?;
            if !metadata.is_file() {
                return Err(BackendError::corrupted(model, format!("`{}` is not a file", path.display())));
            }
            metadata.len()
        }
    };
    if size == 0 {
        return Err(BackendError::corrupted(model, "the graph is empty"));
    }
    Ok(size)
}

/// Tries the providers in their order; `None` when the CPU is what remains.
fn automatic(
    source: ModelSource<'_>,
    options: &SessionOptions,
    refused: &mut Vec<ProviderReport>,
) -> Result<Option<(ort::session::Session, Device)>> {
    for provider in PROVIDERS {
        let report = if !provider.offered() {
            provider.not_offered()
        } else if let Some(why) = provider.not_automatic() {
            provider.report(ProviderState::OnRequest, Some(format!("not chosen by `auto`: {why}")))
        } else {
            match on_provider(source, options, provider, 0)? {
                Ok(session) => return Ok(Some((session, provider.device(0)))),
                Err(error) => {
                    let reason = one_line(error.message());
                    tracing::info!(
                        provider = provider.canonical,
                        reason,
                        "execution provider refused the model"
                    );
                    provider.report(ProviderState::Failed, Some(reason))
                }
            }
        };
        refused.push(report);
    }
    Ok(None)
}

fn on_cpu(
    model: &str,
    source: ModelSource<'_>,
    size: u64,
    options: &SessionOptions,
) -> Result<ort::session::Session> {
    let mut builder = builder(options)?
        .with_disabled_optimizers(SLOWER_ON_CPU)
        .map_err(|error| BackendError::configuration("session", one_line(error.message())))?;
    commit(&mut builder, source).map_err(|error| model_failure(model, size, &error))
}

/// Optimisations of ONNX Runtime that are none on a CPU. Its kernel of `SkipLayerNormalization` sums one value after the
/// other, where `Add` and `LayerNormalization` by themselves use vector instructions: fusing the two took a batch of
/// MiniLM 1.13 times as long (version 1.31.1, AVX-512).
const SLOWER_ON_CPU: &str = "SkipLayerNormFusion";

fn by_name(
    model: &str,
    source: ModelSource<'_>,
    size: u64,
    options: &SessionOptions,
    device: Device,
) -> Result<ort::session::Session> {
    let Some((provider, index)) = device.provider() else {
        return Err(BackendError::internal(format!("device `{device}` has no execution provider")));
    };
    if !provider.offered() {
        return Err(provider.unavailable(device));
    }
    on_provider(source, options, provider, index)?.map_err(|error| match error.code() {
        ort::ErrorCode::InvalidProtobuf
        | ort::ErrorCode::InvalidGraph
        | ort::ErrorCode::NoModel
        | ort::ErrorCode::NoSuchFile => model_failure(model, size, &error),
        _ => ort_failure(provider.name, &error),
    })
}

/// Opens the model with one provider in front of the CPU. The outer error is about the options, the inner about provider
/// or model.
fn on_provider(
    source: ModelSource<'_>,
    options: &SessionOptions,
    provider: &Provider,
    index: u32,
) -> Result<ort::Result<ort::session::Session>> {
    let mut builder = builder(options)?;
    let index = i32::try_from(index)
        .map_err(|_| BackendError::configuration("device", format!("index {index} is too large")))?;
    Ok(provider
        .dispatch(index, &options.device_options)
        .register(&mut builder)
        .and_then(|()| commit(&mut builder, source)))
}

fn commit(builder: &mut SessionBuilder, source: ModelSource<'_>) -> ort::Result<ort::session::Session> {
    match source {
        ModelSource::File(path) => builder.commit_from_file(path),
        ModelSource::Bytes(bytes) => builder.commit_from_memory(bytes),
    }
}

fn builder(options: &SessionOptions) -> Result<SessionBuilder> {
    configure(options).map_err(|error| BackendError::configuration("session", one_line(error.message())))?
}

/// The outer error is ONNX Runtime's about an option, the inner ours.
fn configure(options: &SessionOptions) -> ort::Result<Result<SessionBuilder>> {
    let environment = match environment() {
        Ok(environment) => environment,
        Err(error) => return Ok(Err(error)),
    };
    let threads = options.threads;
    let mut builder = ort::session::Session::builder(environment)?
        // Without this ONNX Runtime may choose a device by itself where we name none.
        .with_auto_device(AutoDevicePolicy::PreferCPU)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.intra_op.max(1))?
        .with_inter_threads(threads.inter_op.max(1))?
        .with_parallel_execution(threads.inter_op > 1)?
        .with_intra_op_spinning(threads.spin)?
        .with_inter_op_spinning(threads.spin)?
        .with_memory_pattern(options.memory_pattern)?
        .with_log_level(ort::logging::LogLevel::Warning)?;
    // Sets the arena of the CPU allocator; the CPU provider itself is always there.
    ort::ep::CPU::default().with_arena_allocator(options.arena).build().register(&mut builder)?;
    for (key, value) in &options.config {
        builder = builder.with_config_entry(key, value)?;
    }
    Ok(Ok(builder))
}

/// The failure of a commit on the CPU: it lies in the model, or in the memory for it.
fn model_failure(model: &str, size: u64, error: &ort::Error) -> BackendError {
    let message = one_line(error.message());
    if message.contains("bad_alloc") || message.contains("Failed to allocate memory") {
        return BackendError::OutOfMemory { required: size, available: hardware::memory().available };
    }
    if error.code() == ort::ErrorCode::NotImplemented {
        return BackendError::NotImplemented { feature: format!("model `{model}`: {message}") };
    }
    BackendError::corrupted(model, message)
}

fn tensor_info(model: &str, outlet: &Outlet) -> Result<TensorInfo> {
    let ValueType::Tensor { ty, shape, dimension_symbols } = outlet.dtype() else {
        return Err(BackendError::NotImplemented {
            feature: format!("model `{model}`: `{}` is not a tensor, which", outlet.name()),
        });
    };
    Ok(TensorInfo {
        name: outlet.name().to_owned(),
        element_type: *ty,
        shape: shape.iter().map(|size| u64::try_from(*size).ok()).collect(),
        symbols: dimension_symbols.iter().map(ToString::to_string).collect(),
    })
}
