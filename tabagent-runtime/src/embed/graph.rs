//! The graph of an encoder: tokens in, one row of values a text out.
//!
//! Which inputs it is given and which output is read is decided once, from the graph's own names, when it is opened. The
//! buffers of the inputs are kept from run to run, and the output is pooled where ONNX Runtime left it.

use half::{bf16, f16};
use ort::{
    session::{RunOptions, SessionInputValue, SessionOutputs},
    value::{DynValue, TensorElementType, TensorRef},
};

use super::{
    dense::Dense,
    pool::{normalize, pool},
};
use crate::{
    error::{BackendError, Result},
    library::ort_failure,
    models::{Description, ModelFiles, ModelKind, Pooling, Step},
    session::{Session, TensorInfo},
    tokenizer::Tokens,
};

/// What an input is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Ids,
    Mask,
    Types,
    Positions,
}

/// One input of the graph and the buffer that fills it.
#[derive(Debug)]
struct Input {
    name: String,
    role: Role,
    buffer: Buffer,
}

#[derive(Debug)]
enum Buffer {
    Wide(Vec<i64>),
    Narrow(Vec<i32>),
}

/// What the output that is read holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Output {
    /// A vector a token, to be pooled: `[rows, length, dimensions]`.
    Tokens(Pooling),
    /// A vector a text: `[rows, dimensions]`.
    Sentence,
    /// A score a text: `[rows, 1]` or `[rows]`.
    Score,
}

/// A step after pooling.
#[derive(Debug)]
enum After {
    Dense(Dense),
    Normalize,
}

/// An encoder, ready to run.
#[derive(Debug)]
pub(crate) struct Graph {
    model: String,
    session: Session,
    inputs: Vec<Input>,
    output: Output,
    output_name: String,
    after: Vec<After>,
    /// 16-bit outputs, widened.
    widened: Vec<f32>,
    /// Where one row is pooled.
    pooled: Vec<f32>,
    dimensions: usize,
}

impl Graph {
    /// Makes an encoder of an opened session, and runs it once with `probe`, so that a graph that cannot run is known
    /// now and the length of its vectors as well.
    ///
    /// # Errors
    /// [`BackendError::NotImplemented`] for inputs that an encoder does not have, [`BackendError::ModelCorrupted`] where
    /// the graph has no output of the kind that the model's files promise, and what the run fails with.
    pub(crate) fn open(
        model: &str,
        session: Session,
        files: &ModelFiles,
        description: &Description,
        probe: &Tokens,
    ) -> Result<Self> {
        let inputs = session.inputs().iter().map(|info| input(model, info)).collect::<Result<Vec<_>>>()?;
        if !inputs.iter().any(|input| input.role == Role::Ids) {
            return Err(BackendError::corrupted(model, "its graph has no input `input_ids`"));
        }
        let (output, output_name) = output(model, session.outputs(), description)?;
        let mut after = Vec::new();
        for step in &description.steps {
            match step {
                // A graph that gives the text's own vector has its Dense modules inside.
                Step::Dense(folder) if matches!(output, Output::Tokens(_)) => {
                    after.push(After::Dense(Dense::open(model, files, folder)?));
                }
                Step::Normalize => after.push(After::Normalize),
                Step::Dense(_) | Step::Pool(_) => {}
            }
        }
        let (widened, pooled) = (Vec::new(), Vec::new());
        let mut graph = Self {
            model: model.to_owned(),
            session,
            inputs,
            output,
            output_name,
            after,
            widened,
            pooled,
            dimensions: 0,
        };
        let options = RunOptions::new().map_err(|error| ort_failure("CPU", &error))?;
        graph.dimensions = graph.run(&[probe], &options)?.first().map_or(0, Vec::len);
        if graph.dimensions == 0 {
            return Err(BackendError::corrupted(model, "its graph gives vectors of no length"));
        }
        if graph.output == Output::Score && graph.dimensions != 1 {
            return Err(BackendError::corrupted(
                model,
                format!("its graph gives {} scores a pair; a cross-encoder gives one", graph.dimensions),
            ));
        }
        Ok(graph)
    }

    /// Length of the vectors that it gives.
    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// What it runs on.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Runs texts together, padded to the longest of them.
    ///
    /// # Errors
    /// [`BackendError::CudaError`] where ONNX Runtime fails, [`BackendError::ModelCorrupted`] where the output has
    /// another shape than the graph promised.
    pub(crate) fn run(&mut self, texts: &[&Tokens], options: &RunOptions) -> Result<Vec<Vec<f32>>> {
        let provider = self.session.device().to_string();
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        for input in &mut self.inputs {
            input.fill(texts, longest);
        }
        let shape = [texts.len(), longest];
        let mut values: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let value: SessionInputValue<'_> = match &input.buffer {
                Buffer::Wide(data) => TensorRef::from_array_view((shape, data.as_slice())).map(Into::into),
                Buffer::Narrow(data) => TensorRef::from_array_view((shape, data.as_slice())).map(Into::into),
            }
            .map_err(|error| ort_failure(&provider, &error))?;
            values.push((input.name.as_str(), value));
        }
        let outputs: SessionOutputs<'_> = self
            .session
            .inner_mut()
            .run_with_options(values, options)
            .map_err(|error| ort_failure(&provider, &error))?;
        let value = outputs.get(&self.output_name).ok_or_else(|| {
            BackendError::corrupted(&self.model, format!("its graph gave no output `{}`", self.output_name))
        })?;
        let shape: Vec<usize> =
            value.shape().iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
        let data = floats(value, &mut self.widened).map_err(|error| ort_failure(&provider, &error))?;
        let dimensions = match (&self.output, shape.as_slice()) {
            (Output::Tokens(_), [rows, length, dimensions]) if *rows == texts.len() && *length == longest => {
                *dimensions
            }
            (Output::Sentence | Output::Score, [rows, dimensions]) if *rows == texts.len() => *dimensions,
            (Output::Score, [rows]) if *rows == texts.len() => 1,
            _ => {
                return Err(BackendError::corrupted(
                    &self.model,
                    format!(
                        "its output `{}` has the shape {shape:?} for {} texts of {longest} tokens",
                        self.output_name,
                        texts.len()
                    ),
                ));
            }
        };
        if dimensions == 0 {
            return Err(BackendError::corrupted(&self.model, "its graph gives vectors of no length"));
        }
        let mut rows = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let mut vector = match &self.output {
                Output::Tokens(pooling) => {
                    let start = index * longest * dimensions;
                    let row = &data[start..start + text.ids.len() * dimensions];
                    let skip = if pooling.include_prompt { 0 } else { text.skip };
                    let mut vector = Vec::with_capacity(dimensions * pooling.modes.len());
                    self.pooled.resize(dimensions, 0.0);
                    for mode in &pooling.modes {
                        pool(*mode, row, dimensions, skip, &mut self.pooled);
                        vector.extend_from_slice(&self.pooled);
                    }
                    vector
                }
                Output::Sentence | Output::Score => {
                    data[index * dimensions..(index + 1) * dimensions].to_vec()
                }
            };
            for step in &self.after {
                match step {
                    After::Normalize => normalize(&mut vector),
                    After::Dense(dense) => {
                        let (inputs, _) = dense.shape();
                        if vector.len() != inputs {
                            return Err(BackendError::corrupted(
                                &self.model,
                                format!(
                                    "its Dense module takes {inputs} values and pooling gives {}",
                                    vector.len()
                                ),
                            ));
                        }
                        vector = dense.apply(&vector);
                    }
                }
            }
            rows.push(vector);
        }
        Ok(rows)
    }
}

impl Input {
    /// Lays out the texts, row after row, padded on the right with zeros: the mask leaves the padding out.
    fn fill(&mut self, texts: &[&Tokens], longest: usize) {
        let role = self.role;
        match &mut self.buffer {
            Buffer::Wide(buffer) => lay_out(role, buffer, texts, longest, i64::from, |at| at as i64),
            Buffer::Narrow(buffer) => {
                // Ids were checked against the vocabulary and positions against the length: both are far below 2³¹.
                lay_out(role, buffer, texts, longest, u32::cast_signed, |at| {
                    i32::try_from(at).unwrap_or(i32::MAX)
                });
            }
        }
    }
}

fn lay_out<T: Copy + Default>(
    role: Role,
    buffer: &mut Vec<T>,
    texts: &[&Tokens],
    longest: usize,
    convert: impl Fn(u32) -> T,
    position: impl Fn(usize) -> T,
) {
    buffer.clear();
    buffer.reserve(texts.len() * longest);
    for text in texts {
        let end = buffer.len() + longest;
        match role {
            Role::Ids => buffer.extend(text.ids.iter().map(|id| convert(*id))),
            Role::Mask => buffer.extend(text.ids.iter().map(|_| convert(1))),
            Role::Types => buffer.extend(text.types.iter().map(|kind| convert(*kind))),
            Role::Positions => buffer.extend((0..longest).map(&position)),
        }
        buffer.resize(end, T::default());
    }
}

/// The output as f32, in place where it is f32 already.
fn floats<'a>(value: &'a DynValue, widened: &'a mut Vec<f32>) -> ort::Result<&'a [f32]> {
    match value.dtype().tensor_type() {
        Some(TensorElementType::Float16) => {
            let (_, data) = value.try_extract_tensor::<f16>()?;
            widened.clear();
            widened.extend(data.iter().map(|value| value.to_f32()));
            Ok(widened)
        }
        Some(TensorElementType::Bfloat16) => {
            let (_, data) = value.try_extract_tensor::<bf16>()?;
            widened.clear();
            widened.extend(data.iter().map(|value| value.to_f32()));
            Ok(widened)
        }
        _ => value.try_extract_tensor::<f32>().map(|(_, data)| data),
    }
}

/// What an input of the graph is for, by its name.
fn input(model: &str, info: &TensorInfo) -> Result<Input> {
    let role = match info.name.as_str() {
        "input_ids" | "input" | "ids" => Role::Ids,
        "attention_mask" | "input_mask" | "mask" => Role::Mask,
        "token_type_ids" | "segment_ids" => Role::Types,
        "position_ids" => Role::Positions,
        other => {
            return Err(BackendError::NotImplemented {
                feature: format!(
                    "model `{model}`: its graph's input `{other}`; an encoder with input_ids, attention_mask, \
                     token_type_ids and position_ids"
                ),
            });
        }
    };
    let buffer = match info.element_type {
        TensorElementType::Int64 => Buffer::Wide(Vec::new()),
        TensorElementType::Int32 => Buffer::Narrow(Vec::new()),
        other => {
            return Err(BackendError::NotImplemented {
                feature: format!(
                    "model `{model}`: its graph's input `{}` of type {other}; int64 or int32",
                    info.name
                ),
            });
        }
    };
    if info.shape.len() == 2 {
        Ok(Input { name: info.name.clone(), role, buffer })
    } else {
        Err(BackendError::NotImplemented {
            feature: format!(
                "model `{model}`: its graph's input `{}` of {} dimensions; rows and tokens",
                info.name,
                info.shape.len()
            ),
        })
    }
}

/// Which output is read, and how.
fn output(model: &str, outputs: &[TensorInfo], description: &Description) -> Result<(Output, String)> {
    let float = |info: &&TensorInfo| {
        matches!(
            info.element_type,
            TensorElementType::Float32 | TensorElementType::Float16 | TensorElementType::Bfloat16
        )
    };
    let named = |names: &[&str], rank: &[usize]| {
        let fits =
            |info: &&TensorInfo| float(info) && (rank.contains(&info.shape.len()) || info.shape.is_empty());
        names.iter().find_map(|name| outputs.iter().filter(fits).find(|info| info.name == *name))
    };
    let ranked = |rank: usize| outputs.iter().filter(float).find(|info| info.shape.len() == rank);
    let found = |output: Output, info: &TensorInfo| (output, info.name.clone());
    let list = || outputs.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");

    if description.kind == ModelKind::Rerank {
        return named(&["logits", "scores", "score"], &[1, 2])
            .or_else(|| ranked(2))
            .or_else(|| ranked(1))
            .map(|info| found(Output::Score, info))
            .ok_or_else(|| {
                BackendError::corrupted(model, format!("its graph has no output of scores, only {}", list()))
            });
    }
    let pooling = description.steps.iter().find_map(|step| match step {
        Step::Pool(pooling) => Some(pooling),
        _ => None,
    });
    let sentence = named(&["sentence_embedding", "sentence_embeddings", "embeddings", "embedding"], &[2]);
    let tokens =
        named(&["last_hidden_state", "token_embeddings", "hidden_states"], &[3]).or_else(|| ranked(3));
    match (sentence, tokens, pooling) {
        // What the graph pooled has the prompt in it, which this model wants left out.
        (Some(_), Some(tokens), Some(pooling)) if !pooling.include_prompt => {
            Ok(found(Output::Tokens(pooling.clone()), tokens))
        }
        (Some(sentence), _, _) => Ok(found(Output::Sentence, sentence)),
        (None, Some(tokens), Some(pooling)) => Ok(found(Output::Tokens(pooling.clone()), tokens)),
        (None, Some(tokens), None) => Err(BackendError::corrupted(
            model,
            format!("its graph gives a vector a token (`{}`) and modules.json names no Pooling", tokens.name),
        )),
        (None, None, _) => ranked(2).map(|info| found(Output::Sentence, info)).ok_or_else(|| {
            BackendError::corrupted(model, format!("its graph has no output of vectors, only {}", list()))
        }),
    }
}
