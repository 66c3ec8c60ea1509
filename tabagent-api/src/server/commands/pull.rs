//! `tabagent pull`: brings a model from the hub into the models folder, with a bar for each file.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tabagent_runtime::hub::{Hub, Job, JobState, Reference};

use crate::routes::pull::PullJob;
use crate::server::cli::CommandError;
use crate::server::config::Config;
use crate::server::{logging, output};

/// How often the pull is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal, or an event.
const TELL: Duration = Duration::from_secs(2);

pub(in crate::server) fn run(config: &Config, reference: &str, json: bool) -> Result<ExitCode, CommandError> {
    let reference: Reference = reference.parse()?;
    // Why a pull fails is this command's own last line.
    let (filter, format) = super::quiet_log(config, "error");
    logging::begin(&filter, format).map_err(CommandError::Other)?;
    let hub = Hub::new(config.models_dir.clone(), config.device, config.hub());
    let job = hub.pull(&reference)?;
    let mut shown: Box<dyn Shown> = match (json, output::is_watched()) {
        (true, _) => Box::new(Events { last: None }),
        (false, true) => Box::new(Bars::default()),
        (false, false) => Box::new(Lines::default()),
    };
    let unwritten = CommandError::system("the progress cannot be written");
    let job = match follow(&hub, job, shown.as_mut()) {
        Ok(job) => job,
        Err(error) => return Err(unwritten(error)),
    };
    match job.error {
        Some(error) => Err(CommandError::Other(told(&error, &reference))),
        None if json => Ok(ExitCode::SUCCESS),
        None => {
            let variant = job.variant.as_deref().unwrap_or_default();
            output::note(&format!(
                "{} ({variant}) is in {}",
                job.model,
                hub.models_dir().join(&job.model).display()
            ));
            output::print(&format!("{}\n", job.model))
                .map_err(CommandError::system("the model's id cannot be written"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What a failure is told as to somebody in a terminal.
fn told(error: &tabagent_runtime::BackendError, reference: &Reference) -> String {
    match error {
        tabagent_runtime::BackendError::ModelNotFound { .. } => format!(
            "the hub has no repository `{}`, or it is private and HF_TOKEN does not open it",
            reference.repository()
        ),
        error => error.to_string(),
    }
}

/// Shows a pull until it rests.
fn follow(hub: &Hub, mut job: Job, shown: &mut dyn Shown) -> std::io::Result<Job> {
    loop {
        let over = job.state.is_over() || job.state == JobState::Paused;
        shown.show(&job, over)?;
        if over {
            return Ok(job);
        }
        std::thread::sleep(LOOK);
        // It does not leave the list while it runs.
        if let Some(now) = hub.job(&job.id) {
            job = now;
        }
    }
}

/// A way to show a pull.
trait Shown {
    fn show(&mut self, job: &Job, over: bool) -> std::io::Result<()>;
}

/// Bars in a terminal.
#[derive(Default)]
struct Bars {
    all: Option<MultiProgress>,
    files: HashMap<String, ProgressBar>,
    chosen: bool,
}

impl Shown for Bars {
    fn show(&mut self, job: &Job, over: bool) -> std::io::Result<()> {
        let all =
            self.all.get_or_insert_with(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        if let Some(text) = choice(job).filter(|_| !self.chosen) {
            self.chosen = true;
            all.println(text)?;
        }
        for file in &job.files {
            let bar = self.files.entry(file.path.clone()).or_insert_with(|| {
                let bar = all.add(ProgressBar::new(file.size));
                // A constant that indicatif accepts; should it not, its own style is as good.
                let template = "{msg:40!} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_message(file.path.clone());
                bar
            });
            bar.set_position(file.bytes);
            if file.bytes == file.size && !bar.is_finished() {
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
    fn show(&mut self, job: &Job, _: bool) -> std::io::Result<()> {
        if let Some(text) = choice(job).filter(|_| !self.chosen) {
            self.chosen = true;
            output::note(&text);
        }
        if job.state == JobState::Running && self.last.is_none_or(|last| last.elapsed() >= TELL) {
            self.last = Some(Instant::now());
            let told = PullJob::from(job.clone());
            output::note(&format!(
                "{}: {} of {} bytes ({}%)",
                told.model, told.bytes, told.total, told.percent
            ));
        }
        Ok(())
    }
}

/// A line of JSON on stdout for each change, at most five a second.
struct Events {
    last: Option<Instant>,
}

impl Shown for Events {
    fn show(&mut self, job: &Job, over: bool) -> std::io::Result<()> {
        if !over && self.last.is_some_and(|last| last.elapsed() < 2 * LOOK) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let mut line = serde_json::to_string(&PullJob::from(job.clone()))?;
        line.push('\n');
        output::print(&line)
    }
}

/// Which variant it is and why, once that is known.
fn choice(job: &Job) -> Option<String> {
    let (variant, reason) = (job.variant.as_ref()?, job.reason.as_ref()?);
    Some(format!("{}: variant `{variant}`: {reason}", job.model))
}
