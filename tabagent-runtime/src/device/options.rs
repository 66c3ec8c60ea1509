//! Options of a device, typed. Each execution provider takes some of them; one that it does not take is an error.

use std::{fmt, str::FromStr};

use ort::ep::ArenaExtendStrategy;
use serde::Serialize;

use super::{Device, PROVIDERS};
use crate::{BackendError, Result};

/// What a device is told beside the model. The default leaves all to the execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceOptions {
    /// Most bytes of the device's memory that the arena of one model takes; weights count.
    pub memory_limit: Option<u64>,
    /// By how much the arena grows.
    pub arena: Option<ArenaGrowth>,
    /// Whether runs are captured as one graph of the device and replayed, which pays for inputs of one shape alone.
    pub graph_capture: bool,
}

/// By how much the arena of a device grows when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArenaGrowth {
    /// It doubles: few allocations.
    Doubling,
    /// By what was asked for: no memory is held in reserve.
    Exact,
}

impl ArenaGrowth {
    pub(super) fn strategy(self) -> ArenaExtendStrategy {
        match self {
            Self::Doubling => ArenaExtendStrategy::NextPowerOfTwo,
            Self::Exact => ArenaExtendStrategy::SameAsRequested,
        }
    }
}

impl fmt::Display for ArenaGrowth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doubling => "doubling",
            Self::Exact => "exact",
        })
    }
}

impl FromStr for ArenaGrowth {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "doubling" => Ok(Self::Doubling),
            "exact" => Ok(Self::Exact),
            _ => Err(format!("`{text}` is neither doubling nor exact")),
        }
    }
}

/// One of the options, as a provider's row of the table lists those that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceOption {
    MemoryLimit,
    Arena,
    GraphCapture,
}

impl DeviceOption {
    /// The setting of the operator.
    fn setting(self) -> &'static str {
        match self {
            Self::MemoryLimit => "device-memory",
            Self::Arena => "device-arena",
            Self::GraphCapture => "device-graph",
        }
    }
}

impl DeviceOptions {
    /// The memory limit as this platform counts.
    pub(super) fn limit(&self) -> Option<usize> {
        self.memory_limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// The options that are not left to the provider.
    fn given(&self) -> impl Iterator<Item = DeviceOption> {
        [
            self.memory_limit.map(|_| DeviceOption::MemoryLimit),
            self.arena.map(|_| DeviceOption::Arena),
            self.graph_capture.then_some(DeviceOption::GraphCapture),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether a device takes all that is given. `auto` takes none: what it chooses is not known before.
    ///
    /// # Errors
    /// [`BackendError::ConfigurationError`] of the first setting that it does not take, with the devices that do.
    pub(super) fn check(&self, device: Device) -> Result<()> {
        let takes = device.provider().map_or(&[][..], |(provider, _)| provider.takes);
        match self.given().find(|option| !takes.contains(option)) {
            None => Ok(()),
            Some(option) => {
                let able = PROVIDERS.iter().filter(|provider| provider.takes.contains(&option));
                let able: Vec<_> = able.map(|provider| provider.name).collect();
                Err(BackendError::configuration(
                    option.setting(),
                    format!(
                        "`--device {device}` does not take it; leave it out, or name a device that does: {}",
                        able.join(", ")
                    ),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_does_not_take_is_refused_with_those_that_do() {
        let limit = DeviceOptions { memory_limit: Some(1 << 30), ..DeviceOptions::default() };
        for device in [Device::Auto, Device::Cpu, Device::Xnnpack, Device::TensorRt(0)] {
            let error = limit.check(device).unwrap_err().to_string();
            assert!(error.contains("device-memory") && error.contains("cuda, migraphx, rocm"), "{error}");
        }
        let capture = DeviceOptions { graph_capture: true, ..DeviceOptions::default() };
        assert!(capture.check(Device::MiGraphX(0)).unwrap_err().to_string().contains("device-graph"));
        for device in [Device::Cuda(1), Device::TensorRt(0), Device::WebGpu] {
            capture.check(device).unwrap();
        }
        let all =
            DeviceOptions { memory_limit: Some(1), arena: Some(ArenaGrowth::Exact), graph_capture: true };
        all.check(Device::Cuda(0)).unwrap();
        for device in [Device::Auto, Device::Cpu, Device::DirectMl(0)] {
            DeviceOptions::default().check(device).unwrap();
        }
    }

    #[test]
    fn growth_is_read_as_it_is_written() {
        for growth in [ArenaGrowth::Doubling, ArenaGrowth::Exact] {
            assert_eq!(growth.to_string().parse::<ArenaGrowth>().unwrap(), growth);
        }
        assert!("Exact".parse::<ArenaGrowth>().is_err());
    }
}
