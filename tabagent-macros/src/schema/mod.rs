//! `#[derive(Schema)]`: validation and JSON Schema of a type from one statement, `#[rule(..)]` on its fields.

mod bounds;
mod defaults;
mod describe;
mod rule;
mod serde;
mod validate;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::{Data, DataEnum, DeriveInput, Fields, Ident, Type};

use crate::diagnostics::Sink;
use crate::route::signature::{description, generic_of, last_ident, written};
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
    judge(&schema, &mut sink);
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
            let own = serde::variant(&variant.attrs);
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

/// What serde may be told and a schema cannot say.
fn sayable(schema: &Schema, sink: &mut Sink) {
    let closed = schema.serde.deny_unknown_fields;
    for field in schema.all_fields().filter(|field| !field.serde.skip) {
        let name = &field.name;
        if field.serde.unread && closed {
            let wrong = format!(
                "the schema would offer `{name}`, and serde refuses it: `skip_deserializing` makes it a field that \
                 `deny_unknown_fields` does not know"
            );
            let help = "write a type for the request without the field, or remove one of the two";
            sink.report("schema-unsupported", field.token(), wrong, help);
        }
        if field.serde.omitted && !field.may_be_absent() && schema.serde.default.is_none() {
            let wrong =
                format!("serde may leave `{name}` out when it writes, and refuses to read without it");
            let help = "add `default` beside it: `#[serde(default, skip_serializing_if = \"..\")]`";
            sink.report("schema-unsupported", field.token(), wrong, help);
        }
    }
}

/// The rules about rules.
fn judge(schema: &Schema, sink: &mut Sink) {
    sayable(schema, sink);
    if let Some(none) = &schema.rules.none
        && let Some(field) = schema.all_fields().find(|field| field.rules.is_stated())
    {
        let wrong = format!("`none` says that no value can be wrong, and `{}` has rules", field.name);
        sink.report("schema-rule-unknown", none, wrong, "remove one of them");
        return;
    }
    for field in schema.all_fields() {
        fits(&field.ty, &field.rules.rules, sink);
    }
    if schema.rules.none.is_some() || !schema.is_validated() {
        return;
    }
    for field in schema.all_fields().filter(|field| !field.serde.skip && !field.rules.is_stated()) {
        if let Some(kind) = unbounded(&field.ty) {
            let wrong =
                format!("`{}` is {kind} of any size, and the type states rules for other fields", field.name);
            let help = match kind {
                "a string" => {
                    "add `#[rule(length(max = 200))]`, or `#[rule(any(\"why every size is right\"))]`"
                }
                _ => "add `#[rule(items(max = 100))]`, or `#[rule(any(\"why every size is right\"))]`",
            };
            sink.report("schema-field-unbounded", field.token(), wrong, help);
        }
    }
}

/// Rules of another kind of value than the type is, where its name says what it is; traits say it of the others.
fn fits(ty: &Type, rules: &[rule::Rule], sink: &mut Sink) {
    use rule::RuleKind;
    for wrapper in ["Option", "Box"] {
        if let Some(inner) = generic_of(ty, wrapper) {
            return fits(&inner[0], rules, sink);
        }
    }
    let name = last_ident(ty).map(ToString::to_string).unwrap_or_default();
    let kind = match name.as_str() {
        "String" => "text",
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" | "HashMap" | "BTreeMap" => "a list",
        "bool" | "char" => "neither text, nor a list, nor a number",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" | "f32" | "f64" => {
            "a number"
        }
        _ => return,
    };
    for rule in rules {
        let (word, of) = match &rule.kind {
            RuleKind::Length(_) => ("length", "text"),
            RuleKind::Pattern(_) => ("pattern", "text"),
            RuleKind::OneOf(_) => ("one_of", "text"),
            RuleKind::Items(_) => ("items", "a list"),
            RuleKind::Each(_) => ("each", "a list"),
            RuleKind::Range(_) => ("range", "a number"),
            RuleKind::NotEmpty if kind == "text" || kind == "a list" => continue,
            RuleKind::NotEmpty => ("not_empty", "text or a list"),
            RuleKind::Nested => ("nested", "a type that has rules of its own"),
            RuleKind::Custom(_) | RuleKind::Any(_) => continue,
        };
        if of == kind {
            if let (RuleKind::Each(inner), Some(types)) = (&rule.kind, generic_of(ty, &name))
                && let Some(element) = types.last()
            {
                fits(element, inner, sink);
            }
            continue;
        }
        // The elements of a list may have rules, which are applied to every field.
        if matches!(rule.kind, RuleKind::Nested) && kind == "a list" {
            continue;
        }
        let wrong = format!("`{word}` is a rule of {of}, and `{}` is {kind}", written(ty));
        let help = match kind {
            "text" => "text has `not_empty`, `length`, `pattern` and `one_of`",
            "a list" => "a list has `not_empty`, `items` and, for its elements, `each(..)`",
            "a number" => "a number has `range`",
            _ => "remove it, or check the value with `custom(path)`",
        };
        sink.report_at("schema-rule-mismatch", rule.span, wrong, help);
    }
}

/// What a type that has no natural end is, in words.
fn unbounded(ty: &Type) -> Option<&'static str> {
    for wrapper in ["Option", "Box", "Arc"] {
        if let Some(inner) = generic_of(ty, wrapper) {
            return unbounded(&inner[0]);
        }
    }
    match last_ident(ty).map(ToString::to_string).as_deref() {
        Some("String" | "str") => Some("a string"),
        Some("Cow") if written(ty).contains("str") => Some("a string"),
        Some("Vec" | "VecDeque" | "HashSet" | "BTreeSet") => Some("a list"),
        Some("HashMap" | "BTreeMap" | "Map") => Some("a map"),
        _ => None,
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
