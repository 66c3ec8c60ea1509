//! The table of one model.

use super::contestant::Who;
use super::service::{DISTURBING, FIRST_TURN, SECOND_TURN};
use super::{COMPARED, Figures, LONG, Round, SHORT, STREAMS};
use crate::stats::{median, median_ratio};
use crate::table::Table;

/// What was found.
pub(super) struct Report {
    model: String,
    tokens: usize,
    threads: usize,
    versions: Vec<(Who, String)>,
    pub(super) alike: Vec<(Who, usize)>,
    pub(super) rounds: Vec<Round>,
    /// Peak memory in MiB.
    pub(super) peaks: Vec<(Who, f64)>,
}

/// A figure of a round.
type Pick = fn(&Figures) -> f64;

/// What is wanted of us beside a peer: prefill, one stream, streams together, memory.
fn wanted(peer: Who) -> [&'static str; 4] {
    match peer {
        Who::Genai => [">= 1.7", ">= 1.1", ">= 1.3", "<= 1.0"],
        Who::LlamaCpp => [">= 0.9", ">= 0.85", ">= 1.0", "<= 1.2"],
        Who::InProcess => [">= 0.95", ">= 0.95", ">= 0.95", ""],
        Who::Http => [""; 4],
    }
}

impl Report {
    pub(super) fn new(model: String, tokens: usize, threads: usize) -> Self {
        Self {
            model,
            tokens,
            threads,
            versions: Vec::new(),
            alike: Vec::new(),
            rounds: Vec::new(),
            peaks: Vec::new(),
        }
    }

    /// A contestant was started.
    pub(super) fn entered(&mut self, who: Who, version: String) {
        self.versions.push((who, version));
    }

    /// A figure of a contestant in each round.
    fn column(&self, who: Who, pick: Pick) -> Vec<f64> {
        let of = |round: &Round| {
            let found = round.figures.iter().find(|(contestant, _)| *contestant == who);
            found.map_or(f64::NAN, |(_, figures)| pick(figures))
        };
        self.rounds.iter().map(of).collect()
    }

    /// The table, and what it rests on.
    pub(super) fn render(&self) -> String {
        let mut table =
            Table::new(&[&format!("{}, int4", self.model), "tabagent", "peer", "ratio", "wanted", "peer is"]);
        let mut row = |what: &str, digits: usize, ours: &[f64], theirs: &[f64], wanted: &str, peer: &str| {
            let number = |value: f64, digits: usize| format!("{value:.digits$}");
            table.row(vec![
                what.to_owned(),
                number(median(ours), digits),
                number(median(theirs), digits),
                number(median_ratio(ours, theirs), 2),
                wanted.to_owned(),
                peer.to_owned(),
            ]);
        };
        let until = |begin: usize| begin + self.tokens;
        let rates: [(String, Pick, Option<usize>); 4] = [
            (format!("prefill, {LONG} tokens: tokens/s"), |figures| figures.prefill, Some(0)),
            (
                format!("one stream, context {LONG} to {}: tokens/s", until(LONG)),
                |figures| figures.one,
                Some(1),
            ),
            (
                format!("{STREAMS} streams, context {SHORT} to {}: tokens/s", until(SHORT)),
                |figures| figures.together,
                Some(2),
            ),
            ("the same from begin to end, prefill included".to_owned(), |figures| figures.whole, None),
        ];
        let peak =
            |who: Who| self.peaks.iter().find(|(peer, _)| *peer == who).map_or(f64::NAN, |(_, mib)| *mib);
        for (peer, version) in self.versions.iter().filter(|(who, _)| *who != Who::Http) {
            let peer = *peer;
            let name = if peer == Who::InProcess { "tabagent-runtime without HTTP" } else { version };
            for (what, pick, place) in &rates {
                let wanted = place.map_or("", |place| wanted(peer)[place]);
                row(what, 1, &self.column(Who::Http, *pick), &self.column(peer, *pick), wanted, name);
            }
            row("peak memory, one stream: MiB", 0, &[peak(Who::Http)], &[peak(peer)], wanted(peer)[3], name);
        }
        let service = |pick: fn(&Round) -> f64| self.rounds.iter().map(pick).collect::<Vec<f64>>();
        row(
            &format!("second turn, {SECOND_TURN} tokens after {FIRST_TURN} cached: first token, ms"),
            0,
            &service(|round| round.service.turns.1 * 1e3),
            &service(|round| round.service.turns.0 * 1e3),
            "<= 0.15",
            "its first turn",
        );
        row(
            &format!("between tokens while another reads {DISTURBING}: p95, ms"),
            1,
            &service(|round| round.service.gaps.1 * 1e3),
            &service(|round| round.service.gaps.0 * 1e3),
            "<= 2",
            "the same stream alone before and after, medians",
        );
        let ones = vec![100.0; self.rounds.len()];
        let step = "the decoding step";
        row(
            "beside the graph, one stream: %",
            2,
            &service(|round| round.service.share.0 * 1e2),
            &ones,
            "<= 0.03",
            step,
        );
        let what = format!("beside the graph, {STREAMS} streams: %");
        row(&what, 2, &service(|round| round.service.share.1 * 1e2), &ones, "<= 0.03", step);
        let alike: Vec<String> =
            self.alike.iter().map(|(who, count)| format!("{} {count}", who.name())).collect();
        format!(
            "{}\nmedians of {} interleaved rounds, {} threads each; tokens of {COMPARED} chosen as our runtime does in \
             process, at the beginning: {}",
            table.render(),
            self.rounds.len(),
            self.threads,
            alike.join(", ")
        )
    }
}
