//! The document, held to the specification, and the server, held to the document, by programs that others wrote.

use std::time::Duration;

use tabagent_tests::server::{Server, run};
use tabagent_tests::{process, python};

/// Longest run of a checker, with the installation of its environment.
const DEADLINE: Duration = Duration::from_secs(20 * 60);

#[test]
fn the_document_keeps_the_specification() {
    let printed = run(&["openapi"]);
    assert!(printed.success, "{}", printed.shown());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), printed.stdout).unwrap();
    // The environment is made first, so that its failure is told as such.
    python::environment("contract");
    let mut command = python::script("check_openapi.sh");
    command.arg(file.path());
    let output = process::run(command, DEADLINE);
    assert!(output.success && output.stdout.contains("OK"), "{}", output.shown());
}

/// All checks and all phases of schemathesis, on every route of a running server.
fn schemathesis(server: &Server) {
    python::environment("contract");
    let mut command = python::script("schemathesis.sh");
    command.arg(server.url()).args(&server.key).env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = process::run(command, DEADLINE);
    assert!(output.success, "{}", output.shown());
    for phase in ["✅ Examples", "✅ Coverage", "✅ Fuzzing", "✅ Stateful", "No issues found"] {
        assert!(output.stdout.contains(phase), "`{phase}` is missing: {}", output.shown());
    }
    let document = server.get("/openapi.json").json();
    let operations: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    let tested = format!("Selected: {operations}/{operations}\n  Tested: {operations}\n");
    assert!(output.stdout.contains(&tested), "not every operation was tested: {}", output.shown());
}

/// A server that asks no hub: what is pulled here are words that nobody meant.
fn offline(arguments: &[&str]) -> Server {
    Server::start_in(tempfile::tempdir().unwrap(), arguments, &[("HF_HUB_OFFLINE", "1")])
}

#[test]
fn schemathesis_finds_no_failure() {
    schemathesis(&offline(&[]));
}

#[test]
fn schemathesis_finds_no_failure_with_an_api_key() {
    schemathesis(&offline(&["--api-key", "sk-schemathesis"]));
}
