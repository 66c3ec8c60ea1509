//! The model of a route: what was written, parsed and not yet judged.

use proc_macro2::Span;
use syn::{Expr, Ident, LitStr, Path};

use super::cases::{Case, Waiver};
use super::path::RoutePath;
use super::signature::Handler;

/// A route: its attribute and its fn.
pub(crate) struct Route {
    pub(crate) attribute: RouteAttribute,
    pub(crate) handler: Handler,
}

/// What stands in `#[route(..)]`. A key that was not given, or could not be read, is `None`.
#[derive(Default)]
pub(crate) struct RouteAttribute {
    pub(crate) method: Option<(Method, Ident)>,
    pub(crate) path: Option<RoutePath>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) tag: Option<LitStr>,
    pub(crate) status: Option<Status>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) body_bytes: Option<usize>,
    pub(crate) public: bool,
    pub(crate) stream: bool,
    pub(crate) deprecated: bool,
    pub(crate) operation_id: Option<LitStr>,
    /// Whether `tests` was given at all, readable or not.
    pub(crate) has_tests: bool,
    pub(crate) cases: Vec<Case>,
    pub(crate) waivers: Vec<Waiver>,
    /// The facade through which the framework is reached, if not `::tabagent_api`.
    pub(crate) facade: Option<Path>,
}

/// A status and where it was written.
#[derive(Clone, Copy)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) span: Span,
}

/// Another path for the same handler.
pub(crate) struct Alias {
    pub(crate) path: RoutePath,
    pub(crate) deprecated: bool,
}

/// The methods that a route can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub(crate) const NAMES: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

    /// The method of this name, in capitals.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    /// Name in a request line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Name of the variant in the framework.
    pub(crate) fn variant(self) -> &'static str {
        match self {
            Self::Get => "Get",
            Self::Post => "Post",
            Self::Put => "Put",
            Self::Patch => "Patch",
            Self::Delete => "Delete",
        }
    }

    /// Whether requests of this method have a body.
    pub(crate) fn has_body(self) -> bool {
        !matches!(self, Self::Get | Self::Delete)
    }
}

/// How a successful response is checked.
pub(crate) enum Check {
    /// No check: the response has no body.
    None,
    /// A closure, or any other expression.
    Expression(Expr),
    /// A fn by its path.
    Function(Path),
}
