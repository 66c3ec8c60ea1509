//! Bad input, each answered by a problem and nothing else, from the real binary over a raw socket.

use serde_json::json;
use tabagent_tests::http::{Connection, Response, exchange, request};
use tabagent_tests::problem::{assert_problem, assert_some_problem};
use tabagent_tests::server::Server;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// Asserts that the server still answers.
fn assert_well(server: &Server) {
    let response = server.post("/v1/embeddings", &json!({ "input": "hello" }));
    assert_eq!(response.status, 200, "{}", response.text());
}

fn embed(server: &Server, body: &[u8]) -> Response {
    server.send("POST", "/v1/embeddings", JSON, body)
}

#[test]
fn bodies_that_are_no_json() {
    let server = Server::start(&[]);
    let deep =
        |open: &str, close: &str| format!("{{\"input\": {}{}}}", open.repeat(100_000), close.repeat(100_000));
    let malformed: &[(&str, Vec<u8>)] = &[
        ("empty", b"".to_vec()),
        ("malformed", b"{\"input\": }".to_vec()),
        ("truncated in a string", b"{\"input\": \"hel".to_vec()),
        ("truncated in an object", b"{\"input\": \"hello\"".to_vec()),
        ("two values", b"{\"input\": \"a\"} {\"input\": \"b\"}".to_vec()),
        ("not UTF-8", b"{\"input\": \"\xff\xfe\"}".to_vec()),
        ("UTF-16", "{\"input\": \"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a byte order mark", b"\xef\xbb\xbf{\"input\": \"a\"}".to_vec()),
        ("half a surrogate pair", br#"{"input": "\ud800"}"#.to_vec()),
        ("a raw NUL", b"{\"input\": \"a\0b\"}".to_vec()),
        ("deep arrays", deep("[", "]").into_bytes()),
        ("deep objects", deep("{\"a\":", "}").into_bytes()),
        ("deep and truncated", deep("[", "").into_bytes()),
        ("NaN", b"{\"input\": \"a\", \"dimensions\": NaN}".to_vec()),
        ("a form", b"input=hello&model=tabagent-embed".to_vec()),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec()),
    ];
    for (name, body) in malformed {
        let response = embed(&server, body);
        let problem = assert_some_problem(&response);
        assert_eq!(
            (response.status, &problem["type"]),
            (400, &json!("/problems/api-body-malformed")),
            "{name}: {problem:#}"
        );
    }
    let detail = embed(&server, b"{\"input\": \"\xff\xfe\"}").json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("UTF-8") && detail.contains("11"), "{detail}");
    assert_well(&server);
}

#[test]
fn bodies_that_break_the_schema() {
    let server = Server::start(&[]);
    let invalid: &[(&str, &str, &str)] = &[
        ("an array", "[]", ""),
        ("null", "null", ""),
        ("a string", "\"hello\"", ""),
        ("an empty object", "{}", "input"),
        ("input null", r#"{"input": null}"#, "input"),
        ("input a number", r#"{"input": 3}"#, "input"),
        ("a mixed list", r#"{"input": ["a", 1]}"#, "input"),
        ("negative ids", r#"{"input": [-1]}"#, "input"),
        ("fractions for ids", r#"{"input": [1.5]}"#, "input"),
        ("huge ids", r#"{"input": [99999999999999999999]}"#, "input"),
        ("an empty text", r#"{"input": ""}"#, "input"),
        ("an empty text in a list", r#"{"input": ["a", ""]}"#, "input"),
        ("an empty list in a list", r#"{"input": [[]]}"#, "input"),
        ("a wrong type", r#"{"input": "a", "dimensions": "many"}"#, "dimensions"),
        ("out of range", r#"{"input": "a", "dimensions": 0}"#, "dimensions"),
        ("a fraction", r#"{"input": "a", "dimensions": 1.5}"#, "dimensions"),
        ("an unknown field", r#"{"input": "a", "inptu": "b"}"#, "inptu"),
        ("a field twice", r#"{"input": "a", "input": "b"}"#, "input"),
        ("an unknown word", r#"{"input": "a", "encoding_format": "hex"}"#, "encoding_format"),
        ("an empty model", r#"{"input": "a", "model": ""}"#, "model"),
    ];
    for (name, body, word) in invalid {
        let response = embed(&server, body.as_bytes());
        let problem = assert_some_problem(&response);
        assert_eq!(
            (response.status, &problem["type"]),
            (400, &json!("/problems/api-request-invalid")),
            "{name}: {problem:#}"
        );
        assert!(
            problem["detail"].as_str().unwrap().contains(word),
            "{name} does not name {word}: {problem:#}"
        );
        assert!(!problem["errors"].as_array().unwrap().is_empty(), "{name}: {problem:#}");
    }
    assert_well(&server);
}

#[test]
fn bodies_that_are_too_large() {
    let server = Server::start(&["--body-limit", "64KiB"]);
    let large = json!({ "input": "x".repeat(1 << 20) }).to_string();
    let response = embed(&server, large.as_bytes());
    let problem = assert_problem(&response, 413, "api-body-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("65536"), "{problem}");
    // Without a length that would betray it.
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let mut connection = server.connect();
    connection.send(&request("POST", "/v1/embeddings", &[JSON[0], ("transfer-encoding", "chunked")], b""));
    for _ in 0..8 {
        connection.send(chunk.as_bytes());
    }
    assert_problem(&connection.receive("POST"), 413, "api-body-too-large");
    // A length that promises more than any memory has.
    let headers = [JSON[0], ("content-length", "9223372036854775807")];
    assert_problem(&server.send("POST", "/v1/embeddings", &headers, b"{"), 413, "api-body-too-large");
    assert_well(&server);
}

#[test]
fn content_types_that_are_not_read() {
    let server = Server::start(&[]);
    let body = json!({ "input": "hello" }).to_string();
    let send = |headers: &[(&str, &str)]| server.send("POST", "/v1/embeddings", headers, body.as_bytes());
    assert_problem(&send(&[]), 415, "api-content-type-unsupported");
    let wrong = [
        "",
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "json",
        "*/*",
        "application/json, text/plain",
        "application\\json",
    ];
    for content_type in wrong {
        let problem =
            assert_problem(&send(&[("content-type", content_type)]), 415, "api-content-type-unsupported");
        assert!(problem["detail"].as_str().unwrap().contains("application/json"), "{problem}");
    }
    for content_type in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"] {
        assert_eq!(send(&[("content-type", content_type)]).status, 200, "{content_type}");
    }
}

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
    assert_problem(&server.get("/v1/models/nobody%2Fnothing"), 404, "model-not-here");
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
fn a_body_is_never_read_as_the_next_request() {
    let server = Server::start(&[]);
    // A length and chunks at once is how requests are smuggled: refused, or read as chunks and the connection closed.
    let mut connection = server.connect();
    connection.send(
        b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\
          transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
    );
    assert_some_problem(&connection.receive("POST"));
    // A refused body of any length is not followed by an answer to what it holds.
    let inner = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut connection = server.connect();
    connection.send(&request(
        "POST",
        "/v1/embeddings",
        &[("content-type", "text/plain")],
        inner.repeat(3).as_bytes(),
    ));
    assert_problem(&connection.receive("POST"), 415, "api-content-type-unsupported");
    connection.send(&request("GET", "/live", &[("connection", "close")], b""));
    let next = connection.receive("GET");
    assert_eq!(next.json(), json!({ "status": "ok" }), "{}", next.text());
}

#[test]
fn clients_that_stall() {
    let server = Server::start(&["--body-timeout", "1s", "--idle-timeout", "1s"]);
    let begin = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let mut stalled = server.connect();
    stalled.send(begin);
    let problem = assert_problem(&stalled.receive("POST"), 408, "api-body-stalled");
    assert!(problem["detail"].as_str().unwrap().contains("1 second"), "{problem}");
    // A byte now and then does not keep a request alive.
    let mut drip = server.connect();
    drip.send(begin);
    let mut slow = server.connect();
    let sender = std::thread::spawn(move || {
        for _ in 0..20 {
            drip.send(b" ");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        drip
    });
    // Nor does a head that never ends: there is no request that could be answered, so the connection is closed.
    slow.send(b"GET /live HTTP/1.1\r\nhost: local");
    assert!(slow.is_closed());
    assert_problem(&sender.join().unwrap().receive("POST"), 408, "api-body-stalled");
    assert_well(&server);
}

#[test]
fn clients_that_leave_take_their_work_with_them() {
    let server = Server::start(&["--threads", "1"]);
    let texts: Vec<String> =
        (0..2000).map(|number| format!("{number} {}", "a text that takes a while ".repeat(200))).collect();
    let body = json!({ "input": texts }).to_string();
    assert!(body.len() < 16 << 20 && body.len() > 8 << 20, "{}", body.len());
    for _ in 0..3 {
        let mut connection = server.connect();
        connection.send(&request("POST", "/v1/embeddings", JSON, body.as_bytes()));
        drop(connection);
    }
    // What they asked for is dropped, so that the next client is served and nothing waits.
    assert_well(&server);
    for _ in 0..500 {
        let metrics = server.get("/metrics").text();
        if metrics.contains("tabagent_model_waiting_texts{model=\"tabagent-embed\"} 0") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("texts of clients that left still wait:\n{}", server.get("/metrics").text());
}

#[test]
fn models_in_the_folder_that_are_none() {
    let data = tempfile::tempdir().unwrap();
    let model = data.path().join("models/someone/broken");
    std::fs::create_dir_all(model.join("onnx")).unwrap();
    std::fs::write(model.join("config.json"), b"{ \"model_type\": ").unwrap();
    std::fs::write(model.join("onnx/model.onnx"), b"\0\0\0\0").unwrap();
    std::fs::write(data.path().join("models/a file"), b"x").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/", data.path().join("models/root")).unwrap();
    let server = Server::start_in(data, &[], &[]);
    let list = server.get("/v1/models").json();
    assert!(list["data"].as_array().unwrap().iter().any(|model| model["id"] == "tabagent-embed"), "{list}");
    let response = server.post("/v1/embeddings", &json!({ "model": "someone/broken", "input": "hello" }));
    assert_problem(&response, 422, "model-corrupted");
    // A link does not lead out of the folder.
    let response = server.get("/v1/models/root/etc");
    assert_problem(&response, 404, "model-not-here");
    assert_well(&server);
}

#[test]
fn a_flood_of_connections_leaves_room_for_the_next() {
    let server = Server::start(&["--max-connections", "8", "--idle-timeout", "1s"]);
    // They open and say nothing; each is closed after its time, and the waiting ones are served.
    let silent: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    assert_eq!(exchange(server.address, "GET", "/live", &[], b"").status, 200);
    drop(silent);
}
