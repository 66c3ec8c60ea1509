//! Downloads through the package managers that a machine has: `pip download` and `npm pack`.
//!
//! Both run as child processes with a bound on silence and on the whole. Their output goes to a file, so that a
//! grandchild that keeps a pipe open cannot hold us, and their temporary folders lie in ours, so that the bytes that
//! arrive can be counted and are removed with it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::fetch::Limits;
use super::inspect::one_line;
use super::progress::Progress;
use super::release::{Artifact, WHEEL_PYTHON};

/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(50);
/// Longest time to say its own version, the proof that the program is there and works.
const PROBE: Duration = Duration::from_secs(20);
/// A package manager resolves, downloads and copies; it is given at least this long between signs of life.
const MINIMUM_STALL: Duration = Duration::from_secs(60);

/// Characters of a package manager's words that are passed on.
const LAST_WORDS: usize = 500;

/// Downloads the wheel into `folder` with the first pip that works, and returns its path.
pub(crate) fn pip(
    artifact: &Artifact,
    folder: &Path,
    limits: &Limits,
    progress: &dyn Progress,
) -> Result<PathBuf, String> {
    let candidates: &[&[&str]] =
        &[&["python3", "-m", "pip"], &["python", "-m", "pip"], &["py", "-m", "pip"], &["pip3"], &["pip"]];
    let program = working(candidates, folder)?;
    let (downloads, temporary) = (folder.join("pip"), folder.join("pip-tmp"));
    for path in [&downloads, &temporary] {
        fs::create_dir_all(path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
    }
    let mut command = start(&program);
    command
        .arg("download")
        .arg(format!("{}=={}", artifact.name, artifact.version))
        .args(["--no-deps", "--only-binary=:all:", "--implementation", "cp"])
        .args(["--platform", &artifact.platform_tag, "--python-version", WHEEL_PYTHON])
        .args(["--no-input", "--progress-bar", "off", "--retries", "1", "--timeout", "15"])
        .arg("--dest")
        .arg(&downloads)
        // A user's setting that pip shall only install into virtual environments must not stop a download.
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    for variable in ["TMPDIR", "TEMP", "TMP"] {
        command.env(variable, &temporary);
    }
    run(&mut command, &program.join(" "), folder, limits, progress)?;
    only_file(&downloads, "whl")
}

/// Downloads the package into `folder` with npm, and returns the path of its archive.
pub(crate) fn npm(
    artifact: &Artifact,
    folder: &Path,
    limits: &Limits,
    progress: &dyn Progress,
) -> Result<PathBuf, String> {
    let candidates: &[&[&str]] = if cfg!(windows) { &[&["npm.cmd"]] } else { &[&["npm"]] };
    let program = working(candidates, folder)?;
    let downloads = folder.join("npm");
    fs::create_dir_all(&downloads)
        .map_err(|error| format!("cannot create {}: {error}", downloads.display()))?;
    let mut command = start(&program);
    command
        .arg("pack")
        .arg(format!("{}@{}", artifact.name, artifact.version))
        .args(["--ignore-scripts", "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=30000"])
        // The package is large: it is neither left in the user's cache nor downloaded out of our sight.
        .arg("--cache")
        .arg(folder.join("npm-cache"))
        .current_dir(&downloads);
    run(&mut command, &program.join(" "), folder, limits, progress)?;
    only_file(&downloads, "tgz")
}

/// The first candidate that runs and says its version.
fn working(candidates: &[&[&str]], folder: &Path) -> Result<Vec<String>, String> {
    let mut reasons = Vec::new();
    for candidate in candidates {
        let program: Vec<String> = candidate.iter().map(|part| (*part).to_owned()).collect();
        let name = program.join(" ");
        let log = folder.join("probe.log");
        let outcome = spawn(start(&program).arg("--version"), &log)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => "not found".to_owned(),
                _ => error.to_string(),
            })
            .and_then(|child| wait(child, PROBE, Instant::now() + PROBE, || 0));
        match outcome {
            Ok(status) if status.success() => return Ok(program),
            Ok(_) => reasons.push(format!("`{name}`: {}", last_words(&log))),
            Err(reason) => reasons.push(format!("`{name}`: {reason}")),
        }
    }
    Err(format!("is not usable here ({})", reasons.join("; ")))
}

fn start(program: &[String]) -> Command {
    let mut words = program.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command.args(words);
    command
}

fn run(
    command: &mut Command,
    name: &str,
    folder: &Path,
    limits: &Limits,
    progress: &dyn Progress,
) -> Result<(), String> {
    let log = folder.join("package-manager.log");
    let child = spawn(command, &log).map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    let status = wait(child, limits.stall.max(MINIMUM_STALL), Instant::now() + limits.total, || {
        let bytes = folder_size(folder);
        progress.advance(bytes);
        bytes
    })
    .map_err(|reason| format!("`{name}` {reason}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("`{name}` failed ({status}): {}", last_words(&log)))
}

fn spawn(command: &mut Command, log: &Path) -> io::Result<Child> {
    let output = File::create(log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()
}

/// Waits for the child while `activity` changes at least every `stall`; ends it otherwise.
fn wait(
    mut child: Child,
    stall: Duration,
    deadline: Instant,
    mut activity: impl FnMut() -> u64,
) -> Result<ExitStatus, String> {
    let (mut seen, mut changed) = (activity(), Instant::now());
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
        let now = activity();
        if now != seen {
            (seen, changed) = (now, Instant::now());
        }
        let reason = if Instant::now() >= deadline {
            "did not finish in time and was ended".to_owned()
        } else if changed.elapsed() >= stall {
            format!("made no progress for {} seconds and was ended", stall.as_secs())
        } else {
            std::thread::sleep(POLL);
            continue;
        };
        // It may have ended by itself meanwhile, which is as good; the wait then reaps it.
        let _ = child.kill();
        let _ = child.wait();
        return Err(reason);
    }
}

/// Why a package manager failed, in its own words: the lines that it marks as errors, and pip's first complaint about the
/// connection, without which its error reads as if the package did not exist; else the end of its output.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let broken = text.lines().find(|line| line.contains("connection broken by")).into_iter();
    let errors = text.lines().filter_map(|line| {
        line.strip_prefix("npm error")
            .or_else(|| line.strip_prefix("npm ERR!"))
            .or(line.strip_prefix("ERROR: "))
    });
    let marked = one_line(&broken.chain(errors).collect::<Vec<_>>().join(" "));
    if !marked.is_empty() {
        return marked.chars().take(LAST_WORDS).collect();
    }
    let all = one_line(&text);
    let skip = all.chars().count().saturating_sub(LAST_WORDS);
    if all.is_empty() { "it said nothing".to_owned() } else { all.chars().skip(skip).collect() }
}

/// The one file with this extension in the folder.
fn only_file(folder: &Path, extension: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("left an unreadable folder: {error}"))?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .ok_or_else(|| format!("left no .{extension} file"))
}

/// Bytes of all files below the folder. Files come and go meanwhile; what cannot be read counts nothing.
fn folder_size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_silent_child_is_ended_and_an_active_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let sleeper = || spawn(Command::new("sleep").arg("30"), &folder.path().join("log")).unwrap();
        let far = Instant::now() + Duration::from_secs(60);
        let silent = wait(sleeper(), Duration::from_millis(200), far, || 7);
        assert!(silent.unwrap_err().contains("no progress"));
        let late = Instant::now() + Duration::from_millis(300);
        let mut ticks = 0;
        let active = wait(sleeper(), Duration::from_millis(200), late, || {
            ticks += 1;
            ticks
        });
        assert!(active.unwrap_err().contains("did not finish in time"));
    }

    #[test]
    fn a_missing_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let reason = working(&[&["no-such-program-anywhere", "-m", "pip"]], folder.path()).unwrap_err();
        assert_eq!(reason, "is not usable here (`no-such-program-anywhere -m pip`: not found)");
    }

    #[test]
    fn error_lines_are_preferred_to_the_rest_of_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let words = |output: &str| {
            fs::write(&log, output).unwrap();
            last_words(&log)
        };
        assert_eq!(
            words("Looking in indexes\nERROR: No matching distribution\nnotice: new\n"),
            "No matching distribution"
        );
        assert_eq!(words("npm warn x\nnpm error code ENOENT\nnpm error  gone\n"), "code ENOENT gone");
        assert_eq!(
            words(
                "WARNING: Retrying after connection broken by 'refused'\nERROR: No matching distribution\n"
            ),
            "WARNING: Retrying after connection broken by 'refused' No matching distribution"
        );
        assert_eq!(words("Traceback\n  something\n"), "Traceback something");
        assert_eq!(words(""), "it said nothing");
    }
}
