//! The log, on stderr: lines for people, or JSON objects that carry the request id and the route.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::config::{LogFilter, LogFormat};

/// Begins to log. Called once in a process.
///
/// # Errors
/// When the process logs already, or the filter is none.
pub fn begin(filter: &LogFilter, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(&filter.0).map_err(|error| format!("`log`: {error}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let begun = match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry.with(lines.with_ansi(colours)).try_init()
        }
        LogFormat::Json => {
            // The span of the request stands beside the event's own fields, under `span`.
            registry
                .with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false))
                .try_init()
        }
    };
    begun.map_err(|error| error.to_string())
}
