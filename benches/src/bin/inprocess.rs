//! Our runtime without HTTP, as a program that obeys lines: what `generation` measures the server beside.
//!
//! It speaks as `peers/generation.py` does: a line of JSON in with prompts and a number of tokens, a line out with the ids
//! that were chosen and when each came.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::Parser;
use serde::Deserialize;
use serde_json::json;
use tabagent_runtime::bench::generate;
use tabagent_runtime::{Runtime, RuntimeOptions};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "Generates with tabagent-runtime what it is told on its standard input")]
struct Arguments {
    /// Folder of models.
    #[arg(long)]
    models_dir: PathBuf,
    /// Id of the model.
    #[arg(long)]
    model: String,
    /// Threads within an operator.
    #[arg(long)]
    threads: usize,
}

/// One command.
#[derive(Deserialize)]
struct Task {
    prompts: Vec<Vec<u32>>,
    tokens: usize,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let runtime = Runtime::start(RuntimeOptions {
        models_dir: arguments.models_dir,
        threads: Some(arguments.threads),
        ..RuntimeOptions::default()
    })?;
    // The model is loaded before it is said to be.
    executor.block_on(generate(&runtime, &arguments.model, vec![vec![1]], 1))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json!({ "version": format!("tabagent {}", env!("CARGO_PKG_VERSION")) }))?;
    for line in std::io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let done = executor.block_on(generate(&runtime, &arguments.model, task.prompts, task.tokens))?;
        writeln!(out, "{}", json!({ "ids": done.ids, "times": done.times }))?;
    }
    Ok(())
}
