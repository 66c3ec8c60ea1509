//! Graphs that compute the logits of the last token only.
//!
//! An exported decoder multiplies every position with its table of tokens, and of a prompt only the last one's logits are
//! needed: a fifth of the time that reading a prompt takes, and for 512 tokens of a vocabulary of 150,000 300 MB. So the
//! last position is cut out in front of that multiplication, in the bytes of the ONNX file: what the file says otherwise,
//! known or not, stays as it is.
//!
//! Source: the messages `ModelProto`, `GraphProto`, `NodeProto` and `ValueInfoProto` of onnx.proto3, and the wire format of
//! Protocol Buffers.

/// Operators between the multiplication and the logits, which work on every value for itself: casts, scaling, and the
/// soft cap of Gemma.
const ELEMENTWISE: [&[u8]; 6] = [b"Cast", b"Div", b"Mul", b"Tanh", b"Identity", b"Clip"];
/// The multiplication with the table of tokens.
const MULTIPLY: [&[u8]; 2] = [b"MatMul", b"MatMulNBits"];
/// Names of what is added.
const LAST: &str = "tabagent/last_hidden_state";
const INDEX: &str = "tabagent/last_position";

/// The model with its logits cut to the last position; `None` where its end has another form than is known, or where the
/// bytes are no model.
pub(super) fn to_last_position(model: &[u8]) -> Option<Vec<u8>> {
    let mut trimmed = Vec::with_capacity(model.len() + 1024);
    let mut done = false;
    for field in Fields(model) {
        let field = field?;
        match field.content {
            Some(graph) if field.number == 7 => {
                put(&mut trimmed, 7, &graph_to_last_position(graph)?);
                done = true;
            }
            _ => trimmed.extend_from_slice(field.whole),
        }
    }
    done.then_some(trimmed)
}

fn graph_to_last_position(graph: &[u8]) -> Option<Vec<u8>> {
    let nodes: Vec<Node<'_>> = Fields(graph)
        .filter_map(|field| field.filter(|field| field.number == 1))
        .map(|field| Node::read(field.content?))
        .collect::<Option<_>>()?;
    let producer = |name: &[u8]| nodes.iter().find(|node| node.outputs.contains(&name));
    let mut node = producer(b"logits")?;
    while ELEMENTWISE.contains(&node.operator) {
        // The other inputs are constants: no node makes them, or one that has no inputs.
        let mut made =
            node.inputs.iter().filter_map(|name| producer(name)).filter(|node| !node.inputs.is_empty());
        node = made.next()?;
        if made.next().is_some() {
            return None;
        }
    }
    let (hidden, weights) = (*node.inputs.first()?, node.inputs.get(1)?);
    // A table that is computed may be anything; one that is stored, or taken apart from what is stored, has no rows.
    if !MULTIPLY.contains(&node.operator) || producer(weights).is_some_and(|made| made.operator == b"Reshape")
    {
        return None;
    }
    producer(hidden)?;

    let mut trimmed = Vec::with_capacity(graph.len() + 1024);
    for field in Fields(graph) {
        let field = field?;
        match (field.number, field.content) {
            (1, Some(content)) if std::ptr::eq(content, node.bytes) => {
                put(&mut trimmed, 1, &gather(hidden));
                put(&mut trimmed, 1, &with_first_input(content, LAST.as_bytes())?);
            }
            (12, Some(content)) if is_named(content, b"logits") => {
                put(&mut trimmed, 12, &of_one_position(content)?);
            }
            _ => trimmed.extend_from_slice(field.whole),
        }
    }
    put(&mut trimmed, 5, &index());
    Some(trimmed)
}

/// What is read of a node.
struct Node<'a> {
    bytes: &'a [u8],
    inputs: Vec<&'a [u8]>,
    outputs: Vec<&'a [u8]>,
    operator: &'a [u8],
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut node = Self { bytes, inputs: Vec::new(), outputs: Vec::new(), operator: b"" };
        for field in Fields(bytes) {
            let field = field?;
            match (field.number, field.content) {
                (1, Some(name)) => node.inputs.push(name),
                (2, Some(name)) => node.outputs.push(name),
                (4, Some(name)) => node.operator = name,
                _ => {}
            }
        }
        Some(node)
    }
}

/// The node with another first input.
fn with_first_input(node: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut changed = Vec::with_capacity(node.len() + name.len());
    let mut first = true;
    for field in Fields(node) {
        let field = field?;
        if field.number == 1 && std::mem::take(&mut first) {
            put(&mut changed, 1, name);
        } else {
            changed.extend_from_slice(field.whole);
        }
    }
    Some(changed)
}

/// `Gather(hidden, [-1], axis = 1)`: rows, one position, values.
fn gather(hidden: &[u8]) -> Vec<u8> {
    let mut axis = Vec::new();
    put(&mut axis, 1, b"axis");
    number(&mut axis, 3, 1);
    // AttributeProto.AttributeType.INT.
    number(&mut axis, 20, 2);
    let mut node = Vec::new();
    put(&mut node, 1, hidden);
    put(&mut node, 1, INDEX.as_bytes());
    put(&mut node, 2, LAST.as_bytes());
    put(&mut node, 3, LAST.as_bytes());
    put(&mut node, 4, b"Gather");
    put(&mut node, 5, &axis);
    node
}

/// The tensor `[-1]` of 64-bit integers.
fn index() -> Vec<u8> {
    let mut tensor = Vec::new();
    number(&mut tensor, 1, 1);
    // TensorProto.DataType.INT64.
    number(&mut tensor, 2, 7);
    put(&mut tensor, 8, INDEX.as_bytes());
    put(&mut tensor, 9, &(-1_i64).to_le_bytes());
    tensor
}

fn is_named(value: &[u8], name: &[u8]) -> bool {
    Fields(value).any(|field| field.is_some_and(|field| field.number == 1 && field.content == Some(name)))
}

/// An output whose second dimension is 1: the message `TypeProto.Tensor.shape` of `ValueInfoProto`, and the way to it.
fn of_one_position(value: &[u8]) -> Option<Vec<u8>> {
    within(value, 2, &|kind| within(kind, 1, &|tensor| within(tensor, 2, &one_position)))
}

fn one_position(shape: &[u8]) -> Option<Vec<u8>> {
    let mut changed = Vec::new();
    let mut dimension = 0;
    for field in Fields(shape) {
        let field = field?;
        if field.number == 1 {
            dimension += 1;
            if dimension == 2 {
                let mut one = Vec::new();
                number(&mut one, 1, 1);
                put(&mut changed, 1, &one);
                continue;
            }
        }
        changed.extend_from_slice(field.whole);
    }
    (dimension == 3).then_some(changed)
}

/// The message with one of its fields changed.
fn within(message: &[u8], number: u64, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut changed = Vec::with_capacity(message.len());
    for field in Fields(message) {
        let field = field?;
        match field.content {
            Some(content) if field.number == number => put(&mut changed, number, &change(content)?),
            _ => changed.extend_from_slice(field.whole),
        }
    }
    Some(changed)
}

/// One field of a message.
struct Field<'a> {
    number: u64,
    /// What it holds, where it has a length.
    content: Option<&'a [u8]>,
    /// All of it, as it stands.
    whole: &'a [u8],
}

/// The fields of a message; `None` where it is cut off or of no known form, after which nothing comes.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<Field<'a>> {
        let all = self.0;
        let (key, mut rest) = varint(all)?;
        let mut content = None;
        let length = match key & 7 {
            0 => {
                let (_, after) = varint(rest)?;
                rest.len() - after.len()
            }
            1 => 8,
            2 => {
                let (length, after) = varint(rest)?;
                rest = after;
                let length = usize::try_from(length).ok()?;
                content = Some(rest.get(..length)?);
                length
            }
            5 => 4,
            _ => return None,
        };
        self.0 = rest.get(length..)?;
        Some(Field { number: key >> 3, content, whole: &all[..all.len() - self.0.len()] })
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

fn put(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_of_both_families_are_trimmed_once() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders");
        for file in ["llama-gqa/model.onnx", "llama-plain/onnx/model.onnx"] {
            let trimmed = to_last_position(&std::fs::read(fixtures.join(file)).unwrap()).unwrap();
            assert_eq!(memchr::memmem::find_iter(&trimmed, INDEX).count(), 2, "{file}: made and used");
            // Every input of the graph that came out is there: it runs in tests/generate.rs.
            assert!(Fields(&trimmed).all(|field| field.is_some()));
        }
    }

    #[test]
    fn what_is_no_model_is_left_alone() {
        assert!(to_last_position(b"").is_none());
        assert!(to_last_position(b"no model at all").is_none());
        assert!(to_last_position(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_none());
    }
}
