//! The engine: one thread for each loaded model, which owns the session and runs one batch after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use ort::session::RunOptions;

use super::{
    batch::Budget,
    graph::Graph,
    metrics::Counters,
    queue::{Queue, Stop, Work},
};
use crate::{
    error::{BackendError, Result},
    library::ort_failure,
    runtime::pool::slot::EngineQueue,
};

/// Runs batches until the queue is closed and empty. The calling thread is the model's own.
pub(crate) fn serve(model: &str, mut graph: Graph, queue: &Queue, budget: &Budget, counters: &Counters) {
    let options = match RunOptions::new() {
        Ok(options) => Arc::new(options),
        Err(error) => {
            let error = ort_failure("CPU", &error);
            tracing::error!(model, %error, "the engine cannot run");
            queue.abort(&error);
            return;
        }
    };
    let stop: Stop = Arc::new({
        let options = Arc::clone(&options);
        move || {
            if let Err(error) = options.terminate() {
                tracing::warn!(%error, "a run that nobody waits for could not be stopped");
            }
        }
    });
    while let Some(mut batch) = queue.next_batch(budget, &stop) {
        step(&mut graph, &mut batch, &options, counters);
        queue.finished(|| {
            if let Err(error) = options.unterminate() {
                tracing::warn!(%error, "the next run may be stopped as well");
            }
        });
    }
}

/// Runs one batch and answers its texts.
fn step(graph: &mut Graph, batch: &mut [Work], options: &RunOptions, counters: &Counters) {
    match timed(graph, batch, options, counters) {
        Ok(rows) => answer(batch, rows),
        // One text among them may be what fails: each is tried by itself, so that it harms nobody else.
        Err(_) if batch.len() > 1 && batch.iter().any(|work| !work.ticket.cancelled()) => {
            for index in 0..batch.len() {
                let single = &mut batch[index..=index];
                if single[0].ticket.cancelled() {
                    continue;
                }
                match timed(graph, single, options, counters) {
                    Ok(rows) => answer(single, rows),
                    Err(error) => fail(single, &error, counters),
                }
            }
        }
        Err(error) => fail(batch, &error, counters),
    }
}

/// Runs a batch and notes what it took.
fn timed(
    graph: &mut Graph,
    batch: &[Work],
    options: &RunOptions,
    counters: &Counters,
) -> Result<Vec<Vec<f32>>> {
    let texts: Vec<_> = batch.iter().map(|work| &work.tokens).collect();
    let begun = Instant::now();
    let rows = catch_unwind(AssertUnwindSafe(|| graph.run(&texts, options)))
        .unwrap_or_else(|_| Err(BackendError::internal("the engine panicked while it ran a batch")))?;
    let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
    let tokens = texts.iter().map(|text| text.ids.len()).sum();
    counters.ran(batch.len(), tokens, longest * batch.len(), begun.elapsed());
    Ok(rows)
}

fn answer(batch: &[Work], rows: Vec<Vec<f32>>) {
    for (work, row) in batch.iter().zip(rows) {
        work.ticket.fulfil(work.index, row);
    }
}

fn fail(batch: &[Work], error: &BackendError, counters: &Counters) {
    for work in batch {
        if work.ticket.fail(error) {
            tracing::warn!(%error, "a request failed while it ran");
            counters.failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
