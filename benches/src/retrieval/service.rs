//! Our server as retrieval sees it: what comes in, what is asked, what it takes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::corpus::FIELDS;
use crate::Failure;
use crate::child::Running;
use crate::client::{Connection, Load, Target, load, vectors};

/// The model that embeds.
const MODEL: &str = "tabagent-embed";
/// Results of a query.
pub(super) const RESULTS: usize = 10;
/// Documents that are sent at once: as many as the server takes at once.
const IN_FLIGHT: usize = 4;

/// What a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By vectors.
    Vector,
    /// By vectors, with a filter for one value of a field of [`FIELDS`].
    Filtered(usize),
    /// By words.
    Keyword,
    /// By both.
    Hybrid,
    /// The vector of the query alone.
    Embedding,
}

impl Kind {
    /// All of them, in the order of the table.
    pub(super) const ALL: [Self; 6] =
        [Self::Vector, Self::Embedding, Self::Filtered(0), Self::Filtered(1), Self::Keyword, Self::Hybrid];

    fn path(self) -> &'static str {
        if self == Self::Embedding { "/v1/embeddings" } else { "/v1/rag/query" }
    }

    fn body(self, query: &str) -> Bytes {
        let asked = |mode: &str| json!({ "query": query, "k": RESULTS, "mode": mode });
        let body = match self {
            Self::Vector => asked("vector"),
            Self::Keyword => asked("keyword"),
            Self::Hybrid => asked("hybrid"),
            Self::Embedding => json!({ "model": MODEL, "input": query }),
            Self::Filtered(field) => {
                let mut body = asked("vector");
                if let Some((name, value)) = Self::filter(field) {
                    body["filters"] = json!({ name: value });
                }
                body
            }
        };
        Bytes::from(body.to_string())
    }

    /// The field and the value that pass.
    pub(super) fn filter(field: usize) -> Option<(&'static str, usize)> {
        FIELDS.get(field).map(|(name, values)| (*name, values / 2))
    }
}

/// A server, and how it is started again.
pub(super) struct Service {
    program: PathBuf,
    arguments: Vec<String>,
    scratch: PathBuf,
    pub(super) running: Running,
    authority: String,
}

impl Service {
    /// Starts one without documents.
    ///
    /// # Errors
    /// When it ends early.
    pub(super) fn start(program: PathBuf, arguments: &[String], scratch: &Path) -> Result<Self, Failure> {
        let (running, authority) = launch(&program, arguments, scratch)?;
        let (arguments, scratch) = (arguments.to_vec(), scratch.to_owned());
        Ok(Self { program, arguments, scratch, running, authority })
    }

    /// The database, which others may read.
    pub(super) fn database(&self) -> PathBuf {
        self.scratch.join("data/tabagent.sqlite")
    }

    fn target(&self, path: &'static str) -> Target {
        Target { name: "tabagent", authority: self.authority.clone(), path, model: MODEL.to_owned() }
    }

    /// Brings documents in; the seconds that it took.
    ///
    /// # Errors
    /// When one is refused.
    pub(super) async fn ingest(&self, documents: Vec<Bytes>) -> Result<f64, Failure> {
        Ok(load(&self.target("/v1/rag/documents"), IN_FLIGHT, documents).await?.seconds)
    }

    /// The vectors of texts.
    ///
    /// # Errors
    /// When they are refused.
    pub(super) async fn vectors(&self, texts: &[String]) -> Result<Vec<Vec<f64>>, Failure> {
        vectors(&self.target(Kind::Embedding.path()), texts).await
    }

    /// Sends queries one after the other through one connection.
    ///
    /// # Errors
    /// When one is refused.
    pub(super) async fn queries(&self, kind: Kind, queries: &[String]) -> Result<Load, Failure> {
        let bodies = queries.iter().map(|query| kind.body(query)).collect();
        load(&self.target(kind.path()), 1, bodies).await
    }

    /// The ids of what each query finds.
    ///
    /// # Errors
    /// When one is refused.
    pub(super) async fn found(&self, kind: Kind, queries: &[String]) -> Result<Vec<Vec<String>>, Failure> {
        let mut connection = Connection::open(&self.authority).await?;
        let mut found = Vec::with_capacity(queries.len());
        for query in queries {
            let (status, answer) = connection.send(Method::POST, kind.path(), kind.body(query)).await?;
            if status != StatusCode::OK {
                let answer = String::from_utf8_lossy(&answer);
                return Err(Failure::of(format!("a query was answered with {status}: {answer}")));
            }
            let answer: Value = serde_json::from_slice(&answer)?;
            let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
            found.push(results.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect());
        }
        Ok(found)
    }

    /// Ends the server as a kill does and starts it again, on the same folder.
    ///
    /// # Errors
    /// When it ends early, or refuses the query.
    pub(super) async fn restart(&mut self, query: &str) -> Result<Restart, Failure> {
        self.running.kill()?;
        let begin = Instant::now();
        let (running, authority) = launch(&self.program, &self.arguments, &self.scratch)?;
        (self.running, self.authority) = (running, authority);
        let listening = begin.elapsed().as_secs_f64();
        // With its model and its threads, and without an index.
        self.vectors(&[query.to_owned()]).await?;
        let (warm, before) = (begin.elapsed().as_secs_f64(), self.running.resident());
        let begin_query = Instant::now();
        self.found(Kind::Vector, &[query.to_owned()]).await?;
        Ok(Restart {
            listening,
            embedded: warm,
            first_query: begin.elapsed().as_secs_f64(),
            query: begin_query.elapsed().as_secs_f64(),
            bytes: self.running.resident() - before,
        })
    }
}

fn launch(program: &Path, arguments: &[String], scratch: &Path) -> Result<(Running, String), Failure> {
    let mut command = Command::new(program);
    command.args(["serve", "--port", "0"]).arg("--models-dir").arg(scratch.join("models"));
    command.arg("--data-dir").arg(scratch.join("data")).args(arguments);
    let mut running = Running::start(&mut command, &scratch.join("tabagent.log"))?;
    let authority = running.authority()?;
    Ok((running, authority))
}

/// What a restart took: seconds since the start of the process, and bytes.
#[derive(Debug)]
pub(super) struct Restart {
    /// Until it listens.
    pub(super) listening: f64,
    /// Until it has embedded a text.
    pub(super) embedded: f64,
    /// Until it has answered a query.
    pub(super) first_query: f64,
    /// For that query alone, which reads the index.
    pub(super) query: f64,
    /// What that query added to the resident memory.
    pub(super) bytes: f64,
}
