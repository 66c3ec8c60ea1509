//! `tabagent bench`: how fast a model runs on this machine, without a server.
//!
//! A decoder reads a prompt and continues it, alone and beside others; an encoder embeds one text and many; a cross-encoder
//! scores documents. Everything is measured several times, and the medians are shown. What other programs do at the same
//! time is in the figures.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use tabagent_runtime::bench::{Timeline, generate, token_ids};
use tabagent_runtime::hardware;
use tabagent_runtime::models::{CHAT_ID, ModelDetails, ModelKind};
use tabagent_runtime::session::ThreadBudget;
use tabagent_runtime::{BackendError, EmbedInput, EmbedRequest, RerankRequest, Runtime};

use crate::server::cli::CommandError;
use crate::server::config::Config;
use crate::server::output;

/// What the command line says beside the settings.
#[derive(Debug)]
pub(in crate::server) struct Options {
    /// Id of the model; the decoder inside the binary where there is none.
    pub(in crate::server) model: Option<String>,
    /// Tokens of a prompt that is read alone.
    pub(in crate::server) prompt: usize,
    /// Tokens of an answer.
    pub(in crate::server) tokens: usize,
    /// How many answers run together, one row each.
    pub(in crate::server) streams: Vec<usize>,
    /// How often everything is measured.
    pub(in crate::server) rounds: usize,
    pub(in crate::server) json: bool,
}

/// Tokens of the prompt of each of several streams, and of a text that is embedded or scored.
const SHORT: usize = 64;
/// Tokens of a text that is embedded alone.
const QUERY: usize = 16;
/// Texts of one request that has many.
const MANY: usize = 64;
/// Ids that every vocabulary has.
const SMALLEST_VOCABULARY: u32 = 256;
/// Time that the engine has to leave.
const GRACE: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    kind: ModelKind,
    device: Option<String>,
    onnxruntime: String,
    threads: usize,
    load_seconds: Option<f64>,
    rounds: usize,
    rows: Vec<Row>,
    /// The most memory that the process had; `null` where the system does not tell.
    peak_memory_bytes: Option<u64>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    name: String,
    /// Median over the rounds; NaN, which JSON has as `null`, for streams that never ran all at once.
    value: f64,
    unit: &'static str,
}

pub(in crate::server) fn run(config: &Config, options: &Options) -> Result<ExitCode, CommandError> {
    let runtime = super::quiet_runtime(config)?;
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::system("the thread of the measurement cannot be started"))?;
    let measured = tokio.block_on(measure(&runtime, options));
    tokio.block_on(runtime.shutdown(GRACE));
    let report = measured?;
    let written = if options.json { output::print_json(&report) } else { output::print(&text(&report)) };
    written.map_err(CommandError::system("the figures cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}

/// Measures everything that the model can do.
async fn measure(runtime: &Runtime, options: &Options) -> Result<Report, BackendError> {
    let id = options.model.clone().unwrap_or_else(|| CHAT_ID.to_owned());
    let parallel = runtime.options().parallel;
    if let Some(streams) = options.streams.iter().find(|streams| **streams > parallel) {
        let reason =
            format!("is {streams}, and {parallel} answers run side by side; raise that with --parallel");
        return Err(BackendError::invalid("streams", reason));
    }
    let details = runtime.model(&id)?;
    let vocabulary = vocabulary(&details);
    // The first round loads the model and counts for nothing.
    let mut rounds: Vec<Vec<Row>> = Vec::new();
    for round in 0..=options.rounds {
        output::note(&match round {
            0 => format!("{id}: loading it"),
            _ => format!("{id}: round {round} of {}", options.rounds),
        });
        let seed = 1000 * round as u64;
        let rows = match details.info.kind {
            ModelKind::Chat => decoder(runtime, &id, options, vocabulary, seed).await?,
            ModelKind::Embedding => encoder(runtime, &id, vocabulary, seed).await?,
            ModelKind::Rerank => cross_encoder(runtime, &id).await?,
            ModelKind::Unknown => {
                let reason =
                    format!("`{id}` is of a kind that its files do not tell: there is nothing to measure");
                return Err(BackendError::invalid("model", reason));
            }
        };
        rounds.push(rows);
    }
    let rounds = rounds.split_off(1);
    let rows = rounds.first().into_iter().flatten().enumerate().map(|(index, row)| {
        let values = rounds.iter().filter_map(|rows| rows.get(index)).map(|row| row.value).collect();
        Row { value: median(values), ..row.clone() }
    });
    let health = runtime.health();
    let loaded = health.models.into_iter().find(|model| model.id == id);
    Ok(Report {
        kind: details.info.kind,
        device: loaded.as_ref().and_then(|model| model.device.clone()),
        onnxruntime: health.onnxruntime,
        threads: runtime.options().threads.unwrap_or_else(|| ThreadBudget::default().intra_op),
        load_seconds: loaded.and_then(|model| model.load_seconds),
        rounds: options.rounds,
        rows: rows.collect(),
        peak_memory_bytes: hardware::peak_memory(),
        model: id,
    })
}

/// How many ids a prompt is drawn from.
fn vocabulary(details: &ModelDetails) -> u32 {
    let stated = details.config.as_ref().and_then(|config| config["vocab_size"].as_u64());
    stated.and_then(|size| u32::try_from(size).ok()).unwrap_or(SMALLEST_VOCABULARY)
}

async fn decoder(
    runtime: &Runtime,
    id: &str,
    options: &Options,
    vocabulary: u32,
    seed: u64,
) -> Result<Vec<Row>, BackendError> {
    let long = vec![token_ids(options.prompt, vocabulary, seed)];
    let alone = generate(runtime, id, long, options.tokens).await?;
    whole(&alone, options.prompt, options.tokens)?;
    let mut rows = vec![
        Row::new(
            format!("read a prompt of {}", options.prompt),
            options.prompt as f64 / alone.first(),
            TOKENS,
        ),
        Row::new("first token after it".to_owned(), alone.first() * 1e3, MILLISECONDS),
        Row::new(format!("write {} after it", options.tokens), alone.decode_rate(), TOKENS),
    ];
    for streams in &options.streams {
        let prompts =
            (1..=*streams).map(|stream| token_ids(SHORT, vocabulary, seed + stream as u64)).collect();
        let together = generate(runtime, id, prompts, options.tokens).await?;
        whole(&together, SHORT, options.tokens)?;
        let name = match streams {
            1 => format!("1 stream, {SHORT} + {}", options.tokens),
            _ => format!("{streams} streams together, {SHORT} + {} each", options.tokens),
        };
        rows.push(Row::new(name, together.decode_rate(), TOKENS));
    }
    Ok(rows)
}

/// # Errors
/// Where an answer has fewer tokens than were asked for: a rate of something else says nothing.
fn whole(timeline: &Timeline, prompt: usize, tokens: usize) -> Result<(), BackendError> {
    match timeline.ids.iter().map(Vec::len).min() {
        Some(written) if written < tokens => {
            let reason = format!(
                "is {tokens}, and after {prompt} tokens the model has room for {written}; ask for less"
            );
            Err(BackendError::invalid("tokens", reason))
        }
        _ => Ok(()),
    }
}

async fn encoder(runtime: &Runtime, id: &str, vocabulary: u32, seed: u64) -> Result<Vec<Row>, BackendError> {
    let one = EmbedInput::Tokens(token_ids(QUERY, vocabulary, seed));
    let alone = embed(runtime, id, one).await?;
    let lists = (1..=MANY as u64).map(|text| token_ids(SHORT, vocabulary, seed + text)).collect();
    let many = embed(runtime, id, EmbedInput::TokenLists(lists)).await?;
    Ok(vec![
        Row::new(format!("embed 1 text of {QUERY} tokens"), alone * 1e3, MILLISECONDS),
        Row::new(format!("embed {MANY} texts of {SHORT} tokens"), MANY as f64 / many, TEXTS),
    ])
}

/// Seconds that one request takes.
async fn embed(runtime: &Runtime, id: &str, input: EmbedInput) -> Result<f64, BackendError> {
    let begin = Instant::now();
    let request =
        EmbedRequest { model: Some(id.to_owned()), input, truncate: true, ..EmbedRequest::default() };
    runtime.embed(request).await?;
    Ok(begin.elapsed().as_secs_f64())
}

async fn cross_encoder(runtime: &Runtime, id: &str) -> Result<Vec<Row>, BackendError> {
    let document = ["word"; SHORT].join(" ");
    let begin = Instant::now();
    let request = RerankRequest {
        model: Some(id.to_owned()),
        query: "which word".to_owned(),
        documents: vec![document; MANY],
        top_n: None,
        raw_scores: false,
        truncate: true,
        deadline: None,
    };
    runtime.rerank(request).await?;
    let name = format!("score {MANY} documents of {SHORT} words");
    Ok(vec![Row::new(name, MANY as f64 / begin.elapsed().as_secs_f64(), TEXTS)])
}

const TOKENS: &str = "tokens/s";
const TEXTS: &str = "texts/s";
const MILLISECONDS: &str = "ms";

impl Row {
    fn new(name: String, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit }
    }
}

/// The middle value, the upper one of the two where their number is even.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn text(report: &Report) -> String {
    let mut rows: Vec<[String; 3]> = report
        .rows
        .iter()
        .map(|row| {
            // Streams that never ran all at once have no rate together.
            let value = if row.value.is_nan() { "-".to_owned() } else { format!("{:.1}", row.value) };
            [row.name.clone(), value, row.unit.to_owned()]
        })
        .collect();
    if let Some(bytes) = report.peak_memory_bytes {
        rows.push([
            "peak memory".to_owned(),
            format!("{:.0}", bytes as f64 / f64::from(1 << 20)),
            "MiB".to_owned(),
        ]);
    }
    if let Some(seconds) = report.load_seconds {
        rows.push(["load".to_owned(), format!("{seconds:.2}"), "s".to_owned()]);
    }
    format!(
        "{} on {}, {} threads, ONNX Runtime {}; medians of {} rounds\n{}",
        report.model,
        report.device.as_deref().unwrap_or("an unknown device"),
        report.threads,
        report.onnxruntime,
        report.rounds,
        output::table(&rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_median() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}
