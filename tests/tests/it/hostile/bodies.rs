//! Bodies that are no JSON, break the schema, are too large, of another type, or hold another request.

use serde_json::json;
use tabagent_tests::http::request;
use tabagent_tests::problem::{assert_problem, assert_some_problem};
use tabagent_tests::server::Server;

use super::{JSON, assert_well, embed};

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
        ("an array", "[]", "an object"),
        ("null", "null", "an object"),
        ("a string", "\"hello\"", "an object"),
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
        ("fields by position", r#"["tabagent-embed", "hello", "float", null, null, false, null]"#, "object"),
        ("a word as an object", r#"{"input": "a", "encoding_format": {"float": null}}"#, "encoding_format"),
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
    // What is wrong as a whole has a name as well, and is no parameter.
    for body in ["[]", "null", "\"hello\"", "3", "true"] {
        let problem = embed(&server, body.as_bytes()).json();
        assert_eq!(problem["errors"][0]["field"], "body", "{body}: {problem:#}");
        assert!(problem["error"]["param"].is_null(), "{body}: {problem:#}");
    }
    assert_well(&server);
}

#[test]
fn fields_by_position_are_no_object_in_a_list_of_several_forms_either() {
    let server = Server::start(&[]);
    for (body, field) in [
        (r#"{"query": "a", "documents": [["b"]]}"#, "documents[0]"),
        (r#"{"query": "a", "documents": ["b", {"text": "c"}, ["d"]]}"#, "documents[2]"),
        (r#"{"query": "a", "texts": [["b"]]}"#, "texts[0]"),
    ] {
        let problem = assert_problem(
            &server.send("POST", "/v1/rerank", JSON, body.as_bytes()),
            400,
            "api-request-invalid",
        );
        assert_eq!(problem["errors"][0]["field"], field, "{problem:#}");
        assert_eq!(problem["error"]["param"], field, "{problem:#}");
    }
    let right = br#"{"query": "a", "documents": ["b", {"text": "c"}]}"#;
    assert_eq!(server.send("POST", "/v1/rerank", JSON, right).status, 200);
}

#[test]
fn bodies_that_break_a_rule_very_often() {
    let server = Server::start(&[]);
    let many = |element: &str| format!("{{\"input\": [{}]}}", vec![element; 200_000].join(","));
    for element in ["[]", "\"\"", "[1.5]", "[[]]"] {
        let response = embed(&server, many(element).as_bytes());
        assert_problem(&response, 400, "api-request-invalid");
        assert!(response.text().len() < 8192, "{element}: {} bytes", response.text().len());
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
    for coding in ["gzip", "br", "identity, deflate"] {
        let headers = [JSON[0], ("content-encoding", coding)];
        let problem = assert_problem(&send(&headers), 415, "api-content-encoding-unsupported");
        assert!(problem["detail"].as_str().unwrap().contains(coding), "{problem}");
    }
    assert_eq!(send(&[JSON[0], ("content-encoding", "identity")]).status, 200);
    for content_type in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"] {
        assert_eq!(send(&[("content-type", content_type)]).status, 200, "{content_type}");
    }
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
