//! The pool: which models are in memory, who holds them, and who leaves when another one needs room.
//!
//! A model is loaded once for all who ask while it loads (`slot`). Requests hold it by a [`Lease`] as long as they run, and
//! while anybody does it stays. Room is made by the plan of `plan`; what nobody used for its time is told to leave by a
//! thread (`sweep`). A model that is told to leave admits nobody new and goes when its last lease ends: only then is its
//! engine told to stop, so that no request meets a closed queue.

mod admit;
mod cooling;
mod keep;
mod lease;
mod plan;
mod report;
pub(crate) mod slot;
mod spec;
mod sweep;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use tokio::sync::{Notify, watch};

pub(crate) use admit::{Admission, Arrival};
pub use keep::KeepAlive;
pub(crate) use lease::{GiveWay, Lease, Leased};
pub use report::{LoadedModel, ModelState, PoolMetrics};
use slot::{EngineQueue, Event, Outcome, Slot, unloaded};
pub(crate) use spec::{LoadSpec, Wish};

use crate::{
    embed::{
        loaded::Loaded,
        metrics::{Recorder, SECONDS},
    },
    generate::loaded::LoadedDecoder,
    models::{Entry, ModelKind},
    resources::{Estimate, Place},
};

/// A model in memory, of either kind of engine.
#[derive(Clone)]
pub(crate) enum Model {
    Encoder(Arc<Loaded>),
    Decoder(Arc<LoadedDecoder>),
}

/// What bounds the pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    /// Most models of one kind; as memory allows where there is none.
    pub(crate) most: Option<usize>,
    /// Bytes that models may take of the machine's memory together; as the machine allows where there is none.
    pub(crate) bytes: Option<u64>,
    /// How long a model stays that nobody uses, where its load does not say.
    pub(crate) keep_alive: KeepAlive,
}

/// The models in memory.
pub(crate) struct Pool {
    limits: PoolLimits,
    state: Mutex<State>,
    /// Told when a model has come free or left.
    pub(crate) changed: Notify,
    /// Wakes the thread that lets idle models go.
    due: Condvar,
    load_seconds: Recorder,
}

#[derive(Default)]
struct State {
    residents: BTreeMap<Arc<str>, Resident>,
    cooling: cooling::Cooling,
    /// Models whose files are being deleted: nobody loads them meanwhile.
    going: BTreeSet<String>,
    /// How models were kept that left for another load of them, which is kept so too: it goes once that has been loaded.
    kept: BTreeMap<Arc<str>, (KeepAlive, bool)>,
    /// Counts loads, so that each is told from the next one of the same model.
    serial: u64,
    closed: bool,
    /// Whether the thread that lets idle models go has been started, and when it looks next.
    sweeping: bool,
    next_sweep: Option<Instant>,
    /// Models that were loaded, and that were not since loading failed.
    loads: u64,
    failed_loads: u64,
    /// Models that left to make room, and that left since nobody used them.
    evicted: u64,
    expired: u64,
}

/// A model in memory or on its way.
struct Resident {
    serial: u64,
    kind: ModelKind,
    entry: Arc<Entry>,
    spec: LoadSpec,
    slot: Slot<Model>,
    estimate: Estimate,
    place: Place,
    pinned: bool,
    keep_alive: KeepAlive,
    /// Leases that are held.
    busy: usize,
    /// Whether a request has used it.
    used: bool,
    last: Instant,
    since: Instant,
    /// When it was pulled, where it was.
    pulled: Option<SystemTime>,
    /// Waiting loads that want it to give way.
    wanted_away: usize,
    /// Those among them that want it loaded in another way.
    wanted_anew: usize,
    /// Whether it leaves, come what may.
    leaving: bool,
}

impl Resident {
    fn admits(&self) -> bool {
        !self.leaving && self.wanted_away == 0
    }

    fn bytes(&self) -> u64 {
        let cache = match self.slot.ready() {
            Some(Model::Decoder(decoder)) => decoder.counters.cache_bytes(),
            _ => 0,
        };
        self.estimate.with_cache(cache)
    }

    /// Tells it to leave once nobody holds it.
    fn leave(&mut self) {
        self.leaving = true;
        if self.busy == 0 {
            self.slot.queue.close();
        }
    }

    /// When it leaves if nobody uses it until then.
    fn expires(&self) -> Option<Instant> {
        let KeepAlive::For(time) = self.keep_alive else { return None };
        let idle = self.busy == 0 && !self.pinned && !self.leaving && self.slot.ready().is_some();
        // One that is kept for no time was loaded for somebody who has yet to come.
        let expected = time.is_zero() && !self.used;
        if idle && !expected { self.last.checked_add(time) } else { None }
    }
}

/// What there is of a model.
pub(crate) enum Found {
    /// It is here or on its way, and held.
    Here(Lease, ModelKind, watch::Receiver<Outcome<Model>>),
    /// It is here in another way than it was wished for, in this one.
    Otherwise(LoadSpec),
    /// It leaves.
    Leaves,
    /// It is not here.
    Absent,
    /// Its files are being deleted.
    Gone,
}

/// A model whose files are being deleted.
pub(crate) struct Going {
    pool: Arc<Pool>,
    id: String,
}

impl Drop for Going {
    fn drop(&mut self) {
        self.pool.lock().going.remove(&self.id);
        self.pool.changed.notify_waiters();
    }
}

/// An engine that is to leave.
pub(crate) struct Engine {
    pub(crate) id: Arc<str>,
    pub(crate) queue: Arc<dyn EngineQueue>,
    /// Closed once its thread has ended.
    pub(crate) outcome: watch::Receiver<Outcome<Model>>,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
            changed: Notify::new(),
            due: Condvar::new(),
            load_seconds: Recorder::new(SECONDS),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A model that is in memory, without holding it.
    pub(crate) fn ready(&self, id: &str) -> Option<Model> {
        self.lock().residents.get(id)?.slot.ready()
    }

    /// Holds a model that is here.
    pub(crate) fn find(self: &Arc<Self>, id: &str, wish: &Wish, uses: bool) -> Found {
        let mut state = self.lock();
        if state.going.contains(id) {
            return Found::Gone;
        }
        let Some((id, resident)) = state.resident(id) else { return Found::Absent };
        if !resident.admits() {
            return Found::Leaves;
        }
        if !wish.is_met_by(&resident.spec, resident.slot.ready().as_ref()) {
            return Found::Otherwise(resident.spec.clone());
        }
        resident.busy += 1;
        resident.last = Instant::now();
        let lease = Lease { pool: Arc::clone(self), id, serial: resident.serial, uses };
        Found::Here(lease, resident.kind, resident.slot.outcome.clone())
    }

    /// Bytes that models may take together, where that is bounded.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.limits.bytes
    }

    fn hold_again(&self, lease: &Lease) {
        if let Some(resident) = self.lock().of(&lease.id, lease.serial) {
            resident.busy += 1;
        }
    }

    fn release(&self, lease: &Lease) {
        let mut state = self.lock();
        let Some(resident) = state.of(&lease.id, lease.serial) else { return };
        resident.busy = resident.busy.saturating_sub(1);
        resident.used |= lease.uses;
        resident.last = Instant::now();
        if resident.busy > 0 {
            return;
        }
        if resident.wanted_anew > 0 {
            state.let_go(&lease.id);
            return;
        }
        if !resident.admits() {
            let makes_room = !resident.leaving;
            resident.leave();
            state.evicted += u64::from(makes_room);
            return;
        }
        let expires = resident.expires();
        // The thread looks by itself when it is to look sooner.
        if expires.is_some_and(|at| state.next_sweep.is_none_or(|next| at < next)) {
            self.due.notify_one();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn is_here(&self, wish: &GiveWay) -> bool {
        self.lock().of(&wish.id, wish.serial).is_some()
    }

    fn take_back(&self, wish: &GiveWay) {
        let mut state = self.lock();
        if let Some(resident) = state.of(&wish.id, wish.serial) {
            resident.wanted_away = resident.wanted_away.saturating_sub(1);
            resident.wanted_anew = resident.wanted_anew.saturating_sub(usize::from(wish.anew));
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Tells a model to leave once nobody holds it, or at once by force. Whether it is here.
    pub(crate) fn unload(&self, id: &str, force: bool) -> bool {
        let mut state = self.lock();
        state.kept.remove(id);
        let Some(resident) = state.residents.get_mut(id) else { return false };
        resident.leave();
        if force && resident.busy > 0 {
            resident.slot.queue.abort(&unloaded(id));
        }
        true
    }

    /// Keeps everybody off a model whose files are to go, until what is returned is dropped; `None` where somebody does.
    pub(crate) fn keep_off(self: &Arc<Self>, id: &str) -> Option<Going> {
        let is_first = self.lock().going.insert(id.to_owned());
        is_first.then(|| Going { pool: Arc::clone(self), id: id.to_owned() })
    }

    /// Tells a model to leave for another load of it: at once where nobody holds it, and else once nobody does, unless that
    /// load gives up before.
    pub(crate) fn let_go(self: &Arc<Self>, id: &str) -> Option<GiveWay> {
        let mut state = self.lock();
        let (id, resident) = state.resident(id)?;
        if resident.busy == 0 {
            state.let_go(&id);
            return None;
        }
        resident.wanted_away += 1;
        resident.wanted_anew += 1;
        let serial = resident.serial;
        Some(GiveWay { pool: Arc::clone(self), id, serial, anew: true })
    }

    /// Tells a model to leave that is in memory as other files than these, for a load of these.
    pub(crate) fn let_go_stale(&self, entry: &Entry) {
        let mut state = self.lock();
        if state.residents.get(entry.id.as_str()).is_some_and(|resident| resident.entry.list != entry.list) {
            state.let_go(&entry.id);
        }
    }

    /// Whether the files of a model are being deleted.
    pub(crate) fn is_going(&self, id: &str) -> bool {
        self.lock().going.contains(id)
    }

    /// Whether a model is here that has been told to leave.
    pub(crate) fn is_leaving(&self, id: &str) -> bool {
        self.lock().residents.get(id).is_some_and(|resident| resident.leaving)
    }

    /// Changes how long a model is kept that somebody holds.
    pub(crate) fn keep(&self, lease: &Lease, keep_alive: Option<KeepAlive>, pinned: Option<bool>) {
        let mut state = self.lock();
        if let Some(resident) = state.of(&lease.id, lease.serial) {
            // One that is to be kept for no time is kept for whoever asked: its next use is the last.
            resident.used &= keep_alive.is_none();
            resident.keep_alive = keep_alive.unwrap_or(resident.keep_alive);
            resident.pinned = pinned.unwrap_or(resident.pinned);
        }
    }

    /// Hears what the thread of a model tells; takes it off the list when that ends.
    pub(crate) fn hear(&self, id: &str, serial: u64, event: Event) {
        let mut state = self.lock();
        if let Event::Loaded(took) = event {
            state.loads += 1;
            if state.of(id, serial).is_some_and(|resident| !resident.leaving) {
                state.kept.remove(id);
            }
            drop(state);
            // What was read of the file and is not needed any more.
            crate::resources::give_back_memory();
            return self.load_seconds.observe(took.as_secs_f64());
        }
        let gone = match state.of(id, serial) {
            Some(_) => state.residents.remove(id),
            None => None,
        };
        if let (Some(resident), Event::NotLoaded(error)) = (&gone, event) {
            state.failed_loads += 1;
            state.cooling.note(&resident.entry, &resident.spec, error);
        }
        drop(state);
        let was_here = gone.is_some();
        drop(gone);
        if was_here {
            crate::resources::give_back_memory();
            tracing::info!(model = id, "the model has left memory");
        }
        self.changed.notify_waiters();
    }

    /// Admits nothing more, and takes all engines off the list.
    pub(crate) fn close(&self) -> Vec<Engine> {
        let mut state = self.lock();
        state.closed = true;
        let residents = std::mem::take(&mut state.residents);
        drop(state);
        self.due.notify_all();
        self.changed.notify_waiters();
        let engine = |(id, resident): (Arc<str>, Resident)| Engine {
            id,
            queue: resident.slot.queue,
            outcome: resident.slot.outcome,
        };
        residents.into_iter().map(engine).collect()
    }
}

impl State {
    /// A model, and its id as others hold it.
    fn resident(&mut self, id: &str) -> Option<(Arc<str>, &mut Resident)> {
        let id = self.residents.get_key_value(id).map(|(id, _)| Arc::clone(id))?;
        let resident = self.residents.get_mut(&id)?;
        Some((id, resident))
    }

    /// The model of a lease, where it is still here.
    fn of(&mut self, id: &str, serial: u64) -> Option<&mut Resident> {
        self.residents.get_mut(id).filter(|resident| resident.serial == serial)
    }

    /// Tells a model to leave, and remembers how it is kept for the load that takes its place. Whether it was told now.
    fn let_go(&mut self, id: &str) -> bool {
        let Some(resident) = self.residents.get_mut(id).filter(|resident| !resident.leaving) else {
            return false;
        };
        resident.leave();
        self.kept.insert(id.into(), (resident.keep_alive, resident.pinned));
        true
    }
}
