//! What this machine is and what this process may use of it: the operating system, processor, memory, accelerators,
//! execution providers, ONNX Runtime and the disk with the models.
//!
//! Limits count as much as hardware: a container with two CPUs and 4 GB on a large host reports two CPUs and 4 GB.

mod cgroup;
mod cpu;
mod gpu;
mod storage;

use std::path::Path;
use std::sync::OnceLock;

use serde::Serialize;

pub use cpu::{Cpu, physical_cores};
pub use gpu::Gpu;
pub use storage::Storage;

use crate::device::{self, ProviderReport};
use crate::library::{self, Library};

/// Everything that is told about the machine.
#[derive(Debug, Clone, Serialize)]
pub struct SystemInfo {
    /// The operating system.
    pub os: OperatingSystem,
    /// The processor.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Graphics processors that the system or ONNX Runtime names; empty where none is seen.
    pub gpus: Vec<Gpu>,
    /// Execution providers with state and reason; empty before ONNX Runtime is loaded.
    pub execution_providers: Vec<ProviderReport>,
    /// The loaded ONNX Runtime.
    pub onnx_runtime: Option<Library>,
    /// The disk with the models.
    pub storage: Storage,
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperatingSystem {
    /// `linux`, `macos`, `windows`.
    pub name: String,
    /// Its name and version for people, such as `Debian GNU/Linux 12`, where the system tells.
    pub version: Option<String>,
    /// The version of its kernel, where the system tells.
    pub kernel: Option<String>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What this process could use at most: the machine's memory or the limit of its control group, whichever is less.
    pub total: u64,
    /// What can be had now without swapping, within the limit.
    pub available: u64,
    /// The limit of the control group, where there is one.
    pub limit: Option<u64>,
}

/// Looks at the machine. The first call after ONNX Runtime is loaded tries its execution providers and can take a second;
/// the answer to that is kept.
pub fn system(models_dir: &Path) -> SystemInfo {
    SystemInfo {
        os: operating_system(),
        cpu: cpu::describe(),
        memory: memory(),
        gpus: gpu::list(),
        execution_providers: execution_providers().to_vec(),
        onnx_runtime: library::loaded().cloned(),
        storage: storage::of(models_dir),
    }
}

/// The graphics processors, with their memory as it is now. Loads drivers the first time.
pub fn gpus() -> Vec<Gpu> {
    gpu::list()
}

/// Memory as it is now.
pub fn memory() -> Memory {
    let (total, available) = match sysinfo::System::new() {
        Ok(mut system) => {
            system.refresh_memory();
            (system.total_memory(), system.available_memory())
        }
        // A system that sysinfo does not know; nothing is claimed about it.
        Err(_) => (0, 0),
    };
    cgroup::within_limits(total, available, &cgroup::Files::of_this_process())
}

/// Bytes that are free for this user on the disk of a path, where the system tells.
pub(crate) fn free_space(path: &Path) -> Option<u64> {
    storage::disk_of(path).map(|(free, _)| free)
}

/// Bytes of the files below a folder.
pub(crate) fn size_below(folder: &Path) -> u64 {
    storage::size_below(folder, storage::MAX_DEPTH)
}

/// Instruction sets of this processor, by the names of [`Cpu::features`].
pub(crate) fn cpu_features() -> Vec<String> {
    cpu::features()
}

/// The most memory that this process ever had, in bytes, as Linux counts it (VmHWM, proc(5)); `None` elsewhere.
pub fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

/// Memory of this process that is in RAM, in bytes, as Linux counts it (VmRSS, proc(5)); `None` elsewhere.
pub fn resident_memory() -> Option<u64> {
    status("VmRSS:")
}

/// A size of `/proc/self/status`.
fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

fn operating_system() -> OperatingSystem {
    OperatingSystem {
        name: std::env::consts::OS.to_owned(),
        version: sysinfo::System::long_os_version().ok(),
        kernel: sysinfo::System::kernel_version().ok(),
    }
}

/// The reports of all providers; empty before the library is loaded, and asked again then.
pub(crate) fn execution_providers() -> &'static [ProviderReport] {
    static REPORTS: OnceLock<Vec<ProviderReport>> = OnceLock::new();
    if library::loaded().is_none() {
        return &[];
    }
    REPORTS.get_or_init(|| {
        device::providers().unwrap_or_else(|error| {
            tracing::warn!(%error, "the execution providers cannot be listed");
            Vec::new()
        })
    })
}
