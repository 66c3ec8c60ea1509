//! A load generator over HTTP/1.1 with kept connections: the same requests, in the same way, to every server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::Failure;

/// No answer takes longer than this, on any machine worth measuring.
const DEADLINE: Duration = Duration::from_secs(300);

/// A server that speaks OpenAI's embeddings.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// `host:port`.
    pub(crate) authority: String,
    /// Path of its embeddings.
    pub(crate) path: &'static str,
    /// Id of the model there.
    pub(crate) model: String,
}

impl Target {
    /// The body of a request for the vectors of these texts; one text goes as a plain string, as clients send it.
    pub(crate) fn body(&self, texts: &[String]) -> Bytes {
        let input = if let [text] = texts { json!(text) } else { json!(texts) };
        Bytes::from(json!({ "model": self.model, "input": input }).to_string())
    }
}

/// One kept connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nothing listens there.
    pub(crate) async fn open(authority: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; its error is the next request's error.
        tokio::spawn(connection);
        Ok(Self { sender, authority: authority.to_owned() })
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// When the server leaves, or does not answer in time.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let request = self.request(method, path, body)?;
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, Failure>((status, response.into_body().collect().await?.to_bytes()))
        };
        tokio::time::timeout(DEADLINE, exchange)
            .await
            .map_err(|_| Failure::of(format!("{}{path} did not answer in {DEADLINE:?}", self.authority)))?
    }

    /// Sends one request whose answer comes as server-sent events. The connection is used up by it: dropping the events
    /// leaves the server.
    ///
    /// # Errors
    /// When the server leaves, refuses, or does not begin to answer in time.
    pub(crate) async fn events(mut self, path: &str, body: Bytes) -> Result<Events, Failure> {
        let request = self.request(Method::POST, path, body)?;
        let begin = async {
            self.sender.ready().await?;
            Ok::<_, Failure>(self.sender.send_request(request).await?)
        };
        let response = tokio::time::timeout(DEADLINE, begin)
            .await
            .map_err(|_| Failure::of(format!("{}{path} did not answer in {DEADLINE:?}", self.authority)))??;
        let status = response.status();
        if status != StatusCode::OK {
            let answer = response.into_body().collect().await?.to_bytes();
            return Err(Failure::of(format!(
                "{}{path} answered {status}: {}",
                self.authority,
                String::from_utf8_lossy(&answer)
            )));
        }
        Ok(Events { body: response.into_body(), _sender: self.sender, read: Vec::new() })
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        Ok(Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?)
    }
}

/// Server-sent events as they come.
pub(crate) struct Events {
    body: Incoming,
    /// The connection lives as long as its sender.
    _sender: SendRequest<Full<Bytes>>,
    /// What was read and is no whole event yet.
    read: Vec<u8>,
}

impl Events {
    /// The data of the next event; `None` at the end.
    ///
    /// # Errors
    /// When the server leaves, or says nothing for too long.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).take(end).collect();
                // Comments, which keep a connection open, have no data.
                if let Some(data) = event.strip_prefix(b"data: ") {
                    return Ok(Some(data.to_vec()));
                }
                continue;
            }
            let frame = tokio::time::timeout(DEADLINE, self.body.frame())
                .await
                .map_err(|_| Failure::of(format!("no event came in {DEADLINE:?}")))?;
            let Some(frame) = frame else { return Ok(None) };
            if let Some(data) = frame?.data_ref() {
                self.read.extend_from_slice(data);
            }
        }
    }
}

/// The vectors of these texts.
///
/// # Errors
/// When the server refuses, or answers in another shape.
pub(crate) async fn vectors(target: &Target, texts: &[String]) -> Result<Vec<Vec<f64>>, Failure> {
    let mut connection = Connection::open(&target.authority).await?;
    let (status, body) = connection.send(Method::POST, target.path, target.body(texts)).await?;
    if status != StatusCode::OK {
        return Err(refused(target, status, &body));
    }
    let answer: Value = serde_json::from_slice(&body)?;
    let data = answer["data"].as_array().ok_or_else(|| Failure::of("the answer has no data".to_owned()))?;
    let vector = |item: &Value| -> Vec<f64> {
        item["embedding"]
            .as_array()
            .map(|list| list.iter().filter_map(Value::as_f64).collect())
            .unwrap_or_default()
    };
    Ok(data.iter().map(vector).collect())
}

fn refused(target: &Target, status: StatusCode, body: &Bytes) -> Failure {
    Failure::of(format!("{} answered {status}: {}", target.name, String::from_utf8_lossy(body)))
}

/// What one run of the load came to.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// From the first request to the last answer, in seconds.
    pub(crate) seconds: f64,
    /// Time of each request, in seconds.
    pub(crate) latencies: Vec<f64>,
}

/// Sends all bodies through so many clients, each with one connection and one request at a time.
///
/// # Errors
/// When any request fails: figures of a server that refuses say nothing.
pub(crate) async fn load(target: &Target, clients: usize, bodies: Vec<Bytes>) -> Result<Load, Failure> {
    let mut connections = Vec::with_capacity(clients);
    for _ in 0..clients {
        connections.push(Connection::open(&target.authority).await?);
    }
    let queue = Arc::new(Mutex::new(VecDeque::from(bodies)));
    let started = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let (queue, target) = (Arc::clone(&queue), target.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(body) = next else { return Ok(latencies) };
                    let begin = Instant::now();
                    let (status, answer) = connection.send(Method::POST, target.path, body).await?;
                    if status != StatusCode::OK {
                        return Err(refused(&target, status, &answer));
                    }
                    latencies.push(begin.elapsed().as_secs_f64());
                }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(Load { seconds: started.elapsed().as_secs_f64(), latencies })
}
