//! What cargo says to an author of routes whose mistake no single compilation can see.

use tabagent_tests::project::{Project, mounting, text_route};

#[test]
fn a_crate_that_is_not_named_mounts_nothing() {
    // Linked, because the program calls it; not mounted, because it is not on the list.
    let uninvited = text_route("uninvited", "GET", "/uninvited") + "pub fn helper() -> usize { 1 }";
    let program =
        mounting("unnamed_guest") + "#[allow(dead_code)] static USED: fn() -> usize = unnamed_other::helper;";
    let program = program.replacen("match ", "std::hint::black_box(unnamed_other::helper());\n    match ", 1);
    let project = Project::new("unnamed")
        .library("unnamed_guest", &text_route("invited", "GET", "/invited"))
        .library("unnamed_other", &uninvited)
        .program("unnamed_app", &program, &["unnamed_guest", "unnamed_other"])
        .program("both_app", &mounting("unnamed_guest, unnamed_other"), &["unnamed_guest", "unnamed_other"]);
    let output = project.run("unnamed_app");
    assert_eq!(output.stdout, "GET /invited\n", "{}", output.shown());
    // Named, the same crate is mounted: nothing else kept it out.
    let output = project.run("both_app");
    assert_eq!(output.stdout, "GET /invited\nGET /uninvited\n", "{}", output.shown());
}

#[test]
fn one_method_and_path_in_two_crates_does_not_link() {
    let project = Project::new("twice")
        .library("twice_one", &text_route("first", "GET", "/v1/same/{id}"))
        .library("twice_two", &text_route("second", "GET", "/v1/same/{id}"))
        .program("twice_app", &mounting("twice_one, twice_two"), &["twice_one", "twice_two"]);
    let output = project.cargo(&["build", "--package", "twice_app"]);
    assert!(!output.success, "{}", output.shown());
    assert!(output.stderr.contains("route already registered: GET /v1/same/{id}"), "{}", output.shown());
    assert!(output.stderr.contains("twice_one") && output.stderr.contains("twice_two"), "{}", output.shown());
}

#[test]
fn overlapping_paths_are_one_error_with_both_places() {
    let one = text_route("first", "GET", "/x/{a}") + &text_route("third", "GET", "/y/{*rest}");
    let two = text_route("second", "POST", "/x/{b}") + &text_route("fourth", "GET", "/y/{id}");
    let project = Project::new("overlap").library("overlap_one", &one).library("overlap_two", &two).program(
        "overlap_app",
        &mounting("overlap_one, overlap_two"),
        &["overlap_one", "overlap_two"],
    );
    let output = project.run("overlap_app");
    assert_eq!(output.code, Some(1), "{}", output.shown());
    let lines: Vec<&str> = output.stderr.lines().filter(|line| line.contains("route-duplicate")).collect();
    let [x, y] = lines[..] else { panic!("not two overlaps in one error: {}", output.shown()) };
    for (line, first, second) in [(x, "/x/{a}", "/x/{b}"), (y, "/y/{*rest}", "/y/{id}")] {
        assert!(line.contains(first) && line.contains(second), "{line}");
        // Both places, with their lines: the first route of a file has its attribute at line 4, the second at 10.
        let line_number = if first.starts_with("/x") { 4 } else { 10 };
        for file in ["overlap_one", "overlap_two"] {
            assert!(line.contains(&format!("{file}/src/lib.rs:{line_number}")), "{line}");
        }
    }
}

#[test]
fn a_named_crate_without_a_route_is_an_error() {
    let project = Project::new("silent")
        .library("silent_guest", "pub fn nothing() {}")
        .library("silent_other", &text_route("other", "GET", "/other"))
        .program("silent_app", &mounting("silent_other, silent_guest"), &["silent_guest", "silent_other"]);
    let output = project.run("silent_app");
    assert_eq!(output.code, Some(1), "{}", output.shown());
    assert!(
        output.stderr.contains("`silent_guest`") && output.stderr.contains("no route"),
        "{}",
        output.shown()
    );
    assert!(!output.stderr.contains("`silent_other`"), "{}", output.shown());
}

#[test]
fn a_component_that_nobody_provides_is_an_error_that_names_route_and_type() {
    let source = r#"
pub struct Clock;

/// Tell the time.
#[tabagent_api::route(GET, "/time", tests = [case("now", status = 200, check = |_: &String| ())])]
pub async fn time(_clock: tabagent_api::Component<Clock>) -> Result<tabagent_api::Text, std::convert::Infallible> {
    Ok(tabagent_api::Text("now".to_owned()))
}
"#;
    let project = Project::new("component").library("component_guest", source).program(
        "component_app",
        &mounting("component_guest"),
        &["component_guest"],
    );
    let output = project.run("component_app");
    assert_eq!(output.code, Some(1), "{}", output.shown());
    for word in ["GET /time", "component_guest::Clock", "component_guest/src/lib.rs:6"] {
        assert!(output.stderr.contains(word), "`{word}` is missing: {}", output.shown());
    }
}

#[test]
fn two_types_of_one_schema_name_are_an_error_that_names_both() {
    let source = |field: &str, path: &str| {
        format!(
            r#"
/// An item.
#[derive(serde::Serialize, serde::Deserialize, tabagent_api::Schema)]
pub struct Item {{
    /// A part.
    pub {field}: u32,
}}

/// Make an item.
#[tabagent_api::route(GET, "{path}", operation_id = "{field}", tests = [case("one", status = 200, check = |item: &Item| item.{field} == 1)])]
pub async fn make() -> Result<tabagent_api::Json<Item>, std::convert::Infallible> {{
    Ok(tabagent_api::Json(Item {{ {field}: 1 }}))
}}
"#
        )
    };
    let project = Project::new("schema")
        .library("schema_one", &source("width", "/one"))
        .library("schema_two", &source("height", "/two"))
        .program("schema_app", &mounting("schema_one, schema_two"), &["schema_one", "schema_two"]);
    let output = project.run("schema_app");
    assert_eq!(output.code, Some(1), "{}", output.shown());
    for word in ["schema-duplicate", "`Item`", "schema_one::Item", "schema_two::Item"] {
        assert!(output.stderr.contains(word), "`{word}` is missing: {}", output.shown());
    }
}
