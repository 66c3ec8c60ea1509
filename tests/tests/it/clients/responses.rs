//! OpenAI's responses with the clients for Python and Node.

use tabagent_tests::node;
use tabagent_tests::server::Server;

use super::{python, reciting, run};

/// Runs checks of responses with both clients.
fn responses(server: &Server, checks: &[&str]) {
    python(server, "openai_responses.py", checks);
    run(node::script("openai_responses.mjs"), server, checks);
}

#[test]
fn openai_gets_responses_whole_and_as_typed_events() {
    responses(&Server::start(&[]), &["responses", "responses_stream"]);
}

#[test]
fn openai_continues_and_deletes_stored_responses() {
    responses(&Server::start(&[]), &["stored"]);
}

#[test]
fn openai_goes_on_with_a_conversation_by_its_id() {
    python(&Server::start(&[]), "openai_responses.py", &["responses_session"]);
}

#[test]
fn openai_calls_functions_in_responses() {
    responses(&reciting(), &["responses_tools"]);
}

#[test]
fn openai_stops_a_response_by_its_id() {
    responses(&Server::start(&[]), &["responses_stopped"]);
}

#[test]
fn openai_raises_typed_exceptions_of_responses() {
    responses(&Server::start(&[]), &["responses_failures"]);
}

#[test]
fn openai_is_told_by_an_event_that_a_response_failed() {
    responses(&Server::start(&["--generation-deadline", "1ms"]), &["responses_deadline"]);
}
