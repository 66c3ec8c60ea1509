//! Host and Origin allow-lists, always on.
//!
//! A page on the web can make a visitor's browser send requests to a loopback address. It cannot forge Origin, and a
//! rebound name betrays itself in Host, so both are compared with what the operator named.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Uri, header};

use crate::framework::ApiError;
use crate::framework::component::AppState;
use crate::framework::config::ApiConfig;

/// Refuses requests that name another host, or come from a page that was not named.
pub(super) async fn hosts(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match check(state.config(), &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(config: &ApiConfig, request: &Request) -> Result<(), ApiError> {
    let given = request.headers().get(header::HOST);
    // HTTP/1.1 demands the header; a request line in absolute form names the host as well, and both must be right.
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if given.is_none() && authority.is_none() {
        return Err(ApiError::HostNotAllowed { host: "(none)".to_owned() });
    }
    for host in request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes).chain(authority) {
        let text = String::from_utf8_lossy(host);
        if !host_name(&text).is_some_and(|name| host_allowed(config, name)) {
            return Err(ApiError::HostNotAllowed { host: format!("`{text}`") });
        }
    }
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    if let Some(origin) = origins.find(|origin| !origin_allowed(config, origin, given)) {
        let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        return Err(ApiError::OriginNotAllowed { origin: format!("`{origin}`") });
    }
    Ok(())
}

/// The name in `name`, `name:port` or `[v6]:port`; none when there is more in it than that.
fn host_name(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            (name, port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("")),
        },
    };
    let digits = port?.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !name.is_empty()).then_some(name)
}

fn host_allowed(config: &ApiConfig, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    if let Ok(address) = name.parse::<IpAddr>()
        && (address.is_loopback() || config.allow_ip_hosts)
    {
        return true;
    }
    config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Whether a page of this origin may use the server: a loopback page, the server's own, or one that was named.
pub(super) fn origin_allowed(config: &ApiConfig, origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let Ok(text) = origin.to_str() else { return false };
    if config.allowed_origins.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(text)) {
        return true;
    }
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    if !matches!(scheme, "http" | "https") || text.parse::<Uri>().is_err() {
        return false;
    }
    let own = host.is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()));
    let loopback = host_name(authority).is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    own || loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_served_and_others_only_when_named() {
        let mut config = ApiConfig::default();
        let allowed =
            |config: &ApiConfig, host: &str| host_name(host).is_some_and(|name| host_allowed(config, name));
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "127.8.8.8", "localhost."] {
            assert!(allowed(&config, host), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "10.0.0.7", "127.0.0.1:80@evil", "[::1", "", ":80"]
        {
            assert!(!allowed(&config, host), "{host}");
        }
        config.allowed_hosts.push("box.lan".to_owned());
        config.allow_ip_hosts = true;
        assert!(allowed(&config, "Box.lan:80") && allowed(&config, "10.0.0.7"));
    }

    #[test]
    fn every_origin_is_checked() {
        let check = |origins: [&str; 2]| {
            let request = origins
                .iter()
                .fold(Request::get("/").header("host", "localhost"), |request, origin| {
                    request.header("origin", *origin)
                })
                .body(axum::body::Body::empty())
                .unwrap();
            super::check(&ApiConfig::default(), &request).is_ok()
        };
        assert!(check(["http://localhost:1", "http://127.0.0.1:2"]));
        assert!(!check(["http://localhost:1", "https://evil.example"]));
        assert!(!check(["https://evil.example", "http://localhost:1"]));
    }

    #[test]
    fn origins_are_loopback_own_or_named() {
        let config = ApiConfig {
            allowed_origins: vec!["chrome-extension://abcdef".to_owned(), "https://app.example/".to_owned()],
            ..ApiConfig::default()
        };
        let host = HeaderValue::from_static("box.lan:8080");
        let allowed =
            |origin: &'static str| origin_allowed(&config, &HeaderValue::from_static(origin), Some(&host));
        for origin in [
            "http://localhost:3000",
            "https://127.0.0.1",
            "chrome-extension://abcdef",
            "https://app.example",
            "http://box.lan:8080",
        ] {
            assert!(allowed(origin), "{origin}");
        }
        for origin in [
            "null",
            "https://evil.example",
            "chrome-extension://other",
            "http://localhost.evil.example",
            "file://",
            "http://box.lan",
        ] {
            assert!(!allowed(origin), "{origin}");
        }
    }
}
