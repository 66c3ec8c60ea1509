//! `#[derive(Schema)]`: validation and JSON Schema of a type from one statement, `#[rule(..)]` on its fields.

mod bounds;
mod defaults;
mod describe;
mod judge;
mod pattern;
mod rule;
mod serde;
mod validate;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::{Data, DataEnum, DeriveInput, Fields, Ident, Type};

use crate::diagnostics::Sink;
use crate::route::signature::{description, generic_of};
use rule::{ContainerRules, FieldRules};
use serde::{SerdeContainer, SerdeField};

/// The type.
pub(crate) struct Schema {
    pub(crate) ident: Ident,
    pub(crate) rules: ContainerRules,
    pub(crate) serde: SerdeContainer,
    pub(crate) description: TokenStream,
    pub(crate) shape: Shape,
}

/// What the type is made of.
pub(crate) enum Shape {
    Struct(Body),
    Enum(Vec<Variant>),
}

/// A variant of an enum.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) description: TokenStream,
    pub(crate) body: Body,
    pub(crate) skipped: bool,
}

/// The fields of a struct or a variant.
pub(crate) enum Body {
    Named(Vec<Field>),
    Tuple(Vec<Field>),
    Unit,
}

impl Body {
    pub(crate) fn fields(&self) -> &[Field] {
        match self {
            Self::Named(fields) | Self::Tuple(fields) => fields,
            Self::Unit => &[],
        }
    }
}

/// A field.
pub(crate) struct Field {
    pub(crate) ident: Option<Ident>,
    /// Its name on the wire, or its index.
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) rules: FieldRules,
    pub(crate) serde: SerdeField,
    pub(crate) description: TokenStream,
    pub(crate) deprecated: bool,
}

impl Field {
    /// The type whose schema this field has.
    pub(crate) fn schema_type(&self) -> &Type {
        self.rules.schema_as.as_ref().unwrap_or(&self.ty)
    }

    /// Whether the value may be absent.
    pub(crate) fn is_optional(&self) -> bool {
        generic_of(&self.ty, "Option").is_some()
    }

    /// Whether serde reads the type without the field, where the type has no default of its own.
    pub(crate) fn may_be_absent(&self) -> bool {
        self.serde.default.is_some() || self.serde.unread || (self.is_optional() && !self.serde.read_by_fn)
    }

    /// Whether requests have the field.
    pub(crate) fn is_read(&self) -> bool {
        !self.serde.skip && !self.serde.unread
    }

    /// The token to point at.
    fn token(&self) -> TokenStream {
        self.ident.as_ref().map_or_else(|| self.ty.to_token_stream(), ToTokens::to_token_stream)
    }
}

impl Schema {
    /// The fields of all variants.
    fn all_fields(&self) -> Box<dyn Iterator<Item = &Field> + '_> {
        match &self.shape {
            Shape::Struct(body) => Box::new(body.fields().iter()),
            Shape::Enum(variants) => Box::new(variants.iter().flat_map(|variant| variant.body.fields())),
        }
    }

    /// Whether the type states rules, says that it has none, or cannot have any.
    pub(crate) fn is_validated(&self) -> bool {
        let names_only = matches!(
            &self.shape,
            Shape::Enum(variants) if variants.iter().all(|variant| matches!(variant.body, Body::Unit))
        );
        names_only
            || self.rules.none.is_some()
            || !self.rules.custom.is_empty()
            || self.all_fields().any(|field| field.rules.is_stated())
    }

    /// The name in the document.
    pub(crate) fn name(&self) -> String {
        self.rules.name.as_ref().map_or_else(|| self.ident.unraw().to_string(), syn::LitStr::value)
    }
}

/// The expansion: the impls, or every error beside impls that keep later code quiet.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut sink = Sink::default();
    let Some(schema) = read(&input, &mut sink) else {
        return sink.into_compile_errors();
    };
    judge::judge(&schema, &mut sink);
    if !sink.is_empty() {
        return with_fallback(&schema, sink);
    }
    let facade = facade(&schema);
    let described = describe::expand(&schema);
    let bounded = bounds::assertions(&schema);
    let validated = schema.is_validated().then(|| validate::expand(&schema));
    quote! {
        #[allow(unused_variables, clippy::all, clippy::pedantic)]
        const _: () = {
            use #facade::__private as __t;
            use __t::{UnlessDefault as _, UnlessSchemaType as _, UnlessValidated as _};
            #bounded
            #described
            #validated
        };
    }
}

fn facade(schema: &Schema) -> TokenStream {
    schema.rules.facade.as_ref().map_or_else(|| quote! { ::tabagent_api }, ToTokens::to_token_stream)
}

fn read(input: &DeriveInput, sink: &mut Sink) -> Option<Schema> {
    let help = "a schema has one name in the document: write the type for each use, or a type alias of a concrete one";
    if !input.generics.params.is_empty() {
        sink.report("schema-unsupported", &input.generics, "a generic type has no schema of its own", help);
        return None;
    }
    let serde = serde::container(&input.attrs);
    let rules = rule::container(&input.attrs, sink);
    let shape = match &input.data {
        Data::Struct(data) => Shape::Struct(body(&data.fields, serde.rename_all.both(), sink)),
        Data::Enum(data) => Shape::Enum(variants(data, &serde, sink)),
        Data::Union(_) => {
            sink.report(
                "schema-unsupported",
                &input.ident,
                "a union has no schema",
                "write a struct or an enum",
            );
            return None;
        }
    };
    let description = description(&input.attrs);
    Some(Schema { ident: input.ident.clone(), rules, serde, description, shape })
}

fn variants(data: &DataEnum, serde: &SerdeContainer, sink: &mut Sink) -> Vec<Variant> {
    data.variants
        .iter()
        .map(|variant| {
            let own = serde::variant(&variant.attrs, sink);
            let rename_fields = own.rename_all.or(&serde.rename_all_fields);
            let plain = variant.ident.unraw().to_string();
            let names = own.rename.names(&plain, serde.rename_all.both(), serde::rename_variant);
            Variant {
                ident: variant.ident.clone(),
                name: one_name(names, own.skip, &variant.ident, sink),
                description: description(&variant.attrs),
                body: body(&variant.fields, rename_fields, sink),
                skipped: own.skip,
            }
        })
        .collect()
}

/// The name on the wire. One schema describes what is read and what is written, so both have it.
fn one_name([written, read]: [String; 2], skipped: bool, at: impl ToTokens, sink: &mut Sink) -> String {
    if written != read && !skipped {
        let wrong =
            format!("serde writes this as `{written}` and reads it as `{read}`, and a schema has one name");
        let help = "write `#[serde(rename = \"..\")]`, or `rename_all`, for both; \
                    `alias` adds a name under which it is read too";
        sink.report("schema-unsupported", at, wrong, help);
    }
    read
}

fn body(fields: &Fields, rename_all: [Option<&str>; 2], sink: &mut Sink) -> Body {
    let read = |sink: &mut Sink| {
        fields
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let serde = serde::field(&field.attrs);
                let plain =
                    field.ident.as_ref().map_or_else(|| index.to_string(), |ident| ident.unraw().to_string());
                // The fields of a tuple have no names.
                let name = match &field.ident {
                    Some(ident) => {
                        let names = serde.rename.names(&plain, rename_all, serde::rename_field);
                        one_name(names, serde.skip || serde.flatten, ident, sink)
                    }
                    None => plain,
                };
                Field {
                    ident: field.ident.clone(),
                    name,
                    ty: field.ty.clone(),
                    rules: rule::field(&field.attrs, sink),
                    serde,
                    description: description(&field.attrs),
                    deprecated: field.attrs.iter().any(|attribute| attribute.path().is_ident("deprecated")),
                }
            })
            .collect()
    };
    match fields {
        Fields::Named(_) => Body::Named(read(sink)),
        Fields::Unnamed(_) => Body::Tuple(read(sink)),
        Fields::Unit => Body::Unit,
    }
}

/// The errors, and impls all the same: routes that use the type are not told that it has no schema.
fn with_fallback(schema: &Schema, sink: Sink) -> TokenStream {
    let errors = sink.into_compile_errors();
    let facade = facade(schema);
    let ident = &schema.ident;
    let path = describe::path_shape(schema).map(|shape| {
        quote! {
            #[automatically_derived]
            impl __t::PathFields for #ident {
                const SHAPE: __t::PathShape = #shape;
                fn schemas() -> ::std::vec::Vec<(::core::option::Option<&'static str>, __t::serde_json::Value)> {
                    ::std::vec::Vec::new()
                }
            }
        }
    });
    quote! {
        #errors
        const _: () = {
            use #facade::__private as __t;
            #[automatically_derived]
            impl __t::SchemaType for #ident {
                fn usage() -> __t::serde_json::Value { __t::serde_json::Value::Bool(true) }
            }
            #[automatically_derived]
            impl __t::utoipa::PartialSchema for #ident {
                fn schema() -> __t::utoipa::openapi::RefOr<__t::utoipa::openapi::Schema> {
                    __t::opaque(__t::serde_json::Value::Bool(true))
                }
            }
            #[automatically_derived]
            impl __t::utoipa::ToSchema for #ident {}
            #[automatically_derived]
            impl __t::garde::Validate for #ident {
                type Context = ();
                fn validate_into(
                    &self,
                    _: &(),
                    _: &mut dyn ::core::ops::FnMut() -> __t::garde::Path,
                    _: &mut __t::garde::Report,
                ) {}
            }
            #path
        };
    }
}
