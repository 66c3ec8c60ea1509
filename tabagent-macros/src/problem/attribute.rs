//! `#[problem(..)]` on the enum, its variants and their fields.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Fields, LitBool, LitInt, LitStr, Path, Variant};

use crate::diagnostics::Sink;
use crate::suggest;

const UNKNOWN: &str = "problem-attribute-unknown";

/// What stands on the enum.
#[derive(Default)]
pub(crate) struct Container {
    facade: Option<Path>,
}

impl Container {
    /// The crate through which the framework is reached.
    pub(crate) fn facade(&self) -> TokenStream {
        self.facade.as_ref().map_or_else(|| quote! { ::tabagent_api }, ToTokens::to_token_stream)
    }
}

/// What stands on a variant.
#[derive(Default)]
pub(crate) struct VariantAttribute {
    pub(crate) status: Option<(u16, Span)>,
    pub(crate) title: Option<LitStr>,
    pub(crate) hint: Option<LitStr>,
    pub(crate) code: Option<LitStr>,
    pub(crate) slug: Option<LitStr>,
    pub(crate) retry_after: Option<u32>,
    pub(crate) retry: Option<bool>,
    pub(crate) transparent: Option<Span>,
}

/// What a field of a variant is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldRole {
    /// Names the field of the request that is at fault.
    Param,
    /// When to try again.
    RetryAfter,
    /// The fields at fault, each with its message.
    Errors,
}

/// Reads `#[problem(crate = path)]`.
pub(crate) fn container(attributes: &[Attribute], sink: &mut Sink) -> Container {
    let mut container = Container::default();
    each(attributes, sink, |meta| {
        if meta.path.is_ident("crate") {
            container.facade = Some(meta.value()?.call(Path::parse_mod_style)?);
            return Ok(());
        }
        Err(unknown(meta, &["crate"], "an error type"))
    });
    container
}

/// Reads the attribute of a variant.
pub(crate) fn variant(variant: &Variant, sink: &mut Sink) -> VariantAttribute {
    const KEYS: [&str; 8] =
        ["status", "title", "hint", "code", "slug", "retry_after", "retry", "transparent"];
    let mut attribute = VariantAttribute::default();
    let mut seen: Vec<String> = Vec::new();
    each(&variant.attrs, sink, |meta| {
        let Some(key) =
            meta.path.get_ident().map(ToString::to_string).filter(|key| KEYS.contains(&key.as_str()))
        else {
            return Err(unknown(meta, &KEYS, "a variant"));
        };
        if seen.contains(&key) {
            return Err(meta.error(format!("`{key}` is given twice; keep one of them")));
        }
        seen.push(key.clone());
        match key.as_str() {
            "status" => {
                let number: LitInt = meta.value()?.parse()?;
                attribute.status = Some((number.base10_parse()?, number.span()));
            }
            "title" => attribute.title = Some(filled(meta)?),
            "hint" => attribute.hint = Some(filled(meta)?),
            "code" => attribute.code = Some(plain(meta, '_')?),
            "slug" => attribute.slug = Some(plain(meta, '-')?),
            "retry_after" => attribute.retry_after = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?),
            "retry" => attribute.retry = Some(meta.value()?.parse::<LitBool>()?.value),
            _ => attribute.transparent = Some(meta.path.span()),
        }
        Ok(())
    });
    attribute
}

/// Reads the roles of a variant's fields.
pub(crate) fn roles(fields: &Fields, sink: &mut Sink) -> Vec<(usize, FieldRole)> {
    const KEYS: [&str; 3] = ["param", "retry_after", "errors"];
    let mut roles: Vec<(usize, FieldRole)> = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        each(&field.attrs, sink, |meta| {
            let role = if meta.path.is_ident("param") {
                FieldRole::Param
            } else if meta.path.is_ident("retry_after") {
                FieldRole::RetryAfter
            } else if meta.path.is_ident("errors") {
                FieldRole::Errors
            } else {
                return Err(unknown(meta, &KEYS, "a field"));
            };
            if roles.iter().any(|(_, known)| *known == role) {
                return Err(meta.error("another field of this variant has this role; keep one of them"));
            }
            roles.push((index, role));
            Ok(())
        });
    }
    roles
}

/// Applies `read` to each `#[problem(..)]`; errors go to the sink under one rule.
fn each(
    attributes: &[Attribute],
    sink: &mut Sink,
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("problem")) {
        if let Err(error) = attribute.parse_nested_meta(|meta| read(&meta)) {
            for part in &error {
                let message = part.to_string();
                let (wrong, help) = message.split_once("; ").unwrap_or((&message, ""));
                sink.report_at(UNKNOWN, part.span(), wrong, help);
            }
        }
    }
}

fn unknown(meta: &ParseNestedMeta<'_>, known: &[&str], of: &str) -> syn::Error {
    let written = meta.path.to_token_stream().to_string().replace(' ', "");
    meta.error(format!("`#[problem]` of {of} has no `{written}`; {}", suggest::help(&written, known)))
}

fn filled(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let text: LitStr = meta.value()?.parse()?;
    if text.value().trim().is_empty() {
        return Err(syn::Error::new_spanned(
            &text,
            "this text is empty; a reader is to learn something from it",
        ));
    }
    Ok(text)
}

/// Text of small letters, digits and one joining character.
fn plain(meta: &ParseNestedMeta<'_>, joint: char) -> syn::Result<LitStr> {
    let text = filled(meta)?;
    let value = text.value();
    if value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint) {
        return Ok(text);
    }
    let help =
        format!("{value:?} is not made of small letters, digits and `{joint}`; clients compare it as it is");
    Err(syn::Error::new_spanned(&text, help))
}
