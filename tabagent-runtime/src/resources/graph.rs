//! What an ONNX file says of itself without being opened: its weights, its operators and its inputs.
//!
//! Large fields are skipped, so that a file of many gigabytes costs a few reads.
//!
//! Source: the messages `ModelProto`, `GraphProto`, `NodeProto`, `TensorProto` and `ValueInfoProto` of onnx.proto3, and the
//! wire format of Protocol Buffers.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
};

use crate::{
    error::{BackendError, Result},
    models::ModelFiles,
};

/// What is read of a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GraphFacts {
    /// How often each operator stands in it.
    pub(super) operators: BTreeMap<String, usize>,
    /// For each multiplication with integer weights of few bits (`MatMulNBits`) the names of its weights and scales.
    pub(super) packed: Vec<(String, String)>,
    /// How many nodes take each value.
    pub(super) uses: HashMap<String, usize>,
    /// Its stored tensors.
    pub(super) tensors: Vec<StoredTensor>,
    /// Its inputs.
    pub(super) inputs: Vec<GraphInput>,
}

/// A stored tensor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoredTensor {
    pub(super) name: String,
    /// Number of `TensorProto.DataType`.
    pub(super) element: u64,
    pub(super) shape: Vec<u64>,
    /// Whether it lies in a file beside the graph.
    pub(super) external: bool,
}

/// An input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GraphInput {
    pub(super) name: String,
    /// Number of `TensorProto.DataType`.
    pub(super) element: u64,
    /// Its dimensions, `None` where they are open.
    pub(super) shape: Vec<Option<u64>>,
}

impl StoredTensor {
    /// Its bytes in memory.
    pub(super) fn bytes(&self) -> u64 {
        let count = self.shape.iter().fold(1_u64, |count, size| count.saturating_mul(*size));
        element_bits(self.element).saturating_mul(count).div_ceil(8)
    }
}

/// Bits of an element by the number of its `TensorProto.DataType`.
pub(super) fn element_bits(element: u64) -> u64 {
    match element {
        // float, int32, uint32.
        1 | 6 | 12 => 32,
        // uint16, int16, float16, bfloat16.
        4 | 5 | 10 | 16 => 16,
        // int64, double, uint64, complex64.
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        // uint4, int4, float4.
        21..=23 => 4,
        // uint8, int8, bool, the floats of eight bits.
        _ => 8,
    }
}

/// Reads a graph.
///
/// # Errors
/// [`BackendError::ModelCorrupted`] where the file is missing, unreadable or no ONNX model.
pub(super) fn read(model: &str, files: &ModelFiles, file: &str) -> Result<GraphFacts> {
    let corrupted = |reason: String| BackendError::corrupted(model, format!("{file} {reason}"));
    let facts = match files {
        ModelFiles::Embedded(_) => {
            let bytes = files.read(model, file)?.ok_or_else(|| corrupted("is missing".to_owned()))?;
            Reader::new(Cursor::new(bytes)).and_then(Reader::model)
        }
        ModelFiles::Folder(_) => {
            let path = files.path(file).ok_or_else(|| corrupted("is missing".to_owned()))?;
            File::open(path).and_then(|file| Reader::new(BufReader::new(file))).and_then(Reader::model)
        }
    };
    let facts = facts.map_err(|error| corrupted(format!("cannot be read as an ONNX model: {error}")))?;
    if facts.operators.is_empty() {
        return Err(corrupted("has no operators; restore the file".to_owned()));
    }
    Ok(facts)
}

/// Longest name that is read.
const LONGEST_NAME: u64 = 64 << 10;

/// A position in a file.
struct Reader<R> {
    inner: R,
    at: u64,
    size: u64,
}

/// A field's key, and where its content ends.
struct Field {
    number: u64,
    /// Its value where it is a number.
    value: u64,
    /// End of its content.
    end: u64,
    /// Whether its content has a length.
    message: bool,
}

impl<R: Read + Seek> Reader<R> {
    fn new(mut inner: R) -> io::Result<Self> {
        let size = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(0))?;
        Ok(Self { inner, at: 0, size })
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.inner.read_exact(&mut byte)?;
        self.at += 1;
        Ok(byte[0])
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(invalid("a number of more than ten bytes"))
    }

    /// The next field of a message that ends at `end`.
    fn field(&mut self, end: u64) -> io::Result<Option<Field>> {
        if self.at >= end {
            return Ok(None);
        }
        let key = self.varint()?;
        let mut field = Field { number: key >> 3, value: 0, end: self.at, message: false };
        match key & 7 {
            0 => {
                field.value = self.varint()?;
                field.end = self.at;
            }
            1 => field.end = self.at + 8,
            2 => {
                let length = self.varint()?;
                field.message = true;
                field.end = self.at.checked_add(length).ok_or_else(|| invalid("a length beyond the file"))?;
            }
            5 => field.end = self.at + 4,
            _ => return Err(invalid("a field of no known form")),
        }
        if field.end > end {
            return Err(invalid("it is cut off"));
        }
        Ok(Some(field))
    }

    fn skip(&mut self, field: &Field) -> io::Result<()> {
        let distance = i64::try_from(field.end - self.at).map_err(|_| invalid("a length beyond the file"))?;
        self.inner.seek_relative(distance)?;
        self.at = field.end;
        Ok(())
    }

    fn text(&mut self, field: &Field) -> io::Result<String> {
        let length = field.end - self.at;
        if length > LONGEST_NAME {
            return Err(invalid("a name longer than any"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.inner.read_exact(&mut bytes)?;
        self.at = field.end;
        String::from_utf8(bytes).map_err(|_| invalid("a name that is no UTF-8"))
    }

    fn model(mut self) -> io::Result<GraphFacts> {
        let mut facts = GraphFacts::default();
        while let Some(field) = self.field(self.size)? {
            if field.number == 7 && field.message {
                self.graph(&field, &mut facts)?;
            } else {
                self.skip(&field)?;
            }
        }
        Ok(facts)
    }

    fn graph(&mut self, graph: &Field, facts: &mut GraphFacts) -> io::Result<()> {
        while let Some(field) = self.field(graph.end)? {
            match (field.number, field.message) {
                (1, true) => {
                    let (operator, mut inputs) = self.node(&field)?;
                    for input in &inputs {
                        *facts.uses.entry(input.clone()).or_default() += 1;
                    }
                    if operator == "MatMulNBits" && inputs.len() > 2 {
                        let scales = inputs.swap_remove(2);
                        facts.packed.push((inputs.swap_remove(1), scales));
                    }
                    *facts.operators.entry(operator).or_default() += 1;
                }
                (5, true) => facts.tensors.push(self.tensor(&field)?),
                (11, true) => facts.inputs.push(self.input(&field)?),
                _ => self.skip(&field)?,
            }
        }
        Ok(())
    }

    /// A node's operator and inputs.
    fn node(&mut self, message: &Field) -> io::Result<(String, Vec<String>)> {
        let (mut operator, mut inputs) = (String::new(), Vec::new());
        while let Some(field) = self.field(message.end)? {
            match (field.number, field.message) {
                (1, true) => inputs.push(self.text(&field)?),
                (4, true) => operator = self.text(&field)?,
                _ => self.skip(&field)?,
            }
        }
        Ok((operator, inputs))
    }

    fn tensor(&mut self, message: &Field) -> io::Result<StoredTensor> {
        let mut tensor = StoredTensor::default();
        while let Some(field) = self.field(message.end)? {
            match (field.number, field.message) {
                (1, false) => tensor.shape.push(field.value),
                // Packed.
                (1, true) => {
                    while self.at < field.end {
                        let size = self.varint()?;
                        tensor.shape.push(size);
                    }
                }
                (2, false) => tensor.element = field.value,
                (8, true) => tensor.name = self.text(&field)?,
                // `data_location`, of which 1 is external.
                (14, false) => tensor.external = field.value == 1,
                _ => self.skip(&field)?,
            }
        }
        Ok(tensor)
    }

    /// `ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1 } } } } }`.
    fn input(&mut self, message: &Field) -> io::Result<GraphInput> {
        let mut input = GraphInput::default();
        while let Some(field) = self.field(message.end)? {
            match (field.number, field.message) {
                (1, true) => input.name = self.text(&field)?,
                (2, true) => {
                    while let Some(kind) = self.field(field.end)? {
                        if kind.number == 1 && kind.message {
                            self.tensor_type(&kind, &mut input)?;
                        } else {
                            self.skip(&kind)?;
                        }
                    }
                }
                _ => self.skip(&field)?,
            }
        }
        Ok(input)
    }

    fn tensor_type(&mut self, message: &Field, input: &mut GraphInput) -> io::Result<()> {
        while let Some(field) = self.field(message.end)? {
            match (field.number, field.message) {
                (1, false) => input.element = field.value,
                (2, true) => {
                    while let Some(dimension) = self.field(field.end)? {
                        if dimension.number == 1 && dimension.message {
                            let mut size = None;
                            while let Some(part) = self.field(dimension.end)? {
                                if part.number == 1 && !part.message {
                                    size = Some(part.value).filter(|size| *size > 0);
                                }
                                self.skip(&part)?;
                            }
                            input.shape.push(size);
                        } else {
                            self.skip(&dimension)?;
                        }
                    }
                }
                _ => self.skip(&field)?,
            }
        }
        Ok(())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fixture(name: &str, file: &str) -> Result<GraphFacts> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        read(name, &ModelFiles::Folder(folder.canonicalize().unwrap()), file)
    }

    #[test]
    fn a_graph_tells_its_weights_operators_and_inputs() {
        let facts = fixture("decoders/llama-gqa", "model.onnx").unwrap();
        assert!(facts.operators["GroupQueryAttention"] > 0);
        let past = facts.inputs.iter().find(|input| input.name == "past_key_values.0.key").unwrap();
        assert!(past.element == 1 && past.shape.len() == 4 && past.shape[1].is_some(), "{past:?}");
        let stored: u64 = facts.tensors.iter().map(StoredTensor::bytes).sum();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders/llama-gqa");
        let beside = |name: &str| folder.join(name).metadata().map_or(0, |found| found.len());
        let files = beside("model.onnx") + beside("model.onnx.data");
        assert!(stored <= files && stored * 10 > files * 5, "{stored} of {files}");
    }

    #[test]
    fn what_is_cut_off_is_told() {
        assert!(fixture("bert-broken", "onnx/model.onnx").is_err());
        assert!(fixture("bert-mean", "onnx/nothing.onnx").is_err());
    }
}
