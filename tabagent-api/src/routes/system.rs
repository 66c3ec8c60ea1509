//! GET /v1/system/info: the machine, and what of it the server can use.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tabagent_runtime::hardware::SystemInfo as Found;
use tabagent_runtime::{Runtime, device};

use super::blocking;
use crate::{ApiError, Component, Json, Schema, route};

/// The machine, and what of it the server can use.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct SystemInfo {
    /// Version of the server.
    pub version: String,
    /// The operating system.
    pub os: OperatingSystem,
    /// The processor.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Graphics processors; empty where none is seen.
    pub gpus: Vec<Gpu>,
    /// Execution providers of ONNX Runtime, each with its state and the reason for it.
    pub execution_providers: Vec<ExecutionProvider>,
    /// The loaded ONNX Runtime.
    pub onnx_runtime: Option<OnnxRuntime>,
    /// The disk with the models.
    pub storage: Storage,
}

/// An operating system.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct OperatingSystem {
    /// `linux`, `macos` or `windows`.
    pub name: String,
    /// Name and version for people, where the system tells.
    pub version: Option<String>,
    /// Version of its kernel, where the system tells.
    pub kernel: Option<String>,
}

/// A processor.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Cpu {
    /// Its name, where the system tells.
    pub name: Option<String>,
    /// Its architecture, such as `x86_64`.
    pub architecture: String,
    /// Instruction sets that matter here, such as `avx2` and `avx512_vnni`.
    pub features: Vec<String>,
    /// Logical processors.
    pub logical_cores: usize,
    /// Physical cores.
    pub physical_cores: usize,
    /// Logical processors that the server may use, by its affinity and its control group.
    pub usable_cores: usize,
}

/// Memory in bytes.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Memory {
    /// What the server could use at most.
    pub total_bytes: u64,
    /// What can be had now.
    pub available_bytes: u64,
    /// Limit of the control group, where there is one.
    pub limit_bytes: Option<u64>,
}

/// A graphics processor.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Gpu {
    /// Its name, where known.
    pub name: Option<String>,
    /// Its maker, where known.
    pub vendor: Option<String>,
    /// Its memory in bytes, where the driver tells.
    pub memory_bytes: Option<u64>,
}

/// An execution provider.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct ExecutionProvider {
    /// The word for it in `--device`.
    pub device: String,
    /// ONNX Runtime's name for it.
    pub provider: String,
    /// Whether it can be used.
    pub state: ProviderState,
    /// Why it is not used, where it is not.
    pub reason: Option<String>,
    /// What the machine must have for it.
    pub needs: String,
    /// What would help, where it cannot be used.
    pub remedy: Option<String>,
}

/// Whether an execution provider can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderState {
    /// The library offers it and it registers.
    Usable,
    /// The library offers it, and `--device auto` leaves it out.
    OnRequest,
    /// The loaded library was built without it.
    NotOffered,
    /// The library offers it and it failed.
    Failed,
}

impl From<device::ProviderState> for ProviderState {
    fn from(state: device::ProviderState) -> Self {
        match state {
            device::ProviderState::Usable => Self::Usable,
            device::ProviderState::OnRequest => Self::OnRequest,
            device::ProviderState::NotOffered => Self::NotOffered,
            device::ProviderState::Failed => Self::Failed,
        }
    }
}

/// A loaded ONNX Runtime.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct OnnxRuntime {
    /// Its version.
    pub version: String,
    /// Its file.
    pub path: String,
    /// Where it was found.
    pub origin: String,
}

/// A disk.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Storage {
    /// The models folder.
    pub models_dir: String,
    /// Bytes of the files in it.
    pub used_bytes: u64,
    /// Bytes that are free on its disk, where the system tells.
    pub free_bytes: Option<u64>,
    /// Bytes of its disk, where the system tells.
    pub total_bytes: Option<u64>,
}

/// Describe the machine.
///
/// With the execution providers that the loaded ONNX Runtime offers, and for each one that is not used the reason and
/// what would help.
#[route(
    GET, "/v1/system/info",
    tag = "system",
    tests = [
        case("this machine", status = 200, check = is_plausible),
        case("forged host", headers = { "host": "evil.example" }, problem = ApiError::HostNotAllowed),
    ],
)]
pub async fn system_info(runtime: Component<Runtime>) -> Result<Json<SystemInfo>, Infallible> {
    // The first examination tries every execution provider, which can take a second.
    Ok(Json(blocking(runtime, Runtime::system).await.into()))
}

impl From<Found> for SystemInfo {
    fn from(found: Found) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            os: OperatingSystem { name: found.os.name, version: found.os.version, kernel: found.os.kernel },
            cpu: Cpu {
                name: found.cpu.name,
                architecture: found.cpu.architecture,
                features: found.cpu.features,
                logical_cores: found.cpu.logical_cores,
                physical_cores: found.cpu.physical_cores,
                usable_cores: found.cpu.usable_cores,
            },
            memory: Memory {
                total_bytes: found.memory.total,
                available_bytes: found.memory.available,
                limit_bytes: found.memory.limit,
            },
            gpus: found
                .gpus
                .into_iter()
                .map(|gpu| Gpu { name: gpu.name, vendor: gpu.vendor, memory_bytes: gpu.memory })
                .collect(),
            execution_providers: found
                .execution_providers
                .into_iter()
                .map(|report| ExecutionProvider {
                    device: report.name,
                    provider: report.provider,
                    state: report.state.into(),
                    reason: report.reason,
                    needs: report.needs,
                    remedy: report.remedy,
                })
                .collect(),
            onnx_runtime: found.onnx_runtime.map(|library| OnnxRuntime {
                version: library.version,
                path: library.path.display().to_string(),
                origin: library.origin.to_string(),
            }),
            storage: Storage {
                models_dir: found.storage.models_dir.display().to_string(),
                used_bytes: found.storage.used,
                free_bytes: found.storage.free,
                total_bytes: found.storage.total,
            },
        }
    }
}

fn is_plausible(info: &SystemInfo) -> bool {
    let cpu = info
        .execution_providers
        .iter()
        .any(|provider| provider.device == "cpu" && provider.state == ProviderState::Usable);
    cpu && info.memory.total_bytes > 0 && info.cpu.usable_cores > 0 && info.onnx_runtime.is_some()
}
