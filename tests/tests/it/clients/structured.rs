//! Answers that keep a schema, and calls that are demanded, through the parse helpers of the clients for Python and Node.

use tabagent_tests::node;
use tabagent_tests::server::Server;

use super::{python, run};

#[test]
fn openai_parses_answers_that_keep_a_schema() {
    let server = Server::start(&[]);
    python(&server, "openai_structured.py", &["parsed", "json_object"]);
    run(node::script("openai_structured.mjs"), &server, &["parsed"]);
}

#[test]
fn openai_gets_the_calls_that_it_demands() {
    let server = Server::start(&[]);
    python(&server, "openai_structured.py", &["demanded_tools"]);
    run(node::script("openai_structured.mjs"), &server, &["demanded_tools"]);
}

#[test]
fn openai_is_told_what_cannot_be_demanded() {
    let server = Server::start(&[]);
    python(&server, "openai_structured.py", &["structured_failures"]);
    run(node::script("openai_structured.mjs"), &server, &["structured_failures"]);
}
