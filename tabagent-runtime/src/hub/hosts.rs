//! Which hosts are asked, at the first request and along every redirect.
//!
//! The hub's answers name the hosts that files come from, so they are checked by name before a request goes out, and by
//! address when the name is resolved: a public name must not lead into the network that this machine stands in (SSRF).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// Hosts of Hugging Face, and domains below which its files lie.
const HOSTS: &[&str] = &["huggingface.co", "hf.co"];

/// A host, and a port where only that one is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: Option<u16>,
}

impl Place {
    /// Reads `host`, `host:port`, `[::1]` or `[::1]:port`.
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = format!("https://{text}/").parse().ok()?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        Some(Self { host: bare(authority.host()), port: authority.port_u16() })
    }

    fn is(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port.is_none_or(|own| own == port)
    }
}

/// The hosts that may be asked.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    endpoint: Place,
    /// Whether the endpoint is on loopback, and so are the hosts that it may lead to.
    loopback: bool,
    /// Whether the endpoint speaks plain HTTP.
    plain: bool,
    named: Vec<Place>,
}

/// Whether an address of the hub can be used, and what follows from it.
///
/// # Errors
/// What is wrong with it and what would be right.
pub fn check_endpoint(endpoint: &str) -> Result<(), String> {
    Hosts::new(endpoint, &[]).map(|_| ())
}

/// Whether a name of a host can be used as one that redirects may lead to.
///
/// # Errors
/// What is wrong with it and what would be right.
pub fn check_host(text: &str) -> Result<(), String> {
    match Place::parse(text) {
        Some(place) if !place.host.is_empty() && !text.contains(['/', '?', '#']) => Ok(()),
        _ => Err(format!(
            "`{text}` is no host; give it without scheme and path, such as cdn.example.org or box.lan:8443"
        )),
    }
}

impl Hosts {
    pub(crate) fn new(endpoint: &str, allowed: &[String]) -> Result<Self, String> {
        let wrong =
            |reason: &str| format!("`{endpoint}` {reason}; give an address such as {}", super::ENDPOINT);
        let uri: Uri = endpoint.parse().map_err(|error| wrong(&format!("is no address ({error})")))?;
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(wrong("has neither https nor http")),
        };
        if uri.query().is_some() {
            return Err(wrong("has a question mark"));
        }
        let (host, port) = host_and_port(&uri).map_err(|reason| wrong(&reason))?;
        let loopback = is_loopback_name(&host);
        if plain && !loopback {
            return Err(wrong("is plain http, which is only for loopback"));
        }
        let mut named = Vec::new();
        for text in allowed {
            check_host(text)?;
            named.extend(Place::parse(text));
        }
        Ok(Self { endpoint: Place { host, port: Some(port) }, loopback, plain, named })
    }

    /// Whether the hub is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether an address is the endpoint's own host: only that one gets the token.
    pub(crate) fn is_endpoint(&self, uri: &Uri) -> bool {
        host_and_port(uri).is_ok_and(|(host, port)| self.endpoint.is(&host, port))
    }

    /// Whether an address may be asked.
    ///
    /// # Errors
    /// Why not, as a clause about it.
    pub(crate) fn check(&self, uri: &Uri) -> Result<(), String> {
        let (host, port) = host_and_port(uri)?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self.plain && is_loopback_name(&host) => {}
            _ => return Err(format!("`{host}` is not asked over https")),
        }
        if self.endpoint.is(&host, port) {
            return Ok(());
        }
        let named = self.named.iter().find(|place| place.is(&host, port));
        if is_loopback_name(&host) {
            // Another service of this machine: only where the hub itself is one, and only the port that was named.
            return match named {
                Some(place) if self.loopback && place.port.is_some() => Ok(()),
                _ => Err(format!("`{host}:{port}` is on loopback")),
            };
        }
        if named.is_some() {
            return Ok(());
        }
        if host.parse::<IpAddr>().is_ok() {
            return Err(format!("`{host}` is an address and no name"));
        }
        let below = |domain: &&str| {
            host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if HOSTS.iter().any(below) {
            return Ok(());
        }
        Err(format!("`{host}` is none of the hub's hosts"))
    }

    /// Whether a name must lead to public addresses. Those that the operator names need not: that is what they are named
    /// for. A proxy is the operator's as well and is never on the list.
    fn must_be_public(&self, host: &str, port: u16) -> bool {
        let own = self.endpoint.is(host, port) || self.named.iter().any(|place| place.is(host, port));
        !own && HOSTS.iter().any(|domain| host == *domain || host.ends_with(&format!(".{domain}")))
    }

    /// Whether addresses of loopback may come of a name that the operator named.
    fn may_be_loopback(&self, host: &str, port: u16) -> bool {
        self.loopback || self.endpoint.is(host, port) || !self.named.iter().any(|place| place.is(host, port))
    }
}

/// Host in lower case without brackets, and port.
fn host_and_port(uri: &Uri) -> Result<(String, u16), String> {
    let authority = uri.authority().ok_or("has no host")?;
    if authority.as_str().contains('@') {
        return Err("has a user name in it".to_owned());
    }
    let host = bare(authority.host());
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    let port = authority.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    Ok((host, port))
}

fn bare(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn is_loopback_name(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|inner| inner.is_loopback())
            }
        })
}

/// Whether an address is one of the public internet (IANA's registries of special-purpose addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !(special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [a, b, c, _, _, _, g, h] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(w, x, y, z)
    };
    match (a, b) {
        // Addresses that gateways turn into IPv4: NAT64 (RFC 6052) and 6to4 (RFC 3056).
        (0x64, 0xff9b) => is_public_v4(inner(g, h)),
        (0x2002, _) => is_public_v4(inner(b, c)),
        (0x2001, 0xdb8) => false,
        // Only 2000::/3 is given out.
        _ => a & 0xe000 == 0x2000,
    }
}

/// Resolves names, and refuses what they must not lead to.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    pub(crate) hosts: Hosts,
    pub(crate) inner: DefaultResolver,
}

/// How an error of [`GuardedResolver`] begins, so that it is told from a network that fails.
pub(crate) const NOT_PUBLIC: &str = "resolves to an address that is not public: ";

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let Ok((host, port)) = host_and_port(uri) else { return Ok(found) };
        let refused = found.iter().map(std::net::SocketAddr::ip).find(|address| {
            (self.hosts.must_be_public(&host, port) && !is_public(*address))
                || (is_loopback_name(&address.to_string()) && !self.hosts.may_be_loopback(&host, port))
        });
        match refused {
            Some(address) => Err(Error::Io(std::io::Error::other(format!("`{host}` {NOT_PUBLIC}{address}")))),
            None => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(endpoint: &str, named: &[&str]) -> Hosts {
        Hosts::new(endpoint, &named.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn allowed(hosts: &Hosts, url: &str) -> bool {
        hosts.check(&url.parse().unwrap()).is_ok()
    }

    #[test]
    fn the_hub_leads_to_its_own_hosts_and_to_named_ones() {
        let hub = hosts("https://huggingface.co", &["mirror.example.org", "10.1.2.3:8443"]);
        for url in [
            "https://huggingface.co/x",
            "https://cdn-lfs.huggingface.co/x",
            "https://cas-bridge.xethub.hf.co/x?y=z",
            "https://HF.co/x",
            "https://mirror.example.org:9000/x",
            "https://10.1.2.3:8443/x",
        ] {
            assert!(allowed(&hub, url), "{url}");
        }
        for url in [
            "http://huggingface.co/x",
            "https://huggingface.co.evil.example/x",
            "https://evilhuggingface.co/x",
            "https://user@huggingface.co/x",
            "https://evil.example/x",
            "https://10.1.2.3/x",
            "https://169.254.169.254/latest",
            "https://[::1]/x",
            "https://localhost/x",
            "https://127.0.0.1:8080/x",
            "ftp://huggingface.co/x",
        ] {
            assert!(!allowed(&hub, url), "{url}");
        }
    }

    #[test]
    fn loopback_is_asked_only_for_a_hub_on_loopback_at_a_named_port() {
        let local = hosts("http://127.0.0.1:5000", &["127.0.0.1:5001", "localhost"]);
        assert!(allowed(&local, "http://127.0.0.1:5000/x") && allowed(&local, "http://127.0.0.1:5001/x"));
        assert!(!allowed(&local, "http://127.0.0.1:5002/x") && !allowed(&local, "http://localhost:5001/x"));
        assert!(!allowed(&local, "http://192.168.0.1/x") && !allowed(&local, "http://huggingface.co/x"));
        let hub = hosts("https://huggingface.co", &["127.0.0.1:5001"]);
        assert!(!allowed(&hub, "https://127.0.0.1:5001/x"));
    }

    #[test]
    fn an_endpoint_is_https_or_on_loopback() {
        for endpoint in [
            "https://huggingface.co",
            "https://hub.corp.example/hf",
            "http://localhost:80",
            "http://[::1]:80",
        ] {
            assert!(check_endpoint(endpoint).is_ok(), "{endpoint}");
        }
        for endpoint in [
            "http://huggingface.co",
            "huggingface.co",
            "file:///etc",
            "https://",
            "https://u:p@h/",
            "https://h/?a",
        ] {
            assert!(check_endpoint(endpoint).is_err(), "{endpoint}");
        }
        assert!(check_host("a.example:80").is_ok() && check_host("[::1]:80").is_ok());
        assert!(check_host("https://a").is_err() && check_host("a/b").is_err() && check_host("").is_err());
    }

    #[test]
    fn addresses_of_special_purpose_are_not_public() {
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "18.164.174.23", "2600:9000::1", "64:ff9b::101:101"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_name_of_the_hub_must_lead_to_public_addresses() {
        let hub = hosts("https://huggingface.co", &["box.lan"]);
        assert!(hub.must_be_public("cdn-lfs.hf.co", 443) && !hub.must_be_public("huggingface.co", 443));
        assert!(!hub.must_be_public("box.lan", 443) && !hub.may_be_loopback("box.lan", 443));
        assert!(
            !hub.must_be_public("proxy.corp.example", 3128)
                && hub.may_be_loopback("proxy.corp.example", 3128)
        );
    }
}
