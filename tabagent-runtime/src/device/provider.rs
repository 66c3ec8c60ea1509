//! Execution providers of ONNX Runtime: the table of what we know about each, and what each says on this machine.

use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::Session;
use serde::Serialize;

use super::{
    Device,
    options::{DeviceOption, DeviceOptions},
};
use crate::library::{environment, one_line};
use crate::{BackendError, Result};

/// One row of the table: an execution provider, as we know it before any library is loaded.
pub(crate) struct Provider {
    /// The word for it in `--device`.
    pub(crate) name: &'static str,
    /// ONNX Runtime's name for it.
    pub(crate) canonical: &'static str,
    /// The device with this index.
    pub(super) device: fn(u32) -> Device,
    /// Whether `name:INDEX` means something.
    pub(super) indexed: bool,
    /// Why `auto` leaves it out, where it does.
    not_automatic: Option<&'static str>,
    /// Systems that it exists on, as `std::env::consts::OS` names them.
    pub(super) systems: &'static [&'static str],
    /// What the machine must have.
    pub(super) needs: &'static str,
    /// What the operator can run or set to get it.
    remedy: &'static str,
    offered: fn() -> ort::Result<bool>,
    /// The options that it takes.
    pub(super) takes: &'static [DeviceOption],
    /// The provider on the device with an index. Options that it does not take are passed over here.
    dispatch: fn(i32, &DeviceOptions) -> ExecutionProviderDispatch,
}

/// Compiles whole graphs for the shapes that it sees; inputs of ever new lengths would be compiled again and again.
const COMPILES_SHAPES: &str =
    "it compiles the model for each input shape; ask for it by name where that pays";

/// All providers, in the order in which `auto` tries them.
pub(crate) const PROVIDERS: &[Provider] = &[
    Provider {
        name: "cuda",
        canonical: "CUDAExecutionProvider",
        device: Device::Cuda,
        indexed: true,
        not_automatic: None,
        systems: &["linux", "windows"],
        needs: "an NVIDIA GPU with its driver, cuDNN 9 and the CUDA runtime that the library was built for (13 for the build \
                that `tabagent runtime install cuda` brings)",
        remedy: "tabagent runtime install cuda",
        offered: ep::CUDA::is_available,
        takes: &[DeviceOption::MemoryLimit, DeviceOption::Arena, DeviceOption::GraphCapture],
        dispatch: |index, options| {
            let mut provider =
                ep::CUDA::default().with_device_id(index).with_cuda_graph(options.graph_capture);
            if let Some(limit) = options.limit() {
                provider = provider.with_memory_limit(limit);
            }
            if let Some(arena) = options.arena {
                provider = provider.with_arena_extend_strategy(arena.strategy());
            }
            provider.build()
        },
    },
    Provider {
        name: "migraphx",
        canonical: "MIGraphXExecutionProvider",
        device: Device::MiGraphX,
        indexed: true,
        not_automatic: None,
        systems: &["linux", "windows"],
        needs: "an AMD GPU with ROCm and MIGraphX",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with MIGraphX, such as AMD's onnxruntime-migraphx",
        offered: ep::MIGraphX::is_available,
        takes: &[DeviceOption::MemoryLimit, DeviceOption::Arena],
        dispatch: |index, options| {
            let mut provider = ep::MIGraphX::default().with_device_id(index);
            if let Some(limit) = options.limit() {
                provider = provider.with_mem_limit(limit);
            }
            if let Some(arena) = options.arena {
                provider = provider.with_arena_extend_strategy(arena.strategy());
            }
            provider.build()
        },
    },
    Provider {
        name: "rocm",
        canonical: "ROCMExecutionProvider",
        device: Device::Rocm,
        indexed: true,
        not_automatic: None,
        systems: &["linux"],
        needs: "an AMD GPU with ROCm, and a build that still has this provider",
        remedy: "use the device `migraphx`, which took its place",
        offered: ep::ROCm::is_available,
        takes: &[DeviceOption::MemoryLimit, DeviceOption::Arena, DeviceOption::GraphCapture],
        dispatch: |index, options| {
            let mut provider =
                ep::ROCm::default().with_device_id(index).with_hip_graph(options.graph_capture);
            if let Some(limit) = options.limit() {
                provider = provider.with_mem_limit(limit);
            }
            if let Some(arena) = options.arena {
                provider = provider.with_arena_extend_strategy(arena.strategy());
            }
            provider.build()
        },
    },
    Provider {
        name: "directml",
        canonical: "DmlExecutionProvider",
        device: Device::DirectMl,
        indexed: true,
        not_automatic: None,
        systems: &["windows"],
        needs: "Windows 10 or newer with a DirectX 12 GPU",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with DirectML, such as the one of the Node package",
        offered: ep::DirectML::is_available,
        takes: &[],
        dispatch: |index, _| ep::DirectML::default().with_device_id(index).build(),
    },
    Provider {
        name: "tensorrt",
        canonical: "TensorrtExecutionProvider",
        device: Device::TensorRt,
        indexed: true,
        not_automatic: Some(COMPILES_SHAPES),
        systems: &["linux", "windows"],
        needs: "what `cuda` needs, and TensorRT 10",
        remedy: "tabagent runtime install cuda",
        offered: ep::TensorRT::is_available,
        takes: &[DeviceOption::GraphCapture],
        dispatch: |index, options| {
            let provider = ep::TensorRT::default().with_device_id(index);
            provider.with_cuda_graph(options.graph_capture).build()
        },
    },
    Provider {
        name: "coreml",
        canonical: "CoreMLExecutionProvider",
        device: |_| Device::CoreMl,
        indexed: false,
        not_automatic: Some(COMPILES_SHAPES),
        systems: &["macos", "ios"],
        needs: "macOS 12 or newer",
        remedy: "nothing to install on macOS: the pinned build has it",
        offered: ep::CoreML::is_available,
        takes: &[],
        dispatch: |_, _| ep::CoreML::default().build(),
    },
    Provider {
        name: "openvino",
        canonical: "OpenVINOExecutionProvider",
        device: |_| Device::OpenVino,
        indexed: false,
        not_automatic: Some(COMPILES_SHAPES),
        systems: &["linux", "windows"],
        needs: "an Intel CPU, GPU or NPU with OpenVINO",
        remedy: "set ORT_DYLIB_PATH to the library in the wheel `onnxruntime-openvino`",
        offered: ep::OpenVINO::is_available,
        takes: &[],
        dispatch: |_, _| ep::OpenVINO::default().build(),
    },
    Provider {
        name: "webgpu",
        canonical: "WebGpuExecutionProvider",
        device: |_| Device::WebGpu,
        indexed: false,
        not_automatic: Some("it is young and runs part of most models on the CPU; ask for it by name"),
        systems: &["linux", "windows", "macos"],
        needs: "a GPU with a Vulkan, Metal or DirectX 12 driver",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with WebGPU",
        offered: ep::WebGPU::is_available,
        takes: &[DeviceOption::GraphCapture],
        dispatch: |_, options| ep::WebGPU::default().with_enable_graph_capture(options.graph_capture).build(),
    },
    Provider {
        name: "qnn",
        canonical: "QNNExecutionProvider",
        device: |_| Device::Qnn,
        indexed: false,
        not_automatic: Some("it takes models quantised for it; ask for it by name"),
        systems: &["linux", "windows", "android"],
        needs: "a Qualcomm processor with the QNN libraries",
        remedy: "set ORT_DYLIB_PATH to the library in the wheel `onnxruntime-qnn`",
        offered: ep::QNN::is_available,
        takes: &[],
        dispatch: |_, _| ep::QNN::default().build(),
    },
    Provider {
        name: "xnnpack",
        canonical: "XnnpackExecutionProvider",
        device: |_| Device::Xnnpack,
        indexed: false,
        not_automatic: Some(
            "it runs on the CPU, where ONNX Runtime's own kernels are as fast; ask for it by name",
        ),
        systems: &["linux", "windows", "macos", "ios", "android"],
        needs: "nothing",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with XNNPACK",
        offered: ep::XNNPACK::is_available,
        takes: &[],
        dispatch: |_, _| ep::XNNPACK::default().build(),
    },
];

/// What is known about an execution provider on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderReport {
    /// The word for it in `--device`.
    pub name: String,
    /// ONNX Runtime's name for it.
    pub provider: String,
    /// Whether it can be used.
    pub state: ProviderState,
    /// Why not, where it cannot be used or was not chosen.
    pub reason: Option<String>,
    /// What the machine must have for it.
    pub needs: String,
    /// What would help, where it cannot be used.
    pub remedy: Option<String>,
}

/// Whether an execution provider can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderState {
    /// The library offers it and a session opens with it.
    Usable,
    /// The library offers it and `auto` leaves it out.
    OnRequest,
    /// The loaded library was built without it.
    NotOffered,
    /// The library offers it and it failed.
    Failed,
}

impl Provider {
    /// The device with this index.
    pub(crate) fn device(&self, index: u32) -> Device {
        (self.device)(index)
    }

    /// Whether the loaded library was built with it. Needs a loaded library.
    pub(crate) fn offered(&self) -> bool {
        (self.offered)().unwrap_or(false)
    }

    /// The provider on the device with this index, for sessions.
    pub(crate) fn dispatch(&self, index: i32, options: &DeviceOptions) -> ExecutionProviderDispatch {
        (self.dispatch)(index, options)
    }

    /// Opens the smallest session on the device with this index.
    fn probe(&self, environment: &Environment, index: i32, options: &DeviceOptions) -> ort::Result<()> {
        let mut builder = Session::builder(environment)?;
        self.dispatch(index, options).register(&mut builder)?;
        builder.commit_from_memory(PROBE).map(drop)
    }

    /// Why `auto` leaves it out.
    pub(crate) fn not_automatic(&self) -> Option<&'static str> {
        self.not_automatic
    }

    /// A report in the given state.
    pub(crate) fn report(&self, state: ProviderState, reason: Option<String>) -> ProviderReport {
        let remedy = match state {
            ProviderState::Usable | ProviderState::OnRequest => None,
            ProviderState::NotOffered => Some(self.remedy.to_owned()),
            ProviderState::Failed => {
                Some(format!("see to it that this machine has {}; or: {}", self.needs, self.remedy))
            }
        };
        ProviderReport {
            name: self.name.to_owned(),
            provider: self.canonical.to_owned(),
            state,
            reason,
            needs: self.needs.to_owned(),
            remedy,
        }
    }

    /// The report of a provider that the loaded library lacks.
    pub(crate) fn not_offered(&self) -> ProviderReport {
        self.report(
            ProviderState::NotOffered,
            Some("the loaded ONNX Runtime was built without it".to_owned()),
        )
    }

    /// The sentence for an operator who asked for this provider by name and does not get it.
    pub(crate) fn unavailable(&self, device: Device) -> BackendError {
        BackendError::configuration(
            "device",
            format!(
                "`{device}` is not available: the loaded ONNX Runtime was built without {}; it needs {}; {}, or use \
                 `--device auto`",
                self.canonical, self.needs, self.remedy
            ),
        )
    }
}

/// Whether a device that is asked for by name works here with these options: opens a tiny session on it. `auto` and `cpu`
/// always do, and take no options.
///
/// # Errors
///
/// [`BackendError::ConfigurationError`] with what is missing and what to do, or with the option that the device does not take; [`BackendError::InternalError`] before ONNX
/// Runtime is loaded.
pub fn check(device: Device, options: &DeviceOptions) -> Result<()> {
    options.check(device)?;
    let Some((provider, index)) = device.provider() else { return Ok(()) };
    let environment = environment()?;
    if !provider.offered() {
        return Err(provider.unavailable(device));
    }
    let index = i32::try_from(index)
        .map_err(|_| BackendError::configuration("device", format!("index {index} is too large")))?;
    provider.probe(environment, index, options).map_err(|error| {
        BackendError::configuration(
            "device",
            format!(
                "`{device}` does not work here: {}; it needs {}; {}, or use `--device auto`",
                one_line(error.message()),
                provider.needs,
                provider.remedy
            ),
        )
    })
}

/// The smallest graph, `y = identity(x)` on a tensor of three floats. Some providers register without a look at the
/// machine and fail when a session is made; opening this tells.
const PROBE: &[u8] = &[
    0x08, 0x08, 0x3a, 0x37, 0x0a, 0x10, 0x0a, 0x01, b'x', 0x12, 0x01, b'y', 0x22, 0x08, b'I', b'd', b'e',
    b'n', b't', b'i', b't', b'y', 0x12, 0x01, b'g', b'Z', 0x0f, 0x0a, 0x01, b'x', 0x12, 0x0a, 0x0a, 0x08,
    0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x03, b'b', 0x0f, 0x0a, 0x01, b'y', 0x12, 0x0a, 0x0a, 0x08,
    0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x03, b'B', 0x02, 0x10, 0x11,
];

/// What is known about every provider, the CPU last. Opens a tiny session with each one that the library offers, to see
/// whether it works; that can load GPU libraries and take a second, so keep the answer.
///
/// # Errors
///
/// [`BackendError::InternalError`] before ONNX Runtime is loaded.
pub fn providers() -> Result<Vec<ProviderReport>> {
    let environment = environment()?;
    let mut reports = Vec::new();
    for provider in PROVIDERS {
        if !provider.offered() {
            reports.push(provider.not_offered());
            continue;
        }
        let opened = provider.probe(environment, 0, &DeviceOptions::default());
        reports.push(match (opened, provider.not_automatic) {
            (Err(error), _) => provider.report(ProviderState::Failed, Some(one_line(error.message()))),
            (Ok(()), Some(why)) => {
                provider.report(ProviderState::OnRequest, Some(format!("not chosen by `auto`: {why}")))
            }
            (Ok(()), None) => provider.report(ProviderState::Usable, None),
        });
    }
    // The CPU is tried like the others: a library in which not even it works is worth knowing.
    let opened = Session::builder(environment).and_then(|mut builder| builder.commit_from_memory(PROBE));
    let (state, reason) = match opened {
        Ok(_) => (ProviderState::Usable, None),
        Err(error) => (ProviderState::Failed, Some(one_line(error.message()))),
    };
    reports.push(ProviderReport {
        name: "cpu".to_owned(),
        provider: "CPUExecutionProvider".to_owned(),
        state,
        reason,
        needs: "nothing".to_owned(),
        remedy: None,
    });
    Ok(reports)
}
