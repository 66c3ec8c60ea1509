//! What a decoder's graph takes and gives: read once, from the graph's own names and shapes.
//!
//! Two families are known. Graphs of onnxruntime-genai's builder attend with `GroupQueryAttention`, which takes the length
//! of each row from the attention mask and writes new keys and values into the buffer that holds the old ones. Graphs of
//! optimum and transformers.js attend over what they are given and return the past with the new tokens appended.

use std::{collections::BTreeMap, ffi::CString};

use ort::value::TensorElementType;

use crate::{
    error::{BackendError, Result},
    session::{Session, TensorInfo},
};

/// An input of integers.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) name: CString,
    /// Whether it takes 64-bit integers; else 32-bit ones.
    pub(super) wide: bool,
}

/// The keys or values of one layer: the input that takes the past and the output that gives the present.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) past: CString,
    pub(super) present: CString,
    /// Heads, which layers may have in different numbers.
    pub(super) heads: usize,
    /// Values of one head.
    pub(super) size: usize,
}

/// Number format of the cache or the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F16,
}

impl Element {
    /// Bytes of one value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// Inputs and outputs of a decoder.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) ids: Feed,
    pub(super) mask: Option<Feed>,
    pub(super) positions: Option<Feed>,
    /// `use_cache_branch` of merged graphs.
    pub(super) branch: Option<CString>,
    /// Keys and values of all layers.
    pub(super) states: Vec<State>,
    /// Number format of the cache.
    pub(super) cache: Element,
    pub(super) logits: CString,
    /// Number format of the logits.
    pub(super) scores: Element,
    /// Entries of one row of logits.
    pub(super) vocabulary: usize,
    /// Whether the graph gives the logits of the last token only.
    pub(super) last_only: bool,
}

/// Sizes that the graph may leave open and the model's files tell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    /// Heads of keys and values.
    pub(crate) kv_heads: Option<usize>,
    /// Values of one head.
    pub(crate) head_dim: Option<usize>,
    /// Entries of the token table.
    pub(crate) vocabulary: Option<usize>,
}

impl Layout {
    /// Reads the layout of an opened graph.
    ///
    /// # Errors
    /// [`BackendError::NotImplemented`] for inputs that neither family has, [`BackendError::ModelCorrupted`] where keys,
    /// values or logits are missing or of a size that nothing tells.
    pub(super) fn read(model: &str, session: &Session, sizes: Sizes) -> Result<Self> {
        let (mut ids, mut mask, mut positions, mut branch) = (None, None, None, None);
        // By layer and kind, so that their order is that of the layers.
        let mut pasts: BTreeMap<(usize, Kind), &TensorInfo> = BTreeMap::new();
        for info in session.inputs() {
            match info.name.as_str() {
                "input_ids" => ids = Some(feed(model, info)?),
                "attention_mask" => mask = Some(feed(model, info)?),
                "position_ids" => positions = Some(feed(model, info)?),
                "use_cache_branch" => branch = Some(name(model, &info.name)?),
                other => match state(other).filter(|_| other.starts_with("past")) {
                    Some(place) => {
                        pasts.insert(place, info);
                    }
                    None => {
                        return Err(BackendError::NotImplemented {
                            feature: format!(
                                "model `{model}`: its graph's input `{other}`; a decoder with input_ids, \
                                 attention_mask, position_ids and past_key_values.N.key and .value"
                            ),
                        });
                    }
                },
            }
        }
        let missing = |what: &str| BackendError::corrupted(model, format!("its graph has no {what}"));
        let ids = ids.ok_or_else(|| missing("input `input_ids`"))?;
        if pasts.is_empty() {
            return Err(BackendError::NotImplemented {
                feature: format!(
                    "model `{model}`: a graph without past keys and values; one that was exported with a cache"
                ),
            });
        }
        let presents: BTreeMap<(usize, Kind), &TensorInfo> = session
            .outputs()
            .iter()
            .filter(|info| info.name.starts_with("present"))
            .filter_map(|info| Some((state(&info.name)?, info)))
            .collect();
        let mut cache = None;
        let mut states = Vec::with_capacity(pasts.len());
        for (place, past) in pasts {
            let present = presents
                .get(&place)
                .ok_or_else(|| missing(&format!("output for the present of `{}`", past.name)))?;
            let element = element(model, past)?;
            if *cache.get_or_insert(element) != element {
                return Err(BackendError::NotImplemented {
                    feature: format!("model `{model}`: keys and values of two number formats; one of them"),
                });
            }
            let [_, heads, _, size] = past.shape[..] else {
                return Err(BackendError::NotImplemented {
                    feature: format!(
                        "model `{model}`: `{}` of {} dimensions; one of rows, heads, tokens and values",
                        past.name,
                        past.shape.len()
                    ),
                });
            };
            let known = |stated: Option<u64>, told: Option<usize>, what: &str| {
                let stated = stated.and_then(|size| usize::try_from(size).ok()).or(told);
                stated.filter(|size| *size > 0).ok_or_else(|| {
                    BackendError::corrupted(
                        model,
                        format!("neither its graph nor its config.json tells the {what} of `{}`", past.name),
                    )
                })
            };
            states.push(State {
                heads: known(heads, sizes.kv_heads, "number of heads")?,
                size: known(size, sizes.head_dim, "size of the heads")?,
                past: name(model, &past.name)?,
                present: name(model, &present.name)?,
            });
        }
        let logits = session
            .outputs()
            .iter()
            .find(|info| info.name == "logits")
            .ok_or_else(|| missing("output `logits`"))?;
        let vocabulary = logits
            .shape
            .last()
            .copied()
            .flatten()
            .and_then(|size| usize::try_from(size).ok())
            .or(sizes.vocabulary)
            .filter(|size| *size > 0)
            .ok_or_else(|| missing("stated size of its vocabulary"))?;
        Ok(Self {
            ids,
            mask,
            positions,
            branch,
            states,
            cache: cache.unwrap_or(Element::F32),
            logits: name(model, &logits.name)?,
            scores: element(model, logits)?,
            last_only: logits.shape.len() == 3 && logits.shape[1] == Some(1),
            vocabulary,
        })
    }

    /// Bytes of keys and values that one token has in all layers.
    pub(super) fn token_bytes(&self) -> u64 {
        self.states.iter().map(|state| (state.heads * state.size * self.cache.bytes()) as u64).sum()
    }
}

/// Keys or values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Key,
    Value,
}

/// Layer and kind of a name such as `past_key_values.3.value` or `present.3.decoder.value`.
fn state(name: &str) -> Option<(usize, Kind)> {
    let layer = name.split(['.', '_']).find_map(|part| part.parse().ok())?;
    match name.rsplit(['.', '_']).next()? {
        "key" => Some((layer, Kind::Key)),
        "value" => Some((layer, Kind::Value)),
        _ => None,
    }
}

/// Whether an input of this name takes the past keys or values of a layer.
pub(crate) fn is_state(name: &str) -> bool {
    name.starts_with("past") && state(name).is_some()
}

fn name(model: &str, name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| BackendError::corrupted(model, "its graph has a name with a NUL byte"))
}

fn feed(model: &str, info: &TensorInfo) -> Result<Feed> {
    let wide = match info.element_type {
        TensorElementType::Int64 => true,
        TensorElementType::Int32 => false,
        other => return Err(unknown_type(model, info, other, "int64 or int32")),
    };
    if info.shape.len() == 2 {
        return Ok(Feed { name: name(model, &info.name)?, wide });
    }
    Err(BackendError::NotImplemented {
        feature: format!(
            "model `{model}`: its graph's input `{}` of {} dimensions; one of rows and tokens",
            info.name,
            info.shape.len()
        ),
    })
}

fn element(model: &str, info: &TensorInfo) -> Result<Element> {
    match info.element_type {
        TensorElementType::Float32 => Ok(Element::F32),
        TensorElementType::Float16 => Ok(Element::F16),
        other => Err(unknown_type(model, info, other, "float32 or float16")),
    }
}

fn unknown_type(model: &str, info: &TensorInfo, found: TensorElementType, known: &str) -> BackendError {
    BackendError::NotImplemented {
        feature: format!("model `{model}`: `{}` of type {found} in its graph; {known}", info.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_families() {
        assert_eq!(state("past_key_values.3.value"), Some((3, Kind::Value)));
        assert_eq!(state("present.11.key"), Some((11, Kind::Key)));
        assert_eq!(state("past_key_0"), None);
        assert_eq!(state("encoder_hidden_states"), None);
    }
}
