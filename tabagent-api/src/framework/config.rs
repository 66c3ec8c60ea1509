//! The configuration of an app: limits, keys and allow-lists, in one place.

use std::fmt;
use std::time::Duration;

/// A secret that logs do not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret, for whoever has to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in time that depends on the length of `other` alone.
    pub fn matches(&self, other: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        let mut difference = u8::from(secret.len() != other.len());
        for (index, byte) in other.iter().enumerate() {
            // A secret shorter than the guess is read again from its begin, so that no guess ends the loop early.
            let expected = secret.get(index % secret.len().max(1)).copied().unwrap_or_default();
            difference |= expected ^ byte;
        }
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Configuration of an app. The defaults are safe on loopback.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Title in the OpenAPI document.
    pub title: String,
    /// Version in the OpenAPI document.
    pub version: String,
    /// Description in the OpenAPI document, in Markdown.
    pub description: String,
    /// The key that routes which are not public ask for; none asks for none.
    pub api_key: Option<Secret>,
    /// Hosts that requests may name beside loopback ones, without port.
    pub allowed_hosts: Vec<String>,
    /// Whether any IP address may be named as host. Rebinding attacks need a name, so this is safe beyond loopback.
    pub allow_ip_hosts: bool,
    /// Origins of pages that may use the server beside loopback ones: `https://example.org`, `chrome-extension://id`.
    pub allowed_origins: Vec<String>,
    /// Longest request body in bytes, where a route does not say otherwise.
    pub body_limit: usize,
    /// How long a whole body may take to arrive.
    pub body_timeout: Duration,
    /// How long a route may take until its response begins, where it does not say otherwise.
    pub timeout: Duration,
    /// Most bytes of all header names and values together.
    pub header_bytes: usize,
    /// Most headers.
    pub header_count: usize,
    /// Longest path and query, in bytes.
    pub uri_bytes: usize,
    /// Whether responses are compressed for clients that accept it. Over loopback it only costs time.
    pub compression: bool,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            title: "API".to_owned(),
            version: "0.0.0".to_owned(),
            description: String::new(),
            api_key: None,
            allowed_hosts: Vec::new(),
            allow_ip_hosts: false,
            allowed_origins: Vec::new(),
            body_limit: 16 << 20,
            body_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(120),
            header_bytes: 16 << 10,
            header_count: 64,
            uri_bytes: 8 << 10,
            compression: false,
        }
    }
}
