//! The serde attributes that shape what is on the wire. What serde does not know is serde's to report.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, ExprPath, LitStr, Token};

use crate::diagnostics::Sink;

/// A name, or a rule for names: what serde writes, and what it reads.
#[derive(Default)]
pub(crate) struct Halves {
    pub(crate) written: Option<String>,
    pub(crate) read: Option<String>,
}

impl Halves {
    /// Each half, or that of `others` where there is none.
    pub(crate) fn or<'a>(&'a self, others: &'a Self) -> [Option<&'a str>; 2] {
        [
            self.written.as_deref().or(others.written.as_deref()),
            self.read.as_deref().or(others.read.as_deref()),
        ]
    }

    /// Both.
    pub(crate) fn both(&self) -> [Option<&str>; 2] {
        [self.written.as_deref(), self.read.as_deref()]
    }

    /// The names of `plain`, as serde writes and reads it: these where they are given, else by the rules of each half.
    pub(crate) fn names(
        &self,
        plain: &str,
        rules: [Option<&str>; 2],
        rename: fn(&str, Option<&str>) -> String,
    ) -> [String; 2] {
        let [written, read] = rules;
        let name = |own: &Option<String>, rule| own.clone().unwrap_or_else(|| rename(plain, rule));
        [name(&self.written, written), name(&self.read, read)]
    }
}

/// `#[serde(..)]` of a type.
#[derive(Default)]
pub(crate) struct SerdeContainer {
    pub(crate) rename_all: Halves,
    pub(crate) rename_all_fields: Halves,
    pub(crate) deny_unknown_fields: bool,
    pub(crate) default: Option<SerdeDefault>,
    pub(crate) tag: Option<String>,
    /// Where it names the tag.
    pub(crate) tag_span: Option<Span>,
    pub(crate) content: Option<String>,
    pub(crate) untagged: bool,
    /// Where it says that its one field stands for the whole.
    pub(crate) transparent: Option<Span>,
}

/// `#[serde(..)]` of a variant.
#[derive(Default)]
pub(crate) struct SerdeVariant {
    pub(crate) rename: Halves,
    pub(crate) rename_all: Halves,
    pub(crate) skip: bool,
}

/// `#[serde(..)]` of a field.
#[derive(Default)]
pub(crate) struct SerdeField {
    pub(crate) rename: Halves,
    pub(crate) aliases: Vec<String>,
    pub(crate) default: Option<SerdeDefault>,
    pub(crate) skip: bool,
    pub(crate) flatten: bool,
    /// Whether it is written and never read.
    pub(crate) unread: bool,
    /// Whether it may be left out when it is written.
    pub(crate) omitted: bool,
    /// Whether a fn of its own reads it, so that even an `Option` has to be there.
    pub(crate) read_by_fn: bool,
    /// The attributes by which fns of its own read or write it, with their places.
    pub(crate) by_fns: Vec<(String, Span)>,
}

/// What stands where a field is absent.
pub(crate) enum SerdeDefault {
    /// What the type's `Default` gives.
    Trait,
    /// What this fn gives.
    Path(ExprPath),
}

/// Reads a type's attributes.
pub(crate) fn container(attributes: &[Attribute]) -> SerdeContainer {
    let mut found = SerdeContainer::default();
    each(attributes, |key, meta| {
        match key {
            "rename_all" => found.rename_all = halves(meta)?,
            "rename_all_fields" => found.rename_all_fields = halves(meta)?,
            "deny_unknown_fields" => found.deny_unknown_fields = true,
            "default" => found.default = Some(default(meta)?),
            "tag" => (found.tag, found.tag_span) = (text(meta)?, Some(meta.path.span())),
            "content" => found.content = text(meta)?,
            "untagged" => found.untagged = true,
            "transparent" => found.transparent = Some(meta.path.span()),
            _ => rest(meta)?,
        }
        Ok(())
    });
    found
}

/// Reads a variant's attributes; reports those that its schema could not say.
pub(crate) fn variant(attributes: &[Attribute], sink: &mut Sink) -> SerdeVariant {
    let mut found = SerdeVariant::default();
    each(attributes, |key, meta| {
        match key {
            "rename" => found.rename = halves(meta)?,
            "rename_all" => found.rename_all = halves(meta)?,
            "skip" | "skip_deserializing" => found.skip = true,
            _ => {
                if let Some((wrong, help)) = unsayable(key) {
                    sink.report_at("schema-unsupported", meta.path.span(), wrong, help);
                }
                rest(meta)?;
            }
        }
        Ok(())
    });
    found
}

/// Why a variant with the attribute `key` has no schema, and what to write instead; nothing where it has one.
fn unsayable(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "other" => (
            "`other` reads every name that no variant has, and the schema would allow this one name",
            "remove it, so that an unknown name is refused, or make the field a `String`",
        ),
        "alias" => (
            "`alias` lets serde read a second name, and the schema of a variant has one",
            "write a variant for each name, or the one name with `#[serde(rename = \"..\")]`",
        ),
        "untagged" => (
            "`untagged` takes the tag from this one variant, and the schema would demand it",
            "put `untagged` on the enum, or the variant into an untagged enum around this one",
        ),
        "with" | "deserialize_with" | "serialize_with" => (
            "a fn of the variant's own decides what is on the wire, and the schema would describe its fields",
            "put the fn on a field, with `#[rule(schema_as(..))]` beside it",
        ),
        _ => return None,
    })
}

/// Reads a field's attributes.
pub(crate) fn field(attributes: &[Attribute]) -> SerdeField {
    let mut found = SerdeField::default();
    each(attributes, |key, meta| {
        match key {
            "rename" => found.rename = halves(meta)?,
            "alias" => found.aliases.extend(text(meta)?),
            "default" => found.default = Some(default(meta)?),
            "skip" => found.skip = true,
            "flatten" => found.flatten = true,
            "skip_deserializing" => found.unread = true,
            "skip_serializing" => found.omitted = true,
            "skip_serializing_if" => {
                found.omitted = true;
                rest(meta)?;
            }
            "with" | "deserialize_with" | "serialize_with" => {
                found.read_by_fn |= key != "serialize_with";
                found.by_fns.push((key.to_owned(), meta.path.span()));
                rest(meta)?;
            }
            _ => rest(meta)?,
        }
        Ok(())
    });
    found
}

/// Applies `read` to each key. Errors are serde's own to report, on the same tokens.
fn each(attributes: &[Attribute], mut read: impl FnMut(&str, &ParseNestedMeta<'_>) -> syn::Result<()>) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            read(&key, &meta)
        });
    }
}

/// `key = "text"`.
fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<String>> {
    Ok(Some(meta.value()?.parse::<LitStr>()?.value()))
}

/// `key = "text"` for both halves, or `key(serialize = "..", deserialize = "..")`, of which either may be missing.
fn halves(meta: &ParseNestedMeta<'_>) -> syn::Result<Halves> {
    if !meta.input.peek(syn::token::Paren) {
        let both = text(meta)?;
        return Ok(Halves { written: both.clone(), read: both });
    }
    let mut found = Halves::default();
    meta.parse_nested_meta(|half| {
        let value = Some(half.value()?.parse::<LitStr>()?.value());
        if half.path.is_ident("serialize") {
            found.written = value;
        } else if half.path.is_ident("deserialize") {
            found.read = value;
        }
        Ok(())
    })?;
    Ok(found)
}

/// `default`, or `default = "path"`.
fn default(meta: &ParseNestedMeta<'_>) -> syn::Result<SerdeDefault> {
    if meta.input.peek(Token![=]) {
        return Ok(SerdeDefault::Path(meta.value()?.parse::<LitStr>()?.parse()?));
    }
    Ok(SerdeDefault::Trait)
}

/// Passes over the value of a key that does not change the wire.
fn rest(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

/// A field's name under `rename_all`. serde changes the case of ASCII letters and of no others.
pub(crate) fn rename_field(name: &str, rule: Option<&str>) -> String {
    let pascal = || -> String { name.split('_').map(capital).collect() };
    match rule {
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_ascii_uppercase(),
        Some("PascalCase") => pascal(),
        Some("camelCase") => small(&pascal()),
        Some("kebab-case") => name.replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => name.to_ascii_uppercase().replace('_', "-"),
        // `lowercase` and `snake_case` leave a field as it is.
        _ => name.to_owned(),
    }
}

/// A variant's name under `rename_all`, by which again ASCII letters alone change their case.
pub(crate) fn rename_variant(name: &str, rule: Option<&str>) -> String {
    let snake = || {
        let mut out = String::new();
        for (at, character) in name.char_indices() {
            if at > 0 && character.is_uppercase() {
                out.push('_');
            }
            out.push(character.to_ascii_lowercase());
        }
        out
    };
    match rule {
        Some("lowercase") => name.to_ascii_lowercase(),
        Some("UPPERCASE") => name.to_ascii_uppercase(),
        Some("camelCase") => small(name),
        Some("snake_case") => snake(),
        Some("SCREAMING_SNAKE_CASE") => snake().to_ascii_uppercase(),
        Some("kebab-case") => snake().replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => snake().to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

fn small(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::{rename_field, rename_variant};

    #[test]
    fn names_follow_serde() {
        assert_eq!(rename_field("model_id", Some("camelCase")), "modelId");
        assert_eq!(rename_field("model_id", Some("kebab-case")), "model-id");
        assert_eq!(rename_field("model_id", Some("snake_case")), "model_id");
        assert_eq!(rename_variant("JsonSchema", Some("snake_case")), "json_schema");
        assert_eq!(rename_variant("JsonSchema", Some("SCREAMING-KEBAB-CASE")), "JSON-SCHEMA");
        assert_eq!(rename_variant("JsonSchema", None), "JsonSchema");
    }
}
