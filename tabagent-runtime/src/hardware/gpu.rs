//! Graphics processors, as far as the system and its drivers name them.

use serde::Serialize;
use sysinfo::Gpus;

/// A graphics processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// Its name, where the driver or the system's list of devices tells.
    pub name: Option<String>,
    /// Its maker, where known.
    pub vendor: Option<String>,
    /// Its memory in bytes, where the driver tells.
    pub memory: Option<u64>,
    /// What is in use of it in bytes, where the driver tells.
    pub used: Option<u64>,
}

/// All graphics processors, as they are now. Drivers are loaded for it, which can take a second; what they gave cannot be
/// kept between threads.
pub(super) fn list() -> Vec<Gpu> {
    match Gpus::new_with_refreshed_list() {
        Ok(gpus) => gpus
            .iter()
            .map(|gpu| Gpu {
                name: gpu.model().map(str::to_owned),
                vendor: gpu.vendor().map(str::to_owned),
                memory: gpu.total_memory(),
                used: gpu.used_memory(),
            })
            .collect(),
        Err(error) => {
            tracing::debug!(%error, "the system does not list graphics processors");
            Vec::new()
        }
    }
}
