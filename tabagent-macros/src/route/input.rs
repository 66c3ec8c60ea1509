//! The arguments of `#[route(..)]`: `METHOD, "path", key = value, ..`, or every part by its key.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, LitStr, Token, bracketed, parenthesized};

use super::cases;
use super::model::{Alias, Method, RouteAttribute, Status};
use super::path::RoutePath;
use super::values;
use crate::diagnostics::Sink;
use crate::rules::{attribute_duplicate, attribute_unknown, case_malformed, method_unknown, path_malformed};

/// The keys of the attribute.
pub(crate) const KEYS: [&str; 14] = [
    "method",
    "path",
    "tests",
    "alias",
    "tag",
    "status",
    "timeout",
    "body_limit",
    "auth",
    "stream",
    "deprecated",
    "operation_id",
    "untested",
    "crate",
];

/// Reads the arguments; what cannot be read is reported and left out.
pub(crate) fn parse(arguments: TokenStream, sink: &mut Sink) -> RouteAttribute {
    let mut attribute = RouteAttribute::default();
    let mut seen = Vec::new();
    let parser = |input: ParseStream<'_>| {
        parse_all(input, &mut attribute, &mut seen, sink);
        Ok(())
    };
    // What is left unread of a part that was reported is no further mistake.
    if let Err(error) = parser.parse2(arguments)
        && sink.is_empty()
    {
        attribute_unknown::unreadable(sink, &error);
    }
    let given = |name: &str| seen.iter().any(|key: &Ident| key == name);
    let has_method = attribute.method.is_some() || given("method");
    let has_path = attribute.path.is_some() || given("path");
    if !has_method {
        method_unknown::missing(sink);
    }
    if !has_path {
        path_malformed::missing(sink);
    }
    attribute
}

fn parse_all(input: ParseStream<'_>, attribute: &mut RouteAttribute, seen: &mut Vec<Ident>, sink: &mut Sink) {
    let mut position = 0;
    while !input.is_empty() {
        if let Err(error) = parse_argument(input, position, attribute, seen, sink) {
            attribute_unknown::unreadable(sink, &error);
            values::skip_to_comma(input);
        }
        position += 1;
        if !input.is_empty()
            && let Err(error) = input.parse::<Token![,]>()
        {
            attribute_unknown::unreadable(sink, &syn::Error::new(error.span(), "expected a comma"));
            values::skip_to_comma(input);
            // At a comma or at the end: either is progress.
            let _ = input.parse::<Option<Token![,]>>();
        }
    }
}

fn parse_argument(
    input: ParseStream<'_>,
    position: usize,
    attribute: &mut RouteAttribute,
    seen: &mut Vec<Ident>,
    sink: &mut Sink,
) -> syn::Result<()> {
    if input.peek(LitStr) {
        let literal: LitStr = input.parse()?;
        let key = Ident::new("path", literal.span());
        if let Some(first) = seen.iter().find(|known| **known == key) {
            attribute_duplicate::report(sink, first, &literal);
        } else {
            seen.push(key);
            attribute.path = Some(RoutePath::parse(literal));
        }
        return Ok(());
    }
    let key: Ident = input
        .call(Ident::parse_any)
        .map_err(|error| syn::Error::new(error.span(), "expected `METHOD, \"path\", key = value, ..`"))?;
    let bare = input.is_empty() || input.peek(Token![,]);
    if position == 0 && bare {
        seen.push(Ident::new("method", key.span()));
        read_method(key, attribute, sink);
        return Ok(());
    }
    let name = key.to_string();
    if !KEYS.contains(&name.as_str()) {
        attribute_unknown::report(sink, &key);
        values::skip_to_comma(input);
        return Ok(());
    }
    // `untested(..)` may be repeated: each names a variant of its own.
    if name != "untested" {
        if let Some(first) = seen.iter().find(|known| **known == key) {
            attribute_duplicate::report(sink, first, &key);
            values::skip_to_comma(input);
            return Ok(());
        }
        seen.push(key.clone());
    }
    if name == "untested" {
        let content;
        parenthesized!(content in input);
        match cases::parse_waiver(&content) {
            Ok(waiver) => attribute.waivers.push(waiver),
            Err(error) => {
                case_malformed::report(sink, &error);
                // What is left of the parentheses was part of the same mistake.
                content.parse::<TokenStream>()?;
            }
        }
        return Ok(());
    }
    if bare {
        match name.as_str() {
            "stream" => attribute.stream = true,
            "deprecated" => attribute.deprecated = true,
            _ => return Err(syn::Error::new_spanned(&key, format!("`{name}` needs a value: `{name} = ..`"))),
        }
        return Ok(());
    }
    if input.parse::<Token![=]>().is_err() {
        return Err(syn::Error::new_spanned(&key, format!("expected `{name} = ..`")));
    }
    read_value(&name, &key, input, attribute, sink)?;
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error(format!("unexpected after the value of `{name}`; expected a comma")));
    }
    Ok(())
}

fn read_method(written: Ident, attribute: &mut RouteAttribute, sink: &mut Sink) {
    match Method::named(&written.to_string()) {
        Some(method) => attribute.method = Some((method, written)),
        None => method_unknown::report(sink, &written),
    }
}

fn read_value(
    name: &str,
    key: &Ident,
    input: ParseStream<'_>,
    attribute: &mut RouteAttribute,
    sink: &mut Sink,
) -> syn::Result<()> {
    match name {
        "method" => {
            let written: Ident = input
                .parse()
                .map_err(|error| syn::Error::new(error.span(), "expected a method, such as `POST`"))?;
            read_method(written, attribute, sink);
        }
        "path" => attribute.path = Some(RoutePath::parse(values::text(input)?)),
        "tests" => {
            attribute.has_tests = true;
            if !input.peek(syn::token::Bracket) {
                return Err(syn::Error::new_spanned(key, "expected `tests = [case(\"name\", ..), ..]`"));
            }
            let content;
            bracketed!(content in input);
            cases::parse_list(&content, &mut attribute.cases, &mut attribute.waivers, sink);
        }
        "alias" => {
            if !input.peek(syn::token::Bracket) {
                return Err(syn::Error::new_spanned(key, "expected a list: `alias = [\"/v1/other\"]`"));
            }
            let content;
            bracketed!(content in input);
            while !content.is_empty() {
                attribute.aliases.push(read_alias(&content)?);
                if !content.is_empty() {
                    content.parse::<Token![,]>()?;
                }
            }
        }
        "tag" => attribute.tag = Some(values::text(input)?),
        "status" => {
            let (code, span) = values::status(input)?;
            attribute.status = Some(Status { code, span });
        }
        "timeout" => attribute.timeout_ms = Some(values::duration_ms(input)?),
        "body_limit" => attribute.body_bytes = Some(values::bytes(input)?),
        "auth" => {
            let who: Ident = input
                .parse()
                .map_err(|error| syn::Error::new(error.span(), "expected `auth = public` or `auth = key`"))?;
            attribute.public = match who.to_string().as_str() {
                "public" => true,
                "key" => false,
                other => {
                    let help = crate::suggest::help(other, &["public", "key"]);
                    return Err(syn::Error::new_spanned(
                        &who,
                        format!("`auth` is `public` or `key`; {help}"),
                    ));
                }
            };
        }
        "stream" => attribute.stream = read_bool(input)?,
        "deprecated" => attribute.deprecated = read_bool(input)?,
        "operation_id" => {
            let id = values::text(input)?;
            if id.value().is_empty()
                || !id.value().chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
            {
                return Err(syn::Error::new_spanned(
                    &id,
                    "an operation id is made of letters, digits, `_`, `-` and `.`",
                ));
            }
            attribute.operation_id = Some(id);
        }
        _ => attribute.facade = Some(input.call(syn::Path::parse_mod_style)?),
    }
    Ok(())
}

fn read_bool(input: ParseStream<'_>) -> syn::Result<bool> {
    let value: syn::LitBool =
        input.parse().map_err(|error| syn::Error::new(error.span(), "expected `true` or `false`"))?;
    Ok(value.value)
}

/// `"/path"` or `deprecated("/path")`.
fn read_alias(input: ParseStream<'_>) -> syn::Result<Alias> {
    if input.peek(LitStr) {
        return Ok(Alias { path: RoutePath::parse(input.parse()?), deprecated: false });
    }
    let word: Ident = input.parse().map_err(|error| {
        syn::Error::new(error.span(), "expected a path in quotes, or `deprecated(\"/path\")`")
    })?;
    if word != "deprecated" || !input.peek(syn::token::Paren) {
        return Err(syn::Error::new_spanned(&word, "expected a path in quotes, or `deprecated(\"/path\")`"));
    }
    let content;
    parenthesized!(content in input);
    let path = RoutePath::parse(values::text(&content)?);
    let _ = content.parse::<Option<Token![,]>>()?;
    if content.is_empty() {
        Ok(Alias { path, deprecated: true })
    } else {
        Err(content.error("expected one path"))
    }
}
