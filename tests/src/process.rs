//! Child processes with a deadline.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a process left.
#[derive(Debug)]
pub struct Output {
    /// Whether its exit code was 0.
    pub success: bool,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// Both streams, for a message.
    pub fn shown(&self) -> String {
        format!("exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Runs a command to its end; one that takes longer than `deadline` is killed and fails the test.
pub fn run(mut command: Command, deadline: Duration) -> Output {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
    let stdout = drain(child.stdout.take().expect("stdout is piped"));
    let stderr = drain(child.stderr.take().expect("stderr is piped"));
    let code = wait(&mut child, deadline);
    let output = |reader: JoinHandle<String>| reader.join().expect("a reader does not panic");
    if code.is_none() && child.try_wait().ok().flatten().is_none() {
        child.kill().ok();
        child.wait().ok();
        panic!("{shown} was not done after {deadline:?}\n{}\n{}", output(stdout), output(stderr));
    }
    let code = code.flatten();
    Output { success: code == Some(0), code, stdout: output(stdout), stderr: output(stderr) }
}

/// Waits for the end of a process: its exit code (none when a signal ended it), or none when the deadline passed.
pub fn wait(child: &mut Child, deadline: Duration) -> Option<Option<i32>> {
    let started = Instant::now();
    while started.elapsed() < deadline {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status.code());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Reads a stream to its end on a thread, so that a full pipe never stops the child.
fn drain(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits until something is so, for a minute.
///
/// # Panics
/// Where it never is.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("never so: {what}");
}
