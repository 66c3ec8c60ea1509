//! The schema impls: `SchemaType` for fields of this type, utoipa's traits for whoever reads those, `PathFields`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::diagnostics::text;
use crate::route::signature::written;

use super::{Body, Field, Schema, Shape, Variant, defaults};

/// The impls.
pub(crate) fn expand(schema: &Schema) -> TokenStream {
    let ident = &schema.ident;
    let name = schema.name();
    let definition = definition(schema);
    let inner: Vec<_> = {
        let mut types: Vec<TokenStream> = Vec::new();
        for field in schema.all_fields().filter(|field| !field.serde.skip) {
            let ty = field.schema_type();
            let ty = quote! { #ty };
            if !types.iter().any(|known| known.to_string() == ty.to_string()) {
                types.push(ty);
            }
        }
        types
    };
    let rules = schema.all_fields().flat_map(|field| {
        field.rules.rules.iter().map(move |rule| {
            let (name, value) = (&field.name, rule.value());
            quote! { (#name, #value) }
        })
    });
    let path = schema.is_validated().then(|| path_fields(schema)).flatten();
    let known = known_types(schema);
    let text = in_text(schema);
    let marked = defaults::marked(schema);
    quote! {
        #known
        #[automatically_derived]
        impl __t::Ruled for #ident {
            const RULES: &'static [(&'static str, __t::ValidationRule)] = &[#(#rules),*];
        }
        #[automatically_derived]
        impl __t::SchemaType for #ident {
            #text
            fn usage() -> __t::serde_json::Value {
                __t::reference(#name)
            }
            fn collect(__list: &mut __t::SchemaList) {
                __t::collect_named::<Self>(__list);
            }
        }
        #[automatically_derived]
        impl __t::utoipa::PartialSchema for #ident {
            fn schema() -> __t::utoipa::openapi::RefOr<__t::utoipa::openapi::Schema> {
                let __schema = #definition;
                __t::opaque(#marked)
            }
        }
        #[automatically_derived]
        impl __t::utoipa::ToSchema for #ident {
            fn name() -> ::std::borrow::Cow<'static, str> {
                ::std::borrow::Cow::Borrowed(#name)
            }
            fn schemas(__list: &mut __t::SchemaList) {
                #(<__t::FieldType<#inner>>::collect(__list);)*
            }
        }
        #path
    }
}

/// Whether a value of the type stands in one piece of text, and which of its fields do.
fn in_text(schema: &Schema) -> TokenStream {
    let field_type = |field: &Field| {
        let ty = field.schema_type();
        quote! { <__t::FieldType<#ty>>::IN_TEXT }
    };
    let whole = match &schema.shape {
        Shape::Struct(Body::Tuple(fields)) if fields.len() == 1 => field_type(&fields[0]),
        Shape::Struct(_) => quote! { false },
        Shape::Enum(_) if schema.serde.untagged => quote! { true },
        Shape::Enum(variants) => {
            let any = schema.serde.tag.is_none()
                && variants.iter().any(|variant| matches!(variant.body, Body::Unit) && !variant.skipped);
            quote! { #any }
        }
    };
    let fields = match &schema.shape {
        Shape::Struct(Body::Named(fields)) => {
            let fields = fields.iter().filter(|field| field.is_read()).map(|field| {
                let name = &field.name;
                // serde keeps the text of flattened fields for later, when it can no longer become a number.
                let fits = if field.serde.flatten {
                    quote! { false }
                } else {
                    field_type(field)
                };
                quote! { (#name, #fits) }
            });
            quote! { __t::TextFields::Named(&[#(#fields),*]) }
        }
        _ if reads_one_value(schema) => {
            quote! { if Self::IN_TEXT { __t::TextFields::Whole } else { __t::TextFields::None } }
        }
        _ => quote! { __t::TextFields::None },
    };
    quote! {
        const IN_TEXT: bool = #whole;
        const FIELDS: __t::TextFields = #fields;
    }
}

/// A const check for each field that its type has a schema.
fn known_types(schema: &Schema) -> TokenStream {
    let fields = schema.all_fields().filter(|field| !field.serde.skip);
    fields
        .map(|field| {
            let ty = field.schema_type();
            let wrong = format!("`{}` has no schema", written(ty));
            let help = "derive `tabagent_api::Schema` for it, or say what it is on the wire: `#[rule(schema_as(String))]`";
            let sentence = text("schema-type-unknown", &wrong, help);
            quote_spanned! { ty.span() =>
                const _: () = if !<__t::FieldType<#ty>>::IS_KNOWN { ::core::panic!("{}", #sentence) };
            }
        })
        .collect()
}

/// Whether a path parameter may be read into the type as a whole: an enum of names, or a struct of one value.
fn reads_one_value(schema: &Schema) -> bool {
    match &schema.shape {
        Shape::Struct(body) => matches!(body, Body::Tuple(fields) if fields.len() == 1),
        Shape::Enum(variants) => {
            schema.serde.tag.is_none()
                && !schema.serde.untagged
                && variants.iter().all(|variant| matches!(variant.body, Body::Unit))
        }
    }
}

/// How a path is read into the type, as a `PathShape`, where it can be.
pub(crate) fn path_shape(schema: &Schema) -> Option<TokenStream> {
    match &schema.shape {
        Shape::Struct(Body::Named(fields)) => {
            let names = fields.iter().filter(|field| field.is_read()).map(|field| &field.name);
            Some(quote! { __t::PathShape::Named(&[#(#names),*]) })
        }
        _ => reads_one_value(schema).then(|| quote! { __t::PathShape::Scalar }),
    }
}

fn path_fields(schema: &Schema) -> Option<TokenStream> {
    let shape = path_shape(schema)?;
    let ident = &schema.ident;
    let schemas = match &schema.shape {
        Shape::Struct(body @ Body::Named(_)) => {
            let fields = body.fields().iter().filter(|field| field.is_read()).map(|field| {
                let (name, usage) = (&field.name, usage(field));
                let description = &field.description;
                quote! { (::core::option::Option::Some(#name), __t::described(#usage, #description)) }
            });
            quote! { #(#fields),* }
        }
        _ => quote! {
            (::core::option::Option::None, __t::openapi::schema_value(<Self as __t::utoipa::PartialSchema>::schema()))
        },
    };
    Some(quote! {
        #[automatically_derived]
        impl __t::PathFields for #ident {
            const SHAPE: __t::PathShape = #shape;
            fn schemas() -> ::std::vec::Vec<(::core::option::Option<&'static str>, __t::serde_json::Value)> {
                ::std::vec![#schemas]
            }
            fn collect(__list: &mut __t::SchemaList) {
                <Self as __t::utoipa::ToSchema>::schemas(__list);
            }
            fn check(&self) -> ::std::vec::Vec<__t::FieldError> {
                __t::broken_rules(self)
            }
        }
    })
}

/// The schema of a field, its rules included.
fn usage(field: &Field) -> TokenStream {
    let ty = field.schema_type();
    let rules = field.rules.rules.iter().map(super::rule::Rule::value);
    let examples = &field.rules.examples;
    let ruled = quote! { __t::ruled(<__t::FieldType<#ty>>::usage(), &[#(#rules),*]) };
    if examples.is_empty() {
        ruled
    } else {
        quote! { __t::with_examples(#ruled, ::std::vec![#(__t::serde_json::json!(#examples)),*]) }
    }
}

fn definition(schema: &Schema) -> TokenStream {
    let description = &schema.description;
    let body = match &schema.shape {
        Shape::Struct(body) => body_schema(
            body,
            schema.serde.deny_unknown_fields,
            schema.serde.default.is_some(),
            &TokenStream::new(),
        ),
        Shape::Enum(variants) => enum_schema(schema, variants),
    };
    quote! { __t::described(#body, #description) }
}

/// The schema of a struct's or variant's fields; `more` are further calls on the object's builder.
fn body_schema(body: &Body, closed: bool, all_default: bool, more: &TokenStream) -> TokenStream {
    match body {
        Body::Named(fields) => {
            let fields = fields.iter().filter(|field| !field.serde.skip).map(|field| {
                let usage = usage(field);
                if field.serde.flatten {
                    return quote! { __object.flatten(#usage); };
                }
                let name = &field.name;
                let required = !(all_default || field.may_be_absent());
                let description = &field.description;
                let aliases = &field.serde.aliases;
                let deprecated = field.deprecated;
                quote! {
                    __object.field(#name, &[#(#aliases),*], #required, #deprecated, __t::described(#usage, #description));
                }
            });
            quote! {
                {
                    let mut __object = __t::ObjectSchema::new(#closed);
                    #more
                    #(#fields)*
                    __object.finish()
                }
            }
        }
        Body::Tuple(fields) => match fields.as_slice() {
            [field] => usage(field),
            fields => {
                let items = fields.iter().map(usage);
                quote! { __t::tuple_schema(::std::vec![#(#items),*]) }
            }
        },
        Body::Unit => quote! { __t::null_schema() },
    }
}

fn enum_schema(schema: &Schema, variants: &[Variant]) -> TokenStream {
    let serde = &schema.serde;
    let variants: Vec<&Variant> = variants.iter().filter(|variant| !variant.skipped).collect();
    let only_names = variants.iter().all(|variant| matches!(variant.body, Body::Unit));
    if only_names && serde.tag.is_none() && !serde.untagged {
        let names = variants
            .iter()
            .map(|variant| (&variant.name, &variant.description))
            .map(|(name, description)| quote! { (#name, #description) });
        return quote! { __t::names_schema(&[#(#names),*]) };
    }
    let schemas = variants.iter().map(|variant| {
        let description = &variant.description;
        let body = variant_schema(schema, variant);
        quote! { __t::described(#body, #description) }
    });
    let keyword = if serde.untagged { "anyOf" } else { "oneOf" };
    quote! { __t::choice_schema(#keyword, ::std::vec![#(#schemas),*]) }
}

fn variant_schema(schema: &Schema, variant: &Variant) -> TokenStream {
    let serde = &schema.serde;
    let name = &variant.name;
    let closed = serde.deny_unknown_fields;
    let plain = |closed: bool| body_schema(&variant.body, closed, false, &TokenStream::new());
    match (&serde.tag, &serde.content) {
        _ if serde.untagged => plain(closed),
        (None, _) => match &variant.body {
            Body::Unit => quote! { __t::names_schema(&[(#name, "")]) },
            _ => {
                let inner = plain(closed);
                quote! { __t::keyed_schema(#name, #inner) }
            }
        },
        (Some(tag), Some(content)) => {
            let inner = match &variant.body {
                Body::Unit => quote! { ::core::option::Option::None },
                _ => {
                    let inner = plain(closed);
                    quote! { ::core::option::Option::Some(#inner) }
                }
            };
            quote! { __t::adjacent_schema(#tag, #name, #content, #inner, #closed) }
        }
        (Some(tag), None) => {
            let tag = quote! { __object.field(#tag, &[], true, false, __t::names_schema(&[(#name, "")])); };
            match &variant.body {
                Body::Named(_) => body_schema(&variant.body, closed, false, &tag),
                Body::Tuple(fields) => {
                    let inner = fields.iter().map(usage);
                    quote! {
                        {
                            let mut __object = __t::ObjectSchema::new(false);
                            #tag
                            #(__object.flatten(#inner);)*
                            __object.finish()
                        }
                    }
                }
                Body::Unit => quote! {
                    {
                        let mut __object = __t::ObjectSchema::new(#closed);
                        #tag
                        __object.finish()
                    }
                },
            }
        }
    }
}
