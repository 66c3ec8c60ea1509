//! Where models are pulled from, and within which bounds.

use std::{fmt, path::PathBuf, time::Duration};

/// The hub that is asked where nobody names another one.
pub const ENDPOINT: &str = "https://huggingface.co";

/// A token of the hub, which logs do not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(super) String);

impl Token {
    /// Wraps a token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// How models are pulled.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Address of the hub: https, or http on loopback. Default: `HF_ENDPOINT`, else [`ENDPOINT`].
    pub endpoint: String,
    /// What repositories with conditions and private ones ask for; sent to the endpoint alone. Default: `HF_TOKEN`, else
    /// what the file `HF_TOKEN_PATH` or `token` in the folder `HF_HOME` holds.
    pub token: Option<Token>,
    /// Hosts beside those of the hub that redirects may lead to, `host` or `host:port`.
    pub allowed_hosts: Vec<String>,
    /// The cache of Hugging Face's own programs: files that lie there are not fetched again. Default: `HF_HUB_CACHE`, else
    /// `hub` in the folder `HF_HOME`.
    pub cache: Option<PathBuf>,
    /// Whether nothing may be fetched. Default: whether `HF_HUB_OFFLINE` is set.
    pub offline: bool,
    /// Time to resolve a name and to connect.
    pub connect: Duration,
    /// Longest time without one byte arriving, after which a connection is given up and another one tried.
    pub stall: Duration,
    /// Connections of one pull.
    pub connections: usize,
    /// How often in a row a request is tried again that brought nothing.
    pub retries: u32,
}

impl Default for HubOptions {
    fn default() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let home = variable("HF_HOME").map(PathBuf::from).or_else(|| {
            let base = variable("XDG_CACHE_HOME").map(PathBuf::from);
            Some(base.or_else(|| Some(std::env::home_dir()?.join(".cache")))?.join("huggingface"))
        });
        let token_file = variable("HF_TOKEN_PATH")
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join("token")));
        let token = variable("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file?).ok());
        let yes = |value: String| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on");
        Self {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()),
            token: token.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).map(Token),
            allowed_hosts: Vec::new(),
            cache: variable("HF_HUB_CACHE").map(PathBuf::from).or_else(|| home.map(|home| home.join("hub"))),
            offline: variable("HF_HUB_OFFLINE").is_some_and(yes),
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            connections: 4,
            retries: 6,
        }
    }
}
