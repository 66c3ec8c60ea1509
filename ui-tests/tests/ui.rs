//! Programs that must not compile, each with the message that its author reads.
//!
//! One folder a rule. To see new messages: `TRYBUILD=overwrite cargo test -p tabagent-ui-tests --test ui`, then read them.
#![allow(missing_docs)]

#[test]
fn wrong_programs_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*/*.rs");
}
