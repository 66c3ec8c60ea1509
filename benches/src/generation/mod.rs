//! Generation: two decoders in int4 through our HTTP, beside onnxruntime-genai on the same graph, llama.cpp on the same
//! weights, and our own runtime in process, in interleaved rounds.

mod contestant;
mod report;
mod server;
mod service;
mod timeline;

use std::path::PathBuf;

use clap::Args;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::contestant::{Contestant, Model, Who};
use self::report::Report;
use self::server::Server;
use self::service::Service;
use self::timeline::alike;
use crate::texts::token_ids;
use crate::{Failure, cargo, progress};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of models that `tools/make_bench_decoders.py` filled.
    #[arg(long)]
    models_dir: PathBuf,
    /// Ids of the models, several with commas between.
    #[arg(long, value_delimiter = ',', default_value = "bench/llama-135m,bench/qwen3-0.6b")]
    model: Vec<String>,
    /// A built `tabagent`; it is built when absent.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Interleaved rounds; the table shows medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Threads that every contestant has within an operator.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Tokens that each stream goes on for. Our server begins streams one after the other, so with few of them the first
    /// one ends before all run.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(64..=512))]
    tokens: u16,
    /// Leaves out onnxruntime-genai.
    #[arg(long)]
    no_genai: bool,
    /// Leaves out llama.cpp.
    #[arg(long)]
    no_llamacpp: bool,
    /// Further arguments of `tabagent serve`.
    #[arg(last = true)]
    serve: Vec<String>,
}

/// Tokens of the prompt of a single stream.
const LONG: usize = 512;
/// Tokens of each prompt of streams that run together.
const SHORT: usize = 64;
/// Streams that run together.
const STREAMS: usize = 8;
/// Tokens that are compared before anything is measured.
const COMPARED: usize = 64;
/// How many of them onnxruntime-genai must choose as we do, on the same graph: beyond, rounding may decide.
const ALIKE: usize = 16;

/// Where the programs of this workspace are.
struct Programs {
    server: PathBuf,
    inprocess: PathBuf,
}

/// Measures each model and returns a table for each.
///
/// # Errors
/// When something does not start, any request fails, or a contestant computes something else.
pub(crate) fn run(options: &Options) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = match &options.server {
        Some(path) => path.clone(),
        None => cargo::release_binary("tabagent-api", "tabagent")?,
    };
    let programs = Programs { server, inprocess: cargo::release_binary("tabagent-benches", "inprocess")? };
    let tables: Result<Vec<String>, Failure> = options
        .model
        .iter()
        .map(|id| {
            let model = Model::read(&options.models_dir, id)?;
            measure(options, &programs, &model, &runtime)
        })
        .collect();
    Ok(tables?.join("\n\n"))
}

/// All rounds with one model, and the table.
fn measure(
    options: &Options,
    programs: &Programs,
    model: &Model,
    runtime: &Runtime,
) -> Result<String, Failure> {
    let scratch = TempDir::new()?;
    let mut report = Report::new(model.id.clone(), usize::from(options.tokens), options.threads);
    let mut stage: Vec<(Who, Contestant)> = Vec::new();
    for who in Who::all(options) {
        progress(&format!("{}: starting {}", model.id, who.name()));
        let (contestant, version) = Contestant::start(who, options, programs, model, scratch.path())?;
        stage.push((who, contestant));
        report.entered(who, version);
    }
    compare(&mut stage, model, runtime, &mut report)?;
    for number in 1..=options.rounds.max(1) {
        // Another one begins each time, so that none always follows the same one.
        stage.rotate_left(1);
        let round = Round::measure(&mut stage, options, model, runtime, number as u64)?;
        progress(&format!("{}, round {number}: {}", model.id, round.line()));
        report.rounds.push(round);
    }
    drop(stage);
    for who in Who::all(options) {
        // A process of its own that has done nothing else.
        let (mut contestant, _) = Contestant::start(who, options, programs, model, scratch.path())?;
        let prompt = vec![token_ids(LONG, &model.words, 1)];
        contestant.generate(runtime, model, &prompt, usize::from(options.tokens))?;
        report.peaks.push((who, contestant.running().peak_mib()));
    }
    Ok(report.render())
}

/// Loads the models and compares what they choose: figures of peers that compute something else say nothing.
fn compare(
    stage: &mut [(Who, Contestant)],
    model: &Model,
    runtime: &Runtime,
    report: &mut Report,
) -> Result<(), Failure> {
    let prompt = vec![token_ids(LONG, &model.words, 0)];
    let mut found = Vec::new();
    for (who, contestant) in stage.iter_mut() {
        found.push((*who, contestant.generate(runtime, model, &prompt, COMPARED)?.ids));
    }
    let ours = found.iter().find(|(who, _)| *who == Who::InProcess).map(|(_, ids)| ids.clone());
    let ours = ours.ok_or_else(|| Failure::of("our runtime in process is not there".to_owned()))?;
    for (who, ids) in &found {
        let count = alike(&ours, ids);
        let wanted = match who {
            Who::Http => COMPARED,
            Who::Genai => ALIKE,
            // Its four-bit values are the same; the scales and the arithmetic are its own.
            Who::InProcess | Who::LlamaCpp => 0,
        };
        if count < wanted {
            return Err(Failure::of(format!(
                "{} chose the first {count} of {COMPARED} tokens as our runtime does, and {wanted} must be alike",
                who.name()
            )));
        }
        if *who != Who::InProcess {
            report.alike.push((*who, count));
        }
    }
    Ok(())
}

/// What one contestant did in one round.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Tokens a second: reading a prompt of [`LONG`].
    prefill: f64,
    /// One stream after it.
    one: f64,
    /// [`STREAMS`] streams while all run.
    together: f64,
    /// The same from beginning to end.
    whole: f64,
}

/// One round: every figure once, those that are compared directly after each other.
struct Round {
    figures: Vec<(Who, Figures)>,
    service: Service,
}

impl Round {
    fn measure(
        stage: &mut [(Who, Contestant)],
        options: &Options,
        model: &Model,
        runtime: &Runtime,
        number: u64,
    ) -> Result<Self, Failure> {
        let tokens = usize::from(options.tokens);
        let (mut singles, mut groups, mut share) = (Vec::new(), Vec::new(), (f64::NAN, f64::NAN));
        let single = vec![token_ids(LONG, &model.words, 1000 * number)];
        for (who, contestant) in stage.iter_mut() {
            let (timeline, beside) = contestant.observed(runtime, model, &single, tokens)?;
            singles.push((*who, timeline));
            share.0 = beside.unwrap_or(share.0);
        }
        let group: Vec<Vec<u32>> = (1..=STREAMS as u64)
            .map(|stream| token_ids(SHORT, &model.words, 1000 * number + stream))
            .collect();
        for (_, contestant) in stage.iter_mut() {
            let (timeline, beside) = contestant.observed(runtime, model, &group, tokens)?;
            groups.push(timeline);
            share.1 = beside.unwrap_or(share.1);
        }
        let figures = singles
            .into_iter()
            .zip(groups)
            .map(|((who, single), group)| {
                let figures = Figures {
                    prefill: LONG as f64 / single.first(),
                    one: single.decode_rate(),
                    together: group.decode_rate(),
                    whole: group.whole_rate(),
                };
                (who, figures)
            })
            .collect();
        let server = stage.iter().find_map(|(_, contestant)| contestant.server());
        let server: &Server =
            server.ok_or_else(|| Failure::of("our server is not among the contestants".to_owned()))?;
        let service =
            runtime.block_on(Service::measure(server.client(), &model.words, 1000 * number, share))?;
        Ok(Self { figures, service })
    }

    fn line(&self) -> String {
        let figures: Vec<String> = self
            .figures
            .iter()
            .map(|(who, figures)| {
                format!(
                    "{} {:.0}, {:.1}, {:.1} ({:.1})",
                    who.name(),
                    figures.prefill,
                    figures.one,
                    figures.together,
                    figures.whole
                )
            })
            .collect();
        format!(
            "prefill, one, {STREAMS} together (whole) tokens/s: {}; {}",
            figures.join("; "),
            self.service.line()
        )
    }
}
