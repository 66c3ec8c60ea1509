//! What is told of a pull, and where those who work on it tell it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::reference::Reference;
use crate::error::BackendError;

/// Where a pull stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It waits for others to end.
    Queued,
    /// It runs.
    Running,
    /// It was paused; what has come stays.
    Paused,
    /// The model is in the models folder.
    Completed,
    /// It failed; what has come stays, and pulling again goes on with it.
    Failed,
    /// It was cancelled, and what had come is gone.
    Cancelled,
}

impl JobState {
    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A pull.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Id that the model has, or will have.
    pub model: String,
    /// What is pulled, as it was asked for.
    pub reference: String,
    /// Where it stands.
    pub state: JobState,
    /// The variant, once it is known.
    pub variant: Option<String>,
    /// Why it is that one.
    pub reason: Option<String>,
    /// The commit that the revision means, once it is known.
    pub commit: Option<String>,
    /// Its files, as far as they are known: first those beside the ONNX files, then these.
    pub files: Vec<JobFile>,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes of all files that are known.
    pub total: u64,
    /// Bytes that come each second, over the last few.
    pub bytes_per_second: f64,
    /// Why it failed, where it did.
    pub error: Option<BackendError>,
}

/// A file of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    /// Path in the model's folder.
    pub path: String,
    /// Bytes that are there.
    pub bytes: u64,
    /// Its size.
    pub size: u64,
}

/// A pull, as those who work on it see it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) job: watch::Sender<Job>,
    files: Mutex<Vec<Arc<AtomicU64>>>,
}

impl Watched {
    pub(super) fn new(id: String, reference: &Reference) -> Self {
        let (job, _) = watch::channel(Job {
            id,
            model: reference.repository().to_owned(),
            reference: reference.to_string(),
            state: JobState::Queued,
            variant: None,
            reason: None,
            commit: None,
            files: Vec::new(),
            bytes: 0,
            total: 0,
            bytes_per_second: 0.0,
            error: None,
        });
        Self { job, files: Mutex::default() }
    }

    /// Adds a file, and gives the counter of its bytes.
    pub(super) fn file(&self, path: &str, size: u64) -> Arc<AtomicU64> {
        let mut files = lock(&self.files);
        let mut counter = None;
        self.job.send_modify(|job| {
            if let Some(at) = job.files.iter().position(|file| file.path == path) {
                counter = files.get(at).cloned();
            } else {
                job.files.push(JobFile { path: path.to_owned(), bytes: 0, size });
                job.total = job.total.saturating_add(size);
            }
        });
        counter.unwrap_or_else(|| {
            let counter = Arc::new(AtomicU64::new(0));
            files.push(Arc::clone(&counter));
            counter
        })
    }

    /// Tells which variant it is.
    pub(super) fn chosen(&self, variant: &str, commit: &str, why: &str) {
        self.job.send_modify(|job| {
            job.variant = Some(variant.to_owned());
            job.commit = Some(commit.to_owned());
            job.reason = Some(why.to_owned());
        });
    }

    /// Tells how far the files are; `passed` since it was told last.
    pub(super) fn tell(&self, passed: Duration) {
        let counts: Vec<u64> = lock(&self.files).iter().map(|file| file.load(Relaxed)).collect();
        let bytes: u64 = counts.iter().sum();
        self.job.send_if_modified(|job| {
            let speed = bytes.saturating_sub(job.bytes) as f64 / passed.as_secs_f64().max(0.001);
            // Over about two seconds.
            let weight = (passed.as_secs_f64() / 2.0).min(1.0);
            let before = (job.bytes, job.bytes_per_second);
            job.bytes_per_second += (speed - job.bytes_per_second) * weight;
            job.bytes = bytes;
            for (file, count) in job.files.iter_mut().zip(counts) {
                file.bytes = count;
            }
            before.0 != bytes || before.1 > 0.0
        });
    }

    pub(super) fn set(&self, state: JobState, error: Option<BackendError>) {
        self.job.send_modify(|job| {
            job.state = state;
            job.error = error;
            job.bytes_per_second = 0.0;
        });
    }

    /// Puts a pull back to the beginning. What was told of its files is told anew.
    pub(super) fn reset(&self) {
        let mut files = lock(&self.files);
        files.clear();
        self.job.send_modify(|job| {
            job.files.clear();
            (job.bytes, job.total, job.bytes_per_second) = (0, 0, 0.0);
            (job.state, job.error) = (JobState::Queued, None);
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
