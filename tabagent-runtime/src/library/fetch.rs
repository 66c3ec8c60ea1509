//! Downloads over HTTP: resumed where they were cut or stalled, as long as each try brings something, never larger than
//! expected.
//!
//! The download lies in a `.part` file until its SHA-256 is the pinned one. What a killed process left there is carried
//! on with a range request; a server that does not know ranges starts over.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::progress::Progress;
use super::verify::sha256_file;

/// Bounds of a download.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time to resolve the name and connect.
    pub connect: Duration,
    /// Longest time without one byte arriving, the wait for the response included.
    pub stall: Duration,
    /// Longest time for the whole of one way, retries included.
    pub total: Duration,
    /// Largest file that is accepted, in bytes.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(8),
            stall: Duration::from_secs(30),
            total: Duration::from_secs(900),
            max_bytes: 1 << 30,
        }
    }
}

/// Connections cut or stalled in the middle of the body are taken up again this many times as long as each brought something.
const RESUMES: u32 = 8;
/// Bytes of one read.
const CHUNK: usize = 64 * 1024;

/// Downloads `url` into `part` and checks it against `sha256`.
///
/// # Errors
///
/// Returns the reason. `part` is kept when a later call can carry it on, and removed when its content is wrong.
pub(crate) fn download(
    url: &str,
    part: &Path,
    sha256: &str,
    limits: &Limits,
    progress: &dyn Progress,
) -> Result<(), String> {
    let deadline = Instant::now() + limits.total;
    let agent = agent(url, limits);
    let mut resumes = 0;
    let mut restarted = false;
    loop {
        let before = length(part);
        let outcome = transfer(&agent, url, part, limits, deadline, progress);
        match outcome {
            Ok(()) => {
                let actual =
                    sha256_file(part).map_err(|error| format!("cannot read the download back: {error}"))?;
                if actual == sha256 {
                    return Ok(());
                }
                remove(part)?;
                // A part that an earlier process left may be of another file: once, the whole is fetched afresh.
                if before > 0 && !restarted {
                    restarted = true;
                    continue;
                }
                return Err(format!("has the wrong checksum: SHA-256 is {actual}, pinned is {sha256}"));
            }
            Err(Failure::Cut(_))
                if length(part) > before && resumes < RESUMES && Instant::now() < deadline =>
            {
                resumes += 1;
            }
            Err(Failure::Cut(reason) | Failure::Final(reason)) => return Err(reason),
        }
    }
}

/// Why a transfer ended early.
enum Failure {
    /// The connection broke or stalled; what arrived is good and can be carried on.
    Cut(String),
    /// Another try would end the same way.
    Final(String),
}

fn agent(url: &str, limits: &Limits) -> ureq::Agent {
    ureq::Agent::config_builder()
        // A download that began encrypted must not be redirected to one that is not.
        .https_only(url.starts_with("https://"))
        .http_status_as_error(false)
        .max_redirects(5)
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_recv_response(Some(limits.stall))
        .timeout_recv_body(Some(limits.total))
        .user_agent(concat!("tabagent/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn transfer(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    limits: &Limits,
    deadline: Instant,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let have = length(part);
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| Failure::Final(error.to_string()))?;
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let start = match status {
        200 => 0,
        206 if header("content-range").and_then(range_start) == Some(have) => have,
        // The part is as long as the file or longer: the checksum decides, and a wrong one starts over.
        416 if have > 0 => return Ok(()),
        206 => return Err(Failure::Final("the server answered another range than was asked for".to_owned())),
        other => return Err(Failure::Final(format!("the server answered HTTP status {other}"))),
    };
    let length = header("content-length").and_then(|value| value.parse::<u64>().ok());
    let total = length.map(|length| length.saturating_add(start));
    if total.is_some_and(|total| total > limits.max_bytes) {
        return Err(Failure::Final(format!("is larger than the limit of {} bytes", limits.max_bytes)));
    }
    let file = open_at(part, start).map_err(|error| Failure::Final(write_error(part, &error)))?;
    receive(response.into_body().into_reader(), file, start, total, limits, deadline, progress)
}

/// Copies the body into the file. The reads are on a thread of their own, since a blocking read knows no time-out for a
/// single chunk; when this side gives up, that thread ends at its next chunk or at the total time-out of the agent.
fn receive(
    mut body: impl Read + Send + 'static,
    mut file: File,
    start: u64,
    total: Option<u64>,
    limits: &Limits,
    deadline: Instant,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let (sender, receiver) = sync_channel::<io::Result<Vec<u8>>>(16);
    std::thread::Builder::new()
        .name("tabagent-download".to_owned())
        .spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let message = body.read(&mut chunk).map(|read| {
                    chunk.truncate(read);
                    chunk
                });
                let last = !matches!(&message, Ok(chunk) if !chunk.is_empty());
                if sender.send(message).is_err() || last {
                    return;
                }
            }
        })
        .map_err(|error| Failure::Final(format!("cannot start a thread: {error}")))?;
    let mut done = start;
    let cut = loop {
        let wait = limits.stall.min(deadline.saturating_duration_since(Instant::now()));
        match receiver.recv_timeout(wait) {
            Ok(Ok(chunk)) if chunk.is_empty() => break None,
            Ok(Ok(chunk)) => {
                done += chunk.len() as u64;
                if done > limits.max_bytes {
                    return Err(Failure::Final(format!(
                        "is larger than the limit of {} bytes",
                        limits.max_bytes
                    )));
                }
                file.write_all(&chunk)
                    .map_err(|error| Failure::Final(format!("cannot be written: {error}")))?;
                progress.advance(done);
            }
            Ok(Err(error)) => break Some(format!("the connection broke after {done} bytes: {error}")),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                return Err(Failure::Final(format!(
                    "did not finish within {} seconds",
                    limits.total.as_secs()
                )));
            }
            // Another connection may go on where this one hangs.
            Err(RecvTimeoutError::Timeout) => {
                break Some(format!("stalled: nothing arrived for {:?} after {done} bytes", limits.stall));
            }
            Err(RecvTimeoutError::Disconnected) => break Some("the reading thread ended early".to_owned()),
        }
    };
    file.sync_all().map_err(|error| Failure::Final(format!("cannot be written: {error}")))?;
    match (cut, total) {
        (Some(reason), _) => Err(Failure::Cut(reason)),
        (None, Some(total)) if done < total => {
            Err(Failure::Cut(format!("the connection ended after {done} of {total} bytes")))
        }
        (None, _) => Ok(()),
    }
}

/// First byte of `bytes START-END/TOTAL`.
fn range_start(value: &str) -> Option<u64> {
    value.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn open_at(part: &Path, start: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(part)?;
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(file)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn remove(path: &Path) -> Result<(), String> {
    std::fs::remove_file(path).map_err(|error| write_error(path, &error))
}

fn write_error(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::range_start;

    #[test]
    fn the_start_of_a_content_range_is_read() {
        assert_eq!(range_start("bytes 100-199/200"), Some(100));
        assert_eq!(range_start("bytes */200"), None);
        assert_eq!(range_start("items 1-2/3"), None);
    }
}
