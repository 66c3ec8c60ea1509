//! Measurements, ours beside a peer in the same run. Each command prints one table; nothing is asserted.
//!
//! ```sh
//! cargo run --release -p tabagent-benches -- overhead     # instructions of a `#[route]` handler over one by hand
//! cargo run --release -p tabagent-benches -- mount        # a thousand routes: build, mount, size
//! cargo run --release -p tabagent-benches -- embeddings --models-dir DIR   # MiniLM beside ONNX Runtime and infinity
//! cargo run --release -p tabagent-benches -- generation --models-dir DIR   # decoders beside genai and llama.cpp
//! cargo run --release -p tabagent-benches -- retrieval    # queries over 100,000 chunks beside usearch and hnswlib
//! ```

mod cargo;
mod child;
mod client;
mod embeddings;
mod generation;
mod mount;
mod overhead;
mod retrieval;
mod stats;
mod table;
mod texts;
mod valgrind;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Why a measurement has no figure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn of(reason: String) -> Self {
        Self(reason)
    }
}

macro_rules! failures {
    ($($source:ty),+ $(,)?) => {$(
        impl From<$source> for Failure {
            fn from(source: $source) -> Self {
                Self(source.to_string())
            }
        }
    )+};
}

failures!(
    std::io::Error,
    serde_json::Error,
    hyper::Error,
    http::Error,
    tokio::task::JoinError,
    std::num::ParseIntError
);

#[derive(Parser)]
#[command(about = "Measures TabAgent beside its peers and prints one table")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Instructions per request of a `#[route]` handler over the same handler written by hand in axum (needs valgrind).
    Overhead(overhead::Options),
    /// Build time of a crate with a thousand routes, and time and instructions to mount them (needs valgrind).
    Mount(mount::Options),
    /// MiniLM through our HTTP, beside ONNX Runtime in process and the infinity server.
    Embeddings(embeddings::Options),
    /// Two decoders in int4 through our HTTP, beside onnxruntime-genai, llama.cpp and our own runtime in process.
    Generation(generation::Options),
    /// Queries to 100,000 chunks through our HTTP, beside usearch and hnswlib in process on the same vectors.
    Retrieval(retrieval::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Overhead(options) => overhead::run(&options),
        Command::Mount(options) => mount::run(&options),
        Command::Embeddings(options) => embeddings::run(&options),
        Command::Generation(options) => generation::run(&options),
        Command::Retrieval(options) => retrieval::run(&options),
    };
    match result {
        Ok(table) => {
            say(&table);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            progress(&format!("no figures: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// The result, on stdout.
#[allow(clippy::print_stdout, reason = "the one place that prints the table")]
fn say(text: &str) {
    println!("{text}");
}

/// What is going on, on stderr.
#[allow(clippy::print_stderr, reason = "the one place that reports progress")]
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}
