//! Where things are: the workspace, its target folder, the binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::process;

/// Longest build of the binary, for a cold cache on a slow machine.
const BUILD_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

/// The target folder of the build that this test is part of.
pub fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        let test = std::env::current_exe().expect("a test has a file");
        let target = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
        target.unwrap_or_else(|| panic!("{} is not below a target folder", test.display())).to_owned()
    })
}

/// A folder below the target folder for what tests keep between runs, such as virtual environments.
pub fn kept(name: &str) -> PathBuf {
    let folder = target().join("tests").join(name);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// The cargo that runs this test.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo gives these to a test; a cargo that is called from one should not take them for the user's.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_CRATE_NAME"
        {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_TERM_COLOR", "never").env_remove("RUSTC_WORKSPACE_WRAPPER");
    command
}

/// The binary `tabagent`, built as this test was.
///
/// Cargo names a binary to the tests of its own package only (`CARGO_BIN_EXE_..`), and this is another one. So cargo is
/// asked once a process: it builds what is not built, and says where the file lies. All packages are selected, so that the
/// features of dependencies are unified as in `cargo test --workspace` and only crates of ours are compiled again.
pub fn tabagent() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut command = cargo();
        command
            .args(["build", "--offline", "--message-format=json", "--workspace", "--bins"])
            .arg("--target-dir")
            .arg(target())
            .current_dir(root());
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let output = process::run(command, BUILD_DEADLINE);
        assert!(output.success, "the binary cannot be built:\n{}", output.stderr);
        let lines = output.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executables = lines.filter(|message| message["target"]["name"] == "tabagent");
        let mut paths = executables.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        paths.next().expect("cargo names the file of the binary")
    })
}
