//! Clients that others wrote, unmodified, against the real server.

use std::fs;
use std::time::Duration;

use tabagent_tests::server::Server;
use tabagent_tests::{process, python};

/// Longest run of one check.
const DEADLINE: Duration = Duration::from_secs(5 * 60);

/// Runs a check of `scripts/clients/openai_client.py` against a server.
fn openai(server: &Server, check: &str) {
    let mut command = std::process::Command::new(python::environment("clients"));
    command
        .arg(tabagent_tests::workspace::root().join("scripts/clients/openai_client.py"))
        .args([check, &server.url()])
        .args(server.key.iter().flat_map(|key| ["--key", key]))
        // A proxy of the machine is not for loopback.
        .env("NO_PROXY", "*")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = process::run(command, DEADLINE);
    assert!(output.success, "{}", output.shown());
    assert!(output.stdout.contains("ok "), "{}", output.shown());
}

#[test]
fn openai_gets_embeddings_in_every_form() {
    openai(&Server::start(&[]), "embeddings");
}

#[test]
fn openai_gets_2048_embeddings_at_once() {
    openai(&Server::start(&[]), "many");
}

#[test]
fn openai_lists_and_describes_models() {
    openai(&Server::start(&[]), "models");
}

#[test]
fn openai_keeps_a_conversation_in_responses() {
    openai(&Server::start(&[]), "responses");
}

#[test]
fn openai_raises_typed_exceptions_that_can_be_read() {
    openai(&Server::start(&[]), "failures");
}

#[test]
fn openai_describes_a_model_with_a_slash_and_is_told_that_it_is_damaged() {
    let data = tempfile::tempdir().unwrap();
    let model = data.path().join("models/someone/tiny");
    fs::create_dir_all(model.join("onnx")).unwrap();
    fs::write(model.join("config.json"), r#"{ "model_type": "bert", "architectures": ["BertModel"] }"#)
        .unwrap();
    fs::write(model.join("modules.json"), "[]").unwrap();
    fs::write(model.join("onnx/model.onnx"), b"this is not a graph").unwrap();
    let server = Server::start_in(data, &[], &[]);
    openai(&server, "models_with_slash");
    openai(&server, "damaged_model");
}

#[test]
fn openai_is_told_that_a_body_is_too_large() {
    openai(&Server::start(&["--body-limit", "64KiB"]), "too_large");
}

#[test]
fn openai_raises_authentication_errors() {
    openai(&Server::start(&["--api-key", "sk-right"]), "authentication");
}

#[test]
fn openai_raises_rate_limit_errors_when_the_queue_is_full() {
    openai(&Server::start(&["--queue", "64", "--threads", "1"]), "rate_limit");
}

#[test]
fn openai_can_stop_waiting() {
    openai(&Server::start(&[]), "timeout");
}
