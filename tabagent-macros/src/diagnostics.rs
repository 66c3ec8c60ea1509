//! Errors: collected over a whole route, each with the id of its rule first and the way out last.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Where a macro's errors gather; they are all shown at once.
#[derive(Default)]
pub(crate) struct Sink {
    errors: Option<syn::Error>,
    count: usize,
}

impl Sink {
    /// Reports that `tokens` break the rule `id`: what is wrong, and how to mend it (may be empty).
    pub(crate) fn report(
        &mut self,
        id: &str,
        tokens: impl ToTokens,
        wrong: impl AsRef<str>,
        help: impl AsRef<str>,
    ) {
        self.push(syn::Error::new_spanned(tokens, text(id, wrong.as_ref(), help.as_ref())));
    }

    /// The same at a span, for what has no token of its own.
    pub(crate) fn report_at(&mut self, id: &str, span: Span, wrong: impl AsRef<str>, help: impl AsRef<str>) {
        self.push(syn::Error::new(span, text(id, wrong.as_ref(), help.as_ref())));
    }

    /// Adds an error that has its text already.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.count += 1;
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    /// How many errors there are, to see whether a step added one.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// `compile_error!` for each error.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.errors.map(syn::Error::into_compile_error).unwrap_or_default()
    }
}

/// The text of an error: `[route::id] what is wrong`, then the way out on lines of their own.
pub(crate) fn text(id: &str, wrong: &str, help: &str) -> String {
    let label = label(id);
    if help.is_empty() { format!("[{label}] {wrong}") } else { format!("[{label}] {wrong}\n  help: {help}") }
}

/// A rule's id as messages show it: the derives' rules carry the derive in their id, the others are the route's.
fn label(id: &str) -> String {
    if id.starts_with("problem-") && !matches!(id, "problem-untested" | "problem-case-missing")
        || id.starts_with("schema-")
    {
        id.to_owned()
    } else {
        format!("route::{id}")
    }
}

/// Prints an expansion to stderr when `TABAGENT_MACROS_DEBUG=1`, and passes it on.
#[allow(clippy::print_stderr, reason = "the switch exists to print; a compiler's stderr is where it is read")]
pub(crate) fn shown(name: &str, expansion: TokenStream) -> TokenStream {
    if std::env::var_os("TABAGENT_MACROS_DEBUG").is_some_and(|value| value == "1") {
        eprintln!("// expansion of {name}\n{expansion}\n");
    }
    expansion
}
