//! Our server as a client sees it: streams of `/v1/completions`, and what `/metrics` and Linux tell about its work.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tabagent_runtime::bench::Timeline;

use crate::Failure;
use crate::child::Running;
use crate::client::{Connection, Events};

/// A server with one model.
pub(super) struct Server {
    pub(super) running: Running,
    client: Client,
}

/// What a request needs; clones go to the tasks of the streams.
#[derive(Debug, Clone)]
pub(super) struct Client {
    authority: String,
    model: String,
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    /// When it ends early, or does not say where it listens.
    pub(super) fn start(command: &mut Command, model: &str, log: &Path) -> Result<Self, Failure> {
        let mut running = Running::start(command, log)?;
        let client = Client { authority: running.authority()?, model: model.to_owned() };
        Ok(Self { running, client })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Work of the server so far.
    ///
    /// # Errors
    /// When `/metrics` does not tell it.
    pub(super) async fn work(&self) -> Result<Work, Failure> {
        let mut connection = Connection::open(&self.client.authority).await?;
        let (status, body) = connection.send(Method::GET, "/metrics", Bytes::new()).await?;
        if status != StatusCode::OK {
            return Err(Failure::of(format!("/metrics answered {status}")));
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let sum = |name: &str| {
            let wanted = format!("tabagent_generation_{name}_seconds_sum{{");
            let line =
                text.lines().find(|line| line.starts_with(&wanted) && line.contains(&self.client.model));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .ok_or_else(|| Failure::of(format!("/metrics has no {wanted}..}}")))
        };
        Ok(Work { step: sum("step")?, choosing: sum("choosing")?, http: http_threads(self.running.id())? })
    }
}

/// What a server spent so far.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// Seconds in decoding steps.
    step: f64,
    /// Of these in choosing tokens and telling their text.
    choosing: f64,
    /// Nanoseconds on the processor of each thread that serves HTTP.
    http: HashMap<OsString, u64>,
}

impl Work {
    /// What everything beside the graph took since then, for each second of decoding.
    pub(super) fn beside_the_graph(&self, then: &Self) -> f64 {
        // Threads come and go: each is compared with itself.
        let before = |thread: &OsString| then.http.get(thread).copied().unwrap_or_default();
        let http: u64 = self.http.iter().map(|(thread, spent)| spent.saturating_sub(before(thread))).sum();
        (self.choosing - then.choosing + http as f64 / 1e9) / (self.step - then.step)
    }
}

/// Processor time of the threads that serve HTTP, as Linux counts it (schedstat).
fn http_threads(process: u32) -> Result<HashMap<OsString, u64>, Failure> {
    let mut spent = HashMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?;
        let read = |file: &str| fs::read_to_string(task.path().join(file));
        // A thread may end while it is looked at.
        let (Ok(name), Ok(times)) = (read("comm"), read("schedstat")) else { continue };
        if name.trim() == "http" {
            spent.insert(task.file_name(), times.split(' ').next().unwrap_or_default().parse()?);
        }
    }
    Ok(spent)
}

/// A chunk of `/v1/completions`.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    text: String,
}

/// A stream that runs.
pub(super) struct Stream(Events);

impl Client {
    /// Begins a stream of greedy tokens after a prompt.
    ///
    /// # Errors
    /// When the server refuses.
    pub(super) async fn begin(&self, prompt: &[u32], tokens: usize) -> Result<Stream, Failure> {
        let connection = Connection::open(&self.authority).await?;
        let body = json!({
            "model": self.model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": true,
            "stream": true, "stream_options": { "include_usage": true },
        });
        Ok(Stream(connection.events("/v1/completions", Bytes::from(body.to_string())).await?))
    }

    /// The time to the first token of a prompt, and how many of its tokens were cached.
    ///
    /// # Errors
    /// When the server refuses, or its answer has another form.
    pub(super) async fn first_token(&self, prompt: &[u32]) -> Result<(f64, u64), Failure> {
        let begin = Instant::now();
        let mut stream = self.begin(prompt, 1).await?;
        let mut first = None;
        while let Some(chunk) = stream.chunk().await? {
            if chunk.choices.iter().any(|choice| !choice.text.is_empty()) {
                first.get_or_insert(begin.elapsed().as_secs_f64());
            }
            if let Some(usage) = chunk.usage {
                let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
                return first
                    .zip(cached)
                    .ok_or_else(|| Failure::of(format!("no token came before the usage {usage}")));
            }
        }
        Err(Failure::of("the stream ended without its usage".to_owned()))
    }

    /// Stops everything that is being generated.
    ///
    /// # Errors
    /// When the server refuses.
    pub(super) async fn stop(&self) -> Result<(), Failure> {
        let mut connection = Connection::open(&self.authority).await?;
        let (status, body) =
            connection.send(Method::POST, "/v1/generation/stop", Bytes::from_static(b"{}")).await?;
        if status == StatusCode::OK {
            return Ok(());
        }
        Err(Failure::of(format!("the stop was answered with {status}: {}", String::from_utf8_lossy(&body))))
    }

    /// Continues all prompts together, each on a connection of its own.
    ///
    /// # Errors
    /// When the server refuses one, or a text is no token of the vocabulary.
    pub(super) async fn generate(
        &self,
        prompts: &[Vec<u32>],
        tokens: usize,
        vocabulary: &HashMap<String, u32>,
    ) -> Result<Timeline, Failure> {
        let begin = Instant::now();
        let tasks: Vec<_> = prompts
            .iter()
            .map(|prompt| {
                let (client, prompt) = (self.clone(), prompt.clone());
                tokio::spawn(async move {
                    let mut stream = client.begin(&prompt, tokens).await?;
                    let (mut texts, mut times) = (Vec::new(), Vec::new());
                    while let Some(text) = stream.text().await? {
                        times.push(begin.elapsed().as_secs_f64());
                        texts.push(text);
                    }
                    Ok::<_, Failure>((texts, times))
                })
            })
            .collect();
        let mut timeline = Timeline::default();
        for task in tasks {
            let (texts, times) = task.await??;
            let id = |text: &String| {
                let id = vocabulary.get(text).copied();
                id.ok_or_else(|| Failure::of(format!("the text {text:?} is no single token")))
            };
            timeline.ids.push(texts.iter().map(id).collect::<Result<_, _>>()?);
            timeline.times.push(times);
        }
        Ok(timeline)
    }
}

impl Stream {
    /// The next chunk; `None` at the end.
    async fn chunk(&mut self) -> Result<Option<Chunk>, Failure> {
        match self.0.next().await? {
            Some(data) if data != b"[DONE]" => {
                let chunk: Chunk = serde_json::from_slice(&data)?;
                match chunk.error {
                    Some(error) => Err(Failure::of(format!("the stream failed: {error}"))),
                    None => Ok(Some(chunk)),
                }
            }
            _ => Ok(None),
        }
    }

    /// The text of the next token; `None` at the end.
    ///
    /// # Errors
    /// When the server leaves, or says something else.
    pub(super) async fn text(&mut self) -> Result<Option<String>, Failure> {
        while let Some(chunk) = self.chunk().await? {
            let texts = chunk.choices.into_iter().map(|choice| choice.text);
            if let Some(text) = texts.into_iter().find(|text| !text.is_empty()) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}
