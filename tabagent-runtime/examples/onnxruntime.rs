//! Finds or installs ONNX Runtime the way the server does, and prints what it knows about it and the machine.
//!
//! Run it with `cargo run -p tabagent-runtime --example onnxruntime`.

use std::io::Write;

use tabagent_runtime::library::{self, LibraryOptions, progress};
use tabagent_runtime::{Result, hardware};

fn main() -> Result<()> {
    let options = LibraryOptions { progress: progress::on_stderr(), ..LibraryOptions::default() };
    library::ensure(&options)?;
    let report = serde_json::json!({
        "library": library::status(&options),
        "system": hardware::system(&options.cache_dir),
    });
    // The reader of a closed pipe does not want the rest.
    let _ = writeln!(std::io::stdout(), "{report:#}");
    Ok(())
}
