//! The `garde::Validate` impl: every rule of every field, and the rules of the types inside.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};

use super::rule::{Rule, RuleKind};
use super::{Body, Field, Schema, Shape};

/// The impls of a type that is validated.
pub(crate) fn expand(schema: &Schema) -> TokenStream {
    let ident = &schema.ident;
    let fields = match &schema.shape {
        Shape::Struct(body) => {
            let pattern = pattern(body);
            let checks = checks(body);
            quote! { let Self #pattern = self; #checks }
        }
        Shape::Enum(variants) if variants.is_empty() => quote! { match *self {} },
        Shape::Enum(variants) => {
            let arms = variants.iter().map(|variant| {
                let ident = &variant.ident;
                let (pattern, checks) = (pattern(&variant.body), checks(&variant.body));
                quote! { Self::#ident #pattern => { #checks } }
            });
            quote! { match self { #(#arms)* } }
        }
    };
    let custom = schema.rules.custom.iter().map(|check| {
        quote! { __t::rule_custom(#check(self), __parent, __report); }
    });
    quote! {
        #[automatically_derived]
        impl __t::garde::Validate for #ident {
            type Context = ();
            fn validate_into(
                &self,
                (): &(),
                __parent: &mut dyn ::core::ops::FnMut() -> __t::garde::Path,
                __report: &mut __t::garde::Report,
            ) {
                #fields
                #(#custom)*
            }
        }
    }
}

pub(super) fn bound(index: usize) -> syn::Ident {
    format_ident!("__f{index}")
}

/// `{ name: __f0, .. }` or `(__f0, ..)`.
pub(super) fn pattern(body: &Body) -> TokenStream {
    let names = body.fields().iter().enumerate().map(|(index, field)| {
        let bound = bound(index);
        field.ident.as_ref().map_or_else(|| quote! { #bound }, |name| quote! { #name: #bound })
    });
    match body {
        Body::Named(_) => quote! { { #(#names),* } },
        Body::Tuple(_) => quote! { ( #(#names),* ) },
        Body::Unit => TokenStream::new(),
    }
}

fn checks(body: &Body) -> TokenStream {
    // The one field of a newtype has its owner's place, as it has on the wire.
    let is_newtype = matches!(body, Body::Tuple(fields) if fields.len() == 1);
    body.fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| !field.serde.skip)
        .map(|(index, field)| check(index, field, is_newtype || field.serde.flatten))
        .collect()
}

/// The rules of one field, whose value is behind its bound name.
pub(super) fn check(index: usize, field: &Field, in_place: bool) -> TokenStream {
    let bound = bound(index);
    let ty = &field.ty;
    let name = &field.name;
    let join = if in_place {
        quote! { __parent() }
    } else if field.ident.is_none() {
        quote! { __parent().join(#index) }
    } else {
        quote! { __parent().join(#name) }
    };
    let natural = field
        .rules
        .schema_as
        .is_none()
        .then(|| quote! { <__t::FieldType<#ty>>::check(__value, __at, __report); });
    let inside = quote! {
        #natural
        <__t::Inside<#ty>>::validate(__value, __at, __report);
    };
    let (items, others): (Vec<&Rule>, Vec<&Rule>) = field.rules.rules.iter().partition(|rule| is_items(rule));
    let on_value = |rules: TokenStream, absent: TokenStream| {
        if rules.is_empty() || !field.is_optional() {
            rules
        } else {
            quote! { if let ::core::option::Option::Some(__value) = __value { #rules } #absent }
        }
    };
    let others = on_value(others.into_iter().map(apply).collect(), TokenStream::new());
    let body = if items.is_empty() {
        quote! { #others #inside }
    } else {
        let count = items.into_iter().map(count);
        let fits = on_value(quote! { #(#count)&&* }, quote! { else { true } });
        quote! { if #fits { #others #inside } }
    };
    quote! {
        {
            let __value = #bound;
            let __at: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut || #join;
            #body
        }
    }
}

fn is_items(rule: &Rule) -> bool {
    matches!(rule.kind, RuleKind::Items(_))
}

/// Whether a list on `__value` has as many elements as it may: an expression that also reports when it has not.
fn count(rule: &Rule) -> TokenStream {
    let value = rule.value();
    quote_spanned! { rule.span => __t::rule_items(__value, &#value, __at, __report) }
}

/// The rules of an element. Those of a list with too many elements do not visit them: a body of a million broken elements
/// costs no more than one that has too many.
fn apply_all(rules: &[Rule]) -> TokenStream {
    let (items, others): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| is_items(rule));
    let others = others.into_iter().map(apply);
    if items.is_empty() {
        return quote! { #(#others)* };
    }
    let count = items.into_iter().map(count);
    quote! { if #(#count)&&* { #(#others)* } }
}

/// The call of one rule on `__value`, spanned at the rule so that a rule of the wrong type says so there.
fn apply(rule: &Rule) -> TokenStream {
    let value = rule.value();
    let span = rule.span;
    match &rule.kind {
        RuleKind::NotEmpty => quote_spanned! { span => __t::rule_not_empty(__value, __at, __report); },
        RuleKind::Length(_) => quote_spanned! { span => __t::rule_length(__value, &#value, __at, __report); },
        RuleKind::Items(_) => {
            let count = count(rule);
            quote_spanned! { span => let _ = #count; }
        }
        RuleKind::Range(_) => quote_spanned! { span => __t::rule_range(__value, &#value, __at, __report); },
        RuleKind::OneOf(_) => quote_spanned! { span => __t::rule_one_of(__value, &#value, __at, __report); },
        RuleKind::Pattern(text) => quote_spanned! { span =>
            {
                static __PATTERN: __t::Pattern = __t::Pattern::new(#text);
                __t::rule_pattern(__value, &__PATTERN, __at, __report);
            }
        },
        RuleKind::Each(rules) => {
            let rules = apply_all(rules);
            quote_spanned! { span =>
                __t::rule_each(__value, __at, __report, &mut |__value, __at, __report| { #rules });
            }
        }
        RuleKind::Custom(path) => quote_spanned! { span =>
            __t::rule_custom(#path(__value), __at, __report);
        },
        // What is inside is validated for every field; saying it demands that there is something.
        RuleKind::Nested => quote_spanned! { span => __t::rule_nested(__value); },
        RuleKind::Any(_) => TokenStream::new(),
    }
}
