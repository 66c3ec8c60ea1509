//! A thousand routes: how long their crate builds, and how long they mount, beside a thousand handlers in plain axum.
//!
//! The crates are generated into a temporary folder and built against this workspace, so that no other build pays for them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use tempfile::TempDir;

use crate::stats::median;
use crate::table::Table;
use crate::valgrind::instructions;
use crate::{Failure, cargo, progress};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Number of routes.
    #[arg(long, default_value_t = 1000)]
    routes: usize,
    /// Repetitions of mounting; the table shows medians.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

/// Types, helpers and `main` of the crate of routes.
const ROUTES_HEAD: &str = r#"//! Generated: many routes.
extern crate self as many;

use tabagent_api::{Json, Path, Problem, Schema, app, route};

/// An item.
#[derive(Debug, serde::Serialize, serde::Deserialize, Schema)]
pub(crate) struct Item {
    /// Its number.
    pub number: u32,
}

/// Why there is no item.
#[derive(Debug, thiserror::Error, Problem)]
pub(crate) enum ItemError {
    /// The number is not that of an item.
    #[error("there is no item {number}")]
    #[problem(status = 404, title = "Item not found", hint = "ask for another")]
    NotFound {
        /// The number.
        number: u32,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("mount") {
        let begin = std::time::Instant::now();
        let mounted = app! { crates: [many] }.mount()?;
        println!("{} {}", mounted.routes.len(), begin.elapsed().as_secs_f64());
    }
    Ok(())
}
"#;

/// Types, helpers and `main` of the crate of plain handlers.
const AXUM_HEAD: &str = r#"//! Generated: many handlers.
use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Item {
    pub number: u32,
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("mount") {
        let begin = std::time::Instant::now();
        let router: Router = router();
        println!("{} {}", router.has_routes(), begin.elapsed().as_secs_f64());
    }
}
"#;

fn routes(count: usize) -> String {
    let mut text = ROUTES_HEAD.to_owned();
    for index in 0..count {
        let _ = write!(
            text,
            r#"
/// Read item {index}.
#[route(
    GET, "/v1/area{area}/items{index}/{{number}}",
    tests = [
        case("an item", path = {{ number: 7 }}, status = 200, check = |item: &Item| item.number == 7),
        case("none", path = {{ number: 1001 }}, problem = ItemError::NotFound),
    ],
)]
async fn item_{index}(Path(number): Path<u32>) -> Result<Json<Item>, ItemError> {{
    if number > 1000 {{ Err(ItemError::NotFound {{ number }}) }} else {{ Ok(Json(Item {{ number }})) }}
}}
"#,
            area = index % 20,
        );
    }
    text
}

fn handlers(count: usize) -> String {
    let mut text = AXUM_HEAD.to_owned();
    for index in 0..count {
        let _ = write!(
            text,
            r"
async fn item_{index}(Path(number): Path<u32>) -> Result<Json<Item>, StatusCode> {{
    if number > 1000 {{ Err(StatusCode::NOT_FOUND) }} else {{ Ok(Json(Item {{ number }})) }}
}}
"
        );
    }
    text.push_str("\nfn router() -> Router {\n    Router::new()\n");
    for index in 0..count {
        let area = index % 20;
        let _ =
            writeln!(text, "        .route(\"/v1/area{area}/items{index}/{{number}}\", get(item_{index}))");
    }
    text.push_str("}\n");
    text
}

/// A crate in a folder of its own, with the versions of this workspace.
fn write_crate(folder: &Path, api: bool, source: &str) -> Result<(), Failure> {
    let root = cargo::root();
    let dependency = if api {
        format!(
            "tabagent-api = {{ path = {:?}, default-features = false }}\nthiserror = \"2\"",
            root.join("tabagent-api")
        )
    } else {
        "axum = { version = \"0.8\", default-features = false, features = [\"json\"] }".to_owned()
    };
    fs::create_dir_all(folder.join("src"))?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::write(
        folder.join("Cargo.toml"),
        format!(
            "[package]\nname = \"many\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependency}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n\n[profile.dev]\ndebug = \"line-tables-only\"\n\n[workspace]\n"
        ),
    )?;
    fs::write(folder.join("src/main.rs"), source)?;
    Ok(())
}

/// Seconds to build the crate alone, its dependencies being built.
fn build(folder: &Path, target: &Path, release: bool) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut command = cargo::cargo(folder);
    command.args(["build", "--quiet"]).args(release.then_some("--release")).env("CARGO_TARGET_DIR", target);
    // What counts is a build from nothing, as after a clone.
    command.env("CARGO_INCREMENTAL", "0");
    cargo::must(&mut command)?;
    Ok(begin.elapsed().as_secs_f64())
}

struct Figures {
    debug_build: f64,
    release_build: f64,
    mount_ms: f64,
    instructions: u64,
    mib: f64,
}

fn measure(folder: &Path, api: bool, options: &Options) -> Result<Figures, Failure> {
    let target = folder.join("target");
    let source = if api { routes } else { handlers };
    write_crate(folder, api, &source(1))?;
    progress("building the dependencies");
    build(folder, &target, false)?;
    build(folder, &target, true)?;
    fs::write(folder.join("src/main.rs"), source(options.routes))?;
    progress(&format!(
        "building {} {}",
        options.routes,
        if api { "routes" } else { "handlers in plain axum" }
    ));
    let debug_build = build(folder, &target, false)?;
    let release_build = build(folder, &target, true)?;
    let program: PathBuf = target.join("release/many");
    let mut seconds = Vec::new();
    for _ in 0..options.rounds.max(1) {
        let output = Command::new(&program).arg("mount").output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let figure = text.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
        seconds.push(figure.ok_or_else(|| {
            Failure::of(format!("the routes do not mount: {}", String::from_utf8_lossy(&output.stderr)))
        })?);
    }
    let counted = instructions(&program, &["mount"])?.saturating_sub(instructions(&program, &["idle"])?);
    let mib = fs::metadata(&program)?.len() as f64 / f64::from(1 << 20);
    Ok(Figures { debug_build, release_build, mount_ms: median(&seconds) * 1e3, instructions: counted, mib })
}

/// Measures and returns the table.
///
/// # Errors
/// When a crate does not build or mount.
pub(crate) fn run(options: &Options) -> Result<String, Failure> {
    let scratch = TempDir::new()?;
    let ours = measure(&scratch.path().join("routes"), true, options)?;
    let plain = measure(&scratch.path().join("axum"), false, options)?;
    let title = format!("{} routes", options.routes);
    let mut table = Table::new(&[&title, "#[route]", "plain axum, bare handlers"]);
    let mut row = |what: &str, ours: String, plain: String| table.row(vec![what.to_owned(), ours, plain]);
    row(
        "debug build of the crate: s",
        format!("{:.1}", ours.debug_build),
        format!("{:.1}", plain.debug_build),
    );
    row(
        "release build of the crate: s",
        format!("{:.1}", ours.release_build),
        format!("{:.1}", plain.release_build),
    );
    row(
        "mount (ours with checks and document): ms",
        format!("{:.2}", ours.mount_ms),
        format!("{:.2}", plain.mount_ms),
    );
    let millions = |count: u64| format!("{:.1}", count as f64 / 1e6);
    row("mount: million instructions", millions(ours.instructions), millions(plain.instructions));
    row("release binary: MiB", format!("{:.1}", ours.mib), format!("{:.1}", plain.mib));
    Ok(table.render())
}
