//! Python and the scripts: clients and checkers that others wrote, in virtual environments with pinned versions.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{process, workspace};

/// Longest installation.
const INSTALL_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// A command that runs a file of `scripts/`, with environments below the target folder.
pub fn script(name: &str) -> Command {
    let path = workspace::root().join("scripts").join(name);
    let mut command = if name.ends_with(".py") { Command::new("python3") } else { Command::new("bash") };
    command.arg(path).env("TABAGENT_VENVS", workspace::kept("venvs")).current_dir(workspace::root());
    command
}

/// The interpreter of the environment of `scripts/requirements-NAME.txt`, made on first use.
pub fn environment(name: &str) -> PathBuf {
    let mut command = script("environment.py");
    command.arg(name);
    let output = process::run(command, INSTALL_DEADLINE);
    assert!(
        output.success,
        "no environment of scripts/requirements-{name}.txt: python3 with venv and pip, and a package index that pip can \
         reach, are needed\n{}",
        output.shown()
    );
    PathBuf::from(output.stdout.trim())
}
