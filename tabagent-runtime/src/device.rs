//! Devices that a model can run on, and the execution providers of ONNX Runtime behind them, in one table.
//!
//! A build of ONNX Runtime offers some providers; whether one works shows when it is registered. A device that is asked
//! for by name is used or is an error; [`Device::Auto`] takes the first that works and reports why the others did not.

use std::fmt;
use std::str::FromStr;

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::Session;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::library::{environment, one_line};
use crate::{BackendError, Result};

/// What a model runs on. Written as in `--device`: `auto`, `cpu`, `cuda`, `cuda:1`, `openvino`; the number is the index of
/// the device, 0 where it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Device {
    /// The first of the table that works here.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU through CUDA.
    Cuda(u32),
    /// An NVIDIA GPU through TensorRT.
    TensorRt(u32),
    /// An AMD GPU through MIGraphX.
    MiGraphX(u32),
    /// An AMD GPU through ROCm (builds of ONNX Runtime before 1.23 and private ones).
    Rocm(u32),
    /// A GPU through DirectX 12, on Windows.
    DirectMl(u32),
    /// Intel CPUs, GPUs and NPUs through OpenVINO.
    OpenVino,
    /// Apple's GPU and neural engine through Core ML.
    CoreMl,
    /// A GPU through WebGPU.
    WebGpu,
    /// The CPU through XNNPACK.
    Xnnpack,
    /// Qualcomm NPUs through QNN.
    Qnn,
}

/// One row of the table: an execution provider, as we know it before any library is loaded.
pub(crate) struct Provider {
    /// The word for it in `--device`.
    pub(crate) name: &'static str,
    /// ONNX Runtime's name for it.
    pub(crate) canonical: &'static str,
    /// The device with this index.
    device: fn(u32) -> Device,
    /// Whether `name:INDEX` means something.
    indexed: bool,
    /// Why `auto` leaves it out, where it does.
    not_automatic: Option<&'static str>,
    /// What the machine must have.
    needs: &'static str,
    /// What the operator can run or set to get it.
    remedy: &'static str,
    offered: fn() -> ort::Result<bool>,
    pub(crate) dispatch: fn(i32) -> ExecutionProviderDispatch,
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
        needs: "an NVIDIA GPU with its driver, the CUDA 12 or 13 runtime and cuDNN 9",
        remedy: "tabagent runtime install cuda",
        offered: ep::CUDA::is_available,
        dispatch: |index| ep::CUDA::default().with_device_id(index).build(),
    },
    Provider {
        name: "migraphx",
        canonical: "MIGraphXExecutionProvider",
        device: Device::MiGraphX,
        indexed: true,
        not_automatic: None,
        needs: "an AMD GPU with ROCm and MIGraphX",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with MIGraphX, such as AMD's onnxruntime-migraphx",
        offered: ep::MIGraphX::is_available,
        dispatch: |index| ep::MIGraphX::default().with_device_id(index).build(),
    },
    Provider {
        name: "rocm",
        canonical: "ROCMExecutionProvider",
        device: Device::Rocm,
        indexed: true,
        not_automatic: None,
        needs: "an AMD GPU with ROCm, and a build that still has this provider",
        remedy: "use the device `migraphx`, which took its place",
        offered: ep::ROCm::is_available,
        dispatch: |index| ep::ROCm::default().with_device_id(index).build(),
    },
    Provider {
        name: "directml",
        canonical: "DmlExecutionProvider",
        device: Device::DirectMl,
        indexed: true,
        not_automatic: None,
        needs: "Windows 10 or newer with a DirectX 12 GPU",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with DirectML, such as the one of the Node package",
        offered: ep::DirectML::is_available,
        dispatch: |index| ep::DirectML::default().with_device_id(index).build(),
    },
    Provider {
        name: "tensorrt",
        canonical: "TensorrtExecutionProvider",
        device: Device::TensorRt,
        indexed: true,
        not_automatic: Some(COMPILES_SHAPES),
        needs: "what `cuda` needs, and TensorRT 10",
        remedy: "tabagent runtime install cuda",
        offered: ep::TensorRT::is_available,
        dispatch: |index| ep::TensorRT::default().with_device_id(index).build(),
    },
    Provider {
        name: "coreml",
        canonical: "CoreMLExecutionProvider",
        device: |_| Device::CoreMl,
        indexed: false,
        not_automatic: Some(COMPILES_SHAPES),
        needs: "macOS 12 or newer",
        remedy: "nothing to install on macOS: the pinned build has it",
        offered: ep::CoreML::is_available,
        dispatch: |_| ep::CoreML::default().build(),
    },
    Provider {
        name: "openvino",
        canonical: "OpenVINOExecutionProvider",
        device: |_| Device::OpenVino,
        indexed: false,
        not_automatic: Some(COMPILES_SHAPES),
        needs: "an Intel CPU, GPU or NPU with OpenVINO",
        remedy: "set ORT_DYLIB_PATH to the library in the wheel `onnxruntime-openvino`",
        offered: ep::OpenVINO::is_available,
        dispatch: |_| ep::OpenVINO::default().build(),
    },
    Provider {
        name: "webgpu",
        canonical: "WebGpuExecutionProvider",
        device: |_| Device::WebGpu,
        indexed: false,
        not_automatic: Some("it is young and runs part of most models on the CPU; ask for it by name"),
        needs: "a GPU with a Vulkan, Metal or DirectX 12 driver",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with WebGPU",
        offered: ep::WebGPU::is_available,
        dispatch: |_| ep::WebGPU::default().build(),
    },
    Provider {
        name: "qnn",
        canonical: "QNNExecutionProvider",
        device: |_| Device::Qnn,
        indexed: false,
        not_automatic: Some("it takes models quantised for it; ask for it by name"),
        needs: "a Qualcomm processor with the QNN libraries",
        remedy: "set ORT_DYLIB_PATH to the library in the wheel `onnxruntime-qnn`",
        offered: ep::QNN::is_available,
        dispatch: |_| ep::QNN::default().build(),
    },
    Provider {
        name: "xnnpack",
        canonical: "XnnpackExecutionProvider",
        device: |_| Device::Xnnpack,
        indexed: false,
        not_automatic: Some(
            "it runs on the CPU, where ONNX Runtime's own kernels are as fast; ask for it by name",
        ),
        needs: "nothing",
        remedy: "set ORT_DYLIB_PATH to a build of ONNX Runtime with XNNPACK",
        offered: ep::XNNPACK::is_available,
        dispatch: |_| ep::XNNPACK::default().build(),
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

impl Device {
    /// The row of the table and the index, for a device that is neither `auto` nor `cpu`.
    pub(crate) fn provider(self) -> Option<(&'static Provider, u32)> {
        let index = match self {
            Self::Cuda(index)
            | Self::TensorRt(index)
            | Self::MiGraphX(index)
            | Self::Rocm(index)
            | Self::DirectMl(index) => index,
            _ => 0,
        };
        PROVIDERS.iter().find(|provider| (provider.device)(index) == self).map(|provider| (provider, index))
    }

    /// All words that [`Device::from_str`] takes, without indices.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["auto", "cpu"].into_iter().chain(PROVIDERS.iter().map(|provider| provider.name))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.provider()) {
            (Self::Auto, _) => f.write_str("auto"),
            (_, Some((provider, index))) if provider.indexed => write!(f, "{}:{index}", provider.name),
            (_, Some((provider, _))) => f.write_str(provider.name),
            (_, None) => f.write_str("cpu"),
        }
    }
}

impl FromStr for Device {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: String| BackendError::configuration("device", reason);
        let lower = text.trim().to_ascii_lowercase();
        let (name, index) = match lower.split_once(':') {
            Some((name, index)) => (name, Some(index)),
            None => (lower.as_str(), None),
        };
        let plain = match name {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            _ => None,
        };
        let provider = PROVIDERS.iter().find(|provider| provider.name == name);
        match (plain, provider, index) {
            (Some(device), _, None) => Ok(device),
            (None, Some(provider), None) => Ok((provider.device)(0)),
            (None, Some(provider), Some(index)) if provider.indexed => index
                .parse::<u32>()
                .ok()
                .filter(|index| i32::try_from(*index).is_ok())
                .map(provider.device)
                .ok_or_else(|| {
                    wrong(format!("`{text}`: the index after the colon is a number, as in `{name}:1`"))
                }),
            (Some(_), _, Some(_)) | (None, Some(_), Some(_)) => {
                Err(wrong(format!("`{text}`: `{name}` takes no index; write `{name}`")))
            }
            (None, None, _) => {
                let all = Self::names().collect::<Vec<_>>().join(", ");
                let hint = nearest(name).map(|near| format!(" did you mean `{near}`?")).unwrap_or_default();
                Err(wrong(format!(
                    "there is no device `{text}`;{hint} devices are {all}, some with an index: cuda:1"
                )))
            }
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The device name that a mistyped one is closest to, if any is close; other names for a device count as typing errors.
fn nearest(text: &str) -> Option<&'static str> {
    let alias = match text {
        "gpu" | "nvidia" => Some("cuda"),
        "dml" | "dx12" => Some("directml"),
        "trt" => Some("tensorrt"),
        "amd" | "hip" => Some("migraphx"),
        "metal" | "mps" | "ane" => Some("coreml"),
        "intel" | "npu" => Some("openvino"),
        _ => None,
    };
    alias.or_else(|| {
        let (distance, name) = Device::names().map(|name| (edit_distance(text, name), name)).min()?;
        (distance <= 2 && distance < name.len()).then_some(name)
    })
}

/// Levenshtein distance in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.bytes().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&row, j) + usize::from(x != y);
            next.push(replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
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

    /// Why `auto` leaves it out.
    pub(crate) fn not_automatic(&self) -> Option<&'static str> {
        self.not_automatic
    }

    /// A report in the given state.
    pub(crate) fn report(&self, state: ProviderState, reason: Option<String>) -> ProviderReport {
        let usable = matches!(state, ProviderState::Usable | ProviderState::OnRequest);
        ProviderReport {
            name: self.name.to_owned(),
            provider: self.canonical.to_owned(),
            state,
            reason,
            needs: self.needs.to_owned(),
            remedy: (!usable).then(|| self.remedy.to_owned()),
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

/// The smallest graph, `y = identity(x)` on a tensor of three floats. Some providers register without a look at the
/// machine and fail when a session is made; opening this tells.
const PROBE: &[u8] = &[
    0x08, 0x08, 0x3a, 0x35, 0x0a, 0x10, 0x0a, 0x01, b'x', 0x12, 0x01, b'y', 0x22, 0x08, b'I', b'd', b'e',
    b'n', b't', b'i', b't', b'y', 0x12, 0x01, b'g', 0x5a, 0x0f, 0x0a, 0x01, b'x', 0x12, 0x0a, 0x0a, 0x08,
    0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x03, 0x62, 0x0f, 0x0a, 0x01, b'y', 0x12, 0x0a, 0x0a, 0x08,
    0x08, 0x01, 0x12, 0x04, 0x0a, 0x02, 0x08, 0x03, 0x42, 0x02, 0x10, 0x11,
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
        let opened = Session::builder(environment).and_then(|mut builder| {
            (provider.dispatch)(0).register(&mut builder)?;
            builder.commit_from_memory(PROBE)
        });
        reports.push(match (opened, provider.not_automatic) {
            (Err(error), _) => provider.report(ProviderState::Failed, Some(one_line(error.message()))),
            (Ok(_), Some(why)) => {
                provider.report(ProviderState::OnRequest, Some(format!("not chosen by `auto`: {why}")))
            }
            (Ok(_), None) => provider.report(ProviderState::Usable, None),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_parses_and_prints_as_itself() {
        for name in Device::names() {
            let device: Device = name.parse().unwrap();
            let printed = device.to_string();
            assert_eq!(printed.parse::<Device>().unwrap(), device);
            assert!(printed == name || printed == format!("{name}:0"), "{printed}");
        }
        assert_eq!(" CUDA:3 ".parse::<Device>().unwrap(), Device::Cuda(3));
        assert_eq!(serde_json::to_string(&Device::Cuda(1)).unwrap(), "\"cuda:1\"");
        assert_eq!(serde_json::from_str::<Device>("\"openvino\"").unwrap(), Device::OpenVino);
    }

    #[test]
    fn a_mistyped_device_gets_a_suggestion_and_the_list() {
        let sentence = |text: &str| text.parse::<Device>().unwrap_err().to_string();
        assert!(sentence("cudda").contains("did you mean `cuda`?"));
        assert!(sentence("gpu").contains("did you mean `cuda`?"));
        assert!(sentence("metal").contains("did you mean `coreml`?"));
        assert!(!sentence("quantum").contains("did you mean"));
        assert!(sentence("quantum").contains("auto, cpu, cuda, "));
        assert!(sentence("cpu:1").contains("takes no index"));
        assert!(sentence("cuda:x").contains("is a number"));
        assert!(sentence("cuda:4294967295").contains("is a number"));
    }
}
