//! Which pulls may begin or go on beside those that have not ended, and what is said where one may not.

use std::{sync::Arc, time::Duration};

use super::{
    job::JobState,
    jobs::{List, Tracked},
    lock::busy,
};
use crate::error::{BackendError, Result};

/// Pulls that run or wait, at most.
const MOST: usize = 16;
/// Pulls that are paused where a new one begins, at most: only somebody who resumes or cancels one makes room.
const PAUSED: usize = 32;

/// The pull of the same repository, other than `id`, that has not ended: there is one at most.
pub(super) fn open_of<'a>(list: &'a List, repository: &str, id: &str) -> Option<&'a Arc<Tracked>> {
    list.iter().find(|job| job.id != id && job.reference.repository() == repository && !job.state().is_over())
}

/// Refuses one more pull that runs or waits where there are as many as there may be.
pub(super) fn check_active(list: &List) -> Result<()> {
    let count = list.iter().filter(|job| job.is_active()).count();
    if count < MOST {
        return Ok(());
    }
    Err(BackendError::ResourceLimitExceeded {
        resource: "the number of pulls that run or wait".to_owned(),
        limit: MOST as u64,
        current: count as u64,
        retry_after: Duration::from_secs(30),
    })
}

/// Refuses a new pull where too many are paused.
pub(super) fn check_paused(list: &List) -> Result<()> {
    let mut paused = list.iter().filter(|job| job.state() == JobState::Paused);
    let count = paused.clone().count();
    match paused.next() {
        Some(oldest) if count >= PAUSED => {
            let reason = format!(
                "{count} pulls are paused, and no new one begins beside them; resume or cancel one, such as `{}` of `{}`",
                oldest.id, oldest.reference
            );
            Err(BackendError::invalid("model", reason))
        }
        _ => Ok(()),
    }
}

/// Why a pull cannot begin or go on beside another one of its repository.
pub(super) fn refusal(other: &Tracked) -> BackendError {
    if other.state() == JobState::Paused {
        let reason = format!(
            "`{}` is paused as `{}`, and one model is pulled one way at a time; cancel that pull, or resume it and wait",
            other.reference, other.id
        );
        return BackendError::invalid("model", reason);
    }
    busy(other.reference.repository())
}

/// Why nothing can be done with a pull that is being cancelled.
pub(super) fn cancelling(job: &Tracked) -> BackendError {
    BackendError::ResourceLimitExceeded {
        resource: format!(
            "the number of pulls of `{}` at a time (`{}` is being cancelled; pull again when it has ended)",
            job.reference.repository(),
            job.id
        ),
        limit: 1,
        current: 1,
        retry_after: Duration::from_secs(1),
    }
}
