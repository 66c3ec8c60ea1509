//! Which files of a repository are pulled: those that this runtime reads, and the ONNX files of one variant.

use super::repository::{RemoteFile, Repository};
use crate::{
    device::Device,
    error::{BackendError, Result},
    models::{ModelFile, ModelKind, Precision, precision, variants},
};

/// Files that are read beside the ONNX files, and those that tell people what they may do with the model.
const BESIDE: &[&str] = &[
    "config.json",
    "generation_config.json",
    "genai_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "README.md",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "NOTICE",
];
/// What a Dense module of sentence-transformers holds beside its `config.json`.
const WEIGHTS: &str = "model.safetensors";
/// Marks a folder that onnxruntime-genai's builder made: one of several variants of the same model.
const GENAI: &str = "/genai_config.json";

/// A file, and its path in the model's folder here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) file: RemoteFile,
    pub(crate) place: String,
}

/// A variant that a repository offers.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) name: String,
    precision: Precision,
    /// Bytes of its ONNX files.
    pub(crate) size: u64,
    pub(crate) files: Vec<Wanted>,
    /// The folder of the repository that holds the whole variant, where one does.
    pub(crate) folder: Option<String>,
}

/// The variants of a repository, the default one first.
///
/// # Errors
/// [`BackendError::InvalidInput`] where it has none.
pub(crate) fn offers(id: &str, repository: &Repository) -> Result<Vec<Offer>> {
    let list: Vec<ModelFile> = repository
        .files
        .iter()
        .map(|file| ModelFile { path: file.path.clone(), size: file.size, modified: None })
        .collect();
    let mut offers: Vec<Offer> = variants(&list)
        .into_iter()
        .map(|variant| Offer {
            files: graph(&repository.files, &variant.file, ""),
            name: variant.name,
            precision: variant.precision,
            size: 0,
            folder: None,
        })
        .collect();
    if offers.is_empty() {
        offers = folders(repository);
    }
    for offer in &mut offers {
        offer.size = offer.files.iter().map(|wanted| wanted.file.size).sum();
    }
    if offers.is_empty() {
        return Err(BackendError::invalid(
            "model",
            format!(
                "`{id}` has no ONNX file in its folder or in onnx/, so this runtime cannot serve it; look for one whose name ends \
                 with -ONNX, or export it with optimum"
            ),
        ));
    }
    Ok(offers)
}

/// An ONNX file and its weights beside it, at the same paths without `folder`.
fn graph(files: &[RemoteFile], path: &str, folder: &str) -> Vec<Wanted> {
    let belongs = |file: &&RemoteFile| match file.path.strip_prefix(path) {
        Some("") => true,
        // Weights that are too large for one file are cut: `model.onnx_data_1`.
        Some(rest) => rest.starts_with(".data") || rest.starts_with("_data"),
        None => false,
    };
    files.iter().filter(belongs).map(|file| wanted(file, folder)).collect()
}

fn wanted(file: &RemoteFile, folder: &str) -> Wanted {
    let place = file.path.strip_prefix(folder).unwrap_or(&file.path).trim_start_matches('/').to_owned();
    Wanted { file: file.clone(), place }
}

/// Variants that are folders, as the repositories of onnxruntime-genai have them.
fn folders(repository: &Repository) -> Vec<Offer> {
    let folders = repository.files.iter().filter_map(|file| file.path.strip_suffix(GENAI));
    folders
        .filter_map(|folder| {
            let onnx = repository.files.iter().filter(|file| {
                file.path
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/') && rest[1..].ends_with(".onnx"))
            });
            let files: Vec<Wanted> =
                onnx.flat_map(|file| graph(&repository.files, &file.path, folder)).collect();
            let precision = precision(&folder.to_ascii_lowercase());
            let offer =
                Offer { name: folder.to_owned(), precision, size: 0, files, folder: Some(folder.to_owned()) };
            (!offer.files.is_empty()).then_some(offer)
        })
        .collect()
}

/// The files beside the ONNX files, of the repository or of the folder of one variant.
pub(crate) fn beside(repository: &Repository, folder: Option<&str>) -> Vec<Wanted> {
    let folder = folder.unwrap_or_default();
    let all = repository.files.iter().filter(|file| {
        folder.is_empty() || file.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    });
    all.map(|file| wanted(file, folder)).filter(|wanted| is_beside(&wanted.place)).collect()
}

fn is_beside(place: &str) -> bool {
    match place.split_once('/') {
        None => BESIDE.contains(&place),
        // A module of sentence-transformers: `1_Pooling`.
        Some((module, name)) => {
            let numbered = module.split_once('_').is_some_and(|(number, _)| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
            numbered && (BESIDE.contains(&name) || (name == WEIGHTS && module.contains("Dense")))
        }
    }
}

/// The variant of a name: the stem of its file, what follows `model_` in it, its path, or its folder.
///
/// # Errors
/// [`BackendError::InvalidInput`] of `variant`, with those that there are.
pub(crate) fn named<'a>(offers: &'a [Offer], name: &str) -> Result<&'a Offer> {
    let by_path = offers.iter().find(|offer| {
        offer
            .files
            .iter()
            .any(|wanted| wanted.file.path == name || wanted.file.path == format!("{name}.onnx"))
    });
    let by_name = || offers.iter().find(|offer| offer.name == name);
    let by_end = || offers.iter().find(|offer| offer.name.strip_prefix("model_") == Some(name));
    by_path.or_else(by_name).or_else(by_end).ok_or_else(|| {
        let list: Vec<String> =
            offers.iter().map(|offer| format!("`{}` ({})", offer.name, megabytes(offer.size))).collect();
        BackendError::invalid("variant", format!("there is no `{name}`; there are {}", list.join(", ")))
    })
}

/// The variant that suits a model of a kind on a device, and why. The list is not empty; `auto` counts as the CPU, since which
/// device it will find is known only once ONNX Runtime is loaded.
pub(crate) fn choose<'a>(
    offers: &'a [Offer],
    kind: ModelKind,
    device: Device,
    features: &[String],
) -> Option<(&'a Offer, String)> {
    let has = |name: &str| features.iter().any(|feature| feature == name);
    let dots = ["avx512_vnni", "avx_vnni", "amx_int8", "asimddp"].into_iter().find(|name| has(name));
    let gpu = matches!(
        device,
        Device::Cuda(_)
            | Device::TensorRt(_)
            | Device::MiGraphX(_)
            | Device::Rocm(_)
            | Device::DirectMl(_)
            | Device::WebGpu
    );
    let decoder = kind == ModelKind::Chat;
    let rank = |offer: &Offer| {
        let name = offer.name.to_ascii_lowercase();
        let half = name.contains("f16") || name.ends_with("_o4") || name.contains("float16");
        let class = match (gpu, decoder, offer.precision) {
            (true, _, Precision::Fp16) => 0,
            (true, _, Precision::Fp32) => 1,
            (true, _, _) => 2,
            (false, _, Precision::Fp16) => 4,
            (false, true, _) if half => 5,
            (false, true, Precision::Int4) => 0,
            (false, true, Precision::Int8 | Precision::Quantized) => {
                if dots.is_some() {
                    1
                } else {
                    3
                }
            }
            (false, true, Precision::Fp32) => 2,
            (false, false, _) if half => 5,
            (false, false, Precision::Fp32) => 0,
            (false, false, Precision::Int8 | Precision::Quantized) => 6,
            (false, false, Precision::Int4) => 7,
        };
        (foreign(&name, gpu, &has), class, name.contains("bnb4") || name.contains("nf4"))
    };
    // The first of equals: the default variant of the repository.
    let chosen = offers.iter().min_by_key(|offer| rank(offer))?;
    let why = match (gpu, decoder, chosen.precision) {
        _ if offers.len() == 1 => "the only one that there is".to_owned(),
        (true, _, Precision::Fp16) => format!("16-bit floats, which {device} computes with"),
        (false, true, Precision::Int4) => "4-bit weights: a CPU reads all of them for each token".to_owned(),
        (false, true, Precision::Int8 | Precision::Quantized) if dots.is_some() => {
            format!("8-bit weights, and this CPU multiplies them with {}", dots.unwrap_or_default())
        }
        (false, false, Precision::Fp32) => "32-bit floats: vectors as their author published them".to_owned(),
        (_, _, Precision::Fp32) => "32-bit floats, which suit this machine better than the others".to_owned(),
        _ => "what suits this machine best of those that there are".to_owned(),
    };
    Some((chosen, why))
}

/// Whether a variant is made for another machine, by the words in its name.
fn foreign(name: &str, gpu: bool, has: &dyn Fn(&str) -> bool) -> bool {
    let arm = cfg!(target_arch = "aarch64");
    let needs = |word: &str, there: bool| name.contains(word) && !there;
    needs("vnni", has("avx512_vnni") || has("avx_vnni"))
        || needs("avx512", has("avx512f"))
        || needs("avx2", has("avx2"))
        || needs("arm64", arm)
        || needs("cuda", gpu)
        || needs("directml", gpu)
        || (name.contains("gpu") && !name.contains("cpu") && !gpu)
        || (name.starts_with("cpu") && gpu)
}

/// Bytes for people.
pub(crate) fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(paths: &[&str]) -> Repository {
        let file = |path: &&str| RemoteFile { path: (*path).to_owned(), size: 10, checksum: None };
        Repository { commit: String::new(), files: paths.iter().map(file).collect() }
    }

    fn chosen(paths: &[&str], kind: ModelKind, device: Device, features: &[&str]) -> String {
        let offers = offers("o/n", &repository(paths)).unwrap();
        let features: Vec<String> = features.iter().map(|name| (*name).to_owned()).collect();
        choose(&offers, kind, device, &features).unwrap().0.name.clone()
    }

    const DECODER: &[&str] = &[
        "onnx/model.onnx",
        "onnx/model.onnx_data",
        "onnx/model_bnb4.onnx",
        "onnx/model_fp16.onnx",
        "onnx/model_int8.onnx",
        "onnx/model_q4.onnx",
        "onnx/model_q4f16.onnx",
        "onnx/model_quantized.onnx",
    ];

    #[test]
    fn decoders_get_few_bytes_and_encoders_the_reference() {
        let cpu = Device::Cpu;
        assert_eq!(chosen(DECODER, ModelKind::Chat, cpu, &["avx2", "avx512_vnni"]), "model_q4");
        let without_q4: Vec<&str> = DECODER.iter().copied().filter(|path| !path.contains("4")).collect();
        assert_eq!(chosen(&without_q4, ModelKind::Chat, cpu, &["avx2", "avx_vnni"]), "model_int8");
        assert_eq!(chosen(&without_q4, ModelKind::Chat, cpu, &["avx2"]), "model");
        assert_eq!(chosen(DECODER, ModelKind::Embedding, cpu, &["avx2"]), "model");
        assert_eq!(chosen(DECODER, ModelKind::Embedding, Device::Cuda(0), &["avx2"]), "model_fp16");
        let quantised = &[
            "onnx/model_qint8_avx512_vnni.onnx",
            "onnx/model_quint8_avx2.onnx",
            "onnx/model_qint8_arm64.onnx",
        ];
        assert_eq!(chosen(quantised, ModelKind::Embedding, cpu, &["avx2"]), "model_quint8_avx2");
    }

    #[test]
    fn a_variant_has_its_weights_and_a_wrong_name_the_list() {
        let offers = offers("o/n", &repository(DECODER)).unwrap();
        let plain = named(&offers, "model").unwrap();
        assert_eq!(plain.files.iter().map(|wanted| wanted.place.as_str()).collect::<Vec<_>>(), DECODER[..2]);
        for name in ["q4", "model_q4", "onnx/model_q4", "onnx/model_q4.onnx"] {
            assert_eq!(named(&offers, name).unwrap().name, "model_q4");
        }
        let error = named(&offers, "q5").unwrap_err().to_string();
        assert!(error.contains("`model_q4f16` (0.0 kB)") && error.contains("`model_int8`"), "{error}");
    }

    #[test]
    fn folders_of_genai_become_models_of_their_own() {
        let repository = repository(&[
            "README.md",
            "config.json",
            "cpu_and_mobile/cpu-int4-rtn/genai_config.json",
            "cpu_and_mobile/cpu-int4-rtn/phi3.onnx",
            "cpu_and_mobile/cpu-int4-rtn/phi3.onnx.data",
            "cpu_and_mobile/cpu-int4-rtn/tokenizer.json",
            "cuda/cuda-int4-rtn/genai_config.json",
            "cuda/cuda-int4-rtn/phi3.onnx",
        ]);
        let offers = offers("o/n", &repository).unwrap();
        let (offer, _) = choose(&offers, ModelKind::Chat, Device::Auto, &[]).unwrap();
        assert_eq!(offer.name, "cpu_and_mobile/cpu-int4-rtn");
        let places: Vec<_> = offer.files.iter().map(|wanted| wanted.place.as_str()).collect();
        assert_eq!(places, ["phi3.onnx", "phi3.onnx.data"]);
        let places: Vec<_> =
            beside(&repository, offer.folder.as_deref()).into_iter().map(|wanted| wanted.place).collect();
        assert_eq!(places, ["genai_config.json", "tokenizer.json"]);
    }

    #[test]
    fn what_is_not_read_is_left_where_it_is() {
        let all = [
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "0_Transformer/model.safetensors",
            "config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "openvino/config.json",
            "train.py",
            "a_b/config.json",
        ];
        let places: Vec<_> = beside(&repository(&all), None).into_iter().map(|wanted| wanted.place).collect();
        assert_eq!(
            places,
            ["1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "config.json"]
        );
        assert!(offers("o/n", &repository(&all)).unwrap_err().to_string().contains("no ONNX file"));
    }
}
