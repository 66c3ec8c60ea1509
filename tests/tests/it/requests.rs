//! What the harness says of a case whose request succeeds and is not what the document allows.

use tabagent_api::case::{CaseBody, Expectation, TestCase};
use tabagent_api::record::Method;
use tabagent_api::testing::Conformance;

/// A case that would succeed.
fn case(path: &'static [(&str, &str)], query: &'static [(&str, &str)]) -> TestCase {
    let expect = Expectation::Success { status: 200, check: |_| Ok(()) };
    TestCase { name: "by hand", line: 0, path, query, headers: &[], body: CaseBody::None, expect }
}

#[test]
fn the_request_of_a_case_is_held_to_the_document() {
    let app = tabagent_api::app! { crates: [it] }.mount().unwrap();
    let conformance = Conformance::of(&app).unwrap();
    let outcome = |case: TestCase| conformance.check_request(Method::Get, "/threes/{index}", &case);
    assert_eq!(outcome(case(&[("index", "2")], &[])), Ok(()));
    for (wrong, words) in [
        (case(&[("index", "two")], &[]), "`index` is not as declared"),
        (case(&[("index", "4294967296")], &[]), "`index` is not as declared"),
        (case(&[("index", "2")], &[("x", "1")]), "no parameter `x` of the query"),
    ] {
        let reason = outcome(wrong).unwrap_err();
        assert!(reason.contains(words), "{reason}");
    }
}
