//! `tabagent pull`: brings a model from the hub into the models folder, or into that of a running server, with a bar for each
//! file.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tabagent_runtime::hub::{Hub, Reference};

use crate::routes::pull::{PullJob, PullState};
use crate::server::cli::CommandError;
use crate::server::client::Client;
use crate::server::config::Config;
use crate::server::{logging, output};

/// How often the pull is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal, or an event.
const TELL: Duration = Duration::from_secs(2);

/// Who pulls.
enum Puller {
    /// This process.
    Here(Hub),
    /// A server.
    Server(Client),
}

impl Puller {
    fn begin(&self, reference: &Reference) -> Result<PullJob, CommandError> {
        match self {
            Self::Here(hub) => Ok(hub.pull(reference)?.into()),
            Self::Server(server) => {
                server.known(server.post("/v1/pull", &json!({ "model": reference.to_string() }))?)
            }
        }
    }

    fn look(&self, job: PullJob) -> Result<PullJob, CommandError> {
        match self {
            // It does not leave the list while it runs.
            Self::Here(hub) => Ok(hub.job(&job.id).map_or(job, PullJob::from)),
            Self::Server(server) => server.known(server.get(&format!("/v1/pull/{}", job.id))?),
        }
    }
}

pub(in crate::server) fn run(
    config: &Config,
    url: Option<&str>,
    reference: &str,
    json: bool,
) -> Result<ExitCode, CommandError> {
    let reference: Reference = reference.parse()?;
    // Why a pull fails is this command's own last line.
    let (filter, format) = super::quiet_log(config, "error");
    logging::begin(&filter, format).map_err(CommandError::Other)?;
    let puller = match url {
        Some(url) => Puller::Server(Client::instead_of_folder(url, config)?),
        None => Puller::Here(Hub::new(config.models_dir.clone(), config.device, config.hub())),
    };
    let mut shown: Box<dyn Shown> = match (json, output::is_watched()) {
        (true, _) => Box::new(Events { last: None }),
        (false, true) => Box::new(Bars::default()),
        (false, false) => Box::new(Lines::default()),
    };
    let job = follow(&puller, puller.begin(&reference)?, shown.as_mut())?;
    if let Some(error) = job.error {
        // What to do next is told for HTTP, this apart.
        let told = match error.code.as_str() {
            "repository_not_found" => format!("{}; {}", error.message, error.hint),
            _ => error.message,
        };
        return Err(CommandError::Other(told));
    }
    match job.state {
        PullState::Completed if json => Ok(ExitCode::SUCCESS),
        PullState::Completed => {
            let variant = job.variant.as_deref().unwrap_or_default();
            let place = match &puller {
                Puller::Here(hub) => hub.models_dir().join(&job.model).display().to_string(),
                Puller::Server(_) => "the models folder of the server".to_owned(),
            };
            output::note(&format!("{} ({variant}) is in {place}", job.model));
            output::print(&format!("{}\n", job.model))
                .map_err(CommandError::system("the model's id cannot be written"))?;
            Ok(ExitCode::SUCCESS)
        }
        PullState::Paused => Err(CommandError::Other(format!(
            "somebody paused the pull; POST /v1/pull/{}/resume, or `tabagent pull {reference}`, carries on",
            job.id
        ))),
        _ => Err(CommandError::Other("somebody cancelled the pull".to_owned())),
    }
}

/// Shows a pull until it rests.
fn follow(puller: &Puller, mut job: PullJob, shown: &mut dyn Shown) -> Result<PullJob, CommandError> {
    loop {
        let over = !matches!(job.state, PullState::Queued | PullState::Running);
        shown.show(&job, over).map_err(CommandError::system("the progress cannot be written"))?;
        if over {
            return Ok(job);
        }
        std::thread::sleep(LOOK);
        job = puller.look(job)?;
    }
}

/// A way to show a pull.
trait Shown {
    fn show(&mut self, job: &PullJob, over: bool) -> std::io::Result<()>;
}

/// Bars in a terminal.
#[derive(Default)]
struct Bars {
    all: Option<MultiProgress>,
    files: HashMap<String, ProgressBar>,
    chosen: bool,
}

impl Shown for Bars {
    fn show(&mut self, job: &PullJob, over: bool) -> std::io::Result<()> {
        let all =
            self.all.get_or_insert_with(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        if let Some(text) = choice(job).filter(|_| !self.chosen) {
            self.chosen = true;
            all.println(text)?;
        }
        for file in &job.files {
            let bar = self.files.entry(file.path.clone()).or_insert_with(|| {
                let bar = all.add(ProgressBar::new(file.total));
                // A constant that indicatif accepts; should it not, its own style is as good.
                let template = "{msg:40!} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_message(file.path.clone());
                bar
            });
            bar.set_position(file.bytes);
            if file.bytes == file.total && !bar.is_finished() {
                bar.finish();
            }
        }
        if over {
            for bar in self.files.values().filter(|bar| !bar.is_finished()) {
                bar.abandon();
            }
        }
        Ok(())
    }
}

/// Lines, for a log file or a pipe.
#[derive(Default)]
struct Lines {
    last: Option<Instant>,
    chosen: bool,
}

impl Shown for Lines {
    fn show(&mut self, job: &PullJob, _: bool) -> std::io::Result<()> {
        if let Some(text) = choice(job).filter(|_| !self.chosen) {
            self.chosen = true;
            output::note(&text);
        }
        if job.state == PullState::Running && self.last.is_none_or(|last| last.elapsed() >= TELL) {
            self.last = Some(Instant::now());
            output::note(&format!("{}: {} of {} bytes ({}%)", job.model, job.bytes, job.total, job.percent));
        }
        Ok(())
    }
}

/// A line of JSON on stdout for each change, at most five a second.
struct Events {
    last: Option<Instant>,
}

impl Shown for Events {
    fn show(&mut self, job: &PullJob, over: bool) -> std::io::Result<()> {
        if !over && self.last.is_some_and(|last| last.elapsed() < 2 * LOOK) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let mut line = serde_json::to_string(job)?;
        line.push('\n');
        output::print(&line)
    }
}

/// Which variant it is and why, once that is known.
fn choice(job: &PullJob) -> Option<String> {
    let (variant, reason) = (job.variant.as_ref()?, job.variant_reason.as_ref()?);
    Some(format!("{}: variant `{variant}`: {reason}", job.model))
}
