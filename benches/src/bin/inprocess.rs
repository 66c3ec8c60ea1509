//! Our runtime without HTTP, as a program that obeys lines: what `generation` measures the server beside.
//!
//! It speaks as `peers/generation.py` does: a line of JSON in with prompts and a number of tokens, a line out with the ids
//! that were chosen and when each came.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use serde::Deserialize;
use serde_json::json;
use tabagent_runtime::{
    GeneratePrompt, GenerateRequest, GenerationEvent, Runtime, RuntimeOptions, SamplingRequest,
};

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
    executor.block_on(generate(&runtime, &arguments.model, vec![1], 1, Instant::now()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json!({ "version": format!("tabagent {}", env!("CARGO_PKG_VERSION")) }))?;
    for line in std::io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let begin = Instant::now();
        let answers = executor.block_on(async {
            let streams: Vec<_> = task
                .prompts
                .into_iter()
                .map(|prompt| {
                    let (runtime, model) = (runtime.clone(), arguments.model.clone());
                    tokio::spawn(async move { generate(&runtime, &model, prompt, task.tokens, begin).await })
                })
                .collect();
            let mut answers = Vec::new();
            for stream in streams {
                answers.push(stream.await??);
            }
            Ok::<_, Failure>(answers)
        })?;
        let (ids, times): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        writeln!(out, "{}", json!({ "ids": ids, "times": times }))?;
    }
    Ok(())
}

/// The greedy ids after a prompt, and the seconds since `begin` at which each came.
async fn generate(
    runtime: &Runtime,
    model: &str,
    prompt: Vec<u32>,
    tokens: usize,
    begin: Instant,
) -> Result<(Vec<u32>, Vec<f64>), Failure> {
    let request = GenerateRequest {
        id: "bench".to_owned(),
        model: Some(model.to_owned()),
        prompt: GeneratePrompt::Tokens(prompt),
        sampling: SamplingRequest { temperature: Some(0.0), ..SamplingRequest::default() },
        max_tokens: Some(tokens),
        constraint: None,
        stop: Vec::new(),
        ignore_end: true,
        choices: 1,
        logprobs: None,
        deadline: None,
    };
    let mut generation = runtime.generate(request).await?;
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    while let Some(event) = generation.next().await {
        if let GenerationEvent::Delta { tokens, .. } = event? {
            for token in tokens {
                ids.push(token.id);
                times.push(begin.elapsed().as_secs_f64());
            }
        }
    }
    Ok((ids, times))
}
