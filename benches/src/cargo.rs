//! Builds what is measured, with the cargo that runs this program.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Failure, progress};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo in a folder, its output on stderr.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    // What cargo set for this program does not hold for another package, and dependencies whose build scripts read it
    // would be built anew each time, with all that depends on them.
    let set = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| set.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command that must succeed.
///
/// # Errors
/// When it does not.
pub(crate) fn must(command: &mut Command) -> Result<(), Failure> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(Failure::of(format!("{command:?} ended with {status}"))) }
}

/// Builds a binary of a workspace package in release mode and returns its path, beside this program's own.
///
/// # Errors
/// When it does not build.
pub(crate) fn release_binary(package: &str, binary: &str) -> Result<PathBuf, Failure> {
    progress(&format!("building {binary}"));
    must(cargo(&root()).args(["build", "--release", "--quiet", "--package", package, "--bin", binary]))?;
    let folder = env::current_exe()?;
    let folder = folder.parent().unwrap_or(Path::new("."));
    // This program may be a debug build: the release folder is then beside its own.
    let candidates = [folder.join(binary), folder.join("../release").join(binary)];
    let newest = candidates
        .iter()
        .filter(|path| path.exists())
        .max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    newest
        .cloned()
        .ok_or_else(|| Failure::of(format!("{binary} was built and is not in {}", folder.display())))
}
