//! Counts instructions with valgrind's callgrind, which a busy machine cannot disturb.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;

/// Instructions that a program executes from its start to its end.
///
/// # Errors
/// When valgrind is not installed, or the program fails.
pub(crate) fn instructions<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> Result<u64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::of(format!("valgrind cannot be run ({error}); install the package valgrind"))
        })?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failure::of(format!("{} failed under valgrind: {log}", program.display())));
    }
    let collected = log.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = collected.ok_or_else(|| Failure::of(format!("valgrind printed no count: {log}")))?;
    Ok(number.trim().parse()?)
}
