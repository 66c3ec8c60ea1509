//! Paths, methods, parameters, hosts, origins and heads that are not what they should be.

use tabagent_tests::problem::{assert_problem, assert_some_problem};
use tabagent_tests::server::Server;

use super::assert_well;

#[test]
fn paths_and_methods_that_no_route_has() {
    let server = Server::start(&[]);
    let unknown = [
        "/nope",
        "/v1",
        "/v1/embeddings/",
        "//v1/embeddings",
        "/v1/embeddings/x",
        "/V1/EMBEDDINGS",
        "/v1/models/",
        "/v1/../live",
        "/%2e%2e/live",
        "/v1%2Fembeddings",
        "/live%00",
        "/live;x=1",
        "/swagger-ui/../../Cargo.toml",
        "/swagger-ui/%2e%2e%2fCargo.toml",
        "/problems/",
        "/problems/..%2f..%2fCargo.toml",
        "/problems/%ff",
        "/.env",
        "*",
    ];
    for path in unknown {
        let response = server.get(path);
        let problem = assert_some_problem(&response);
        assert!(matches!(response.status, 400 | 404), "{path}: {problem:#}");
        assert!(!response.text().contains("[workspace]"), "{path} shows a file");
    }
    assert_problem(&server.get("/nope"), 404, "api-route-not-found");
    for (method, path, allow) in [
        ("GET", "/v1/embeddings", "POST"),
        ("DELETE", "/v1/embeddings", "POST"),
        ("POST", "/v1/models", "GET"),
        ("PUT", "/v1/models/tabagent-embed", "GET"),
        ("PATCH", "/live", "GET"),
        ("TRACE", "/v1/models", "GET"),
        ("BREW", "/health", "GET"),
        ("POST", "/openapi.json", "GET"),
        ("POST", "/metrics", "GET"),
        ("DELETE", "/swagger-ui/", "GET"),
    ] {
        let response = server.send(method, path, &[], b"");
        assert_problem(&response, 405, "api-method-not-allowed");
        let allowed = response.header("allow").unwrap_or_else(|| panic!("{method} {path} has no Allow"));
        assert!(allowed.split(',').any(|name| name.trim() == allow), "{method} {path}: {allowed}");
    }
    // OPTIONS asks what there is, with and without CORS.
    let options = server.send("OPTIONS", "/v1/models", &[], b"");
    assert!(
        options.status == 200 && options.header("allow").is_some_and(|allow| allow.contains("GET")),
        "{options:?}"
    );
    assert_eq!(server.send("OPTIONS", "*", &[], b"").status, 200);
    assert_problem(&server.send("OPTIONS", "/nope", &[], b""), 404, "api-route-not-found");
    // HEAD is GET without its body, in failure as well.
    let head = server.send("HEAD", "/v1/models", &[], b"");
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")));
    let head = server.send("HEAD", "/nope", &[], b"");
    assert_eq!((head.status, head.header("content-type")), (404, Some("application/problem+json")));
}

#[test]
fn path_parameters_that_try_to_be_something_else() {
    let server = Server::start(&[]);
    let unknown = [
        "nobody/nothing",
        "nobody%2Fnothing",
        "..",
        "../..",
        "..%2F..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5C..%5Cwindows",
        "%2Fetc%2Fpasswd",
        "a/%00/b",
        "%00",
        "tabagent-embed%00",
        "a%0d%0aset-cookie:%20x=1",
        "%F0%9F%92%A9",
        "CON",
        "~",
        "%7Eroot",
        ".",
        "%2e",
        "a//b",
        "tabagent-embed%2F..%2Ftabagent-embed",
        "?x",
        "%25252e",
    ];
    for id in unknown {
        let response = server.get(&format!("/v1/models/{id}"));
        let problem = assert_some_problem(&response);
        assert!(matches!(response.status, 400 | 404), "{id}: {problem:#}");
        assert_eq!(response.header("set-cookie"), None);
        assert!(!response.text().contains("root:"), "{id} shows a file");
    }
    assert_problem(&server.get("/v1/models/nobody%2Fnothing"), 404, "model-not-found");
    assert_eq!(
        server.get("/v1/models/nobody%2Fnothing").json()["detail"],
        server.get("/v1/models/nobody/nothing").json()["detail"]
    );
    assert_problem(&server.get("/v1/models/%ff%fe"), 400, "api-request-invalid");
    assert_problem(&server.get(&format!("/v1/models/{}", "a".repeat(300))), 400, "api-request-invalid");
    assert_eq!(server.get("/v1/models/tabagent%2Dembed").status, 200);
}

#[test]
fn forged_hosts_and_origins() {
    let server = Server::start(&[]);
    let port = server.address.port();
    let right = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        "LOCALHOST".to_owned(),
        "[::1]:80".to_owned(),
    ];
    for host in &right {
        assert_eq!(server.send("GET", "/v1/models", &[("host", host)], b"").status, 200, "{host}");
    }
    let wrong = [
        "evil.example",
        "localhost.evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example#localhost",
        "",
        "10.0.0.7",
        "0x7f.evil",
        "[::2]",
        "localhost:80:80",
        "localhost, evil.example",
    ];
    for host in wrong {
        let response = server.send("GET", "/v1/models", &[("host", host)], b"");
        let problem = assert_some_problem(&response);
        assert!(matches!(response.status, 400 | 403), "{host}: {problem:#}");
    }
    assert_problem(
        &server.send("GET", "/v1/models", &[("host", "evil.example")], b""),
        403,
        "api-host-not-allowed",
    );
    // The pages beside the API are guarded as well.
    for path in ["/live", "/openapi.json", "/metrics", "/swagger-ui/", "/problems", "/nope"] {
        assert_problem(
            &server.send("GET", path, &[("host", "evil.example")], b""),
            403,
            "api-host-not-allowed",
        );
    }
    // Two hosts, no host, a host in the request line.
    for bytes in [
        &b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n"[..],
        b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nhost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://localhost/v1/models HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.send(bytes);
        let response = connection.receive("GET");
        let problem = assert_some_problem(&response);
        assert!(matches!(response.status, 400 | 403), "{}: {problem:#}", String::from_utf8_lossy(bytes));
    }
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "chrome-extension://abc",
        "file://",
        "x",
        "",
    ] {
        for path in ["/v1/models", "/live", "/openapi.json"] {
            let response = server.send("GET", path, &[("origin", origin)], b"");
            assert_problem(&response, 403, "api-origin-not-allowed");
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
        let headers = [("origin", origin), ("content-type", "text/plain")];
        assert_problem(
            &server.send("POST", "/v1/embeddings", &headers, b"{}"),
            403,
            "api-origin-not-allowed",
        );
    }
}

#[test]
fn heads_that_are_over_the_limits() {
    let server = Server::start(&[]);
    let names: Vec<String> = (0..5000).map(|number| format!("x-{number}")).collect();
    for count in [100, 900, 5000] {
        let headers: Vec<(&str, &str)> = names[..count].iter().map(|name| (name.as_str(), "1")).collect();
        let response = server.send("GET", "/live", &headers, b"");
        assert_eq!(response.status, 431, "{count} headers: {}", response.text());
        assert_some_problem(&response);
    }
    for length in [17 << 10, 100 << 10, 400 << 10] {
        let response = server.send("GET", "/live", &[("x-long", &"a".repeat(length))], b"");
        assert_eq!(response.status, 431, "a header of {length} bytes: {}", response.text());
        assert_some_problem(&response);
    }
    for length in [9 << 10, 60 << 10, 100 << 10] {
        for target in
            [format!("/live?x={}", "a".repeat(length)), format!("/v1/models/{}", "a".repeat(length))]
        {
            let response = server.send("GET", &target, &[], b"");
            assert_eq!(response.status, 414, "a URI of {length} bytes: {}", response.text());
            assert_some_problem(&response);
        }
    }
    let problem = assert_problem(
        &server.send("GET", "/live", &[("x-long", &"a".repeat(17 << 10))], b""),
        431,
        "api-headers-too-large",
    );
    assert!(problem["detail"].as_str().unwrap().contains("bytes"), "{problem}");
    assert_well(&server);
}

#[test]
fn heads_that_are_no_http() {
    let server = Server::start(&[]);
    for bytes in [
        &b"HELLO\r\n\r\n"[..],
        b"GET /live\r\n\r\n",
        b"GET /live HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET  /live HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost localhost\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost: localhost\r\n x: folded\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n{}",
    ] {
        let mut connection = server.connect();
        connection.send(bytes);
        let response = connection.receive("GET");
        let problem = assert_some_problem(&response);
        assert!((400..500).contains(&response.status), "{}: {problem:#}", String::from_utf8_lossy(bytes));
    }
    assert_well(&server);
}

#[test]
fn a_client_that_opens_with_http_2_is_told_in_http_1() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // An empty SETTINGS frame, then a PING: a client sends the first at once and may send more before it reads.
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0tabagent";
    let server = Server::start(&[]);
    let frames = [PREFACE, SETTINGS, &PING.repeat(100)].concat();
    for begin in [&b""[..], b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        for bytes in [PREFACE, &frames] {
            let mut connection = server.connect();
            if !begin.is_empty() {
                connection.send(begin);
                assert_eq!(connection.receive("GET").status, 200);
            }
            connection.send(bytes);
            let response = connection.receive("GET");
            let problem = assert_problem(&response, 505, "api-refused");
            assert!(problem["detail"].as_str().unwrap().contains("HTTP/1.1"), "{problem}");
            assert_eq!(response.header("connection"), Some("close"));
            assert!(connection.is_closed());
        }
    }
    // A preface that is cut off is a head like any other that is no HTTP/1.1.
    let mut connection = server.connect();
    connection.send(b"PRI * HTTP/2.0\r\n\r\n");
    assert_some_problem(&connection.receive("GET"));
    assert_well(&server);
}
