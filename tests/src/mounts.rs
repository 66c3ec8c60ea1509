//! Disks of a test's own: file systems that are mounted where only the processes of the test see them (mount namespaces of
//! Linux), so that a disk can be full, or a folder be for reading, for root as well.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A namespace with mounts of its own, which are gone with it.
#[derive(Debug)]
pub struct Mounts {
    /// Waits for the end of its input, which comes with the end of the test.
    holder: Child,
    is_root: bool,
}

impl Mounts {
    /// Makes a namespace and runs a script of bash in it, which mounts; `None`, with a message, where this machine does not let
    /// its users do that.
    pub fn new(script: &str) -> Option<Self> {
        let id = Command::new("id").arg("-u").output();
        let is_root = id.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
        let mut command = Command::new("unshare");
        command.args(if is_root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
        command.args(["bash", "-c", &format!("{script} && echo mounted && exec cat")]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let skip = |why: &str| eprintln!("skipped: no mounts of its own on this machine: {why}");
        let mut holder = match spawned {
            Ok(holder) => holder,
            Err(error) => {
                skip(&format!("unshare does not start: {error}"));
                return None;
            }
        };
        let mut line = String::new();
        let output = holder.stdout.take().expect("stdout is piped");
        BufReader::new(output).read_line(&mut line).ok();
        let mounts = Self { holder, is_root };
        if line != "mounted\n" {
            skip("the mount was refused");
            return None;
        }
        Some(mounts)
    }

    /// The command line by which a program comes in; its own follows.
    pub fn through(&self) -> Vec<String> {
        let mut words = vec!["nsenter".to_owned()];
        if !self.is_root {
            words.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        words.extend(["--mount".to_owned(), "--target".to_owned(), self.holder.id().to_string()]);
        words
    }

    /// A path in there, as it is reached from outside.
    pub fn path(&self, path: &Path) -> PathBuf {
        let inner = path.strip_prefix("/").expect("the path is absolute");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inner)
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}
