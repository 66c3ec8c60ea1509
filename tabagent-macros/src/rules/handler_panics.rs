//! `handler-panics`: a handler answers every request; what goes wrong is a problem, not a panic.

use proc_macro2::Span;
use syn::visit::Visit;
use syn::{Attribute, ExprMethodCall, ExprPath, Item, Macro, Stmt};

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;
use crate::route::signature::parses_as;

pub(crate) const RULE: Rule = Rule { id: "handler-panics", check: Some(check), assertion: None };

const METHODS: [&str; 4] = ["unwrap", "expect", "unwrap_err", "expect_err"];
const MACROS: [&str; 10] = [
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
];

fn check(route: &Route, sink: &mut Sink) {
    // A body that is half typed does not parse; the compiler says so, and says it better.
    let Some(body) = parses_as::<Body>(&route.handler.body) else { return };
    let mut finder = Finder { sink };
    for statement in &body.0 {
        finder.visit_stmt(statement);
    }
}

struct Body(Vec<Stmt>);

impl syn::parse::Parse for Body {
    fn parse(input: syn::parse::ParseStream<'_>) -> syn::Result<Self> {
        syn::Block::parse_within(input).map(Self)
    }
}

struct Finder<'a> {
    sink: &'a mut Sink,
}

impl Finder<'_> {
    fn report(&mut self, span: Span, what: &str) {
        let help = "return a problem with `?`, such as `.ok_or(MyError::Missing)?`";
        self.sink.report_at(
            RULE.id,
            span,
            format!("`{what}` panics, and a handler answers every request"),
            help,
        );
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        // `expect` and `unwrap` of a Result or Option; a builder's `expect(a, b)` is something else.
        let arguments = call.args.len();
        if let Some(name) = METHODS.iter().find(|name| call.method == **name)
            && arguments == usize::from(name.starts_with("expect"))
        {
            self.report(call.method.span(), &format!(".{name}()"));
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        // `.map(Option::unwrap)`.
        let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [.., ty, method] = names.as_slice()
            && (ty == "Option" || ty == "Result")
            && METHODS.contains(&method.as_str())
            && let Some(last) = path.path.segments.last()
        {
            self.report(last.ident.span(), &format!("{ty}::{method}"));
        }
        syn::visit::visit_expr_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if let Some(last) = call.path.segments.last()
            && let Some(name) = MACROS.iter().find(|name| last.ident == **name)
        {
            self.report(last.ident.span(), &format!("{name}!"));
        }
        // The arguments of macros that take expressions, such as `vec!`, `format!` and `join!`.
        if let Ok(arguments) =
            call.parse_body_with(syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated)
        {
            for argument in &arguments {
                self.visit_expr(argument);
            }
        }
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return syn::visit::visit_item(self, item),
        };
        if !attributes.iter().any(is_test) {
            syn::visit::visit_item(self, item);
        }
    }
}

/// `#[cfg(test)]` or `#[test]`.
fn is_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("test")
        || (attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test"))
}
