//! A decoder on ONNX Runtime: tokens in, logits of the next token out, with the keys and values of what came before kept
//! in rows.

mod call;
mod grown;
mod layout;
mod shared;
mod trim;

use std::{borrow::Cow, path::Path};

use ort::session::RunOptions;

use layout::Layout;
pub(crate) use layout::{Sizes, is_state};

use crate::{
    error::{BackendError, Result},
    models::ModelFiles,
    session::{ModelSource, Session, SessionOptions},
};

/// A decoder and its cache.
///
/// A row holds the keys and values of one sequence. Which rows are in use, and how many tokens of each count, its caller
/// keeps.
#[derive(Debug)]
pub(crate) struct Decoder {
    session: Session,
    layout: Layout,
    cache: Cache,
}

#[derive(Debug)]
enum Cache {
    /// Over shared buffers, rows together.
    Shared(shared::Shared),
    /// A row at a time.
    Grown(grown::Grown),
}

/// Largest ONNX file that is read to be trimmed; larger ones hold their weights, and would be in memory twice.
const LARGEST_TRIMMED: usize = 512 << 20;

/// Opens the graph of a decoder, with its logits cut to the last position where its form is known.
///
/// # Errors
/// Those of [`Session::open`], and of reading the file.
pub(crate) fn open(model: &str, files: &ModelFiles, file: &str, options: &SessionOptions) -> Result<Session> {
    let missing = || BackendError::corrupted(model, format!("{file} is missing"));
    let read: Cow<'_, [u8]>;
    let (bytes, folder) = match files {
        ModelFiles::Embedded(_) => {
            read = files.read(model, file)?.ok_or_else(missing)?;
            (read.as_ref(), None)
        }
        ModelFiles::Folder(_) => {
            let path = files.path(file).ok_or_else(missing)?;
            let size = path
                .metadata()
                .map_or(usize::MAX, |found| usize::try_from(found.len()).unwrap_or(usize::MAX));
            if size > LARGEST_TRIMMED {
                return Session::open(model, ModelSource::File(&path), options);
            }
            read = std::fs::read(&path)
                .map_err(|error| BackendError::corrupted(model, format!("{file} cannot be read: {error}")))?
                .into();
            (read.as_ref(), path.parent().map(Path::to_owned).zip(Some(path)))
        }
    };
    let Some(trimmed) = trim::to_last_position(bytes) else {
        tracing::debug!(model, "the end of the graph has no known form: all logits of a prompt are computed");
        return match &folder {
            Some((_, path)) => Session::open(model, ModelSource::File(path), options),
            None => Session::open(model, ModelSource::Bytes(bytes), options),
        };
    };
    let mut options = options.clone();
    if let Some((folder, _)) = &folder {
        // Weights beside the file are found by its folder, which bytes do not have.
        let key = "session.model_external_initializers_file_folder_path".to_owned();
        options.config.push((key, folder.display().to_string()));
    }
    Session::open(model, ModelSource::Bytes(&trimmed), &options)
}

impl Decoder {
    /// Makes a decoder of an opened session. `grouped` says whether it attends with `GroupQueryAttention`.
    ///
    /// # Errors
    /// Where its inputs or outputs are not those of a decoder.
    pub(crate) fn open(model: &str, session: Session, grouped: bool, sizes: Sizes) -> Result<Self> {
        let layout = Layout::read(model, &session, sizes)?;
        let cache = if grouped {
            Cache::Shared(shared::Shared::new(&layout))
        } else {
            Cache::Grown(grown::Grown::default())
        };
        Ok(Self { session, layout, cache })
    }

    /// Entries of a row of logits.
    pub(crate) fn vocabulary(&self) -> usize {
        self.layout.vocabulary
    }

    /// Bytes of cache that one token needs.
    pub(crate) fn token_bytes(&self) -> u64 {
        self.layout.token_bytes()
    }

    /// Rows that the cache has.
    pub(crate) fn rows(&self) -> usize {
        match &self.cache {
            Cache::Shared(cache) => cache.rows(),
            Cache::Grown(cache) => cache.rows(),
        }
    }

    /// Tokens for which each row has room; without bound where rows grow by themselves.
    pub(crate) fn capacity(&self) -> usize {
        match &self.cache {
            Cache::Shared(cache) => cache.capacity(),
            Cache::Grown(_) => usize::MAX,
        }
    }

    /// Bytes that the keys and values of all rows take.
    pub(crate) fn cache_bytes(&self) -> u64 {
        match &self.cache {
            Cache::Shared(cache) => cache.bytes(),
            Cache::Grown(cache) => self.layout.token_bytes().saturating_mul(cache.tokens() as u64),
        }
    }

    /// Whether a row takes memory only for the tokens that it holds.
    pub(crate) fn grows(&self) -> bool {
        matches!(self.cache, Cache::Grown(_))
    }

    /// Gives the cache this size. `lengths` are the tokens that each row holds and keeps.
    pub(crate) fn resize(&mut self, rows: usize, capacity: usize, lengths: &[usize]) {
        match &mut self.cache {
            Cache::Shared(cache) => cache.resize(&self.layout, rows, capacity, lengths),
            Cache::Grown(cache) => cache.resize(rows),
        }
    }

    /// Gives up what a row holds. A row of buffers that all rows share keeps its place in them.
    pub(crate) fn clear(&mut self, row: usize) {
        match &mut self.cache {
            Cache::Shared(_) => {}
            Cache::Grown(cache) => cache.clear(row),
        }
    }

    /// Exchanges two rows, of which the first `length` tokens count.
    pub(crate) fn swap(&mut self, a: usize, b: usize, length: usize) {
        match &mut self.cache {
            Cache::Shared(cache) => cache.swap(&self.layout, a, b, length),
            Cache::Grown(cache) => cache.swap(a, b),
        }
    }

    /// Copies the first `length` tokens of one row to another.
    ///
    /// # Errors
    /// Where ONNX Runtime has no memory for it.
    pub(crate) fn copy(&mut self, from: usize, to: usize, length: usize) -> Result<()> {
        match &mut self.cache {
            Cache::Shared(cache) => {
                cache.copy(&self.layout, from, to, length);
                Ok(())
            }
            Cache::Grown(cache) => cache.copy(&self.layout, from, to, length),
        }
    }

    /// Runs neighbouring rows from `first` on, as many as there are `pasts`: each gets `tokens.len() / pasts.len()` new
    /// tokens after the first `past` of what it holds. Returns the logits of each row's last token, row after row.
    ///
    /// # Errors
    /// [`crate::BackendError::CudaError`] where ONNX Runtime fails.
    pub(crate) fn run(
        &mut self,
        options: &RunOptions,
        first: usize,
        tokens: &[u32],
        pasts: &[usize],
    ) -> Result<&[f32]> {
        match &mut self.cache {
            Cache::Shared(cache) => cache.run(&mut self.session, &self.layout, options, first, tokens, pasts),
            Cache::Grown(cache) => cache.run(&mut self.session, &self.layout, options, first, tokens, pasts),
        }
    }
}
