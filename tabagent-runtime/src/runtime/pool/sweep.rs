//! The thread that lets models go which nobody uses.

use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use super::{Pool, State};
use crate::error::{BackendError, Result};

/// Starts it; it ends with the pool.
///
/// # Errors
/// [`BackendError::InternalError`] where the operating system gives no thread.
pub(super) fn start(pool: Arc<Pool>) -> Result<()> {
    std::thread::Builder::new()
        .name("idle models".to_owned())
        .spawn(move || sweep(&pool))
        .map(drop)
        .map_err(|error| BackendError::internal(format!("no thread for letting idle models go: {error}")))
}

fn sweep(pool: &Pool) {
    let mut state = pool.lock();
    while !state.closed {
        let now = Instant::now();
        state.next_sweep = expire(&mut state, now);
        state = match state.next_sweep {
            Some(at) => {
                let time = at.saturating_duration_since(now);
                pool.due.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
            }
            None => pool.due.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// Tells models to leave whose time is over. When the next one's will be.
fn expire(state: &mut State, now: Instant) -> Option<Instant> {
    let mut next = None;
    for (id, resident) in &mut state.residents {
        match resident.expires() {
            Some(at) if at <= now => {
                tracing::info!(model = %id, "the model leaves memory, since nobody used it");
                resident.leave();
                state.expired += 1;
            }
            Some(at) => next = Some(next.map_or(at, |next: Instant| next.min(at))),
            None => {}
        }
    }
    next
}
