//! The Dense module of sentence-transformers: a linear layer after pooling, its weights from safetensors.

use std::collections::BTreeMap;

use half::{bf16, f16};
use serde::Deserialize;

use crate::{
    error::{BackendError, Result},
    models::{DenseConfig, ModelFiles},
};

/// A linear layer and what follows it.
#[derive(Debug)]
pub(crate) struct Dense {
    /// `out × in`, row after row.
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
    activation: Activation,
}

#[derive(Debug, Clone, Copy)]
enum Activation {
    Identity,
    Tanh,
    Relu,
    Gelu,
    Sigmoid,
}

impl Dense {
    /// Reads the module in `folder`.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where its files are missing or do not agree, [`BackendError::NotImplemented`]
    /// where it stands elsewhere than after pooling or has an activation that we do not know.
    pub(crate) fn open(model: &str, files: &ModelFiles, folder: &str) -> Result<Self> {
        let corrupted = |reason: String| BackendError::corrupted(model, reason);
        let refused =
            |what: String| BackendError::NotImplemented { feature: format!("model `{model}`: {what}") };
        let config: DenseConfig = files
            .json(model, &format!("{folder}/config.json"))?
            .ok_or_else(|| corrupted(format!("{folder}/config.json is missing, which modules.json names")))?;
        let place = |name: &Option<String>| name.as_deref().is_none_or(|name| name == "sentence_embedding");
        if !place(&config.module_input_name) || !place(&config.module_output_name) {
            return Err(refused(format!("a Dense module on token vectors in {folder}; one after pooling")));
        }
        // sentence-transformers writes the class's path; without one it means Tanh.
        let name = config.activation_function.as_deref().unwrap_or("Tanh");
        let activation = match name.rsplit('.').next().unwrap_or_default() {
            "Identity" => Activation::Identity,
            "Tanh" => Activation::Tanh,
            "ReLU" => Activation::Relu,
            "GELU" => Activation::Gelu,
            "Sigmoid" => Activation::Sigmoid,
            _ => {
                return Err(refused(format!(
                    "the activation {name} in {folder}; Identity, Tanh, ReLU, GELU, Sigmoid"
                )));
            }
        };
        let file = format!("{folder}/model.safetensors");
        let bytes = files.read(model, &file)?.ok_or_else(|| {
            let pickle = files.has(&format!("{folder}/pytorch_model.bin"));
            corrupted(if pickle {
                format!("{folder} has its weights as pytorch_model.bin, which can run code; save them as safetensors")
            } else {
                format!("{file} is missing, which modules.json needs")
            })
        })?;
        let mut tensors = safetensors(&bytes).map_err(|reason| corrupted(format!("{file}: {reason}")))?;
        let mut take = |name: &str, expected: usize| -> Result<Vec<f32>> {
            let values =
                tensors.remove(name).ok_or_else(|| corrupted(format!("{file} has no tensor `{name}`")))?;
            if values.len() == expected {
                Ok(values)
            } else {
                Err(corrupted(format!(
                    "{file}: `{name}` has {} values, config.json says {expected}",
                    values.len()
                )))
            }
        };
        let (inputs, outputs) = (config.in_features, config.out_features);
        Ok(Self {
            weights: take("linear.weight", inputs.saturating_mul(outputs))?,
            bias: if config.bias { Some(take("linear.bias", outputs)?) } else { None },
            inputs,
            outputs,
            activation,
        })
    }

    /// Length of the vectors that it takes, and of those that it gives.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    /// Applies it to one vector.
    pub(crate) fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut output = self.bias.clone().unwrap_or_else(|| vec![0.0; self.outputs]);
        for (out, weights) in output.iter_mut().zip(self.weights.chunks_exact(self.inputs)) {
            *out += dot(weights, input);
        }
        for value in &mut output {
            *value = match self.activation {
                Activation::Identity => *value,
                Activation::Tanh => value.tanh(),
                Activation::Relu => value.max(0.0),
                Activation::Gelu => 0.5 * *value * (1.0 + erf(*value / std::f32::consts::SQRT_2)),
                Activation::Sigmoid => 1.0 / (1.0 + (-*value).exp()),
            };
        }
        output
    }
}

/// Dot product in eight lanes, which the compiler turns into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The error function, after Abramowitz and Stegun 7.1.26: within 1.5e-7.
fn erf(x: f32) -> f32 {
    let z = f64::from(x.abs());
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592]
        .iter()
        .fold(0.0, |sum, factor| sum * t + factor);
    #[allow(clippy::cast_possible_truncation)] // Computed in f64 for its precision, wanted in f32.
    let value = (1.0 - series * t * (-z * z).exp()) as f32;
    value.copysign(x)
}

/// Header of one tensor in a safetensors file.
#[derive(Deserialize)]
struct TensorHeader {
    dtype: String,
    data_offsets: (usize, usize),
}

/// The tensors of a safetensors file, as f32.
fn safetensors(bytes: &[u8]) -> Result<BTreeMap<String, Vec<f32>>, String> {
    let short = || "is shorter than its header says".to_owned();
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
    let header = rest.get(..length).ok_or_else(short)?;
    let data = rest.get(length..).ok_or_else(short)?;
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|error| format!("its header is no JSON: {error}"))?;
    let mut tensors = BTreeMap::new();
    for (name, value) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let tensor: TensorHeader =
            serde_json::from_value(value).map_err(|error| format!("the header of `{name}`: {error}"))?;
        let raw = data.get(tensor.data_offsets.0..tensor.data_offsets.1).ok_or_else(short)?;
        let values = match tensor.dtype.as_str() {
            "F32" => raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            "F16" => raw.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
            "BF16" => {
                raw.as_chunks::<2>().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect()
            }
            other => return Err(format!("`{name}` is of type {other}; F32, F16 and BF16 are read")),
        };
        tensors.insert(name, values);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Dense module of two inputs and one output: weights 0.5 and -1, bias 0.25.
    fn module(config: &str, header: &str, values: &[f32]) -> (tempfile::TempDir, ModelFiles) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("2_Dense")).unwrap();
        std::fs::write(root.join("2_Dense/config.json"), config).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        for value in values {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        std::fs::write(root.join("2_Dense/model.safetensors"), bytes).unwrap();
        (folder, ModelFiles::Folder(root))
    }

    const HEADER: &str = r#"{"__metadata__": {"format": "pt"},
        "linear.bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "linear.weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [4, 12]}}"#;

    #[test]
    fn by_hand() {
        let config = r#"{"in_features": 2, "out_features": 1, "bias": true,
            "activation_function": "torch.nn.modules.activation.Tanh"}"#;
        let (_folder, files) = module(config, HEADER, &[0.25, 0.5, -1.0]);
        let dense = Dense::open("m", &files, "2_Dense").unwrap();
        assert_eq!(dense.shape(), (2, 1));
        let found = dense.apply(&[2.0, 0.5])[0];
        assert!((found - 0.75_f32.tanh()).abs() < 1e-6, "{found}");
    }

    #[test]
    fn sizes_that_do_not_agree_are_damage() {
        let config = r#"{"in_features": 3, "out_features": 1, "activation_function": "x.Identity"}"#;
        let (_folder, files) = module(config, HEADER, &[0.25, 0.5, -1.0]);
        let error = Dense::open("m", &files, "2_Dense").unwrap_err();
        assert!(
            matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains("says 3")),
            "{error}"
        );
        let (_folder, files) = module(config, HEADER, &[0.25]);
        let error = Dense::open("m", &files, "2_Dense").unwrap_err();
        assert!(
            matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains("shorter")),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_activation_is_refused_by_name() {
        let config = r#"{"in_features": 2, "out_features": 1, "activation_function": "my.Swish"}"#;
        let (_folder, files) = module(config, HEADER, &[0.25, 0.5, -1.0]);
        let error = Dense::open("m", &files, "2_Dense").unwrap_err();
        assert!(
            matches!(&error, BackendError::NotImplemented { feature } if feature.contains("Swish")),
            "{error}"
        );
    }

    #[test]
    fn erf_at_known_points() {
        for (x, expected) in [(0.0, 0.0), (0.5, 0.520_499_9), (-1.0, -0.842_700_8), (2.0, 0.995_322_3)] {
            assert!((erf(x) - expected).abs() < 1e-6, "{x}");
        }
    }
}
