//! The queue's promises: bounded, fair, free of what was cancelled.

use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;

const BUDGET: Budget = Budget { tokens: 64, attention_bytes: 1 << 20, heads: 1, overhead: 8, alone: false };

fn queue(capacity: usize) -> Arc<Queue> {
    Queue::new("m", capacity, Arc::new(Counters::default()))
}

fn texts(lengths: &[usize]) -> Vec<Tokens> {
    lengths.iter().map(|length| Tokens { ids: vec![7; *length], ..Tokens::default() }).collect()
}

fn submit(queue: &Arc<Queue>, lengths: &[usize]) -> Pending {
    queue.reserve("input", lengths.len()).unwrap().submit(texts(lengths))
}

/// Takes a batch and answers every text with its length.
fn run(queue: &Queue) -> Vec<(u64, usize)> {
    let batch = queue.next_batch(&BUDGET, &(Arc::new(|| ()) as Stop)).unwrap();
    let seen = batch.iter().map(|work| (work.ticket.id, work.index)).collect();
    for work in batch {
        work.ticket.fulfil(work.index, vec![work.tokens.ids.len() as f32]);
    }
    queue.finished(|| ());
    seen
}

fn poll(pending: Pending) -> Poll<Result<Rows>> {
    std::pin::pin!(pending.rows()).as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn rows_come_in_the_order_of_the_texts() {
    let queue = queue(16);
    let pending = submit(&queue, &[30, 2, 31, 3]);
    while !queue.idle() {
        run(&queue);
    }
    let Poll::Ready(Ok(rows)) = poll(pending) else { panic!("not answered") };
    assert_eq!(rows, [[30.0], [2.0], [31.0], [3.0]]);
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_back() {
    let queue = queue(4);
    let _first = submit(&queue, &[1, 1, 1]);
    let error = queue.reserve("input", 2).map(drop).unwrap_err();
    assert!(
        matches!(&error, BackendError::ResourceLimitExceeded { limit: 4, current: 3, retry_after, .. }
            if *retry_after >= Duration::from_secs(1)),
        "{error:?}"
    );
    assert!(queue.reserve("input", 1).is_ok());
    let never = queue.reserve("documents", 5).map(drop).unwrap_err();
    assert!(matches!(&never, BackendError::InvalidInput { field, .. } if field == "documents"), "{never:?}");
}

#[test]
fn a_reservation_that_is_not_used_is_given_back() {
    let queue = queue(4);
    drop(queue.reserve("input", 4).unwrap());
    assert!(queue.idle());
    assert!(queue.reserve("input", 4).is_ok());
}

#[test]
fn a_reservation_that_is_parted_holds_as_many_places() {
    let queue = queue(4);
    let (one, three) = queue.reserve("input", 4).unwrap().split(1);
    drop(three);
    assert_eq!(queue.waiting(), 1);
    let pending = one.submit(texts(&[4]));
    assert_eq!(run(&queue), [(0, 0)]);
    assert!(matches!(poll(pending), Poll::Ready(Ok(_))));
    assert!(queue.idle());
}

#[test]
fn dropping_a_request_frees_its_texts() {
    let queue = queue(8);
    let gone = submit(&queue, &[5, 5, 5]);
    let stays = submit(&queue, &[5, 5]);
    assert_eq!(queue.waiting(), 5);
    drop(gone);
    assert_eq!(queue.waiting(), 2);
    assert_eq!(run(&queue), [(1, 0), (1, 1)]);
    assert!(matches!(poll(stays), Poll::Ready(Ok(_))));
}

#[test]
fn a_run_that_serves_nobody_is_stopped() {
    let queue = queue(8);
    let (one, two) = (submit(&queue, &[5]), submit(&queue, &[5]));
    let stopped = Arc::new(AtomicBool::new(false));
    let stop: Stop = Arc::new({
        let stopped = Arc::clone(&stopped);
        move || stopped.store(true, Relaxed)
    });
    assert_eq!(queue.next_batch(&BUDGET, &stop).unwrap().len(), 2);
    drop(one);
    assert!(!stopped.load(Relaxed), "the other request is still served");
    drop(two);
    assert!(stopped.load(Relaxed));
}

#[test]
fn one_text_is_not_held_up_by_many() {
    let queue = queue(4096);
    let _many = submit(&queue, &[60; 2048]);
    let _one = submit(&queue, &[3]);
    run(&queue);
    assert_eq!(run(&queue), [(1, 0)], "its turn is the second batch");
}

#[test]
fn closing_drains_what_was_admitted_and_refuses_the_rest() {
    let queue = queue(8);
    let permit = queue.reserve("input", 1).unwrap();
    let pending = submit(&queue, &[4]);
    queue.close();
    assert!(matches!(queue.reserve("input", 1).map(drop), Err(BackendError::ModelNotLoaded { .. })));
    assert_eq!(run(&queue), [(0, 0)]);
    assert!(matches!(poll(pending), Poll::Ready(Ok(_))));
    let late = permit.submit(texts(&[4]));
    assert_eq!(run(&queue), [(1, 0)], "it was admitted before");
    assert!(matches!(poll(late), Poll::Ready(Ok(_))));
    assert!(queue.next_batch(&BUDGET, &(Arc::new(|| ()) as Stop)).is_none());
    assert!(queue.idle());
}

#[test]
fn an_engine_that_was_told_to_leave_leaves_when_the_last_reservation_goes() {
    let queue = queue(8);
    let permit = queue.reserve("input", 1).unwrap();
    queue.close();
    let engine = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || queue.next_batch(&BUDGET, &(Arc::new(|| ()) as Stop)).is_none()
    });
    drop(permit);
    assert!(engine.join().unwrap());
}

#[test]
fn after_an_abort_nothing_is_taken_in() {
    let queue = queue(8);
    let permit = queue.reserve("input", 1).unwrap();
    queue.abort(&shutting_down("m"));
    let late = permit.submit(texts(&[4]));
    assert!(matches!(poll(late), Poll::Ready(Err(BackendError::ModelNotLoaded { .. }))));
    assert!(queue.next_batch(&BUDGET, &(Arc::new(|| ()) as Stop)).is_none());
    assert!(queue.idle());
}

#[test]
fn aborting_answers_everyone() {
    let queue = queue(8);
    let (one, two) = (submit(&queue, &[4]), submit(&queue, &[60]));
    let _running = queue.next_batch(&BUDGET, &(Arc::new(|| ()) as Stop)).unwrap();
    queue.abort(&shutting_down("m"));
    for pending in [one, two] {
        assert!(matches!(poll(pending), Poll::Ready(Err(BackendError::ModelNotLoaded { .. }))));
    }
}

proptest! {
    /// Every request's longest text runs before any other request had two turns, whatever arrives.
    #[test]
    fn nobody_starves(requests in prop::collection::vec(prop::collection::vec(1_usize..80, 1..30), 1..20)) {
        let queue = queue(4096);
        let pending: Vec<_> = requests.iter().map(|lengths| submit(&queue, lengths)).collect();
        let mut served = vec![false; requests.len()];
        let mut seen = std::collections::BTreeSet::new();
        for turn in 0.. {
            if queue.idle() {
                break;
            }
            for (id, index) in run(&queue) {
                served[usize::try_from(id).unwrap()] = true;
                prop_assert!(seen.insert((id, index)), "a text ran twice");
            }
            prop_assert!(turn + 1 < requests.len() || served.iter().all(|served| *served));
        }
        prop_assert_eq!(seen.len(), requests.iter().map(Vec::len).sum::<usize>());
        for (pending, lengths) in pending.into_iter().zip(&requests) {
            let Poll::Ready(Ok(rows)) = poll(pending) else { panic!("not answered") };
            let rows: Vec<f32> = rows.iter().map(|row| row[0]).collect();
            let lengths: Vec<f32> = lengths.iter().map(|length| *length as f32).collect();
            prop_assert_eq!(rows, lengths);
        }
    }
}
