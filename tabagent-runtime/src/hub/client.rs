//! Requests to the hub: one agent, redirects followed by hand, the token for the endpoint alone.

use std::{
    io::Read,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ureq::{
    Agent,
    http::{HeaderMap, Uri},
    unversioned::{resolver::DefaultResolver, transport::DefaultConnector},
};

use super::{
    hosts::{GuardedResolver, Hosts, NOT_PUBLIC},
    options::HubOptions,
};
use crate::error::BackendError;

/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// Longest answer that is read whole: the list of a repository with thousands of files.
const MAX_TEXT: u64 = 16 << 20;

/// Why a request brought nothing.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Another try may do better, not before `after` where the server says when.
    Temporary { reason: String, after: Option<Duration>, limited: bool },
    /// The address that a redirect led to does not serve this any more; the hub may name another one.
    Expired(String),
    /// Another try would end the same way.
    Final(BackendError),
}

impl Failure {
    pub(crate) fn temporary(reason: impl Into<String>) -> Self {
        Self::Temporary { reason: reason.into(), after: None, limited: false }
    }

    /// What the failure is told as after so many tries, when no further one is made.
    pub(crate) fn into_error(self, tries: u32) -> BackendError {
        match self {
            Self::Temporary { after, limited: true, .. } => BackendError::ResourceLimitExceeded {
                resource: "the number of tries that the hub answered with status 429".to_owned(),
                limit: tries.into(),
                current: tries.into(),
                retry_after: after.unwrap_or(Duration::from_secs(60)),
            },
            Self::Temporary { reason, .. } | Self::Expired(reason) => BackendError::configuration(
                "hub-endpoint",
                format!(
                    "the hub cannot be reached, or breaks off: {reason}; try again, what has come is kept"
                ),
            ),
            Self::Final(error) => error,
        }
    }
}

/// A response whose body has not been read.
pub(crate) struct Opened {
    /// The status: 200 or 206.
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Headers of the first answer, before redirects: the hub's own about the file.
    pub(crate) first: HeaderMap,
    /// Where it came from, after redirects.
    pub(crate) url: String,
    pub(crate) body: Box<dyn Read + Send>,
}

/// The value of a header, as text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A client of one hub.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    hosts: Arc<Hosts>,
    /// Without a slash at its end.
    endpoint: String,
    authorization: Option<String>,
}

impl Client {
    /// # Errors
    /// [`BackendError::ConfigurationError`] where the endpoint or a host cannot be used, or nothing may be fetched.
    pub(crate) fn new(options: &HubOptions) -> Result<Self, BackendError> {
        if options.offline {
            let reason = "is set, so nothing is pulled; unset it, or copy the model into the models folder";
            return Err(BackendError::configuration("HF_HUB_OFFLINE", reason));
        }
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        let hosts = Hosts::new(&endpoint, &options.allowed_hosts)
            .map_err(|reason| BackendError::configuration("hub-endpoint", reason))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(options.connect))
            .timeout_connect(Some(options.connect))
            .timeout_recv_response(Some(options.stall))
            // Later than the transfer itself notices, which tells it in its own words.
            .timeout_per_read(Some(options.stall.saturating_mul(2)))
            .timeout_per_write(Some(options.stall))
            .max_idle_connections_per_host(options.connections.max(1))
            .user_agent(concat!("tabagent/", env!("CARGO_PKG_VERSION")));
        // A hub on loopback is not behind the proxy that leads out.
        let config = if hosts.is_loopback() { config.proxy(None) } else { config }.build();
        let resolver = GuardedResolver { hosts: hosts.clone(), inner: DefaultResolver::default() };
        let authorization = options.token.as_ref().map(|token| format!("Bearer {}", token.0));
        Ok(Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            hosts: Arc::new(hosts),
            endpoint,
            authorization,
        })
    }

    /// The hub, without a slash at its end.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Opens an address of the hub, or one that it led to before. `range` has its first byte and the one after its last.
    pub(crate) fn open(&self, url: &str, range: Option<(u64, u64)>) -> Result<Opened, Failure> {
        let mut uri: Uri = parse(url)?;
        let mut first = None;
        for _ in 0..=REDIRECTS {
            self.hosts.check(&uri).map_err(|reason| self.not_allowed(url, &reason))?;
            let mut request = self.agent.get(uri.clone()).header("accept-encoding", "identity");
            if let Some((from, to)) = range {
                request = request.header("range", format!("bytes={from}-{}", to.saturating_sub(1)));
            }
            // Nobody else gets the token, not even a host of the hub that stores its files.
            if let Some(authorization) = self.authorization.as_ref().filter(|_| self.hosts.is_endpoint(&uri))
            {
                request = request.header("authorization", authorization);
            }
            let response = request.call().map_err(|error| self.broken(url, &error))?;
            let (parts, body) = response.into_parts();
            let status = parts.status.as_u16();
            if matches!(status, 301 | 302 | 303 | 307 | 308) {
                let location = header(&parts.headers, "location").ok_or_else(|| {
                    Failure::temporary(format!("{url} is answered with status {status} and no address"))
                })?;
                uri = join(&uri, location)?;
                first.get_or_insert(parts.headers);
                continue;
            }
            if !matches!(status, 200 | 206) {
                let own = self.hosts.is_endpoint(&uri);
                return Err(refused(url, status, &parts.headers, own));
            }
            let first = first.unwrap_or_else(|| parts.headers.clone());
            let body = Box::new(body.into_reader());
            return Ok(Opened { status, headers: parts.headers, first, url: uri.to_string(), body });
        }
        Err(Failure::temporary(format!("{url} is redirected more than {REDIRECTS} times")))
    }

    /// A JSON document of the hub, as text.
    pub(crate) fn text(&self, url: &str) -> Result<String, Failure> {
        let opened = self.open(url, None)?;
        let mut text = String::new();
        let read = opened.body.take(MAX_TEXT + 1).read_to_string(&mut text);
        match read {
            Ok(_) if text.len() as u64 > MAX_TEXT => Err(Failure::Final(BackendError::configuration(
                "hub-endpoint",
                format!("{url} is answered with more than {MAX_TEXT} bytes"),
            ))),
            Ok(_) => Ok(text),
            Err(error) => Err(Failure::temporary(format!("{url} breaks off: {error}"))),
        }
    }

    fn not_allowed(&self, url: &str, reason: &str) -> Failure {
        Failure::Final(BackendError::configuration(
            "hub-allow-host",
            format!(
                "{url} leads to a host that is not asked: {reason}; name it with --hub-allow-host where it is to be trusted"
            ),
        ))
    }

    fn broken(&self, url: &str, error: &ureq::Error) -> Failure {
        let text = error.to_string();
        if text.contains(NOT_PUBLIC) {
            return self.not_allowed(url, text.trim_start_matches("io: "));
        }
        match error {
            ureq::Error::HostNotFound
            | ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed => Failure::temporary(format!("{url}: {text}")),
            ureq::Error::Protocol(_) => Failure::temporary(format!("{url} is not answered in HTTP: {text}")),
            _ => Failure::Final(BackendError::configuration("hub-endpoint", format!("{url}: {text}"))),
        }
    }
}

/// What a status other than success means. `own`: it came from the hub itself, not from where a redirect led.
fn refused(url: &str, status: u16, headers: &HeaderMap, own: bool) -> Failure {
    let said = header(headers, "x-error-message").unwrap_or_default();
    let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
    let code = header(headers, "x-error-code").unwrap_or_default();
    let reason = if said.is_empty() {
        format!("{url} is answered with status {status}")
    } else {
        format!("{url} is answered with status {status}: {said}")
    };
    match (status, code) {
        (401 | 403, "GatedRepo") => Failure::Final(BackendError::configuration(
            "HF_TOKEN",
            format!(
                "the repository is gated ({reason}): accept its conditions on its page with your account, then set HF_TOKEN to \
                 a token of that account"
            ),
        )),
        (404, "RevisionNotFound") => Failure::Final(BackendError::invalid(
            "revision",
            format!("the repository has no such revision ({reason})"),
        )),
        // A store of files, whose addresses hold for a time.
        (401 | 403 | 404 | 410, _) if !own => Failure::Expired(reason),
        (404, "EntryNotFound") => Failure::Final(BackendError::configuration(
            "hub-endpoint",
            format!("the hub lists a file that it does not have: {reason}"),
        )),
        (401, _) | (404, _) => Failure::Final(BackendError::ModelNotFound { model: url.to_owned() }),
        (403, _) => Failure::Final(BackendError::configuration(
            "HF_TOKEN",
            format!("{reason}: the token, or its lack, gives no right to read this repository"),
        )),
        (408 | 429 | 500..=599, _) => {
            let after = header(headers, "retry-after").and_then(retry_after);
            Failure::Temporary { reason, after, limited: status == 429 }
        }
        _ => Failure::Final(BackendError::configuration("hub-endpoint", reason)),
    }
}

/// Seconds of `retry-after`. Its other form, a date, is rare and taken as no word on it.
fn retry_after(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs)
}

fn parse(url: &str) -> Result<Uri, Failure> {
    url.parse().map_err(|error| {
        Failure::Final(BackendError::configuration("hub-endpoint", format!("`{url}` is no address: {error}")))
    })
}

/// The address that a `location` means (RFC 3986, section 5.2, for the forms that servers send).
fn join(base: &Uri, location: &str) -> Result<Uri, Failure> {
    let scheme = base.scheme_str().unwrap_or("https");
    let authority = base.authority().map(ureq::http::uri::Authority::as_str).unwrap_or_default();
    let whole = if location.contains("://") && !location.starts_with('/') {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    parse(whole.split('#').next().unwrap_or_default())
}

/// Time before the try after `failures` in a row: a quarter of a second, doubled each time, half a minute at most, and as long
/// as the server says. A part of it is left to chance, so that connections which failed together do not come together.
pub(crate) fn backoff(failures: u32, after: Option<Duration>) -> Duration {
    let base = Duration::from_millis(250).saturating_mul(1 << failures.saturating_sub(1).min(7));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let chance = base.mul_f64(f64::from(now.subsec_nanos() % 1000) / 4000.0);
    (base + chance).max(after.unwrap_or_default()).min(LONGEST_WAIT)
}

/// Longest wait before another try, whatever the server says.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_joined_to_where_it_came_from() {
        let base: Uri = "https://hub.example/o/n/resolve/x/f".parse().unwrap();
        for (location, whole) in [
            ("https://cdn.example/y?z", "https://cdn.example/y?z"),
            ("/api/y#part", "https://hub.example/api/y"),
            ("//cdn.example/y", "https://cdn.example/y"),
            ("g", "https://hub.example/o/n/resolve/x/g"),
            ("/login?next=https://a/", "https://hub.example/login?next=https://a/"),
        ] {
            assert_eq!(join(&base, location).unwrap().to_string(), whole);
        }
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        assert!(backoff(1, None) < Duration::from_millis(400));
        assert!(backoff(3, None) >= Duration::from_secs(1));
        assert_eq!(backoff(40, None), LONGEST_WAIT);
        assert!(backoff(1, Some(Duration::from_secs(3))) >= Duration::from_secs(3));
        assert_eq!(backoff(1, Some(Duration::from_secs(3600))), LONGEST_WAIT);
    }
}
