//! How far a download is: the trait that the installer reports to, and the bar for a terminal.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Receives the progress of a long step. Implementations are called from the installing thread and must not block.
pub trait Progress: Send + Sync + fmt::Debug {
    /// A step begins. `total` is its size in bytes where that is known.
    fn begin(&self, step: &str, total: Option<u64>);
    /// `done` bytes of the step are there.
    fn advance(&self, done: u64);
    /// The step ended; `outcome` says how, in one line.
    fn end(&self, outcome: &str);
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self, _: &str) {}
}

/// A bar on stderr where that is a terminal, else a line at most every two seconds.
pub fn on_stderr() -> Arc<dyn Progress> {
    if io::stderr().is_terminal() { Arc::new(Bar::default()) } else { Arc::new(Lines::to(io::stderr())) }
}

/// A progress bar on stderr.
#[derive(Debug, Default)]
pub struct Bar {
    current: Mutex<Option<ProgressBar>>,
}

impl Progress for Bar {
    fn begin(&self, step: &str, total: Option<u64>) {
        let target = ProgressDrawTarget::stderr();
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::with_draw_target(Some(total), target),
                "{msg} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            ),
            None => (ProgressBar::with_draw_target(None, target), "{spinner} {msg} {bytes} {elapsed}"),
        };
        // The templates are constants that indicatif accepts; should it not, its own style is as good.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(step.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        if let Some(previous) = lock(&self.current).replace(bar) {
            previous.finish_and_clear();
        }
    }

    fn advance(&self, done: u64) {
        if let Some(bar) = lock(&self.current).as_ref() {
            bar.set_position(done);
        }
    }

    fn end(&self, outcome: &str) {
        if let Some(bar) = lock(&self.current).take() {
            bar.println(outcome);
            bar.finish_and_clear();
        }
    }
}

/// Plain lines, for a log file or a pipe.
pub struct Lines<W> {
    state: Mutex<LinesState<W>>,
}

struct LinesState<W> {
    out: W,
    step: String,
    total: Option<u64>,
    last: Option<Instant>,
}

/// Time between two lines of one step.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

impl<W> fmt::Debug for Lines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl<W: Write + Send> Lines<W> {
    /// Lines that go to `out`.
    pub fn to(out: W) -> Self {
        Self { state: Mutex::new(LinesState { out, step: String::new(), total: None, last: None }) }
    }
}

impl<W: Write> LinesState<W> {
    fn line(&mut self, text: fmt::Arguments<'_>) {
        // Progress that cannot be written, to a closed pipe say, must not fail the install.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn begin(&self, step: &str, total: Option<u64>) {
        let mut state = lock(&self.state);
        step.clone_into(&mut state.step);
        state.total = total;
        state.last = Some(Instant::now());
        match total {
            Some(total) => state.line(format_args!("{step} ({})", megabytes(total))),
            None => state.line(format_args!("{step}")),
        }
    }

    fn advance(&self, done: u64) {
        let mut state = lock(&self.state);
        if state.last.is_some_and(|last| last.elapsed() < LINE_INTERVAL) {
            return;
        }
        state.last = Some(Instant::now());
        let (step, total) = (state.step.clone(), state.total);
        match total.filter(|total| *total > 0) {
            Some(total) => {
                let percent = done.min(total).saturating_mul(100) / total;
                state.line(format_args!("{step}: {percent}% of {}", megabytes(total)));
            }
            None => state.line(format_args!("{step}: {}", megabytes(done))),
        }
    }

    fn end(&self, outcome: &str) {
        lock(&self.state).line(format_args!("{outcome}"));
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_name_the_step_its_size_and_its_end_and_do_not_flood() {
        let out = Shared::default();
        let lines = Lines::to(out.clone());
        lines.begin("downloading", Some(23_760_988));
        for done in 0..1000 {
            lines.advance(done);
        }
        lines.end("done");
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "downloading (23.7 MB)\ndone\n");
    }
}
