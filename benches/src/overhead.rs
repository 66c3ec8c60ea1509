//! Instructions per request of a `#[route]` handler, over the same handler written by hand in axum.

use clap::Args;

use crate::stats::median;
use crate::table::Table;
use crate::valgrind::instructions;
use crate::{Failure, cargo, progress};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Requests of the shorter run; the longer has twice as many, and their difference leaves out start-up.
    #[arg(long, default_value_t = 2000)]
    requests: u32,
    /// Repetitions; the table shows medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Counts and returns the table.
///
/// # Errors
/// When valgrind is missing, or a program fails.
pub(crate) fn run(options: &Options) -> Result<String, Failure> {
    let program = cargo::release_binary("tabagent-benches", "requests")?;
    let per_request = |shape: &str, who: &str, log: bool| -> Result<f64, Failure> {
        let mut figures = Vec::new();
        for _ in 0..options.rounds.max(1) {
            let count = |requests: u32| {
                let mut arguments = vec![shape.to_owned(), who.to_owned(), requests.to_string()];
                arguments.extend(log.then(|| "log".to_owned()));
                instructions(&program, &arguments)
            };
            let (once, twice) = (count(options.requests)?, count(2 * options.requests)?);
            figures.push(twice.saturating_sub(once) as f64 / f64::from(options.requests));
        }
        Ok(median(&figures))
    };
    let mut table =
        Table::new(&["instructions per request", "#[route]", "by hand in axum", "ratio", "wanted"]);
    for (shape, what) in
        [("body", "POST, component and JSON body"), ("path", "GET, component, path and query")]
    {
        for (log, how) in [(false, "nobody logs"), (true, "every request is logged")] {
            progress(&format!("{what}, {how}"));
            let (route, hand) = (per_request(shape, "route", log)?, per_request(shape, "hand", log)?);
            table.row(vec![
                format!("{what}; {how}"),
                format!("{route:.0}"),
                format!("{hand:.0}"),
                format!("{:.3}", route / hand),
                "<= 1.02".to_owned(),
            ]);
        }
    }
    Ok(table.render())
}
