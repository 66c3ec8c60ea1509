//! Programs that must not compile, each with the message that its author reads.
//!
//! One folder a rule. `TRYBUILD=overwrite cargo test -p tabagent-ui-tests` records new messages; read them.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

/// The one rule whose program compiles and does not start: `tests/start.rs` runs it.
const AT_START: &str = "schema-duplicate";

#[test]
fn wrong_programs_do_not_compile() {
    let cases = trybuild::TestCases::new();
    for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/cases")).unwrap() {
        let name = folder.unwrap().file_name().to_string_lossy().into_owned();
        if name != AT_START {
            cases.compile_fail(format!("cases/{name}/*.rs"));
        }
    }
}
