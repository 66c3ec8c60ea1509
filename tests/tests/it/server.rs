//! The binary: how it starts, what it serves beside the API, how it stops.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use tabagent_tests::http::{Connection, Response, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::server::{Server, run};

const KEY: &str = "sk-a-key-of-the-tests";

#[test]
fn serves_an_embedding_after_saying_where_it_listens() {
    let server = Server::start(&[]);
    assert!(server.address.ip().is_loopback() && server.address.port() != 0);
    let response = server.post("/v1/embeddings", &json!({ "model": "tabagent-embed", "input": "hello" }));
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert!(
        response.header("x-request-id").is_some_and(|id| id.starts_with("req_")),
        "{:?}",
        response.headers
    );
    let body = response.json();
    let vector: Vec<f64> = serde_json::from_value(body["data"][0]["embedding"].clone()).unwrap();
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    assert!((length - 1.0).abs() < 1e-3, "the vector has the length {length}");
    // The alias is the same route.
    let alias = server.post("/embeddings", &json!({ "model": "tabagent-embed", "input": "hello" }));
    assert_eq!(alias.json(), body);
    // stdout belongs to that one line, the log to stderr.
    assert_eq!(server.further_output(), Vec::<String>::new());
    wait_for_log(&server, "/v1/embeddings");
}

#[test]
fn keeps_a_connection_and_takes_the_clients_request_id() {
    let server = Server::start(&["--log-format", "json"]);
    let mut connection = server.connect();
    for number in 0..3 {
        let id = format!("client-{number}");
        connection.send(&request("GET", "/v1/models", &[("x-request-id", &id)], b""));
        let response = connection.receive("GET");
        assert_eq!((response.status, response.header("x-request-id")), (200, Some(&*id)));
    }
    // An id that would forge a line of the log is not taken.
    connection.send(&request("GET", "/v1/models", &[("x-request-id", "a b\"c")], b""));
    assert!(connection.receive("GET").header("x-request-id").unwrap().starts_with("req_"));
    wait_for_log(&server, "client-2");
    for line in server.log().lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("`{line}` is not JSON: {error}"));
        assert!(line.is_object());
    }
}

#[test]
fn stops_in_order_when_it_is_told_to() {
    let mut server = Server::start(&["--shutdown-grace", "30s"]);
    // A request is under way: its body has begun and not ended.
    let body = json!({ "model": "tabagent-embed", "input": "hello" }).to_string();
    let whole = request("POST", "/v1/embeddings", &[("content-type", "application/json")], body.as_bytes());
    let (begin, rest) = whole.split_at(whole.len() - 10);
    let mut running = server.connect();
    running.send(begin);
    // Another one has begun its head, so that it is answered by a server that is stopping.
    let mut probe = server.connect();
    probe.send(b"GET /ready HTTP/1.1\r\nhost: localhost\r\n");
    assert_eq!(server.get("/ready").json(), json!({ "status": "ready" }));
    server.signal("TERM");
    wait_for_log(&server, "told to stop");
    wait_until_refused(&server);
    probe.send(b"\r\n");
    let response = probe.receive("GET");
    let problem = assert_problem(&response, 503, "ready-not-ready");
    assert!(problem["detail"].as_str().unwrap().contains("shutting down"), "{problem}");
    // What had begun is finished, and then the connection is closed.
    running.send(rest);
    let response = running.receive("POST");
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(running.is_closed());
    assert_eq!(server.wait(), Some(0), "{}", server.log());
    wait_for_log(&server, "stopped");
}

#[test]
fn cuts_off_what_outlasts_the_grace() {
    let mut server = Server::start(&["--shutdown-grace", "200ms"]);
    let mut stalled = server.connect();
    stalled.send(b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{");
    assert_eq!(server.get("/live").status, 200);
    server.signal("INT");
    assert_eq!(server.wait(), Some(0), "{}", server.log());
    assert!(stalled.is_closed());
}

/// A generation that outlasts every test, as the request's bytes.
fn endless(stream: bool) -> Vec<u8> {
    let body = json!({
        "model": "tabagent-chat", "prompt": "Tell me", "max_tokens": 1_000_000, "n": 128, "ignore_eos": true,
        "stream": stream,
    });
    request("POST", "/v1/completions", &[("content-type", "application/json")], body.to_string().as_bytes())
}

#[test]
fn what_is_cancelled_at_the_end_of_the_grace_is_told() {
    let mut server = Server::start(&["--shutdown-grace", "200ms", "--chat-queue", "512"]);
    let mut whole = server.connect();
    whole.send(&endless(false));
    let mut stream = server.connect();
    stream.send(&endless(true));
    wait_until_generating(&server, 2);
    server.signal("TERM");
    let response = whole.receive("POST");
    let problem = assert_problem(&response, 503, "model-not-loaded");
    assert!(response.header("retry-after").is_some(), "{response:?}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("tabagent-chat") && detail.contains("the server is stopping"), "{problem}");
    let events = stream.receive("POST").text();
    let last = events.trim_end().lines().last().unwrap().strip_prefix("data: ").unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert!(last["error"]["message"].as_str().unwrap().contains("the server is stopping"), "{last}");
    assert_eq!(server.wait(), Some(0), "{}", server.log());
}

#[test]
fn a_second_signal_ends_the_grace() {
    let mut server = Server::start(&["--shutdown-grace", "1h", "--chat-queue", "512"]);
    let mut running = server.connect();
    running.send(&endless(false));
    wait_until_generating(&server, 1);
    server.signal("TERM");
    wait_for_log(&server, "told to stop");
    server.signal("TERM");
    assert_eq!(running.receive("POST").status, 503);
    assert_eq!(server.wait(), Some(130), "{}", server.log());
}

/// Waits until so many requests are being generated.
fn wait_until_generating(server: &Server, requests: usize) {
    for _ in 0..500 {
        if server.get("/v1/halt").json()["data"].as_array().is_some_and(|all| all.len() == requests) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no {requests} generations:\n{}", server.log());
}

#[test]
fn a_port_in_use_is_said_and_nobody_is_killed_for_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let output = run(&["serve", "--port", &port]);
    assert_eq!(output.code, Some(1), "{}", output.shown());
    assert_eq!(output.stdout, "");
    for word in [&*format!("port {port}"), "in use", "--port 0"] {
        assert!(output.stderr.contains(word), "`{word}` is missing: {}", output.shown());
    }
    assert!(holder.local_addr().is_ok());
}

#[test]
fn memory_for_no_conversation_is_refused_at_the_start() {
    for flags in [["--context", "1"], ["--cache", "1"]] {
        let output = run(&["serve", "--port", "0", flags[0], flags[1]]);
        assert!(output.code == Some(1) && output.stderr.contains(flags[0]), "{}", output.shown());
    }
}

#[test]
fn what_the_device_does_not_take_is_refused_at_the_start() {
    for flags in [["--device-memory", "1GiB"], ["--device-arena", "exact"], ["--device-graph", "yes"]] {
        let output = run(&["serve", "--port", "0", "--device", "cpu", flags[0], flags[1]]);
        assert_eq!(output.code, Some(1), "{}", output.shown());
        for word in [&flags[0][2..], "cuda"] {
            assert!(output.stderr.contains(word), "`{word}` is missing: {}", output.shown());
        }
    }
}

#[test]
fn beyond_loopback_it_wants_a_key() {
    let output = run(&["serve", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(output.code, Some(1), "{}", output.shown());
    for word in ["0.0.0.0", "API key", "TABAGENT_API_KEY", "127.0.0.1"] {
        assert!(output.stderr.contains(word), "`{word}` is missing: {}", output.shown());
    }
    let server = Server::start(&["--host", "0.0.0.0", "--api-key", KEY]);
    let address = ([127, 0, 0, 1], server.address.port()).into();
    let bearer = format!("Bearer {KEY}");
    let ask = |headers: &[(&str, &str)]| {
        let mut connection = Connection::open(address);
        connection.send(&request("GET", "/v1/models", headers, b""));
        connection.receive("GET")
    };
    assert_eq!(ask(&[("authorization", &bearer)]).status, 200);
    assert_problem(&ask(&[]), 401, "api-unauthorized");
    // A machine of the network reaches it by its address; a name that nobody allowed may be a rebound one.
    assert_eq!(ask(&[("authorization", &bearer), ("host", "192.168.1.7:8080")]).status, 200);
    assert_problem(
        &ask(&[("authorization", &bearer), ("host", "evil.example")]),
        403,
        "api-host-not-allowed",
    );
}

#[test]
fn the_key_is_demanded_on_every_route_that_is_not_public() {
    let listed = run(&["routes", "--json"]);
    assert!(listed.success, "{}", listed.shown());
    let routes: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let server = Server::start(&["--api-key", KEY]);
    let mut public = Vec::new();
    for route in &routes {
        let method = route["method"].as_str().unwrap();
        let path = route["path"].as_str().unwrap().replace("{*model_id}", "tabagent-embed");
        let anonymous = |authorization: &str| {
            server.send(
                method,
                &path,
                &[("authorization", authorization), ("content-type", "application/json")],
                b"",
            )
        };
        if route["auth"] == "public" {
            assert_eq!(anonymous("").status, 200, "{method} {path}");
            public.push(path);
            continue;
        }
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer sk-wrong",
            &format!("Bearer {KEY}x"),
            &format!("Bearer x{KEY}"),
            &format!("Bearer {}", &KEY[1..]),
            &format!("Bearer {}", &KEY[..KEY.len() - 1]),
            &format!("Basic {KEY}"),
            KEY,
        ];
        for authorization in wrong {
            let response = anonymous(authorization);
            let problem = assert_problem(&response, 401, "api-unauthorized");
            assert_eq!(problem["error"]["code"], "invalid_api_key");
            assert!(!response.text().contains(KEY), "the key is shown");
        }
        assert_ne!(server.send(method, &path, &[], b"").status, 401, "{method} {path}");
    }
    assert_eq!(public, ["/live", "/ready"]);
    // The document and its viewer are public, the figures are not.
    for path in ["/openapi.json", "/swagger-ui/", "/problems"] {
        assert_eq!(server.send("GET", path, &[("authorization", "")], b"").status, 200, "{path}");
    }
    assert_problem(&server.send("GET", "/metrics", &[("authorization", "")], b""), 401, "api-unauthorized");
    assert_eq!(server.get("/metrics").status, 200);
    assert!(!server.log().contains(KEY), "the log shows the key");
}

#[test]
fn a_page_that_was_named_may_ask_and_no_other() {
    let extension = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";
    let server = Server::start(&[
        "--allow-origin",
        "https://app.example",
        "--allow-origin",
        extension,
        "--api-key",
        KEY,
    ]);
    for origin in ["https://app.example", extension, "http://localhost:3000", "http://127.0.0.1:5173"] {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,x-stainless-lang"),
            ("access-control-request-private-network", "true"),
            ("authorization", ""),
        ];
        // A browser sends no key with a preflight.
        let preflight = server.send("OPTIONS", "/v1/embeddings", &headers, b"");
        assert!(matches!(preflight.status, 200 | 204), "{origin}: {preflight:?}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some(origin));
        assert_eq!(preflight.header("access-control-allow-private-network"), Some("true"));
        assert!(
            list(&preflight, "access-control-allow-methods").contains(&"post".to_owned()),
            "{preflight:?}"
        );
        for name in ["authorization", "content-type", "x-stainless-lang"] {
            assert!(
                list(&preflight, "access-control-allow-headers").contains(&name.to_owned()),
                "{preflight:?}"
            );
        }
        let body = json!({ "input": "hello" }).to_string();
        let headers = [("origin", origin), ("content-type", "application/json")];
        let answered = server.send("POST", "/v1/embeddings", &headers, body.as_bytes());
        assert_eq!((answered.status, answered.header("access-control-allow-origin")), (200, Some(origin)));
        assert!(list(&answered, "access-control-expose-headers").contains(&"x-request-id".to_owned()));
        // A page can read why it was refused.
        let failed = server.send("POST", "/v1/embeddings", &[("origin", origin)], b"{}");
        assert_problem(&failed, 415, "api-content-type-unsupported");
        assert_eq!(failed.header("access-control-allow-origin"), Some(origin));
    }
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "http://app.example",
        "null",
        "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba",
        "http://localhost.evil.example",
    ] {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let preflight = server.send("OPTIONS", "/v1/embeddings", &headers, b"");
        assert_problem(&preflight, 403, "api-origin-not-allowed");
        assert_eq!(preflight.header("access-control-allow-origin"), None);
        let asked = server.send("GET", "/v1/models", &[("origin", origin)], b"");
        assert_problem(&asked, 403, "api-origin-not-allowed");
    }
}

#[test]
fn counts_what_it_keeps() {
    let server = Server::start(&[]);
    let told =
        server.post("/v1/responses", &json!({ "input": "Hello", "session_id": "s", "max_output_tokens": 1 }));
    assert_eq!(told.status, 200, "{}", told.text());
    let kept =
        server.post("/v1/rag/documents", &json!({ "text": "Whales sing to each other.", "title": "Whales" }));
    assert!(matches!(kept.status, 200 | 201), "{}", kept.text());
    let session = server.get("/v1/sessions/s").json();
    let metrics = server.get("/metrics").text();
    let health = server.get("/health").json();
    for (field, name, value) in [
        ("responses", "responses", json!(1)),
        ("bytes", "response_bytes", health["store"]["bytes"].clone()),
        ("sessions", "sessions", json!(1)),
        ("messages", "messages", json!(2)),
        ("message_bytes", "message_bytes", session["bytes"].clone()),
        ("documents", "documents", json!(1)),
        ("chunks", "chunks", json!(1)),
    ] {
        assert_eq!(health["store"][field], value, "{field}: {health}");
        assert!(metrics.contains(&format!("\ntabagent_store_{name} {value}\n")), "{name}:\n{metrics}");
    }
}

#[test]
fn shows_its_figures_and_its_documents() {
    let server = Server::start(&[]);
    assert_eq!(server.post("/v1/embeddings", &json!({ "input": ["hello", "a longer text"] })).status, 200);
    assert_eq!(server.get("/nothing").status, 404);
    let metrics = server.get("/metrics");
    assert!(
        metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"),
        "{:?}",
        metrics.headers
    );
    let metrics = metrics.text();
    for sample in [
        "http_server_request_duration_seconds_count{",
        "http_route=\"/v1/embeddings\"",
        "tabagent_model_texts_total{model=\"tabagent-embed\"} 2",
        "tabagent_ready 1",
    ] {
        assert!(metrics.contains(sample), "`{sample}` is missing:\n{metrics}");
    }
    // A path that no route has is not a label: a scanner must not fill the memory.
    assert!(!metrics.contains("/nothing"), "{metrics}");

    let page = server.get("/swagger-ui/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{:?}", page.headers);
    let html = page.text();
    assert!(
        !html.contains("https://") && !html.contains("src=\"http"),
        "the page loads from elsewhere: {html}"
    );
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for path in html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            let path = path.trim_start_matches("./");
            if !path.starts_with("data:") {
                let absolute =
                    if path.starts_with('/') { path.to_owned() } else { format!("/swagger-ui/{path}") };
                assert_eq!(server.get(&absolute).status, 200, "{absolute}");
                loaded += 1;
            }
        }
    }
    assert!(loaded >= 3, "the page has {loaded} files: {html}");
    assert_eq!(server.get("/openapi.json").json()["openapi"], "3.1.0");
}

#[test]
fn every_problem_of_the_document_has_its_page() {
    let server = Server::start(&[]);
    let document = server.get("/openapi.json").json();
    let mut types = std::collections::BTreeSet::new();
    collect_types(&document, &mut types);
    assert!(types.len() > 15, "{types:?}");
    let index = server.get("/problems").text();
    for path in &types {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{path}: {:?}", page.headers);
        assert!(page.text().contains("What to do"), "{path}: {}", page.text());
        assert!(index.contains(&format!("\"{path}\"")), "{path} is not in the index");
    }
    assert_problem(&server.get("/problems/nothing-of-the-kind"), 404, "api-route-not-found");
}

#[test]
fn the_document_of_the_command_is_the_servers() {
    let printed = run(&["openapi"]);
    assert!(printed.success, "{}", printed.shown());
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    let server = Server::start(&[]);
    assert_eq!(server.get("/openapi.json").json(), printed);
    let doctor = run(&["doctor", "--json"]);
    assert!(doctor.success, "{}", doctor.shown());
    serde_json::from_str::<Value>(&doctor.stdout).unwrap();
}

/// The values of every `type` of an example that is a problem's.
fn collect_types(value: &Value, types: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(path) =
                object.get("type").and_then(Value::as_str).filter(|text| text.starts_with("/problems/"))
            {
                types.insert(path.to_owned());
            }
            object.values().for_each(|value| collect_types(value, types));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_types(value, types)),
        _ => {}
    }
}

/// The words of a header that is a list, in lower case.
fn list(response: &Response, name: &str) -> Vec<String> {
    let text = response.header(name).unwrap_or_else(|| panic!("no {name}: {:?}", response.headers));
    text.split(',').map(|word| word.trim().to_ascii_lowercase()).collect()
}

/// Waits for words in the log; the test's own deadline is that of a stop.
fn wait_for_log(server: &Server, words: &str) {
    for _ in 0..500 {
        if server.log().contains(words) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the log does not say `{words}`:\n{}", server.log());
}

/// Waits until no new connection is accepted.
fn wait_until_refused(server: &Server) {
    for _ in 0..500 {
        if std::net::TcpStream::connect(server.address).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("connections are accepted after the signal");
}
