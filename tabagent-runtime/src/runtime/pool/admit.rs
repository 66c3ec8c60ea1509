//! Admission: a load begins where there is room, and else sees to it that there will be, or is refused with the numbers.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use super::{
    GiveWay, Lease, LoadSpec, Model, Pool, Resident, State,
    plan::{Demand, Occupant, Plan, Shortage, plan},
    slot::{Outcome, Slot},
    sweep,
};
use crate::{
    embed::shutting_down,
    error::{BackendError, Result},
    models::{Entry, ModelKind},
    resources::{Estimate, Place},
};

/// When whoever was refused for want of room may try again.
const RETRY: Duration = Duration::from_secs(5);

/// A load that wants to begin.
pub(crate) struct Arrival<'a> {
    pub(crate) entry: &'a Arc<Entry>,
    pub(crate) kind: ModelKind,
    pub(crate) spec: &'a LoadSpec,
    pub(crate) estimate: Estimate,
    /// When it was pulled, where it was.
    pub(crate) pulled: Option<SystemTime>,
    /// Which memory it takes, and how much is free there.
    pub(crate) place: Place,
    pub(crate) free: u64,
    /// Whether busy models are to give way.
    pub(crate) insists: bool,
    /// Whether a request uses it, or it is loaded for later ones.
    pub(crate) uses: bool,
}

/// What came of it.
pub(crate) enum Admission {
    /// It has begun, and is held.
    Begun(Lease, watch::Receiver<Outcome<Model>>),
    /// There is no room now; the error is for whoever does not wait.
    Later(BackendError, Option<GiveWay>),
    /// Somebody else has begun.
    Again,
}

impl Pool {
    /// Begins a load where there is room, or sees to it that there will be.
    ///
    /// # Errors
    /// What the last try failed with, while the model cools down; [`BackendError::OutOfMemory`] and
    /// [`BackendError::ResourceLimitExceeded`] where there will be no room; those of `spawn`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        arrival: &Arrival<'_>,
        spawn: impl FnOnce(u64, u64) -> Result<Slot<Model>>,
    ) -> Result<Admission> {
        let id: Arc<str> = arrival.entry.id.as_str().into();
        let now = Instant::now();
        let mut state = self.lock();
        if state.closed {
            return Err(shutting_down(&id));
        }
        if state.residents.contains_key(&id) {
            return Ok(Admission::Again);
        }
        if state.going.contains(&*id) {
            return Ok(Admission::Again);
        }
        state.cooling.check(arrival.entry, arrival.spec, now)?;
        let bytes = arrival.estimate.total();
        let demand = Demand {
            kind: arrival.kind,
            bytes,
            free: self.free(&state, arrival.place, arrival.free),
            most: self.limits.most,
        };
        let occupants: Vec<Occupant<'_>> =
            state.residents.iter().map(|(id, resident)| resident.occupant(id, arrival.place)).collect();
        let (away, give_way, refusal) = match plan(&demand, &occupants) {
            Plan::Fits => (Vec::new(), None, None),
            Plan::Evict(ids) => {
                let count = occupants.iter().filter(|occupant| occupant.kind == demand.kind).count();
                let short = match demand.most {
                    Some(most) if count >= most => Shortage::Count(most),
                    _ => Shortage::Memory(demand.free),
                };
                (ids.into_iter().map(Arc::from).collect(), None, Some(short))
            }
            Plan::Wait { give_way, short } => {
                let give_way: Option<Arc<str>> = give_way.filter(|_| arrival.insists).map(Arc::from);
                (Vec::new(), give_way, Some(short))
            }
            Plan::Never(short) => return Err(refused(&demand, short, &occupants)),
        };
        let refusal = refusal.map(|short| refused(&demand, short, &occupants));
        drop(occupants);
        for id in &away {
            if let Some(resident) = state.residents.get_mut::<Arc<str>>(id) {
                tracing::info!(model = %id, for_model = %arrival.entry.id, "the model leaves memory to make room");
                resident.leave();
                state.evicted += 1;
            }
        }
        let give_way = give_way.and_then(|id| {
            let resident = state.residents.get_mut(&id)?;
            resident.wanted_away += 1;
            let serial = resident.serial;
            Some(GiveWay { pool: Arc::clone(self), id, serial, anew: false })
        });
        if let Some(refusal) = refusal {
            return Ok(Admission::Later(refusal, give_way));
        }
        if !state.sweeping {
            sweep::start(Arc::clone(self))?;
            state.sweeping = true;
        }
        state.serial += 1;
        let serial = state.serial;
        // What is left for its cache beyond what was asked for.
        let slot = spawn(serial, demand.free.saturating_sub(arrival.estimate.without_cache()))?;
        let outcome = slot.outcome.clone();
        let (keep_alive, pinned) = state.kept.get(&id).copied().unwrap_or((self.limits.keep_alive, false));
        let pulled = arrival.pulled;
        let resident = Resident {
            serial,
            kind: arrival.kind,
            entry: Arc::clone(arrival.entry),
            spec: arrival.spec.clone(),
            slot,
            estimate: arrival.estimate,
            place: arrival.place,
            pinned,
            keep_alive,
            pulled,
            busy: 1,
            used: false,
            last: now,
            since: now,
            wanted_away: 0,
            wanted_anew: 0,
            leaving: false,
        };
        state.residents.insert(Arc::clone(&id), resident);
        if pulled.is_some() {
            // The thread looks whether a newer one is pulled.
            self.due.notify_one();
        }
        let lease = Lease { pool: Arc::clone(self), id, serial, uses: arrival.uses };
        Ok(Admission::Begun(lease, outcome))
    }

    /// Memory that a model could have in a place where so much is free: with what others there would give back that nobody
    /// holds or has pinned, and with what it has itself.
    pub(crate) fn available(&self, id: &str, place: Place, free: u64) -> u64 {
        self.room(id, place, free, |other| other.busy == 0)
    }

    /// The same, once those that somebody holds are free as well.
    pub(crate) fn attainable(&self, id: &str, place: Place, free: u64) -> u64 {
        self.room(id, place, free, |_| true)
    }

    fn room(&self, id: &str, place: Place, free: u64, moves: impl Fn(&Resident) -> bool) -> u64 {
        let state = self.lock();
        let there = state.residents.iter().filter(|(_, resident)| resident.place == place);
        let movable = there.filter(|(other, resident)| {
            ***other == *id || resident.leaving || (!resident.pinned && moves(resident))
        });
        let movable: u64 = movable.map(|(_, resident)| resident.bytes()).sum();
        self.free(&state, place, free).saturating_add(movable)
    }

    /// Refuses a load that would fail as it did a moment ago.
    ///
    /// # Errors
    /// What it failed with, while the model cools down.
    pub(crate) fn check_cooling(&self, entry: &Arc<Entry>, spec: &LoadSpec) -> Result<()> {
        self.lock().cooling.check(entry, spec, Instant::now())
    }

    /// Memory that is free for one more model, of what is free in its place.
    pub(super) fn free(&self, state: &State, place: Place, free: u64) -> u64 {
        let there = || state.residents.values().filter(|resident| resident.place == place);
        // What loads has not taken all its memory yet.
        let promised = there().filter(|resident| resident.slot.ready().is_none() && !resident.leaving);
        let free = free.saturating_sub(promised.map(Resident::bytes).sum());
        self.limits.bytes.filter(|_| place == Place::Host).map_or(free, |limit| {
            let taken: u64 = there().map(Resident::bytes).sum();
            limit.saturating_sub(taken).min(free)
        })
    }
}

impl Resident {
    /// As far as room in a place goes.
    fn occupant<'a>(&self, id: &'a str, place: Place) -> Occupant<'a> {
        Occupant {
            id,
            kind: self.kind,
            bytes: if self.place == place { self.bytes() } else { 0 },
            busy: self.busy > 0 || self.slot.ready().is_none(),
            pinned: self.pinned,
            leaving: self.leaving,
            used: self.last,
            since: self.since,
        }
    }
}

/// What is told to whoever finds no room.
fn refused(demand: &Demand, short: Shortage, occupants: &[Occupant<'_>]) -> BackendError {
    match short {
        Shortage::Memory(available) => BackendError::OutOfMemory { required: demand.bytes, available },
        Shortage::Count(most) => {
            let kind = match demand.kind {
                ModelKind::Embedding => "embedding models",
                ModelKind::Rerank => "cross-encoders",
                ModelKind::Chat => "chat models",
                ModelKind::Unknown => "models",
            };
            let of_kind = || occupants.iter().filter(|occupant| occupant.kind == demand.kind);
            let all_pinned = of_kind().all(|occupant| occupant.pinned);
            let why = if all_pinned { "all of them pinned" } else { "all of them busy or pinned" };
            BackendError::ResourceLimitExceeded {
                resource: format!("number of {kind} in memory (--max-loaded), {why},"),
                limit: most as u64,
                current: of_kind().count() as u64,
                retry_after: RETRY,
            }
        }
    }
}
