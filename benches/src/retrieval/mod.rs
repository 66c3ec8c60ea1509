//! Queries to many chunks: our server over HTTP, and usearch and hnswlib in a Python process on the same vectors, in
//! interleaved rounds.

mod corpus;
mod service;

use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::corpus::{Corpus, FIELDS, SECTIONS};
use self::service::{Kind, RESULTS, Restart, Service};
use crate::child::Running;
use crate::stats::{median, quantile};
use crate::table::Table;
use crate::{Failure, cargo, progress};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// A built `tabagent`; it is built when absent.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Chunks; ten make a document.
    #[arg(long, default_value_t = 100_000)]
    chunks: usize,
    /// Queries of a round.
    #[arg(long, default_value_t = 500)]
    queries: usize,
    /// Interleaved rounds; the table shows the medians of their percentiles.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Recall that the peers' search is made to reach.
    #[arg(long, default_value_t = 0.97)]
    recall: f64,
    /// Further arguments of `tabagent serve`.
    #[arg(last = true)]
    serve: Vec<String>,
}

/// Documents of one part of the ingest, whose rate is told, and words that are embedded at once.
const PART: usize = 1000;

/// Milliseconds of the 50th and the 95th percentile, a pair for each round.
type Percentiles = Vec<(f64, f64)>;

/// What was measured beside the rounds.
struct Findings {
    chunks: usize,
    dimensions: u64,
    /// Chunks in a second, over all and in the last part.
    rates: (f64, f64),
    /// Bytes that the resident memory grew by while documents came in.
    grown: f64,
    restart: Restart,
    /// Of ours, in the order of [`Kind::ALL`]; none where it says nothing.
    recalls: Vec<Option<f64>>,
    /// What the peers are, as they say it.
    peers: Vec<Value>,
}

/// Runs all rounds and returns the table.
///
/// # Errors
/// When something does not start, or any request fails.
pub(crate) fn run(options: &Options) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let program = match &options.server {
        Some(path) => path.clone(),
        None => cargo::release_binary("tabagent-api", "tabagent")?,
    };
    let scratch = TempDir::new()?;
    std::fs::create_dir(scratch.path().join("models"))?;
    let mut service = Service::start(program, &options.serve, scratch.path())?;
    // This also brings the model in, before memory and time are looked at.
    let words = corpus::words()?;
    let mut vectors = Vec::with_capacity(words.len());
    for part in words.chunks(PART) {
        vectors.extend(runtime.block_on(service.vectors(part))?);
    }
    let corpus = Corpus::of(words, &vectors);
    let queries = corpus.queries(options.queries.max(1));
    let before = service.running.resident();
    let rates = runtime.block_on(ingest(&service, &corpus, options.chunks))?;
    let grown = service.running.resident() - before;
    let restart = runtime.block_on(service.restart(queries.first().map_or("", String::as_str)))?;
    let mut peer = start_peer(&service, options)?;
    let vectors = runtime.block_on(service.vectors(&queries))?;
    progress("building the peers' indexes");
    let set = peer.ask(&json!({ "do": "build", "queries": vectors, "count": RESULTS }).to_string())?;
    let chunks = set["vectors"].as_u64().unwrap_or_default();
    if chunks != (options.chunks / SECTIONS * SECTIONS) as u64 {
        return Err(Failure::of(format!("the index has {chunks} vectors, and a section is to be one chunk")));
    }
    let mut recalls = Vec::new();
    for kind in Kind::ALL {
        recalls.push(runtime.block_on(recall(&service, &mut peer, kind, &queries))?);
    }
    let findings = Findings {
        chunks: options.chunks,
        dimensions: set["dimensions"].as_u64().unwrap_or_default(),
        rates,
        grown,
        restart,
        recalls,
        peers: set["peers"].as_array().cloned().unwrap_or_default(),
    };
    let mut ours: Vec<Percentiles> = vec![Vec::new(); Kind::ALL.len()];
    let mut theirs: Vec<Percentiles> = vec![Vec::new(); findings.peers.len()];
    for number in 1..=options.rounds.max(1) {
        for (kind, times) in Kind::ALL.into_iter().zip(&mut ours) {
            times.push(percentiles(&runtime.block_on(service.queries(kind, &queries))?.latencies));
        }
        for (at, times) in theirs.iter_mut().enumerate() {
            let answer = peer.ask(&json!({ "do": "round", "peer": at }).to_string())?;
            times.push(percentiles(&serde_json::from_value::<Vec<f64>>(answer["seconds"].clone())?));
        }
        let last = |all: &[Percentiles]| all.iter().filter_map(|times| times.last().copied()).collect();
        let (ours, theirs): (Percentiles, Percentiles) = (last(&ours), last(&theirs));
        progress(&format!("round {number}: {ours:.2?}, peers {theirs:.3?} ms"));
    }
    Ok(findings.report(&ours, &theirs, queries.len()))
}

/// Chunks in a second: over all documents, and over the last of them.
async fn ingest(service: &Service, corpus: &Corpus, chunks: usize) -> Result<(f64, f64), Failure> {
    let documents = chunks / SECTIONS;
    let (mut seconds, mut last) = (0.0, f64::NAN);
    for first in (0..documents).step_by(PART) {
        let part = first..(first + PART).min(documents);
        let count = part.len();
        let bodies = part.map(|number| Bytes::from(corpus.document(number).to_string())).collect();
        let took = service.ingest(bodies).await?;
        seconds += took;
        last = (count * SECTIONS) as f64 / took;
        progress(&format!("{} chunks are in, the last at {last:.0} a second", (first + count) * SECTIONS));
    }
    Ok(((documents * SECTIONS) as f64 / seconds, last))
}

fn start_peer(service: &Service, options: &Options) -> Result<Running, Failure> {
    let mut command = Command::new(cargo::root().join("benches/peers/retrieval.sh"));
    command.arg(service.database()).arg("--recall").arg(options.recall.to_string());
    Running::start(&mut command, &service.database().with_file_name("peers.log"))
}

/// The share of the nearest vectors, as an exact search has them, that ours finds.
async fn recall(
    service: &Service,
    peer: &mut Running,
    kind: Kind,
    queries: &[String],
) -> Result<Option<f64>, Failure> {
    let filter = match kind {
        Kind::Vector => None,
        Kind::Filtered(field) => Kind::filter(field),
        Kind::Keyword | Kind::Hybrid | Kind::Embedding => return Ok(None),
    };
    let found = service.found(kind, queries).await?;
    let (field, value) = filter.map_or((None, None), |(field, value)| (Some(field), Some(value)));
    let command = json!({ "do": "recall", "found": found, "field": field, "value": value });
    let answer = peer.ask(&command.to_string())?;
    answer["recall"].as_f64().map(Some).ok_or_else(|| Failure::of("the peer told no recall".to_owned()))
}

fn percentiles(seconds: &[f64]) -> (f64, f64) {
    (quantile(seconds, 0.5) * 1e3, quantile(seconds, 0.95) * 1e3)
}

impl Findings {
    fn report(&self, ours: &[Percentiles], theirs: &[Percentiles], queries: usize) -> String {
        let head = format!("{} chunks of {} values", self.chunks, self.dimensions);
        let recall = format!("recall@{RESULTS}");
        let mut table = Table::new(&[&head, "p50 ms", "p95 ms", &recall, "how"]);
        let mut row = |name: &str, times: &Percentiles, recall: Option<f64>, how: &str| {
            let middle = |pick: fn(&(f64, f64)) -> f64| {
                format!("{:.3}", median(&times.iter().map(pick).collect::<Vec<_>>()))
            };
            let recall = recall.map_or_else(|| "-".to_owned(), |recall| format!("{recall:.4}"));
            table.row(vec![
                name.to_owned(),
                middle(|pair| pair.0),
                middle(|pair| pair.1),
                recall,
                how.to_owned(),
            ]);
        };
        for ((kind, times), recall) in Kind::ALL.into_iter().zip(ours).zip(&self.recalls) {
            let filtered = |field: usize| {
                let share = FIELDS.get(field).map_or(f64::NAN, |(_, values)| 100.0 / *values as f64);
                format!("HTTP; a filter passes {share} %")
            };
            let (name, how) = match kind {
                Kind::Vector => ("tabagent, by vectors", "HTTP, with the embedding of the query".to_owned()),
                Kind::Embedding => ("tabagent, that embedding alone", "HTTP".to_owned()),
                Kind::Filtered(field) => ("tabagent, by vectors, filtered", filtered(field)),
                Kind::Keyword => ("tabagent, by words", "HTTP".to_owned()),
                Kind::Hybrid => ("tabagent, hybrid", "HTTP, with the embedding of the query".to_owned()),
            };
            row(name, times, *recall, &how);
        }
        for (peer, times) in self.peers.iter().zip(theirs) {
            let text = |name: &str| peer[name].as_str().unwrap_or("?").to_owned();
            row(&text("name"), times, peer["recall"].as_f64(), &text("how"));
        }
        let threads = std::thread::available_parallelism().map_or(0, usize::from);
        let each = |bytes: f64| bytes / self.chunks as f64;
        let Restart { listening, embedded, first_query, query, bytes } = &self.restart;
        format!(
            "{}\nmedians of {} interleaved rounds of {queries} queries on {threads} cores\n\
             ingest: {:.0} chunks/s, {:.0} in the last part\n\
             memory: {:.0} bytes a chunk of an index that was read, {:.0} of one that grew\n\
             restart after a kill: listens after {listening:.2} s, embeds after {embedded:.2} s, answers its first query after \
             {first_query:.2} s, {query:.2} s of which are that query's",
            table.render(),
            ours.first().map_or(0, Vec::len),
            self.rates.0,
            self.rates.1,
            each(*bytes),
            each(self.grown),
        )
    }
}
