//! Embeddings of MiniLM in fp32: our server, ONNX Runtime in process, and the infinity server, in interleaved rounds.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use clap::Args;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::child::{Running, free_port};
use crate::client::{Load, Target, load, vectors};
use crate::stats::{median, median_ratio, quantile};
use crate::table::Table;
use crate::texts::texts;
use crate::{Failure, cargo, progress};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of models, as for `tabagent serve`.
    #[arg(long)]
    models_dir: PathBuf,
    /// Id of the model, a sentence-transformers folder that pools by the mean.
    #[arg(long, default_value = "sentence-transformers/all-MiniLM-L6-v2")]
    model: String,
    /// A built `tabagent`; it is built when absent.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Interleaved rounds; the table shows medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Texts of mixed lengths; the single texts of a round are in proportion. Fewer make a quick look.
    #[arg(long, default_value_t = 1000)]
    texts: usize,
    /// Leaves out the infinity server.
    #[arg(long)]
    no_infinity: bool,
    /// Leaves out ONNX Runtime in process, and the texts of mixed lengths.
    #[arg(long)]
    no_inprocess: bool,
    /// Further arguments of `tabagent serve`.
    #[arg(last = true)]
    serve: Vec<String>,
}

/// Texts of one request when those of mixed lengths come in several.
const CHUNK: usize = 125;
/// Requests in flight then.
const IN_FLIGHT: usize = 2;
/// Clients of one text each.
const CLIENTS: usize = 16;

/// The three that are measured. Dropping it ends them and removes their scratch.
struct Stage {
    ours: (Running, Target),
    infinity: Option<(Running, Target)>,
    inprocess: Option<(Running, Value)>,
    many: Vec<String>,
    _scratch: TempDir,
}

/// Runs all rounds and returns the table.
///
/// # Errors
/// When something does not start, or any request fails.
pub(crate) fn run(options: &Options) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut stage = Stage::set(options)?;
    let agreement = runtime.block_on(stage.warm_up())?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds.max(1) {
        let round = Round::measure(&runtime, &mut stage, number)?;
        progress(&format!("round {number}: {}", round.line()));
        rounds.push(round);
    }
    Ok(stage.report(&rounds, &agreement))
}

impl Stage {
    fn set(options: &Options) -> Result<Self, Failure> {
        let scratch = TempDir::new()?;
        let many = texts(options.texts.max(20), 8..=256, 1);
        let list = scratch.path().join("texts.json");
        std::fs::write(&list, serde_json::to_vec(&many)?)?;
        let folder = options.models_dir.join(&options.model);
        let ours = start_ours(options, scratch.path())?;
        let infinity =
            if options.no_infinity { None } else { Some(start_infinity(&folder, scratch.path())?) };
        let inprocess =
            if options.no_inprocess { None } else { Some(start_inprocess(&folder, &list, scratch.path())?) };
        Ok(Self { ours, infinity, inprocess, many, _scratch: scratch })
    }

    /// Loads the models and compares their vectors: figures of peers that compute something else say nothing.
    async fn warm_up(&mut self) -> Result<Vec<String>, Failure> {
        let sample = &self.many[..20];
        let reference = vectors(&self.ours.1, sample).await?;
        let mut notes = Vec::new();
        if let Some((_, target)) = &self.infinity {
            notes.push(format!("infinity {:.0e}", furthest(&reference, &vectors(target, sample).await?)));
        }
        if let Some((worker, _)) = &mut self.inprocess {
            let answer = worker.ask(&format!("vectors {}", sample.len()))?;
            let theirs: Vec<Vec<f64>> = serde_json::from_value(answer["vectors"].clone())?;
            notes.push(format!("in process {:.0e}", furthest(&reference, &theirs)));
        }
        let short = texts(200, 14..=18, 2);
        for target in self.targets() {
            load(target, CLIENTS, singles(target, &short)).await?;
        }
        Ok(notes)
    }

    fn targets(&self) -> Vec<&Target> {
        std::iter::once(&self.ours.1).chain(self.infinity.as_ref().map(|(_, target)| target)).collect()
    }
}

/// The largest difference between two lists of vectors; infinite when their shapes differ.
fn furthest(ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> f64 {
    let shapes = |list: &[Vec<f64>]| list.iter().map(Vec::len).collect::<Vec<_>>();
    if shapes(ours) != shapes(theirs) {
        return f64::INFINITY;
    }
    ours.iter().flatten().zip(theirs.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn singles(target: &Target, texts: &[String]) -> Vec<Bytes> {
    texts.iter().map(|text| target.body(std::slice::from_ref(text))).collect()
}

fn start_ours(options: &Options, scratch: &Path) -> Result<(Running, Target), Failure> {
    let server = match &options.server {
        Some(path) => path.clone(),
        None => cargo::release_binary("tabagent-api", "tabagent")?,
    };
    progress("starting tabagent");
    let mut command = Command::new(server);
    command.arg("serve").arg("--port").arg("0").arg("--models-dir").arg(&options.models_dir);
    command.arg("--data-dir").arg(scratch.join("data")).args(&options.serve);
    let mut running = Running::start(&mut command, &scratch.join("tabagent.log"))?;
    let target = Target {
        name: "tabagent",
        authority: running.authority()?,
        path: "/v1/embeddings",
        model: options.model.clone(),
    };
    Ok((running, target))
}

fn start_infinity(folder: &Path, scratch: &Path) -> Result<(Running, Target), Failure> {
    progress("starting infinity");
    let port = free_port()?;
    let mut command = Command::new(cargo::root().join("benches/peers/infinity.sh"));
    command.arg(folder).arg(port.to_string()).env("INFINITY_SCRATCH", scratch.join("infinity"));
    let mut running = Running::start(&mut command, &scratch.join("infinity.log"))?;
    let authority = format!("127.0.0.1:{port}");
    running.listening(&authority)?;
    Ok((running, Target { name: "infinity", authority, path: "/embeddings", model: "minilm".to_owned() }))
}

fn start_inprocess(folder: &Path, list: &Path, scratch: &Path) -> Result<(Running, Value), Failure> {
    progress("trying batch sizes of onnxruntime in process");
    let mut command = Command::new(cargo::root().join("benches/peers/ort_inprocess.sh"));
    command.arg(folder).arg(list);
    let mut running = Running::start(&mut command, &scratch.join("ort.log"))?;
    let found: Value = serde_json::from_str(&running.line()?)?;
    progress(&format!("onnxruntime in process: {found}"));
    Ok((running, found))
}

/// One round: every figure once, ours and the peer's directly after each other.
struct Round {
    chunks: f64,
    single_request: f64,
    inprocess: f64,
    short: Vec<f64>,
    long: Vec<f64>,
    alone: Vec<f64>,
}

impl Round {
    fn measure(runtime: &Runtime, stage: &mut Stage, number: usize) -> Result<Self, Failure> {
        let seed = 10 * number as u64;
        let count = stage.many.len();
        let ours = &stage.ours.1;
        let (mut chunks, mut single_request, mut inprocess) = (f64::NAN, f64::NAN, f64::NAN);
        if let Some((worker, _)) = &mut stage.inprocess {
            let bodies = stage.many.chunks(CHUNK).map(|chunk| ours.body(chunk)).collect();
            let per_second = |run: Load| count as f64 / run.seconds;
            chunks = per_second(runtime.block_on(load(ours, IN_FLIGHT, bodies))?);
            let seconds = worker.ask("run")?["seconds"].as_f64().unwrap_or(f64::NAN);
            inprocess = count as f64 / seconds;
            single_request = per_second(runtime.block_on(load(ours, 1, vec![ours.body(&stage.many)]))?);
        }
        let all =
            |clients: usize, list: Vec<String>, figure: fn(&Load) -> f64| -> Result<Vec<f64>, Failure> {
                let mut figures = Vec::new();
                for target in stage.targets() {
                    figures.push(figure(&runtime.block_on(load(target, clients, singles(target, &list)))?));
                }
                Ok(figures)
            };
        let rate = |run: &Load| run.latencies.len() as f64 / run.seconds;
        let middle = |run: &Load| quantile(&run.latencies, 0.5) * 1e3;
        Ok(Self {
            chunks,
            single_request,
            inprocess,
            short: all(CLIENTS, texts(count * 4 / 5, 14..=18, seed), rate)?,
            long: all(CLIENTS, texts(count / 3, 120..=136, seed + 1), rate)?,
            alone: all(1, texts(count / 5, 14..=18, seed + 2), middle)?,
        })
    }

    fn line(&self) -> String {
        format!(
            "mixed texts {:.1} and {:.1} in one request, in process {:.1}; 16 clients {:.1?} and {:.1?} texts/s; alone {:.2?} ms",
            self.chunks, self.single_request, self.inprocess, self.short, self.long, self.alone
        )
    }
}

impl Stage {
    fn report(&self, rounds: &[Round], agreement: &[String]) -> String {
        let mut table = Table::new(&["embeddings, fp32", "tabagent", "peer", "ratio", "wanted", "peer is"]);
        let column = |figure: &dyn Fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
        let mut compare = |what: &str, ours: &[f64], theirs: &[f64], wanted: &str, peer: &str| {
            let cell = |value: f64, digits: usize| {
                if value.is_nan() { "-".to_owned() } else { format!("{value:.digits$}") }
            };
            table.row(vec![
                what.to_owned(),
                cell(median(ours), 1),
                cell(median(theirs), 1),
                cell(median_ratio(ours, theirs), 2),
                wanted.to_owned(),
                peer.to_owned(),
            ]);
        };
        if let Some((worker, found)) = &self.inprocess {
            let peer = format!(
                "onnxruntime {} in process, batches of {}",
                found["version"].as_str().unwrap_or("?"),
                found["batch"]
            );
            let inprocess = column(&|round| round.inprocess);
            let chunks = column(&|round| round.chunks);
            compare(
                &format!("{} texts of 8 to 256 tokens, requests of {CHUNK}: texts/s", self.many.len()),
                &chunks,
                &inprocess,
                ">= 0.95",
                &peer,
            );
            compare(
                "the same in one request: texts/s",
                &column(&|round| round.single_request),
                &inprocess,
                ">= 0.95",
                &peer,
            );
            compare("peak memory: MiB", &[self.ours.0.peak_mib()], &[worker.peak_mib()], "", &peer);
        }
        if let Some((running, _)) = &self.infinity {
            let peer = "infinity, optimum engine";
            let pair = |pick: fn(&Round) -> &[f64], index: usize| {
                column(&|round| pick(round).get(index).copied().unwrap_or(f64::NAN))
            };
            let mut both = |what: &str, pick: fn(&Round) -> &[f64], wanted: &str| {
                compare(what, &pair(pick, 0), &pair(pick, 1), wanted, peer);
            };
            both("16 clients of one text, 16 tokens: texts/s", |round| &round.short, ">= 1.5");
            both("16 clients of one text, 128 tokens: texts/s", |round| &round.long, ">= 1.25");
            both("one client of one text, 16 tokens: p50 ms", |round| &round.alone, "<= 0.5");
            compare("peak memory: MiB", &[self.ours.0.peak_mib()], &[running.peak_mib()], "", peer);
        }
        let threads = std::thread::available_parallelism().map_or(0, usize::from);
        format!(
            "{}\nmedians of {} interleaved rounds on {threads} cores; largest difference of the vectors: {}",
            table.render(),
            rounds.len(),
            agreement.join(", "),
        )
    }
}
