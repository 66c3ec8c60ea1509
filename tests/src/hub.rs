//! A hub of models on loopback: Hugging Face's protocol over real sockets, with a second port for the files, and faults.

mod repository;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use repository::File;
pub use repository::{Repository, git_blob, sha256};

/// Bytes that are written at once.
const CHUNK: usize = 64 << 10;

/// What goes wrong with one request for the content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is answered with this status.
    Status(u16),
    /// It is answered with 429 and this `retry-after`, in seconds.
    Limited(u64),
    /// After so many bytes nothing more comes.
    Stall(usize),
    /// After so many bytes the connection ends.
    Cut(usize),
    /// Another byte comes in the place of the first one.
    Damage,
}

/// How the hub behaves; to be changed while it runs.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// Faults of the next requests for contents, in order.
    pub faults: VecDeque<Fault>,
    /// The fault of all requests for contents after those.
    pub always: Option<Fault>,
    /// Bytes a second of one connection, where it is slow.
    pub speed: Option<u64>,
    /// The token without which nothing is answered.
    pub token: Option<String>,
    /// Whether repositories are gated for everybody without a token.
    pub gated: bool,
    /// Where the hub leads to for contents, in place of its second port.
    pub leads_to: Option<String>,
    /// What the hub states as `x-linked-etag` in place of what it listed.
    pub etag: Option<String>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whether it came to the second port.
    pub files: bool,
    /// Its target.
    pub target: String,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Shared {
    repositories: Mutex<BTreeMap<String, Repository>>,
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Request>>,
    served: Mutex<u64>,
}

/// The hub.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    /// The port of the hub itself.
    pub address: SocketAddr,
    /// The second port, where files in LFS lie.
    pub files: SocketAddr,
}

impl Hub {
    /// Starts it. Its threads last as long as the test's process.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (own, files) = (listen(), listen());
        let address = own.local_addr().expect("it has an address");
        let second = files.local_addr().expect("it has an address");
        for (listener, is_files) in [(own, false), (files, true)] {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || serve(&stream, &shared, is_files, second));
                }
            });
        }
        Self { shared, address, files: second }
    }

    /// Puts a repository there, or another content of it.
    pub fn put(&self, name: &str, repository: Repository) {
        self.shared.repositories.lock().expect("not poisoned").insert(name.to_owned(), repository);
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Flags of `tabagent` that name it.
    pub fn flags(&self) -> [String; 4] {
        ["--hub-endpoint".to_owned(), self.url(), "--hub-allow-host".to_owned(), self.files.to_string()]
    }

    /// Changes how it behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().expect("not poisoned"));
    }

    /// Bytes of contents that were sent.
    pub fn served(&self) -> u64 {
        *self.shared.served.lock().expect("not poisoned")
    }

    /// The requests that came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("not poisoned").clone()
    }

    /// Requests for contents on the second port.
    pub fn file_requests(&self) -> usize {
        self.requests().iter().filter(|request| request.files).count()
    }
}

/// Serves a connection until it ends.
fn serve(stream: &TcpStream, shared: &Shared, files: bool, second: SocketAddr) {
    stream.set_nodelay(true).ok();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader, files) {
        shared.requests.lock().expect("not poisoned").push(request.clone());
        if answer(stream, shared, &request, second).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead, files: bool) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => return Some(Request { files, target, headers }),
        };
    }
}

/// Writes a response without faults.
fn respond(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)
}

fn answer(stream: &TcpStream, shared: &Shared, request: &Request, second: SocketAddr) -> std::io::Result<()> {
    let behaviour = shared.behaviour.lock().expect("not poisoned").clone();
    let target = decode(request.target.split('?').next().unwrap_or_default());
    let parts: Vec<&str> = target.trim_start_matches('/').splitn(5, '/').collect();
    let repositories = shared.repositories.lock().expect("not poisoned").clone();
    let error = |status: u16, code: &str, message: &str| {
        let headers = [("x-error-code", code.to_owned()), ("x-error-message", message.to_owned())];
        respond(stream, status, &headers, b"")
    };
    let bearer = request.headers.get("authorization").cloned();
    let open = bearer == behaviour.token.as_ref().map(|token| format!("Bearer {token}"));
    match parts[..] {
        ["api", "models", owner, name, rest] if !request.files => {
            let id = format!("{owner}/{name}");
            if behaviour.gated && !open {
                return error(403, "GatedRepo", "Access to this model is restricted.");
            }
            let Some(repository) = repositories.get(&id).filter(|_| open || behaviour.token.is_none()) else {
                return error(401, "RepoNotFound", "Repository not found");
            };
            let revision = rest.trim_start_matches("revision/");
            if ![&repository.commit(), "main"].contains(&revision) {
                return error(404, "RevisionNotFound", "Invalid rev id");
            }
            let body = repository.info(&id).to_string();
            respond(stream, 200, &[("content-type", "application/json".to_owned())], body.as_bytes())
        }
        [owner, name, "resolve", commit, path] => {
            let id = format!("{owner}/{name}");
            let found = repositories.get(&id).filter(|repository| repository.commit() == commit);
            let Some(file) = found.and_then(|repository| repository.files.get(path)) else {
                return error(404, "EntryNotFound", "Entry not found");
            };
            if request.files || !file.lfs {
                let stated = if file.lfs {
                    "\"0123456789abcdef0123456789abcdef\"".to_owned()
                } else {
                    format!("\"{}\"", file.git_blob)
                };
                let headers = [("etag", stated), ("x-repo-commit", commit.to_owned())];
                return content(stream, shared, request, file, &headers, file.lfs);
            }
            if behaviour.token.is_some() && !open {
                return error(401, "RepoNotFound", "Repository not found");
            }
            let base = behaviour.leads_to.clone().unwrap_or_else(|| format!("http://{second}"));
            let etag = behaviour.etag.clone().unwrap_or_else(|| file.sha256.clone());
            let headers = [
                ("location", format!("{base}{}?signature=abc", request.target)),
                ("x-linked-etag", format!("\"{etag}\"")),
                ("x-linked-size", file.content.len().to_string()),
                ("x-repo-commit", commit.to_owned()),
                ("etag", "\"fedcba9876543210\"".to_owned()),
            ];
            respond(stream, 302, &headers, b"Found")
        }
        _ => error(404, "EntryNotFound", "Entry not found"),
    }
}

/// Sends a content, or the range of it that is asked for, with the next fault.
fn content(
    mut stream: &TcpStream,
    shared: &Shared,
    request: &Request,
    file: &File,
    headers: &[(&str, String)],
    faulty: bool,
) -> std::io::Result<()> {
    let (fault, speed) = {
        let mut behaviour = shared.behaviour.lock().expect("not poisoned");
        let fault = if faulty { behaviour.faults.pop_front().or(behaviour.always) } else { None };
        (fault.unwrap_or(Fault::None), behaviour.speed)
    };
    match fault {
        Fault::Status(status) => return respond(stream, status, &[], b""),
        Fault::Limited(seconds) => return respond(stream, 429, &[("retry-after", seconds.to_string())], b""),
        _ => {}
    }
    let size = file.content.len();
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let range =
        range.and_then(|(from, to)| Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()? + 1)));
    let (status, from, to) = match range {
        Some((from, _)) if from >= size => return respond(stream, 416, &[], b""),
        Some((from, to)) => (206, from, to.min(size)),
        None => (200, 0, size),
    };
    let mut head =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\naccept-ranges: bytes\r\n", to - from);
    if status == 206 {
        head.push_str(&format!("content-range: bytes {from}-{}/{size}\r\n", to - 1));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let begun = Instant::now();
    let mut body = file.content[from..to].to_vec();
    if fault == Fault::Damage
        && let Some(first) = body.first_mut()
    {
        *first ^= 1;
    }
    let end = match fault {
        Fault::Stall(after) | Fault::Cut(after) => after.min(body.len()),
        _ => body.len(),
    };
    let mut sent = 0;
    for chunk in body[..end].chunks(CHUNK) {
        stream.write_all(chunk)?;
        sent += chunk.len();
        *shared.served.lock().expect("not poisoned") += chunk.len() as u64;
        if let Some(speed) = speed {
            let due = Duration::from_secs_f64(sent as f64 / speed as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    match fault {
        Fault::Stall(_) => {
            std::thread::sleep(Duration::from_secs(60));
            Err(std::io::Error::other("stalled"))
        }
        Fault::Cut(_) => Err(std::io::Error::other("cut")),
        _ => Ok(()),
    }
}

/// `%2F` and its like as what they mean.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
