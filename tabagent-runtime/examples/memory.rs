//! Measures what a model takes in memory beside what was estimated, which calibrates `resources/estimate.rs`.
//!
//! `cargo run --release -p tabagent-runtime --example memory MODELS_DIR MODEL [CONTEXT]`, one model a process: what another
//! one left would be counted. Linux alone tells.

use std::io::Write;

use tabagent_runtime::{
    BackendError, EmbedInput, EmbedRequest, GeneratePrompt, GenerateRequest, LoadRequest, Result, Runtime,
    RuntimeOptions, device::Device, hardware, library::LibraryOptions, models::EMBED_ID,
};

/// Memory of this process that is in RAM, in MB.
fn resident() -> f64 {
    hardware::resident_memory().unwrap_or_default() as f64 / 1e6
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(model)) = (arguments.next(), arguments.next()) else {
        return Err(BackendError::invalid("arguments", "are MODELS_DIR MODEL [CONTEXT]"));
    };
    let context = match arguments.next() {
        None => None,
        Some(text) => {
            let number = text.parse().map_err(|_| BackendError::invalid("context", "is no number"))?;
            Some(number)
        }
    };
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| BackendError::internal(error.to_string()))?;
    let runtime = Runtime::start(RuntimeOptions {
        models_dir: folder.into(),
        device: Device::Cpu,
        library: LibraryOptions::default(),
        ..RuntimeOptions::default()
    })?;
    let measured = tokio.block_on(async {
        let estimate = runtime.estimate(&model, None, context, 1).await?.estimate;
        // What the first session of a process brings is the process's, not the model's.
        embed(&runtime, EMBED_ID).await?;
        runtime.unload(Some(EMBED_ID), false).await?;
        let start = resident();
        let request = LoadRequest { model: model.clone(), context, ..LoadRequest::default() };
        runtime.load(request).await?;
        let loaded = resident() - start;
        if estimate.token_bytes > 0 {
            generate(&runtime, &model, estimate.context).await?;
        } else {
            embed(&runtime, &model).await?;
        }
        let worked = resident() - start;
        let again = runtime.loaded().into_iter().find(|found| found.id == model);
        let cache = again.map_or(0, |found| found.cache);
        runtime.unload(Some(&model), false).await?;
        let left = resident() - start;
        Ok::<_, BackendError>((estimate, loaded, worked, cache, left))
    });
    let (estimate, loaded, worked, cache, left) = measured?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let off = (mb(estimate.total()) / worked - 1.0) * 100.0;
    let line = format!(
        "{model} context {}: estimate {:.0} MB (weights {:.0}, cache {:.0}, arena {:.0}, base {:.0}); measured {worked:.0} MB \
         after work ({loaded:.0} after load, cache {:.0}), {left:.0} after unload; {off:+.1} %",
        estimate.context,
        mb(estimate.total()),
        mb(estimate.weights),
        mb(estimate.cache),
        mb(estimate.arena),
        mb(estimate.base),
        mb(cache),
    );
    // The reader of a closed pipe does not want the rest.
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(())
}

/// Fills the context of one sequence.
async fn generate(runtime: &Runtime, model: &str, context: usize) -> Result<()> {
    const ANSWER: usize = 16;
    let ids = (0..context.saturating_sub(ANSWER).max(1)).map(|at| 100 + u32::try_from(at % 400).unwrap_or(0));
    let mut generation = runtime
        .generate(GenerateRequest {
            ignore_end: true,
            ..GenerateRequest::greedy("memory", model, GeneratePrompt::Tokens(ids.collect()), ANSWER)
        })
        .await?;
    while let Some(event) = generation.next().await {
        event?;
    }
    Ok(())
}

/// Runs batches of long texts.
async fn embed(runtime: &Runtime, model: &str) -> Result<()> {
    for words in [4, 40, 400] {
        let texts = (0..32).map(|text| format!("{text} {}", "river ".repeat(words))).collect();
        let request = EmbedRequest {
            model: Some(model.to_owned()),
            input: EmbedInput::Texts(texts),
            truncate: true,
            ..EmbedRequest::default()
        };
        runtime.embed(request).await?;
    }
    Ok(())
}
