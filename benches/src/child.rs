//! The programs that are measured: started, waited for, asked for their peak memory, ended.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;

/// Longest start of a peer; the first one of a Python server compiles its modules.
const START: Duration = Duration::from_secs(240);

/// A child process that ends with its owner.
pub(crate) struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has nothing to save, and one that is gone already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts a program whose log goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, Failure> {
        let file = fs::File::create(log)?;
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|error| Failure::of(format!("{name} cannot be started: {error}")))?;
        let stdin = child.stdin.take().ok_or_else(|| Failure::of("the child has no stdin".to_owned()))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::of("the child has no stdout".to_owned()))?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), log: log.to_owned() })
    }

    /// The next line of its output.
    ///
    /// # Errors
    /// When it ended.
    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            return Err(self.ended(status));
        }
        Ok(line.trim_end().to_owned())
    }

    /// Where a `tabagent serve` listens, as its first line says.
    ///
    /// # Errors
    /// When it ended, or said something else.
    pub(crate) fn authority(&mut self) -> Result<String, Failure> {
        let line = self.line()?;
        let authority = line.strip_prefix("listening on http://").map(str::to_owned);
        authority.ok_or_else(|| Failure::of(format!("tabagent did not say where it listens: {line}")))
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Failure::of(format!("a program ended early with {status}; its log ends:\n{}", tail.join("\n")))
    }

    /// Writes one line and reads one line of JSON.
    ///
    /// # Errors
    /// When it ended, or said something else.
    pub(crate) fn ask(&mut self, command: &str) -> Result<Value, Failure> {
        writeln!(self.stdin, "{command}")?;
        self.stdin.flush()?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Waits until something listens on the port and the program still runs.
    ///
    /// # Errors
    /// When it ended, or took too long.
    pub(crate) fn listening(&mut self, authority: &str) -> Result<(), Failure> {
        let begin = Instant::now();
        while std::net::TcpStream::connect(authority).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.ended(status));
            }
            if begin.elapsed() > START {
                return Err(Failure::of(format!("nothing listens on {authority} after {START:?}")));
            }
            sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Ends it at once and waits for that.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its number to the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Peak of resident memory of the program and its children, in MiB, as Linux counts it (VmHWM).
    pub(crate) fn peak_mib(&self) -> f64 {
        peak_kib(self.child.id()) as f64 / 1024.0
    }

    /// Resident memory of the program now, in bytes, as Linux counts it (VmRSS).
    pub(crate) fn resident(&self) -> f64 {
        status_kib(self.child.id(), "VmRSS:") as f64 * 1024.0
    }
}

/// A line of what Linux says of a process, in KiB.
fn status_kib(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or_default()
}

fn peak_kib(process: u32) -> u64 {
    let own = status_kib(process, "VmHWM:");
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    own + children.split_whitespace().filter_map(|id| id.parse().ok()).map(peak_kib).sum::<u64>()
}

/// A port of loopback that was free a moment ago.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
