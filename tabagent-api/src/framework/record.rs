//! The record that `#[route]` registers: all that is known of a route, built at compile time.

use std::fmt;

use axum::routing::{MethodFilter, MethodRouter};

use super::case::TestCase;
use super::component::{AppState, ComponentRequirement};
use super::openapi::OperationBuilder;
use super::problem::ProblemVariant;

/// The method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Read; no body, no side effect.
    Get,
    /// Create, compute or act.
    Post,
    /// Replace.
    Put,
    /// Change a part.
    Patch,
    /// Remove; no body.
    Delete,
}

impl Method {
    /// The name as it stands in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Another path for the same handler.
#[derive(Debug, Clone, Copy)]
pub struct RouteAlias {
    /// The path, in the grammar of [`RouteMetadata::path`].
    pub path: &'static str,
    /// Whether the document marks the alias as deprecated.
    pub deprecated: bool,
}

/// Who may call a route once the operator has set an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Whoever holds the key. The default.
    Key,
    /// Everyone.
    Public,
}

/// Limits of one route that differ from those of the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteLimits {
    /// Time from the request's head to the head of its response, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Longest request body, in bytes.
    pub body_bytes: Option<usize>,
}

/// Where a route stands in its author's source.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Path of the module; its first segment is the crate.
    pub module: &'static str,
    /// File, as the compiler names it.
    pub file: &'static str,
    /// Line of the attribute.
    pub line: u32,
}

impl Source {
    /// The crate that registered the route.
    pub fn crate_name(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.module)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Makes the axum handler of a route.
pub type RouteHandler = fn() -> MethodRouter<AppState>;

/// A registered route.
#[derive(Debug)]
pub struct RouteMetadata {
    /// The method.
    pub method: Method,
    /// The path, in axum 0.8's grammar: `/v1/models/{*model_id}`.
    pub path: &'static str,
    /// Further paths of the same handler.
    pub aliases: &'static [RouteAlias],
    /// Id of the operation, unique in the document.
    pub operation_id: &'static str,
    /// First line of the doc comment.
    pub summary: &'static str,
    /// The rest of the doc comment.
    pub description: &'static str,
    /// Group in the document.
    pub tag: &'static str,
    /// Whether clients should stop using it.
    pub deprecated: bool,
    /// Status of its success.
    pub status: u16,
    /// Whether it can answer with server-sent events.
    pub stream: bool,
    /// Who may call it.
    pub auth: Auth,
    /// Its own limits.
    pub limits: RouteLimits,
    /// Where it is written.
    pub source: Source,
    /// Adds parameters, body and responses to the route's operation.
    pub describe: fn(&mut OperationBuilder),
    /// Lists the components that it reads.
    pub components: fn(&mut Vec<ComponentRequirement>),
    /// Makes its handler.
    pub handler: RouteHandler,
    /// Its test cases; never empty.
    pub cases: &'static [TestCase],
    /// All problems of its error type.
    pub problems: &'static [ProblemVariant],
    /// Variants of its error type that no case exercises, each with the reason.
    pub waived: &'static [(&'static str, &'static str)],
}

impl RouteMetadata {
    /// The path and all aliases.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.path).chain(self.aliases.iter().map(|alias| alias.path))
    }
}

impl fmt::Display for RouteMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

inventory::collect!(RouteMetadata);
