//! Cargo on small projects that a test writes: crates of routes, and a program that mounts them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::{self, Output};
use crate::workspace;

/// Longest build of a project; the first one builds the framework.
const DEADLINE: Duration = Duration::from_secs(20 * 60);

/// The `main.rs` of a program that mounts these crates, and prints its routes or why it does not start.
pub fn mounting(crates: &str) -> String {
    format!(
        r#"
fn main() -> std::process::ExitCode {{
    match tabagent_api::app! {{ crates: [{crates}] }}.mount() {{
        Ok(app) => {{
            for route in app.routes {{
                println!("{{route}}");
            }}
            std::process::ExitCode::SUCCESS
        }}
        Err(errors) => {{
            eprintln!("{{errors}}");
            std::process::ExitCode::FAILURE
        }}
    }}
}}
"#
    )
}

/// A fn that is a route and answers with text.
pub fn text_route(name: &str, method: &str, path: &str) -> String {
    // A `{*rest}` of a case is written like any other parameter; this route reads all as text.
    let parameters: Vec<&str> = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|parameter| parameter.trim_start_matches('*'))
        .collect();
    let values: Vec<String> = parameters.iter().map(|parameter| format!("{parameter}: \"x\"")).collect();
    let (argument, given) = match parameters.len() {
        0 => (String::new(), String::new()),
        1 => {
            ("_path: tabagent_api::Path<String>".to_owned(), format!("path = {{ {} }}, ", values.join(", ")))
        }
        count => panic!("{count} parameters"),
    };
    format!(
        r#"
/// Answer with text.
#[tabagent_api::route({method}, "{path}", tests = [case("it answers", {given}status = 200, check = |text: &String| text == "{name}")])]
pub async fn {name}({argument}) -> Result<tabagent_api::Text, std::convert::Infallible> {{
    Ok(tabagent_api::Text("{name}".to_owned()))
}}
"#
    )
}

/// The profiles of the workspace: with them a project uses the dependencies that the workspace has built.
fn profiles() -> String {
    let manifest =
        fs::read_to_string(workspace::root().join("Cargo.toml")).expect("the workspace has a manifest");
    let first = manifest.find("[profile.").expect("the workspace has profiles");
    manifest[first..].to_owned()
}

/// A cargo workspace below the target folder; all of them share what they build with the workspace itself.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    members: Vec<String>,
}

impl Project {
    /// An empty one. Names of packages are to be unique among all projects, because programs lie in one folder.
    pub fn new(name: &str) -> Self {
        let folder = workspace::kept("projects").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("an old project can be removed");
        }
        fs::create_dir_all(&folder).expect("the target folder can be written");
        // The same versions as the workspace's own, which are on this machine already.
        fs::copy(workspace::root().join("Cargo.lock"), folder.join("Cargo.lock"))
            .expect("the lock file can be copied");
        Self { folder, members: Vec::new() }
    }

    /// Adds a crate of routes.
    #[must_use]
    pub fn library(self, name: &str, source: &str) -> Self {
        self.package(name, "lib.rs", source, &[])
    }

    /// Adds a program.
    #[must_use]
    pub fn program(self, name: &str, source: &str, dependencies: &[&str]) -> Self {
        self.package(name, "main.rs", source, dependencies)
    }

    fn package(mut self, name: &str, file: &str, source: &str, dependencies: &[&str]) -> Self {
        let api = workspace::root().join("tabagent-api");
        let mut manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             tabagent-api = {{ path = {:?}, default-features = false }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
            api.display().to_string()
        );
        for dependency in dependencies {
            manifest.push_str(&format!("{dependency} = {{ path = \"../{dependency}\" }}\n"));
        }
        let source_folder = self.folder.join(name).join("src");
        fs::create_dir_all(&source_folder).expect("the target folder can be written");
        fs::write(self.folder.join(name).join("Cargo.toml"), manifest)
            .expect("the target folder can be written");
        fs::write(source_folder.join(file), format!("//! Written by a test.\n{source}"))
            .expect("the target folder can be written");
        self.members.push(name.to_owned());
        self
    }

    /// Runs cargo in the project.
    pub fn cargo(&self, arguments: &[&str]) -> Output {
        let manifest =
            format!("[workspace]\nresolver = \"3\"\nmembers = {:?}\n\n{}", self.members, profiles());
        fs::write(self.folder.join("Cargo.toml"), manifest).expect("the target folder can be written");
        let mut command = workspace::cargo();
        command
            .args(arguments)
            .args(["--offline", "--quiet"])
            .arg("--target-dir")
            .arg(workspace::target())
            .current_dir(&self.folder);
        process::run(command, DEADLINE)
    }

    /// Builds and runs a program.
    pub fn run(&self, program: &str) -> Output {
        let built = self.cargo(&["build", "--package", program]);
        assert!(built.success, "{program} does not compile: {}", built.shown());
        self.cargo(&["run", "--package", program])
    }
}
