//! A small HTTP/1.1 server on loopback that serves one file and misbehaves as it is told: cuts, stalls, redirects.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the server does with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    /// Serves the file, or the range that is asked for.
    Serve,
    /// Serves the file and closes the connection after this many bytes of the body.
    Cut(usize),
    /// Serves the whole file whatever range is asked for.
    NoRanges,
    /// Sends this many bytes of the body and then nothing more.
    Stall(usize),
    /// Sends the body in pieces of 256 KiB with this pause between them.
    Slow(Duration),
    /// Redirects to the same server, once.
    Redirect,
    /// Redirects to itself for ever.
    Loop,
    /// Answers with this status.
    Status(u16),
}

/// The running server. It ends with the test process.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Server {
    /// Serves `file`. The n-th request meets the n-th behaviour, later ones the last.
    pub(crate) fn start(file: Vec<u8>, behaviours: &[Behaviour]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (file, behaviours, seen) = (Arc::new(file), behaviours.to_vec(), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), file, behaviours, seen) =
                    (stream, Arc::clone(&file), behaviours.clone(), Arc::clone(&seen))
                else {
                    continue;
                };
                // A client that goes away in the middle is part of the tests.
                thread::spawn(move || drop(answer(stream, &file, &behaviours, &seen)));
            }
        });
        Self { address, requests }
    }

    /// The address, as the base of the archives.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For each request so far the first byte of the range that it asked for.
    pub(crate) fn requests(&self) -> Vec<Option<u64>> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    file: &[u8],
    behaviours: &[Behaviour],
    seen: &Mutex<Vec<Option<u64>>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut path = String::new();
    reader.read_line(&mut path)?;
    let mut range = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range = value.trim().trim_end_matches('-').parse::<u64>().ok();
        }
    }
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(range);
        seen.len() - 1
    };
    let behaviour = *behaviours.get(number).or(behaviours.last()).unwrap();
    match behaviour {
        Behaviour::Redirect if !path.contains("/moved") => {
            return write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: /moved\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        Behaviour::Loop => {
            return write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        Behaviour::Status(status) => {
            return write!(stream, "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        _ => {}
    }
    let start = match (behaviour, range) {
        (Behaviour::NoRanges, _) | (_, None) => 0,
        (_, Some(start)) => usize::try_from(start).unwrap(),
    };
    if start >= file.len() {
        return write!(
            stream,
            "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let body = &file[start..];
    if start > 0 {
        let last = file.len() - 1;
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{last}/{}\r\n",
            file.len()
        )?;
    } else {
        write!(stream, "HTTP/1.1 200 OK\r\n")?;
    }
    write!(stream, "content-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    match behaviour {
        Behaviour::Cut(bytes) => stream.write_all(&body[..bytes.min(body.len())]),
        Behaviour::Stall(bytes) => {
            stream.write_all(&body[..bytes.min(body.len())])?;
            stream.flush()?;
            // Until the client gives up and closes.
            drop(std::io::copy(&mut reader, &mut std::io::sink()));
            Ok(())
        }
        Behaviour::Slow(pause) => {
            for piece in body.chunks(256 * 1024) {
                stream.write_all(piece)?;
                thread::sleep(pause);
            }
            Ok(())
        }
        _ => stream.write_all(body),
    }
}
