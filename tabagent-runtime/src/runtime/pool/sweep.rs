//! The thread that lets models go which nobody uses, or in whose place a newer one was pulled.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use super::{Pool, State};
use crate::{
    error::{BackendError, Result},
    hub,
    models::ModelFiles,
};

/// How often it looks whether a newer model was pulled, by whichever process.
const LOOK: Duration = Duration::from_secs(2);

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
    let mut looked = Instant::now();
    while !state.closed {
        let now = Instant::now();
        let pulled = pulled(&state);
        if !pulled.is_empty() && now >= looked + LOOK {
            looked = now;
            drop(state);
            let stale: Vec<Pulled> = pulled.into_iter().filter(Pulled::is_stale).collect();
            state = pool.lock();
            replace(&mut state, &stale);
            continue;
        }
        state.next_sweep = expire(&mut state, now);
        let look = (!pulled.is_empty()).then_some(looked + LOOK);
        state = match [state.next_sweep, look].into_iter().flatten().min() {
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

/// A model in memory that was pulled.
struct Pulled {
    id: Arc<str>,
    serial: u64,
    folder: PathBuf,
    at: SystemTime,
}

impl Pulled {
    /// Whether another one lies in its place. Reads the disk.
    fn is_stale(&self) -> bool {
        // None between the two renames of a pull, and where the model was deleted: there is nothing to serve instead.
        hub::pulled_at(&self.folder).is_some_and(|now| now != self.at)
    }
}

/// The models that were pulled and do not leave.
fn pulled(state: &State) -> Vec<Pulled> {
    let residents = state.residents.iter().filter(|(_, resident)| !resident.leaving);
    residents
        .filter_map(|(id, resident)| {
            let ModelFiles::Folder(folder) = &resident.entry.files else { return None };
            Some(Pulled {
                id: Arc::clone(id),
                serial: resident.serial,
                folder: folder.clone(),
                at: resident.pulled?,
            })
        })
        .collect()
}

/// Tells models to leave in whose place a newer one lies. Whoever asks for them next has that one loaded, kept as they were.
fn replace(state: &mut State, stale: &[Pulled]) {
    for Pulled { id, serial, .. } in stale {
        if state.of(id, *serial).is_some() && state.let_go(id) {
            tracing::info!(model = %id, "the model leaves memory, since a newer one was pulled");
        }
    }
}
