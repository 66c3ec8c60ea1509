//! Bad input, each answered by a problem and nothing else, from the real binary over a raw socket.

mod bodies;
mod clients;
mod heads;

use serde_json::json;
use tabagent_tests::http::Response;
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
