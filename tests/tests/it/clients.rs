//! Clients that others wrote, unmodified, against the real server.

mod responses;
mod structured;

use std::fs;
use std::process::Command;
use std::time::Duration;

use tabagent_tests::server::Server;
use tabagent_tests::{node, process, python, workspace};
use tempfile::TempDir;

/// Longest run of some checks.
const DEADLINE: Duration = Duration::from_secs(5 * 60);

/// Runs checks of a script against a server.
fn run(mut command: Command, server: &Server, checks: &[&str]) {
    command
        .args(checks)
        .arg(server.url())
        .args(server.key.iter().flat_map(|key| ["--key", key]))
        .env("SERVER_PID", server.id().to_string())
        // A proxy of the machine is not for loopback.
        .env("NO_PROXY", "*")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = process::run(command, DEADLINE);
    assert!(output.success, "{}", output.shown());
    for check in checks {
        assert!(output.stdout.contains(&format!("ok {check}")), "{}", output.shown());
    }
}

/// Runs checks of a Python script of `scripts/clients`.
fn python(server: &Server, script: &str, checks: &[&str]) {
    let mut command = Command::new(python::environment("clients"));
    command.arg(workspace::root().join("scripts/clients").join(script));
    run(command, server, checks);
}

/// Runs a check of embeddings and models.
fn openai(server: &Server, check: &str) {
    python(server, "openai_client.py", &[check]);
}

/// Runs checks of chat and completions with the client for Python and with the one for Node.
fn generation(server: &Server, checks: &[&str]) {
    python(server, "openai_generation.py", checks);
    run(node::script("openai_generation.mjs"), server, checks);
}

/// A server with the models that say what tests want to hear.
fn reciting() -> Server {
    let models = workspace::root().join("tests/fixtures/models");
    Server::start(&["--models-dir", models.to_str().unwrap()])
}

/// A data folder with a model whose graph is none.
fn with_damaged(id: &str, config: &str) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let model = data.path().join("models").join(id);
    fs::create_dir_all(model.join("onnx")).unwrap();
    fs::write(model.join("config.json"), config).unwrap();
    fs::write(model.join("modules.json"), "[]").unwrap();
    fs::write(model.join("onnx/model.onnx"), b"this is not a graph").unwrap();
    data
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
    let data = with_damaged("someone/tiny", r#"{ "model_type": "bert", "architectures": ["BertModel"] }"#);
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

#[test]
fn openai_chats_whole_and_streamed() {
    generation(&Server::start(&[]), &["chat", "chat_stream", "stopped"]);
}

#[test]
fn openai_goes_on_with_a_session() {
    python(&Server::start(&[]), "openai_generation.py", &["session"]);
}

#[test]
fn openai_chooses_how_tokens_are_drawn_and_told() {
    generation(&Server::start(&[]), &["sampling", "logprobs", "stop"]);
}

#[test]
fn openai_completes_texts() {
    generation(&Server::start(&[]), &["completions"]);
}

#[test]
fn openai_calls_tools_one_and_several_whole_and_streamed() {
    generation(&reciting(), &["tools"]);
}

#[test]
fn openai_raises_typed_exceptions_of_generation() {
    let config = r#"{ "model_type": "llama", "architectures": ["LlamaForCausalLM"] }"#;
    let server = Server::start_in(with_damaged("someone/damaged", config), &[], &[]);
    generation(&server, &["failures", "damaged"]);
}

#[test]
fn openai_is_asked_for_the_key_of_generation() {
    generation(&Server::start(&["--api-key", "sk-right"]), &["authentication"]);
}

#[test]
fn openai_is_told_when_to_come_back_to_a_full_queue_of_generations() {
    generation(&Server::start(&["--parallel", "1", "--chat-queue", "4"]), &["rate_limit"]);
}

#[test]
fn openai_is_told_within_the_stream_that_it_took_too_long() {
    generation(&Server::start(&["--generation-deadline", "1s"]), &["deadline"]);
}

#[test]
#[cfg(unix)]
fn openai_notices_a_server_that_dies_within_a_stream() {
    python(&Server::start(&[]), "openai_generation.py", &["server_dies"]);
    run(node::script("openai_generation.mjs"), &Server::start(&[]), &["server_dies"]);
}
