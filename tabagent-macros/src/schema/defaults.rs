//! What serde puts where a field is absent, held to the field's own rules when the schema is built.
//!
//! A client that leaves out what the schema lets it leave out must not be refused for it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::serde::SerdeDefault;
use super::validate::{bound, check, pattern};
use super::{Body, Field, Schema, Shape};

/// The schema `__schema` as an expression, marked with its type and with the defaults that break a rule.
pub(crate) fn marked(schema: &Schema) -> TokenStream {
    let marked = quote! { __t::marked::<Self>(__schema) };
    if !schema.is_validated() {
        return marked;
    }
    let bodies: Vec<&Body> = match &schema.shape {
        Shape::Struct(body) => vec![body],
        Shape::Enum(variants) => variants.iter().map(|variant| &variant.body).collect(),
    };
    let whole = schema.serde.default.is_some();
    let fields = bodies
        .iter()
        .flat_map(|body| body.fields().iter().enumerate())
        .filter_map(|(index, field)| of_field(index, field, whole));
    let checks: Vec<TokenStream> = of_type(schema).into_iter().chain(fields).collect();
    if checks.is_empty() {
        return marked;
    }
    quote! {
        {
            let mut __broken = __t::garde::Report::new();
            let __report = &mut __broken;
            let __parent: &mut dyn ::core::ops::FnMut() -> __t::garde::Path = &mut __t::garde::Path::empty;
            #(#checks)*
            __t::with_broken_defaults(#marked, &__broken)
        }
    }
}

/// The default of one field, `whole` where the type has one too.
fn of_field(index: usize, field: &Field, whole: bool) -> Option<TokenStream> {
    // What is never read has always its default.
    let unread = (field.serde.unread && !whole).then_some(&SerdeDefault::Trait);
    let default = field.serde.default.as_ref().or(unread).filter(|_| !field.serde.skip)?;
    // An absent `Option` has no value that could break a rule.
    if matches!(default, SerdeDefault::Trait) && field.is_optional() {
        return None;
    }
    let (ty, bound, check) = (&field.ty, bound(index), check(index, field, field.serde.flatten));
    let value = value(default, &quote! { #ty });
    Some(quote! {
        if let ::core::option::Option::Some(__default) = #value {
            let #bound = &__default;
            #check
        }
    })
}

/// The default of a whole struct, as far as its fields have none of their own.
fn of_type(schema: &Schema) -> Option<TokenStream> {
    let (Some(default), Shape::Struct(body)) = (&schema.serde.default, &schema.shape) else { return None };
    let value = value(default, &quote! { Self });
    let pattern = pattern(body);
    let checks = body
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| !field.serde.skip && field.serde.default.is_none())
        .map(|(index, field)| check(index, field, field.serde.flatten));
    Some(quote! {
        if let ::core::option::Option::Some(__default) = #value {
            let Self #pattern = &__default;
            #(#checks)*
        }
    })
}

/// The default of a type as an `Option`: none where the type has none, which is serde's to report.
fn value(default: &SerdeDefault, ty: &TokenStream) -> TokenStream {
    match default {
        SerdeDefault::Trait => quote! { <__t::DefaultOf<#ty>>::value() },
        // At the fn's name, where serde reports one of another type.
        SerdeDefault::Path(path) => {
            quote_spanned! { path.span() =>
                {
                    let __default: #ty = #path();
                    ::core::option::Option::Some(__default)
                }
            }
        }
    }
}
