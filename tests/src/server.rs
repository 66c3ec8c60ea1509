//! The real binary as a child process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Connection, Response};
use crate::{process, workspace};

/// Longest start: the first one on a machine installs ONNX Runtime.
pub const START_DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Longest stop.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// The program with the environment of a test: no settings but those that the test gives, data in `data`.
pub fn command(data: &TempDir, arguments: &[&str]) -> Command {
    command_through(&[], data, arguments)
}

/// The same through another program, whose own arguments end with the command line of this one: `nsenter`, for example.
pub fn command_through(through: &[String], data: &TempDir, arguments: &[&str]) -> Command {
    let mut command = match through {
        [] => Command::new(workspace::tabagent()),
        [program, own @ ..] => {
            let mut command = Command::new(program);
            command.args(own).arg(workspace::tabagent());
            command
        }
    };
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TABAGENT_") {
            command.env_remove(name);
        }
    }
    command
        .env("TABAGENT_DATA_DIR", data.path())
        .env_remove("RUST_LOG")
        .args(arguments)
        .current_dir(data.path());
    command
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> process::Output {
    let data = tempfile::tempdir().expect("a temporary folder");
    process::run(command(&data, arguments), START_DEADLINE)
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The API key that it asks for.
    pub key: Option<String>,
    log: Arc<Mutex<String>>,
    lines: Receiver<String>,
    /// Its data folder, removed with it.
    pub data: TempDir,
}

impl Server {
    /// Starts `tabagent serve` on a free port with these further arguments, and waits until it says that it listens.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), arguments, &[])
    }

    /// As [`Server::start`], with a data folder that the test has filled, and further environment variables.
    pub fn start_in(data: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_through(&[], data, arguments, environment)
    }

    /// As [`Server::start_in`], through another program, which becomes the server.
    pub fn start_through(
        through: &[String],
        data: TempDir,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = command_through(through, &data, &["serve", "--port", "0"]);
        command.args(arguments).envs(environment.iter().copied());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = follow(child.stdout.take().expect("stdout is piped"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                written.lock().expect("the log is not poisoned").push_str(&format!("{line}\n"));
            }
        });
        let key = arguments.windows(2).find(|pair| pair[0] == "--api-key").map(|pair| pair[1].to_owned());
        let first = lines.recv_timeout(START_DEADLINE);
        let url = first.as_deref().ok().and_then(|line| line.strip_prefix("listening on http://"));
        let Some(address) = url.and_then(|address| address.parse().ok()) else {
            child.kill().ok();
            child.wait().ok();
            // The pipe is at its end now, so the thread above has what there was.
            std::thread::sleep(Duration::from_millis(100));
            panic!("the first line is {first:?}\n{}", log.lock().expect("the log is not poisoned"));
        };
        Self { child, address, key, log, lines, data }
    }

    /// The URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log is not poisoned").clone()
    }

    /// What it has written to stdout after its first line.
    pub fn further_output(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// A connection to it.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends a request with these headers, and the key if there is one.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let mut headers = headers.to_vec();
        if let Some(bearer) = &bearer
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            headers.push(("authorization", bearer));
        }
        http::exchange(self.address, method, target, &headers, body)
    }

    /// GET.
    pub fn get(&self, target: &str) -> Response {
        self.send("GET", target, &[], b"")
    }

    /// POST of JSON.
    pub fn post(&self, target: &str, body: &Value) -> Response {
        self.send("POST", target, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// The value of a series on /metrics that counts, by its name with its labels as they are written there.
    pub fn metric(&self, series: &str) -> u64 {
        let page = self.get("/metrics").text();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {series} in\n{page}"));
        value.parse().expect("it is a whole number")
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), self.child.id().to_string()]);
        let output = process::run(kill, STOP_DEADLINE);
        assert!(output.success, "{}", output.shown());
    }

    /// Waits for its end; the exit code, none when a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        process::wait(&mut self.child, STOP_DEADLINE)
            .unwrap_or_else(|| panic!("the server did not stop within {STOP_DEADLINE:?}\n{}", self.log()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4000);
            let tail: String = log.chars().skip(from).collect();
            eprintln!("--- the end of the server's log\n{tail}");
        }
    }
}

/// The lines of a stream, read on a thread.
fn follow(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
