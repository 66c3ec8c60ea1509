//! Devices that a model can run on, and the execution providers of ONNX Runtime behind them, in one table.
//!
//! A build of ONNX Runtime offers some providers; whether one works shows when it is registered. A device that is asked
//! for by name is used or is an error; [`Device::Auto`] takes the first that works and reports why the others did not.

mod options;
mod provider;
mod recipe;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use options::{ArenaGrowth, DeviceOptions};
pub(crate) use provider::{PROVIDERS, Provider};
pub use provider::{ProviderReport, ProviderState, check, providers};
pub use recipe::{ModelFormat, Recipe, RecipeState, recipes};

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
