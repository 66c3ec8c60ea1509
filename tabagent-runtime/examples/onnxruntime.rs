//! Finds or installs ONNX Runtime the way the server does, and prints what it knows about it and the machine.
//!
//! `cargo run -p tabagent-runtime --example onnxruntime [FLAVOUR]` with `cpu` or `cuda` installs that build first.

use std::io::Write;

use tabagent_runtime::library::{self, LibraryOptions, progress};
use tabagent_runtime::{Result, hardware};

fn main() -> Result<()> {
    let options = LibraryOptions { progress: progress::on_stderr(), ..LibraryOptions::default() };
    if let Some(flavour) = std::env::args().nth(1) {
        library::install(flavour.parse()?, &options)?;
    }
    library::ensure(&options)?;
    let report = serde_json::json!({
        "library": library::status(&options),
        "system": hardware::system(&options.cache_dir),
    });
    // The reader of a closed pipe does not want the rest.
    let _ = writeln!(std::io::stdout(), "{report:#}");
    Ok(())
}
