//! Graphics processors, as far as the system and its drivers name them.

use std::sync::OnceLock;

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
}

/// All graphics processors. Asked once: drivers are loaded for it, and the list does not change while we run.
pub(super) fn list() -> Vec<Gpu> {
    static LIST: OnceLock<Vec<Gpu>> = OnceLock::new();
    LIST.get_or_init(|| match Gpus::new_with_refreshed_list() {
        Ok(gpus) => gpus
            .iter()
            .map(|gpu| Gpu {
                name: gpu.model().map(str::to_owned),
                vendor: gpu.vendor().map(str::to_owned),
                memory: gpu.total_memory(),
            })
            .collect(),
        Err(error) => {
            tracing::debug!(%error, "the system does not list graphics processors");
            Vec::new()
        }
    })
    .clone()
}
