//! A PDF read in a process of its own, which can be ended at any moment, whatever it does and however much memory it takes. A
//! thread cannot.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{LOOK, damaged, on_a_thread, written};
use crate::{
    compute::AbandonOnDrop,
    documents::parse::{Parsed, Patience},
    error::{BackendError, Result},
};

/// Bytes of memory that such a process may take. It is looked at every [`LOOK`], in which it may take some more.
const MEMORY: u64 = 2 << 30;
/// How long a process may take to end that has answered.
const ENDS: Duration = Duration::from_secs(1);
/// Bytes of an answer: text in JSON, and its blocks.
const ANSWER: u64 = 256 << 20;

/// A program that reads one PDF from its stdin and writes what it read to its stdout: one that calls [`read_pdf`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdfReader {
    /// Its path.
    pub program: PathBuf,
    /// What it is called with.
    pub arguments: Vec<OsString>,
}

/// What such a program writes, in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Read(Parsed),
    /// Why it cannot be read.
    Refused(String),
}

/// What a [`PdfReader`] does: reads a PDF from its stdin, and returns what it has to write to its stdout. It should end
/// afterwards: a page that could not be read in time may keep a thread. It ends by itself once the process that began it is gone.
///
/// # Errors
/// Those of `stdin`, and where no thread is to be had.
pub fn read_pdf(mut stdin: impl Read) -> io::Result<String> {
    end_with_the_parent()?;
    let mut content = Vec::new();
    stdin.read_to_end(&mut content)?;
    let guard = AbandonOnDrop::default();
    let answer = match on_a_thread("", content, &guard.flag()) {
        Ok(pages) => Answer::Read(written(pages)),
        Err(BackendError::InvalidInput { reason, .. }) => Answer::Refused(reason),
        Err(other) => return Err(io::Error::other(other)),
    };
    Ok(serde_json::to_string(&answer)?)
}

/// Ends this process once the one that began it is gone, however that went: nobody wants the answer, nor looks what this takes.
fn end_with_the_parent() -> io::Result<()> {
    #[cfg(unix)]
    {
        let parent = std::os::unix::process::parent_id();
        thread::Builder::new().name("parent".to_owned()).spawn(move || {
            while std::os::unix::process::parent_id() == parent {
                thread::sleep(LOOK);
            }
            std::process::exit(1);
        })?;
    }
    Ok(())
}

/// A process that ends with this.
struct Running(Child);

impl Running {
    /// How it ended by itself; none where it had to be ended.
    fn ended(mut self) -> Option<ExitStatus> {
        let end = Instant::now() + ENDS;
        loop {
            match self.0.try_wait() {
                Ok(None) if Instant::now() < end => thread::sleep(LOOK),
                status => return status.ok().flatten(),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Reads a document by a process of its own. Blocks.
pub(super) fn parse(
    reader: &PdfReader,
    field: &str,
    content: &[u8],
    patience: &Patience<'_>,
) -> Result<Parsed> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        BackendError::internal(format!(
            "{what} the program that reads PDFs, {}: {error}",
            reader.program.display()
        ))
    };
    let mut command = Command::new(&reader.program);
    // A signal from the terminal is for the server, which ends in order.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command
        .args(&reader.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("cannot start", &error))?;
    let mut running = Running(child);
    let pid = Pid::from_u32(running.0.id());
    let (Some(mut input), Some(output)) = (running.0.stdin.take(), running.0.stdout.take()) else {
        return Err(BackendError::internal("a process without stdin and stdout"));
    };
    let answer = thread::scope(|scope| {
        let (tell, told) = channel();
        // One that ends early leaves the rest unread, and has no answer.
        scope.spawn(move || input.write_all(content).ok());
        scope.spawn(move || {
            let mut answer = Vec::new();
            let read = output.take(ANSWER).read_to_end(&mut answer).map(|_| answer);
            tell.send(read).ok();
        });
        let outcome = wait(&told, pid, field, patience);
        // Both threads end with the process.
        outcome.map(|answer| (answer, running.ended()))
    });
    let (answer, ended) = answer?;
    let answer = answer.map_err(|error| failed("cannot read from", &error))?;
    if answer.len() as u64 >= ANSWER {
        return Err(BackendError::invalid(field, "is a PDF with more text than is taken; part it"));
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer::Read(parsed)) => Ok(parsed),
        Ok(Answer::Refused(reason)) => Err(BackendError::invalid(field, reason)),
        // It has no answer, or a part of one. What the document did to it is told from what others did.
        Err(_) => match ended {
            Some(status) if !is_of_the_document(status) => Err(failed("no answer came from", &status)),
            _ => Err(damaged(field, "its reader gave up")),
        },
    }
}

/// Whether a process ended so because of what it read: its stack was at its end.
fn is_of_the_document(status: ExitStatus) -> bool {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        // SIGABRT, SIGBUS, SIGSEGV. SIGKILL is of the operating system, which has no memory, or of an operator.
        return matches!(signal, 6 | 7 | 11);
    }
    status.success()
}

/// What came from the process.
type Output = io::Result<Vec<u8>>;

/// Waits for an answer, as long as somebody wants it and the process keeps within its bounds.
fn wait(
    told: &std::sync::mpsc::Receiver<Output>,
    pid: Pid,
    field: &str,
    patience: &Patience<'_>,
) -> Result<Output> {
    // Where a system does not tell what processes take, their time bounds them alone.
    let mut system = System::new().ok();
    let memory = ProcessRefreshKind::nothing().with_memory();
    loop {
        match told.recv_timeout(LOOK) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Disconnected) => return Err(damaged(field, "its reader gave up")),
            Err(RecvTimeoutError::Timeout) => patience.check()?,
        }
        let Some(system) = &mut system else { continue };
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, memory);
        if system.process(pid).is_some_and(|process| process.memory() > MEMORY) {
            let reason = format!("is a PDF that takes more than {MEMORY} bytes of memory to read; part it");
            return Err(BackendError::invalid(field, reason));
        }
    }
}
