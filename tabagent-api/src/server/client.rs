//! The client of the commands that ask a running server.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cli::CommandError;
use super::config::{Config, Source};

/// Longest wait for the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for an answer: a load of a large model ends before, or with the deadline of the server.
const ANSWER: Duration = Duration::from_secs(60 * 60);

/// Longest time for which a server may be too busy.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// When to come again, where a server says that it is too busy.
fn busy(answer: &http::Response<ureq::Body>) -> Option<Duration> {
    if answer.status() != http::StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds = answer.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A client of a server.
#[derive(Debug)]
pub(in crate::server) struct Client {
    agent: ureq::Agent,
    url: String,
    key: Option<String>,
}

impl Client {
    /// A client of the server at `url`, or of the one that the settings describe.
    pub(in crate::server) fn new(url: Option<&str>, config: &Config) -> Self {
        let url = url.map_or_else(
            || {
                // One that listens everywhere is asked over loopback.
                let host = match config.host {
                    host if host.is_unspecified() && host.is_ipv6() => "[::1]".to_owned(),
                    host if host.is_unspecified() => "127.0.0.1".to_owned(),
                    host if host.is_ipv6() => format!("[{host}]"),
                    host => host.to_string(),
                };
                format!("http://{host}:{}", config.port)
            },
            |url| url.trim_end_matches('/').to_owned(),
        );
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The key is for this server alone.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(CONNECT))
            .user_agent(concat!("tabagent/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { agent, url, key: config.api_key.as_ref().map(|key| key.reveal().to_owned()) }
    }

    /// A client of the server at `url`, for a command that else works on the models folder of this machine.
    ///
    /// # Errors
    /// A flag says what that server says for itself.
    pub(in crate::server) fn instead_of_folder(url: &str, config: &Config) -> Result<Self, CommandError> {
        for key in ["models-dir", "device", "hub-endpoint", "hub-allow-host", "hub-stall"] {
            if matches!(config.source(key), Source::Flag(_)) {
                return Err(CommandError::Other(format!(
                    "--{key} is not for --url: the server at {url} has its own; leave one of them out"
                )));
            }
        }
        Ok(Self::new(Some(url), config))
    }

    /// GET.
    ///
    /// # Errors
    /// No server answers, or it answers with a problem, in its words.
    pub(in crate::server) fn get(&self, path: &str) -> Result<Value, CommandError> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.read(request.call())
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(in crate::server) fn post(&self, path: &str, body: &Value) -> Result<Value, CommandError> {
        self.read(self.send(path, body))
    }

    fn send(&self, path: &str, body: &Value) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let mut request =
            self.agent.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        request.send(body.to_string())
    }

    /// POST of JSON, and again where the server is too busy for it, as it says when.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(in crate::server) fn post_patiently(&self, path: &str, body: &Value) -> Result<Value, CommandError> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.send(path, body);
            let wait = answer.as_ref().ok().and_then(busy).filter(|wait| Instant::now() + *wait < end);
            match wait {
                Some(wait) => std::thread::sleep(wait),
                None => return self.read(answer),
            }
        }
    }

    /// DELETE.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(in crate::server) fn delete(&self, path: &str) -> Result<Value, CommandError> {
        let mut request = self.agent.delete(format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.read(request.call())
    }

    /// An answer as what this version of the server would send.
    ///
    /// # Errors
    /// It is something else.
    pub(in crate::server) fn known<T: DeserializeOwned>(&self, answer: Value) -> Result<T, CommandError> {
        serde_json::from_value(answer).map_err(|error| {
            CommandError::Other(format!("the server at {} is of another version: {error}", self.url))
        })
    }

    fn read(&self, answer: Result<http::Response<ureq::Body>, ureq::Error>) -> Result<Value, CommandError> {
        let url = &self.url;
        let mut answer = answer.map_err(|error| {
            CommandError::Other(format!(
                "no server answers at {url}: {error}; start one with `tabagent`, or say where it is with --url"
            ))
        })?;
        let status = answer.status();
        if status == http::StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| CommandError::Other(format!("the answer of {url} breaks off: {error}")))?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|_| CommandError::Other(format!("what answers at {url} is no TabAgent: {status}")))?;
        if status.is_success() {
            return Ok(value);
        }
        let detail = value.get("detail").and_then(Value::as_str).unwrap_or(status.as_str());
        Err(CommandError::Other(detail.to_owned()))
    }
}
