//! Decoders with `GroupQueryAttention`: rows of different lengths run together over one cache.
//!
//! Keys and values of a layer lie in one buffer `[rows, heads, capacity, size]`, which the graph reads as past and writes
//! as present. A run takes neighbouring rows: all that decode, or one that reads its prompt, whose part of each buffer is a
//! tensor of one row. The attention mask, padded on the right, gives the length of each row.

use half::f16;
use ort::session::RunOptions;

use super::{
    call::{View, run},
    layout::{Element, Feed, Layout},
};
use crate::{
    error::{BackendError, Result},
    library::ort_failure,
    session::Session,
};

/// The cache and the buffers of a run.
#[derive(Debug)]
pub(super) struct Shared {
    /// Keys or values of a layer, in words of 32 bits whatever the number format.
    buffers: Vec<Vec<u32>>,
    rows: usize,
    /// Tokens for which each row has room.
    capacity: usize,
    ids: Integers,
    mask: Integers,
    positions: Integers,
    /// Logits as the graph writes them where that is in half precision.
    halves: Vec<f16>,
    /// Logits.
    logits: Vec<f32>,
}

/// Integers in the width that the graph takes.
#[derive(Debug, Default)]
struct Integers {
    wide: Vec<i64>,
    narrow: Vec<i32>,
}

impl Integers {
    fn fill(&mut self, feed: &Feed, values: impl Iterator<Item = usize>) {
        self.wide.clear();
        self.narrow.clear();
        // Ids, lengths and positions are far below 2³¹: they were checked against vocabulary and context.
        if feed.wide {
            self.wide.extend(values.map(|value| i64::try_from(value).unwrap_or(i64::MAX)));
        } else {
            self.narrow.extend(values.map(|value| i32::try_from(value).unwrap_or(i32::MAX)));
        }
    }

    #[allow(unsafe_code)]
    fn view(&mut self, feed: &Feed, rows: usize, columns: usize) -> ort::Result<View> {
        // SAFETY: the callers fill as many values as rows and columns say, and run before they are filled again.
        unsafe {
            if feed.wide {
                View::matrix_i64(&mut self.wide, rows, columns)
            } else {
                View::matrix_i32(&mut self.narrow, rows, columns)
            }
        }
    }
}

impl Shared {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            buffers: vec![Vec::new(); layout.states.len()],
            rows: 0,
            capacity: 0,
            ids: Integers::default(),
            mask: Integers::default(),
            positions: Integers::default(),
            halves: Vec::new(),
            logits: Vec::new(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| size_of_val(buffer.as_slice()) as u64).sum()
    }

    /// Gives the cache this size. `lengths` are the tokens that each row holds and keeps; rows beyond are let go.
    pub(super) fn resize(&mut self, layout: &Layout, rows: usize, capacity: usize, lengths: &[usize]) {
        for (state, buffer) in layout.states.iter().zip(&mut self.buffers) {
            let words = state.size * layout.cache.bytes() / 4;
            let mut grown = vec![0_u32; rows * state.heads * capacity * words];
            for (row, length) in lengths.iter().enumerate().take(rows.min(self.rows)) {
                let kept = (*length).min(capacity) * words;
                for head in 0..state.heads {
                    let from = (row * state.heads + head) * self.capacity * words;
                    let to = (row * state.heads + head) * capacity * words;
                    grown[to..to + kept].copy_from_slice(&buffer[from..from + kept]);
                }
            }
            *buffer = grown;
        }
        (self.rows, self.capacity) = (rows, capacity);
    }

    /// Exchanges two rows, of which the first `length` tokens count.
    pub(super) fn swap(&mut self, layout: &Layout, a: usize, b: usize, length: usize) {
        if a == b {
            return;
        }
        let (low, high) = (a.min(b), a.max(b));
        for (state, buffer) in layout.states.iter().zip(&mut self.buffers) {
            let words = state.size * layout.cache.bytes() / 4;
            let stride = self.capacity * words;
            let (left, right) = buffer.split_at_mut(high * state.heads * stride);
            let left = &mut left[low * state.heads * stride..];
            for head in 0..state.heads {
                let part = head * stride..head * stride + length * words;
                left[part.clone()].swap_with_slice(&mut right[part]);
            }
        }
    }

    /// Copies the first `length` tokens of one row to another.
    pub(super) fn copy(&mut self, layout: &Layout, from: usize, to: usize, length: usize) {
        for (state, buffer) in layout.states.iter().zip(&mut self.buffers) {
            let words = state.size * layout.cache.bytes() / 4;
            let stride = self.capacity * words;
            for head in 0..state.heads {
                let source = (from * state.heads + head) * stride;
                let target = (to * state.heads + head) * stride;
                buffer.copy_within(source..source + length * words, target);
            }
        }
    }

    /// Runs `rows` rows from `first` on, each with `tokens.len() / rows` new tokens after what it holds (`pasts`). Returns
    /// the logits of each row's last token, row after row.
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
        let rows = pasts.len();
        let length = tokens.len() / rows.max(1);
        let longest = pasts.iter().copied().max().unwrap_or(0) + length;
        if rows == 0 || length == 0 || first + rows > self.rows || longest > self.capacity {
            return Err(BackendError::internal(format!(
                "rows {first}..{} of {longest} tokens do not fit a cache of {} rows of {}",
                first + rows,
                self.rows,
                self.capacity
            )));
        }
        self.execute(session, layout, options, first, tokens, pasts, length, longest)
            .map_err(|error| ort_failure("CPU", &error))?;
        Ok(self.last_logits(layout, rows, if layout.last_only { 1 } else { length }))
    }

    #[allow(unsafe_code, clippy::too_many_arguments)]
    fn execute(
        &mut self,
        session: &mut Session,
        layout: &Layout,
        options: &RunOptions,
        first: usize,
        tokens: &[u32],
        pasts: &[usize],
        length: usize,
        longest: usize,
    ) -> ort::Result<()> {
        let rows = pasts.len();
        self.ids.fill(&layout.ids, tokens.iter().map(|id| *id as usize));
        if let Some(feed) = &layout.mask {
            let row = |past: &usize| {
                let end = past + length;
                (0..longest).map(move |at| usize::from(at < end))
            };
            self.mask.fill(feed, pasts.iter().flat_map(row));
        }
        if let Some(feed) = &layout.positions {
            self.positions.fill(feed, pasts.iter().flat_map(|past| *past..past + length));
        }
        let positions_told = if layout.last_only { 1 } else { length };
        let count = rows * positions_told * layout.vocabulary;
        let buffer = match layout.scores {
            Element::F32 => {
                self.logits.resize(count, 0.0);
                self.logits.as_mut_ptr().cast::<u32>()
            }
            Element::F16 => {
                self.halves.resize(count, f16::ZERO);
                self.halves.as_mut_ptr().cast()
            }
        };
        let cache = self.views(layout, first, rows)?;
        // SAFETY: the buffer was given room for all logits.
        let scores =
            unsafe { View::float(layout.scores, buffer, &[rows, positions_told, layout.vocabulary])? };
        let ids = self.ids.view(&layout.ids, rows, length)?;
        let mask = match &layout.mask {
            Some(feed) => Some((feed, self.mask.view(feed, rows, longest)?)),
            None => None,
        };
        let positions = match &layout.positions {
            Some(feed) => Some((feed, self.positions.view(feed, rows, length)?)),
            None => None,
        };
        let mut inputs = vec![(layout.ids.name.as_c_str(), &ids)];
        inputs.extend(
            [&mask, &positions].into_iter().flatten().map(|(feed, view)| (feed.name.as_c_str(), view)),
        );
        inputs.extend(layout.states.iter().zip(&cache).map(|(state, view)| (state.past.as_c_str(), view)));
        let mut outputs = vec![(layout.logits.as_c_str(), &scores)];
        outputs
            .extend(layout.states.iter().zip(&cache).map(|(state, view)| (state.present.as_c_str(), view)));
        // SAFETY: all views are of buffers of `self`, which is borrowed mutably; past and present are the same memory,
        // which is what GroupQueryAttention is made for.
        unsafe { run(session, options, &inputs, &outputs) }
    }

    /// Views of rows of the cache.
    #[allow(unsafe_code)]
    fn views(&mut self, layout: &Layout, first: usize, rows: usize) -> ort::Result<Vec<View>> {
        let capacity = self.capacity;
        let view = |(state, buffer): (&super::layout::State, &mut Vec<u32>)| {
            let row = state.heads * capacity * state.size * layout.cache.bytes() / 4;
            let part = &mut buffer[first * row..(first + rows) * row];
            // SAFETY: the part holds exactly these rows; the view is dropped after the run, before anything else touches it.
            unsafe {
                View::float(layout.cache, part.as_mut_ptr(), &[rows, state.heads, capacity, state.size])
            }
        };
        layout.states.iter().zip(&mut self.buffers).map(view).collect()
    }

    /// Each row's last logits of those of `length` tokens, as 32-bit floats.
    fn last_logits(&mut self, layout: &Layout, rows: usize, length: usize) -> &[f32] {
        let size = layout.vocabulary;
        let last = |row: usize| ((row + 1) * length - 1) * size;
        match layout.scores {
            // Moved to the front; where there is one position of each row they are there.
            Element::F32 if length == 1 => {}
            Element::F32 => {
                for row in 0..rows {
                    self.logits.copy_within(last(row)..last(row) + size, row * size);
                }
            }
            Element::F16 => {
                self.logits.clear();
                for row in 0..rows {
                    let halves = &self.halves[last(row)..last(row) + size];
                    self.logits.extend(halves.iter().map(|half| half.to_f32()));
                }
            }
        }
        &self.logits[..rows * size]
    }
}
