//! `handler-generic`: a route is one fn, so its signature names its types.

use syn::visit::Visit;
use syn::{Lifetime, Type, TypeImplTrait, TypeReference};

use super::Rule;
use crate::diagnostics::Sink;
use crate::route::model::Route;

pub(crate) const RULE: Rule = Rule { id: "handler-generic", check: Some(check), assertion: None };

fn check(route: &Route, sink: &mut Sink) {
    let generics = &route.handler.signature.generics;
    if !generics.params.is_empty() {
        let wrong = format!("the handler `{}` is generic, and a route is one fn", route.handler.plain_name());
        sink.report(
            RULE.id,
            &generics.params,
            wrong,
            "name the types; share the work in a generic fn that handlers call",
        );
    } else if let Some(clause) = &generics.where_clause {
        sink.report(RULE.id, clause, "a handler has no where-clause", "name the types in the signature");
    }
    let declared: Vec<_> = generics.lifetimes().map(|parameter| parameter.lifetime.clone()).collect();
    let mut finder = Finder { sink, declared };
    for argument in &route.handler.arguments {
        finder.visit_type(&argument.ty);
    }
    if let syn::ReturnType::Type(_, output) = &route.handler.signature.output
        && route.handler.signature.asyncness.is_some()
    {
        finder.visit_type(output);
    }
}

/// Finds what makes a written type stand for more than one type.
struct Finder<'a> {
    sink: &'a mut Sink,
    declared: Vec<Lifetime>,
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let wrong = "`impl Trait` hides the type, which the route needs by name";
        self.sink.report(RULE.id, ty, wrong, "write the type itself");
    }

    fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
        if ty.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static") {
            let wrong = "a handler borrows nothing: what it takes and gives lives as long as the request";
            self.sink.report(RULE.id, ty, wrong, "take the value itself, such as `String` for `&str`");
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" && !self.declared.contains(lifetime) {
            self.sink.report(RULE.id, lifetime, "a handler borrows nothing", "use a type that owns its data");
        }
    }

    fn visit_type(&mut self, ty: &'ast Type) {
        if matches!(ty, Type::Infer(_)) {
            self.sink.report(
                RULE.id,
                ty,
                "`_` hides the type, which the route needs by name",
                "write the type itself",
            );
        }
        syn::visit::visit_type(self, ty);
    }
}
