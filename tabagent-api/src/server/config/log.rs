//! Values of the log's settings: what is logged, and how.

use tracing_subscriber::filter::{Directive, LevelFilter};

use super::sources::closest;
use super::value::Scalar;

/// Names of levels.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
/// Targets of the server's own log; each covers what lies below it.
const TARGETS: &[&str] = &["tabagent", "tabagent_api", "tabagent_runtime", "onnxruntime"];

/// What is logged, in the grammar of `tracing_subscriber::EnvFilter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(pub String);

impl Scalar for LogFilter {
    fn parse(text: &str) -> Result<Self, String> {
        let directives: Vec<&str> =
            text.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
        match directives.iter().find(|directive| !says_something(directive)) {
            Some(wrong) => Err(refusal(wrong)),
            None if directives.is_empty() => Err(refusal(text)),
            None => Ok(Self(directives.join(","))),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// Whether a directive is a level, `target=level`, or a target that there is.
///
/// `EnvFilter` takes any other word for a target as well. Nothing logs under a misspelt level, and a filter that names
/// one target switches off the others: the log would be empty, and nobody would know why.
fn says_something(directive: &str) -> bool {
    // The empty text is a level to the parser.
    let is_level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    let is_target = |known: &&str| {
        directive.strip_prefix(known).is_some_and(|below| below.is_empty() || below.starts_with("::"))
    };
    match directive.rsplit_once('=') {
        // A span or its fields, `target[span{field=value}]`, with a level or without.
        _ if directive.contains('[') => directive.parse::<Directive>().is_ok(),
        None => is_level(directive) || TARGETS.iter().any(is_target),
        Some((target, level)) => {
            !target.contains(char::is_whitespace) && is_level(level) && directive.parse::<Directive>().is_ok()
        }
    }
}

fn refusal(directive: &str) -> String {
    let meant = closest(directive, [LEVELS, TARGETS].concat()).filter(|_| !directive.contains('='));
    let help = meant.map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
    format!(
        "`{directive}` is neither a level nor target=level{help}; give error, warn, info, debug or trace, or a list \
         such as info,tabagent_runtime=debug"
    )
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Scalar for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is neither text nor json")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}
