//! Clients that stall, leave or flood, and files in the models folder that are no models.

use serde_json::json;
use tabagent_tests::http::{Connection, exchange, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::server::Server;

use super::{JSON, assert_well};

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
    let sender = std::thread::spawn(move || {
        for _ in 0..20 {
            drip.send(b" ");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        drip
    });
    // Nor does a head that never ends, be it the first or a later one; a connection without any is closed in silence.
    let mut silent = server.connect();
    let (mut slow, mut later) = (server.connect(), server.connect());
    later.send(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(later.receive("GET").status, 200);
    for connection in [&mut slow, &mut later] {
        connection.send(b"GET /live HTTP/1.1\r\nhost: local");
    }
    for connection in [&mut slow, &mut later] {
        let problem = assert_problem(&connection.receive("GET"), 408, "api-refused");
        assert!(problem["detail"].as_str().unwrap().contains("within 1 seconds"), "{problem}");
        assert!(connection.is_closed());
    }
    assert!(silent.is_closed());
    assert_problem(&sender.join().unwrap().receive("POST"), 408, "api-body-stalled");
    assert_well(&server);
}

#[test]
fn a_body_that_comes_after_the_refusal_does_not_spoil_the_connection() {
    let server = Server::start(&["--api-key", "right"]);
    let body = json!({ "input": "hello" }).to_string();
    let post = |key: &str, length: usize, more: &str| {
        let head = "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        format!("{head}authorization: Bearer {key}\r\ncontent-length: {length}\r\n{more}\r\n")
    };
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.send(post("wrong", body.len(), "").as_bytes());
        std::thread::sleep(std::time::Duration::from_millis(50));
        connection.send(body.as_bytes());
        assert_problem(&connection.receive("POST"), 401, "api-unauthorized");
    }
    connection.send((post("right", body.len(), "") + &body).as_bytes());
    assert_eq!(connection.receive("POST").status, 200);
    // What is not worth reading, never comes, or waits for leave to come, ends the connection, which is said.
    for (length, more) in [(12 << 20, ""), (2, ""), (2, "expect: 100-continue\r\n")] {
        let mut connection = server.connect();
        connection.send(post("wrong", length, more).as_bytes());
        let response = connection.receive("POST");
        assert_problem(&response, 401, "api-unauthorized");
        assert_eq!(response.header("connection"), Some("close"), "{length} bytes, {more}");
        assert!(connection.is_closed());
    }
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
    assert_problem(&response, 404, "model-not-found");
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
