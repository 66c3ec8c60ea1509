//! What is told of a pull.

use serde::{Deserialize, Serialize};
use tabagent_runtime::BackendError;
use tabagent_runtime::hub::{Job, JobFile, JobState};

use super::PullError;
use crate::{Problem, Schema};

/// A pull.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct PullJob {
    /// Its id.
    pub id: String,
    /// Always `pull`.
    pub object: String,
    /// What is pulled, as it was asked for.
    pub reference: String,
    /// Id that the model has once it is complete.
    pub model: String,
    /// Where it stands.
    pub state: PullState,
    /// The variant, once it is known.
    pub variant: Option<String>,
    /// Why it is that one.
    pub variant_reason: Option<String>,
    /// The commit that the revision means, once it is known.
    pub commit: Option<String>,
    /// The file that comes now, or came last.
    pub file: Option<String>,
    /// All files that are known: those beside the ONNX files come first, since they tell which of those to pull.
    pub files: Vec<PullFile>,
    /// Bytes that are here.
    pub bytes: u64,
    /// Bytes of all files that are known.
    pub total: u64,
    /// How much of them is here, from 0 to 100.
    pub percent: f64,
    /// Bytes that come each second.
    pub bytes_per_second: f64,
    /// Why it failed, where it did.
    pub error: Option<PullFailure>,
}

/// Why a pull failed.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct PullFailure {
    /// Name of the kind of failure.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

impl From<BackendError> for PullFailure {
    fn from(error: BackendError) -> Self {
        let error = PullError::from(error);
        let kind = error.kind();
        // A job has no headers.
        let hint = match error.retry_after() {
            Some(time) => format!("pull it again in {} s", time.as_secs().max(1)),
            None => kind.hint.to_owned(),
        };
        Self { code: kind.code.to_owned(), hint, message: error.to_string() }
    }
}

/// A file of a pull.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct PullFile {
    /// Path in the model's folder.
    pub path: String,
    /// Bytes that are here.
    pub bytes: u64,
    /// Its size.
    pub total: u64,
}

/// Where a pull stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum PullState {
    /// It waits for others to end.
    Queued,
    /// It runs.
    Running,
    /// It was paused; what has come stays.
    Paused,
    /// The model can be used.
    Completed,
    /// It failed; what has come stays, and pulling again goes on with it.
    Failed,
    /// It was cancelled; what had come is gone.
    Cancelled,
}

impl From<JobState> for PullState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Queued => Self::Queued,
            JobState::Running => Self::Running,
            JobState::Paused => Self::Paused,
            JobState::Completed => Self::Completed,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Job> for PullJob {
    fn from(job: Job) -> Self {
        let unfinished = |file: &&JobFile| file.bytes > 0 && file.bytes < file.size;
        let file = job.files.iter().find(unfinished).or(job.files.last()).map(|file| file.path.clone());
        let percent = match (job.state, job.total) {
            (JobState::Completed, _) => 100.0,
            (_, 0) => 0.0,
            (_, total) => (job.bytes as f64 / total as f64 * 1000.0).floor() / 10.0,
        };
        Self {
            id: job.id,
            object: "pull".to_owned(),
            reference: job.reference,
            model: job.model,
            state: job.state.into(),
            variant: job.variant,
            variant_reason: job.reason,
            commit: job.commit,
            file,
            files: job
                .files
                .into_iter()
                .map(|file| PullFile { path: file.path, bytes: file.bytes, total: file.size })
                .collect(),
            bytes: job.bytes,
            total: job.total,
            percent,
            bytes_per_second: job.bytes_per_second,
            error: job.error.map(PullFailure::from),
        }
    }
}
