//! Room for a model: who has to leave for it, whom to wait for, and when there will never be any.

use std::time::Instant;

use crate::models::ModelKind;

/// A model in memory, as far as making room goes.
#[derive(Debug, Clone)]
pub(super) struct Occupant<'a> {
    pub(super) id: &'a str,
    pub(super) kind: ModelKind,
    /// Memory that its leaving gives back.
    pub(super) bytes: u64,
    /// Whether requests hold it, or it is being loaded.
    pub(super) busy: bool,
    pub(super) pinned: bool,
    /// Whether it has been told to leave already.
    pub(super) leaving: bool,
    /// When it was used last.
    pub(super) used: Instant,
    /// When it came.
    pub(super) since: Instant,
}

/// What a model needs, and what there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) kind: ModelKind,
    pub(super) bytes: u64,
    /// Memory that is free for models now.
    pub(super) free: u64,
    /// Most models of one kind.
    pub(super) most: Option<usize>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan<'a> {
    /// There is room.
    Fits,
    /// There is once these have left. None of them is busy or pinned.
    Evict(Vec<&'a str>),
    /// There is once models that are leaving have left, or busy ones are free; `give_way` is the one among those that has
    /// been here longest.
    Wait { give_way: Option<&'a str>, short: Shortage },
    /// Pinned models are in the way, or it is too large for what this machine has.
    Never(Shortage),
}

/// What is lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    /// There may be so many models of the kind.
    Count(usize),
    /// Memory that could be had at the most.
    Memory(u64),
}

/// Plans room for a model among those that are here.
///
/// Those that were not used for longest leave first, of the same kind before others. Nobody leaves unless that makes room.
pub(super) fn plan<'a>(demand: &Demand, occupants: &[Occupant<'a>]) -> Plan<'a> {
    let of_kind = |occupant: &&Occupant<'_>| occupant.kind == demand.kind;
    let leaving = || occupants.iter().filter(|occupant| occupant.leaving);
    let count = occupants.iter().filter(of_kind).count();
    // Models of the kind that have to leave, and bytes that have to come free, beyond those that are on their way out.
    let surplus = demand.most.map_or(0, |most| (count + 1).saturating_sub(most.max(1)));
    let lacking = demand.bytes.saturating_sub(demand.free);
    if surplus == 0 && lacking == 0 {
        return Plan::Fits;
    }
    let mut need = Need {
        count: surplus.saturating_sub(leaving().filter(of_kind).count()),
        bytes: lacking.saturating_sub(leaving().map(|occupant| occupant.bytes).sum()),
        kind: demand.kind,
    };

    let mut candidates: Vec<&Occupant<'_>> =
        occupants.iter().filter(|occupant| !occupant.leaving && !occupant.pinned).collect();
    candidates.sort_by_key(|occupant| (occupant.kind != demand.kind, occupant.used));
    let mut evicted = Vec::new();
    for idle in candidates.iter().filter(|occupant| !occupant.busy) {
        if need.takes(idle) {
            evicted.push(idle.id);
        }
    }
    if need.met() {
        return if evicted.is_empty() {
            Plan::Wait { give_way: None, short: shortage(demand, surplus == 0, occupants) }
        } else {
            Plan::Evict(evicted)
        };
    }
    let waits_for_memory = need.bytes > 0;
    candidates.sort_by_key(|occupant| (occupant.kind != demand.kind, occupant.since));
    let mut give_way = None;
    for busy in candidates.iter().filter(|occupant| occupant.busy) {
        if need.takes(busy) && give_way.is_none() {
            give_way = Some(busy.id);
        }
    }
    if need.met() {
        Plan::Wait { give_way, short: shortage(demand, waits_for_memory, occupants) }
    } else {
        Plan::Never(shortage(demand, need.bytes > 0, occupants))
    }
}

/// What is still needed.
struct Need {
    count: usize,
    bytes: u64,
    kind: ModelKind,
}

impl Need {
    fn met(&self) -> bool {
        self.count == 0 && self.bytes == 0
    }

    /// Counts the leaving of a model, where it helps.
    fn takes(&mut self, occupant: &Occupant<'_>) -> bool {
        let counts = self.count > 0 && occupant.kind == self.kind;
        if !counts && self.bytes == 0 {
            return false;
        }
        self.count -= usize::from(counts);
        self.bytes = self.bytes.saturating_sub(occupant.bytes);
        true
    }
}

fn shortage(demand: &Demand, of_memory: bool, occupants: &[Occupant<'_>]) -> Shortage {
    match demand.most {
        Some(most) if !of_memory => Shortage::Count(most),
        _ => {
            let movable = occupants.iter().filter(|occupant| occupant.leaving || !occupant.pinned);
            let movable: u64 = movable.map(|occupant| occupant.bytes).sum();
            Shortage::Memory(demand.free.saturating_add(movable))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ModelKind::{Chat, Embedding};
    use proptest::prelude::*;

    use super::*;

    fn occupant(id: &str, kind: ModelKind, bytes: u64, used: u64) -> Occupant<'_> {
        let start = Instant::now();
        let at = start + Duration::from_secs(used);
        Occupant { id, kind, bytes, busy: false, pinned: false, leaving: false, used: at, since: at }
    }

    fn demand(bytes: u64, free: u64, most: Option<usize>) -> Demand {
        Demand { kind: Embedding, bytes, free, most }
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_leaves_and_of_the_same_kind_first() {
        let there = [
            occupant("chat", Chat, 10, 1),
            occupant("new", Embedding, 10, 3),
            occupant("old", Embedding, 10, 2),
        ];
        assert_eq!(plan(&demand(5, 5, None), &there), Plan::Fits);
        assert_eq!(plan(&demand(5, 5, Some(3)), &there), Plan::Fits);
        assert_eq!(plan(&demand(5, 5, Some(2)), &there), Plan::Evict(vec!["old"]));
        assert_eq!(plan(&demand(15, 5, None), &there), Plan::Evict(vec!["old"]));
        assert_eq!(plan(&demand(35, 5, None), &there), Plan::Evict(vec!["old", "new", "chat"]));
        assert_eq!(plan(&demand(36, 5, None), &there), Plan::Never(Shortage::Memory(35)));
    }

    #[test]
    fn the_busy_are_waited_for_and_the_pinned_are_not() {
        let mut there = [occupant("a", Embedding, 10, 1), occupant("b", Embedding, 10, 2)];
        (there[0].busy, there[1].busy) = (true, true);
        let wait = Plan::Wait { give_way: Some("a"), short: Shortage::Count(2) };
        assert_eq!(plan(&demand(5, 5, Some(2)), &there), wait);
        there[0].pinned = true;
        let wait = Plan::Wait { give_way: Some("b"), short: Shortage::Count(2) };
        assert_eq!(plan(&demand(5, 5, Some(2)), &there), wait);
        there[1].pinned = true;
        assert_eq!(plan(&demand(5, 5, Some(2)), &there), Plan::Never(Shortage::Count(2)));
        // One that leaves already is waited for, and nobody else has to.
        (there[1].pinned, there[1].leaving) = (false, true);
        assert!(matches!(plan(&demand(5, 5, Some(2)), &there), Plan::Wait { give_way: None, .. }));
    }

    proptest! {
        /// Who leaves is neither busy nor pinned nor leaving, and makes room; nobody leaves in vain.
        #[test]
        fn a_plan_makes_room(
            models in prop::collection::vec((0_u64..50, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0_u64..9), 0..8),
            bytes in 0_u64..200, free in 0_u64..100, most in prop::option::of(1_usize..5),
        ) {
            let names: Vec<String> = (0..models.len()).map(|index| index.to_string()).collect();
            let there: Vec<Occupant<'_>> = models.iter().zip(&names).map(|((bytes, chat, busy, pinned, leaving, used), id)| {
                let kind = if *chat { Chat } else { Embedding };
                Occupant { busy: *busy, pinned: *pinned, leaving: *leaving, ..occupant(id, kind, *bytes, *used) }
            }).collect();
            let demand = demand(bytes, free, most);
            let after = |gone: &dyn Fn(&Occupant<'_>) -> bool| {
                let left: Vec<&Occupant<'_>> = there.iter().filter(|occupant| !gone(occupant)).collect();
                let freed: u64 = there.iter().filter(|occupant| gone(occupant)).map(|occupant| occupant.bytes).sum();
                let count = left.iter().filter(|occupant| occupant.kind == Embedding).count();
                most.is_none_or(|most| count < most) && bytes <= free + freed
            };
            match plan(&demand, &there) {
                Plan::Fits => prop_assert!(after(&|_| false)),
                Plan::Evict(ids) => {
                    for occupant in there.iter().filter(|occupant| ids.contains(&occupant.id)) {
                        prop_assert!(!occupant.busy && !occupant.pinned && !occupant.leaving);
                    }
                    prop_assert!(after(&|occupant| occupant.leaving || ids.contains(&occupant.id)));
                    prop_assert!(!after(&|occupant| occupant.leaving));
                }
                Plan::Wait { .. } => prop_assert!(after(&|occupant| occupant.leaving || !occupant.pinned) && !after(&|_| false)),
                Plan::Never(_) => prop_assert!(!after(&|occupant| occupant.leaving || !occupant.pinned)),
            }
        }
    }
}
