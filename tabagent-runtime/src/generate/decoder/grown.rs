//! Decoders without `GroupQueryAttention`: the graph returns the past with the new tokens appended.
//!
//! Each row keeps what its last run returned and runs by itself: such graphs give every row of a batch the same length, and
//! padding would have to be told apart by the mask and the positions, which not all of them read. Correct first.

use half::f16;
use ort::{
    memory::Allocator,
    session::{RunOptions, SessionInputValue},
    value::{DynValue, PrimitiveTensorElementType, Tensor},
};

use super::layout::{Element, Feed, Layout};
use crate::{
    error::{BackendError, Result},
    library::ort_failure,
    session::Session,
};

/// Keys and values of the rows.
#[derive(Debug, Default)]
pub(super) struct Grown {
    rows: Vec<Row>,
    logits: Vec<f32>,
}

/// What one row holds.
#[derive(Debug, Default)]
struct Row {
    /// In the order of the layout; empty where the row holds nothing.
    states: Vec<DynValue>,
    length: usize,
}

impl Grown {
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Tokens whose keys and values all rows hold.
    pub(super) fn tokens(&self) -> usize {
        self.rows.iter().map(|row| row.length).sum()
    }

    pub(super) fn resize(&mut self, rows: usize) {
        self.rows.resize_with(rows, Row::default);
    }

    pub(super) fn clear(&mut self, row: usize) {
        self.rows[row] = Row::default();
    }

    pub(super) fn swap(&mut self, a: usize, b: usize) {
        self.rows.swap(a, b);
    }

    /// Copies the first `length` tokens of one row to another.
    pub(super) fn copy(&mut self, layout: &Layout, from: usize, to: usize, length: usize) -> Result<()> {
        let row = self.rows[from].cut(layout, length).map_err(|error| ort_failure("CPU", &error))?;
        self.rows[to] = row;
        Ok(())
    }

    /// Runs `rows` rows from `first` on, one after the other, each with `tokens.len() / rows` new tokens after the first
    /// `pasts` of what it holds. Returns the logits of each row's last token, row after row.
    ///
    /// # Errors
    /// What ONNX Runtime fails with.
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        layout: &Layout,
        options: &RunOptions,
        first: usize,
        tokens: &[u32],
        pasts: &[usize],
    ) -> Result<&[f32]> {
        self.logits.clear();
        let length = tokens.len() / pasts.len().max(1);
        if length == 0 || first + pasts.len() > self.rows.len() {
            return Err(BackendError::internal("rows that the cache does not have"));
        }
        for (row, (past, tokens)) in
            self.rows[first..].iter_mut().zip(pasts.iter().zip(tokens.chunks(length)))
        {
            row.run(session, layout, options, *past, tokens, &mut self.logits)?;
        }
        Ok(&self.logits)
    }
}

impl Row {
    fn run(
        &mut self,
        session: &mut Session,
        layout: &Layout,
        options: &RunOptions,
        past: usize,
        tokens: &[u32],
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        if past > self.length {
            return Err(BackendError::internal(format!("a row of {} tokens has no {past}", self.length)));
        }
        if past < self.length || self.states.is_empty() {
            *self = self.cut(layout, past).map_err(|error| ort_failure("CPU", &error))?;
        }
        self.execute(session, layout, options, past, tokens, logits)
            .map_err(|error| ort_failure("CPU", &error))
    }

    fn execute(
        &mut self,
        session: &mut Session,
        layout: &Layout,
        options: &RunOptions,
        past: usize,
        tokens: &[u32],
        logits: &mut Vec<f32>,
    ) -> ort::Result<()> {
        let length = tokens.len();
        let mut inputs: Vec<(String, SessionInputValue<'_>)> = Vec::new();
        let mut give = |feed: &Feed, values: Vec<usize>| -> ort::Result<()> {
            let shape = [1, values.len()];
            // Ids, lengths and positions are far below 2³¹: they were checked against vocabulary and context.
            let value: SessionInputValue<'_> = if feed.wide {
                let data: Vec<i64> =
                    values.iter().map(|value| i64::try_from(*value).unwrap_or(i64::MAX)).collect();
                Tensor::from_array((shape, data))?.into()
            } else {
                let data: Vec<i32> =
                    values.iter().map(|value| i32::try_from(*value).unwrap_or(i32::MAX)).collect();
                Tensor::from_array((shape, data))?.into()
            };
            inputs.push((feed.name.to_string_lossy().into_owned(), value));
            Ok(())
        };
        give(&layout.ids, tokens.iter().map(|id| *id as usize).collect())?;
        if let Some(feed) = &layout.mask {
            give(feed, vec![1; past + length])?;
        }
        if let Some(feed) = &layout.positions {
            give(feed, (past..past + length).collect())?;
        }
        if let Some(branch) = &layout.branch {
            let flag = Tensor::from_array(([1], vec![past > 0]))?;
            inputs.push((branch.to_string_lossy().into_owned(), flag.into()));
        }
        for (state, value) in layout.states.iter().zip(&self.states) {
            inputs.push((state.past.to_string_lossy().into_owned(), value.into()));
        }
        let mut outputs = session.inner_mut().run_with_options(inputs, options)?;
        let mut states = Vec::with_capacity(layout.states.len());
        for state in &layout.states {
            let name = state.present.to_string_lossy();
            let value = outputs
                .remove(name.as_ref())
                .ok_or_else(|| ort::Error::new(format!("the graph gave no output `{name}`")))?;
            states.push(value);
        }
        let value = outputs
            .remove(layout.logits.to_string_lossy().as_ref())
            .ok_or_else(|| ort::Error::new("the graph gave no logits"))?;
        match layout.scores {
            Element::F32 => {
                let (_, data) = value.try_extract_tensor::<f32>()?;
                logits.extend_from_slice(last(data, layout.vocabulary)?);
            }
            Element::F16 => {
                let (_, data) = value.try_extract_tensor::<f16>()?;
                logits.extend(last(data, layout.vocabulary)?.iter().map(|value| value.to_f32()));
            }
        }
        drop(outputs);
        self.states = states;
        self.length = past + length;
        Ok(())
    }

    /// A row of the first `length` tokens.
    fn cut(&self, layout: &Layout, length: usize) -> ort::Result<Self> {
        // A merged graph leaves the past alone where its branch for the beginning runs, and wants one position of it.
        let positions = if length == 0 && layout.branch.is_some() { 1 } else { length };
        let mut states = Vec::with_capacity(layout.states.len());
        for (index, state) in layout.states.iter().enumerate() {
            let shape = [1, state.heads, positions, state.size];
            let old = self.states.get(index).filter(|_| length > 0);
            states.push(match layout.cache {
                Element::F32 => {
                    let data = old.map(|old| old.try_extract_tensor::<f32>()).transpose()?;
                    tensor(shape, data.map(|(_, data)| data))?
                }
                Element::F16 => {
                    let data = old.map(|old| old.try_extract_tensor::<f16>()).transpose()?;
                    tensor(shape, data.map(|(_, data)| data))?
                }
            });
        }
        Ok(Self { states, length })
    }
}

/// A tensor of heads with `length` tokens each: the first ones of `data`, which has the same heads and as many tokens or
/// more.
fn tensor<T: PrimitiveTensorElementType + Copy + std::fmt::Debug + 'static>(
    [rows, heads, length, size]: [usize; 4],
    data: Option<&[T]>,
) -> ort::Result<DynValue> {
    // ONNX Runtime's own memory: a tensor over ours could not have a length of 0, with which every row begins.
    let mut tensor = Tensor::<T>::new(&Allocator::default(), [rows, heads, length, size])?;
    if let Some(data) = data.filter(|_| length > 0) {
        let (_, kept) = tensor.extract_tensor_mut();
        let stride = data.len() / heads;
        for (to, from) in kept.chunks_mut(length * size).zip(data.chunks(stride)) {
            to.copy_from_slice(&from[..length * size]);
        }
    }
    Ok(tensor.into_dyn())
}

/// The logits of the last token.
fn last<T>(data: &[T], vocabulary: usize) -> ort::Result<&[T]> {
    data.len()
        .checked_sub(vocabulary)
        .map(|start| &data[start..])
        .ok_or_else(|| ort::Error::new("the graph gave fewer logits than its vocabulary has entries"))
}
