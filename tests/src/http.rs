//! A client of raw HTTP/1.1: it sends any bytes, so that hostile input arrives as it was written.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longest wait for the next bytes of a response.
const PATIENCE: Duration = Duration::from_secs(90);

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// The one value of a header; two of the same name are a failure.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert_eq!(values.next(), None, "two headers {name}");
        first
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not JSON ({error}): {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Bytes that were read beyond the last response.
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens a connection.
    pub fn open(address: SocketAddr) -> Self {
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_nodelay(true).expect("a socket takes an option");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends bytes. A server that refuses a request may close before it has read all, which is not the client's error.
    pub fn send(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => panic!("the request cannot be sent: {error}"),
        }
    }

    /// Receives the response of a request of this method.
    pub fn receive(&mut self, method: &str) -> Response {
        let mut response = self.head();
        if method != "HEAD" && !matches!(response.status, 100..=199 | 204 | 304) {
            response.body = self.body(&response);
        }
        response
    }

    /// Receives a response that comes as server-sent events: its head, and the events as they come.
    pub fn receive_events(mut self) -> (Response, Events) {
        let response = self.head();
        assert_eq!(response.header("content-type"), Some("text/event-stream"), "{response:?}");
        assert_eq!(response.header("transfer-encoding"), Some("chunked"), "{response:?}");
        (response, Events { connection: self, text: Vec::new(), over: false })
    }

    /// Receives the head of a response.
    fn head(&mut self) -> Response {
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                break String::from_utf8(head).expect("the head of a response is ASCII");
            }
            assert!(self.read() > 0, "the connection was closed instead of answered: {:?}", self.buffer);
        };
        let mut lines = head.trim_end().split("\r\n");
        let status =
            lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
        let status: u16 =
            status.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no status in {head}"));
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("`{line}` is no header")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Response { status, headers, body: Vec::new() }
    }

    /// Whether the server has closed the connection, waiting for it.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.read() == 0
    }

    fn body(&mut self, response: &Response) -> Vec<u8> {
        if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().expect("content-length is a number");
            return self.take(length);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
            return body;
        }
        while self.read() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// The next chunk of a body that comes in chunks; none at its end.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line();
        let size =
            usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).expect("a chunk's size");
        let chunk = self.take(size);
        self.line();
        (size > 0).then_some(chunk)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.read() > 0, "the body breaks off at {} of {length} bytes", self.buffer.len());
        }
        self.buffer.drain(..length).collect()
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(self.read() > 0, "the body breaks off in a line");
        }
    }

    /// Reads what there is, waiting for at least a byte; 0 at the end.
    fn read(&mut self) -> usize {
        let mut chunk = [0; 64 << 10];
        match self.stream.read(&mut chunk) {
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("no response within {PATIENCE:?}: {error}"),
        }
    }
}

/// The events of a stream as they come, each by its data. Dropping them closes the connection.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
    text: Vec<u8>,
    over: bool,
}

impl Iterator for Events {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.text, b"\n\n") {
                let event: Vec<u8> = self.text.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("an event is UTF-8");
                let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
                let data: Vec<&str> = data.map(str::trim_start).collect();
                // Others are comments that keep the connection alive.
                if !data.is_empty() {
                    return Some(data.join("\n"));
                }
            } else if self.over {
                assert!(self.text.is_empty(), "the stream breaks off in an event");
                return None;
            } else {
                match self.connection.chunk() {
                    Some(chunk) => self.text.extend(chunk),
                    None => self.over = true,
                }
            }
        }
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// The bytes of a request. `host` is sent unless a header says otherwise, `content-length` when there is a body.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    let given = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    if !given("host") {
        head.push_str("host: localhost\r\n");
    }
    if (!body.is_empty() || method == "POST") && !given("content-length") && !given("transfer-encoding") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends one request on a connection of its own.
pub fn exchange(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut connection = Connection::open(address);
    connection.send(&request(method, target, headers, body));
    connection.receive(method)
}

/// Sends JSON to a server that may be killed meanwhile: the status of the answer and its body, `None` where it does not come
/// whole.
pub fn exchange_until_killed(
    address: SocketAddr,
    method: &str,
    target: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let headers = [("content-type", "application/json"), ("connection", "close")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    stream.write_all(&request(method, target, &headers, body.as_bytes())).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.get("HTTP/1.1 ".len()..)?.get(..3)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}
