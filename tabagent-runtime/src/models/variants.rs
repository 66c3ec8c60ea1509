//! Which ONNX file of a model runs: the variants that a repository holds and the choice between them.

use std::{fs::File, io::Read};

use memchr::memmem;
use serde::Serialize;

use super::files::{LFS_POINTER, ModelFile, ModelFiles};
use crate::error::{BackendError, Result};

/// Number format of an ONNX file's weights, as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats: the reference.
    Fp32,
    /// 16-bit floats: slower than 32-bit ones on most CPUs, half the memory on a GPU.
    Fp16,
    /// 8-bit integers.
    Int8,
    /// 4-bit integers or floats.
    Int4,
    /// Quantised in a way that the name does not tell.
    Quantized,
}

/// One ONNX file that can run the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// Name that a request or a setting gives: the file's stem, such as `model` or `model_quantized`.
    pub name: String,
    /// Path below the model's folder.
    pub file: String,
    /// Number format of the weights.
    pub precision: Precision,
    /// Bytes of the file and of its weights beside it (`.data`, `.onnx_data`).
    pub size: u64,
    /// Whether this one runs when the request names none.
    pub default: bool,
}

/// The variants among `files`, the default one first.
///
/// Looked at are `.onnx` files in the folder itself and in `onnx/`. 32-bit floats are the default wherever they exist:
/// what a quantised file loses is the operator's decision. Files for other parts (`decoder_model.onnx`) are left out.
pub fn variants(files: &[ModelFile]) -> Vec<Variant> {
    let mut found: Vec<Variant> = files
        .iter()
        .filter_map(|file| {
            let stem = file.path.strip_suffix(".onnx")?;
            let name = stem.strip_prefix("onnx/").unwrap_or(stem);
            // A merged decoder is whole; the others need each other.
            let part = name.contains("decoder") && !name.starts_with("decoder_model_merged");
            if name.contains('/') || part || name.contains("encoder_model") {
                return None;
            }
            let weights: u64 = files
                .iter()
                .filter(|other| {
                    other
                        .path
                        .strip_prefix(file.path.as_str())
                        .is_some_and(|rest| matches!(rest, ".data" | "_data"))
                })
                .map(|other| other.size)
                .sum();
            Some(Variant {
                name: name.to_owned(),
                file: file.path.clone(),
                precision: precision(name),
                size: file.size + weights,
                default: false,
            })
        })
        .collect();
    found.sort_by(|a, b| rank(a).cmp(&rank(b)));
    if let Some(first) = found.first_mut() {
        first.default = true;
    }
    found
}

/// Order of preference: the plain name first, then by precision, then the folder itself before `onnx/`, then by name.
fn rank(variant: &Variant) -> (bool, Precision, usize, &str) {
    (variant.name != "model", variant.precision, variant.file.matches('/').count(), &variant.file)
}

/// What the name of an ONNX file tells about its weights.
pub(crate) fn precision(name: &str) -> Precision {
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["q4", "int4", "bnb4", "nf4"]) {
        Precision::Int4
    } else if has(&["int8", "uint8", "qint8", "quint8", "q8"]) {
        Precision::Int8
    } else if has(&["quant"]) {
        Precision::Quantized
    } else if has(&["fp16", "f16", "float16"]) {
        Precision::Fp16
    } else {
        Precision::Fp32
    }
}

/// Whether a graph quantises its activations at run time, by the names of its operators.
///
/// Such a graph takes one scale for the whole batch, so that a vector depends on its neighbours.
///
/// # Errors
/// [`BackendError::ModelCorrupted`] where the file is empty, a Git LFS pointer or unreadable.
pub fn quantises_activations(model: &str, files: &ModelFiles, file: &str) -> Result<bool> {
    mentions(model, files, file, &[b"DynamicQuantize", b"MatMulInteger", b"ConvInteger"])
}

/// Whether a graph attends with `GroupQueryAttention`, by the name of the operator.
///
/// # Errors
/// As [`quantises_activations`].
pub fn attends_grouped(model: &str, files: &ModelFiles, file: &str) -> Result<bool> {
    mentions(model, files, file, &[b"GroupQueryAttention"])
}

/// Whether one of `names` stands anywhere in a file. Names are shorter than [`OVERLAP`].
fn mentions(model: &str, files: &ModelFiles, file: &str, names: &[&[u8]]) -> Result<bool> {
    let corrupted = |reason: String| BackendError::corrupted(model, format!("{file} {reason}"));
    if let ModelFiles::Embedded(_) = files {
        let bytes = files.read(model, file)?.ok_or_else(|| corrupted("is missing".to_owned()))?;
        return Ok(names.iter().any(|name| memmem::find(&bytes, name).is_some()));
    }
    let path = files.path(file).ok_or_else(|| corrupted("is missing".to_owned()))?;
    let mut reader = File::open(path).map_err(|error| corrupted(format!("cannot be read: {error}")))?;
    // Chunks overlap by the longest name, so that a name across two of them is found.
    let mut buffer = vec![0; CHUNK];
    let mut kept = 0;
    let mut first = true;
    loop {
        let read = reader
            .read(&mut buffer[kept..])
            .map_err(|error| corrupted(format!("cannot be read: {error}")))?;
        let filled = &buffer[..kept + read];
        if first && filled.is_empty() {
            return Err(corrupted("is empty".to_owned()));
        }
        if first && filled.starts_with(LFS_POINTER) {
            return Err(corrupted("is a Git LFS pointer, not the file itself; restore the file".to_owned()));
        }
        first = false;
        if names.iter().any(|name| memmem::find(filled, name).is_some()) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        let end = kept + read;
        kept = end.min(OVERLAP);
        buffer.copy_within(end - kept..end, 0);
    }
}

/// Bytes looked at in one read.
const CHUNK: usize = 1 << 20;
/// Bytes kept between two reads: longer than any name that is looked for.
const OVERLAP: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<ModelFile> {
        paths.iter().map(|path| ModelFile { path: (*path).to_owned(), size: 10, modified: None }).collect()
    }

    #[test]
    fn full_precision_is_the_default_where_it_exists() {
        let found = variants(&files(&[
            "onnx/model_quantized.onnx",
            "onnx/model_fp16.onnx",
            "onnx/model.onnx",
            "onnx/model.onnx_data",
            "onnx/model_qint8_avx512_vnni.onnx",
            "onnx/decoder_model.onnx",
            "config.json",
        ]));
        let names: Vec<_> = found.iter().map(|v| (v.name.as_str(), v.precision, v.default, v.size)).collect();
        assert_eq!(
            names,
            [
                ("model", Precision::Fp32, true, 20),
                ("model_fp16", Precision::Fp16, false, 10),
                ("model_qint8_avx512_vnni", Precision::Int8, false, 10),
                ("model_quantized", Precision::Quantized, false, 10),
            ]
        );
    }

    #[test]
    fn a_quantised_file_runs_where_it_is_the_only_one() {
        let found = variants(&files(&["onnx/model_quantized.onnx"]));
        assert!(found[0].default);
        assert_eq!(found[0].file, "onnx/model_quantized.onnx");
    }

    #[test]
    fn the_folder_itself_comes_before_onnx() {
        assert_eq!(variants(&files(&["onnx/model.onnx", "model.onnx"]))[0].file, "model.onnx");
    }

    #[test]
    fn dynamic_quantisation_is_seen_across_chunks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let files = ModelFiles::Folder(root.clone());
        let mut bytes = vec![b'x'; CHUNK - 5];
        bytes.extend_from_slice(b"DynamicQuantizeLinear");
        std::fs::write(root.join("model.onnx"), &bytes).unwrap();
        assert!(quantises_activations("m", &files, "model.onnx").unwrap());
        std::fs::write(root.join("model.onnx"), vec![b'x'; 3 * CHUNK]).unwrap();
        assert!(!quantises_activations("m", &files, "model.onnx").unwrap());
    }

    #[test]
    fn what_is_not_a_graph_is_said_to_be_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let files = ModelFiles::Folder(root.clone());
        for (bytes, said) in
            [(&b""[..], "is empty"), (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer")]
        {
            std::fs::write(root.join("model.onnx"), bytes).unwrap();
            let error = quantises_activations("m", &files, "model.onnx").unwrap_err();
            assert!(
                matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains(said)),
                "{error}"
            );
        }
    }
}
