//! `#[rule(..)]`: what is said of a field or of a whole type.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, LitStr, Path, Token, Type, parenthesized};

use super::bounds::{self, Bounds};
use super::pattern;
use crate::diagnostics::Sink;
use crate::suggest;

const UNKNOWN: &str = "schema-rule-unknown";

/// What is said of a type.
#[derive(Default)]
pub(crate) struct ContainerRules {
    /// The reason why the type needs no rules.
    pub(crate) none: Option<LitStr>,
    /// Checks of the whole value.
    pub(crate) custom: Vec<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) facade: Option<Path>,
}

/// What is said of a field.
#[derive(Default)]
pub(crate) struct FieldRules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) examples: Vec<Expr>,
    pub(crate) schema_as: Option<Type>,
    /// Whether a rule could not be read, which was reported.
    broken: bool,
}

impl FieldRules {
    /// Whether the field states a rule, or that it has none.
    pub(crate) fn is_stated(&self) -> bool {
        self.broken || !self.rules.is_empty()
    }
}

/// One rule, with the place at which it is written.
pub(crate) struct Rule {
    pub(crate) kind: RuleKind,
    pub(crate) span: Span,
}

/// The vocabulary.
pub(crate) enum RuleKind {
    NotEmpty,
    Length(Bounds),
    Items(Bounds),
    Range(Bounds),
    Pattern(LitStr),
    OneOf(Vec<LitStr>),
    Each(Vec<Rule>),
    Nested,
    Custom(Path),
    Any(LitStr),
}

const FIELD_KEYS: [&str; 12] = [
    "not_empty",
    "length",
    "items",
    "range",
    "pattern",
    "one_of",
    "each",
    "nested",
    "custom",
    "any",
    "example",
    "schema_as",
];
const CONTAINER_KEYS: [&str; 4] = ["none", "custom", "name", "crate"];

/// Reads the rules of a type.
pub(crate) fn container(attributes: &[Attribute], sink: &mut Sink) -> ContainerRules {
    let mut found = ContainerRules::default();
    each_attribute(attributes, sink, |meta| {
        match key(meta).as_str() {
            "none" => found.none = Some(reason(meta.value()?.parse()?)?),
            "custom" => found.custom.push(in_parentheses(meta)?),
            "name" => found.name = Some(meta.value()?.parse()?),
            "crate" => found.facade = Some(meta.value()?.call(Path::parse_mod_style)?),
            other if FIELD_KEYS.contains(&other) => {
                return Err(meta.error(format!("`{other}` is a rule of a field; put it on the field")));
            }
            other => return Err(unknown(meta, other, &CONTAINER_KEYS)),
        }
        Ok(())
    });
    found
}

/// Reads the rules of a field.
pub(crate) fn field(attributes: &[Attribute], sink: &mut Sink) -> FieldRules {
    let mut found = FieldRules::default();
    let reported = sink.count();
    each_attribute(attributes, sink, |meta| {
        match key(meta).as_str() {
            "example" => found.examples.push(meta.value()?.parse()?),
            "schema_as" => found.schema_as = Some(in_parentheses(meta)?),
            _ => {
                let rule = rule(meta)?;
                once(&found.rules, &rule)?;
                found.rules.push(rule);
            }
        }
        Ok(())
    });
    found.broken = sink.count() > reported;
    found
}

fn each_attribute(
    attributes: &[Attribute],
    sink: &mut Sink,
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("rule")) {
        if let Err(error) = attribute.parse_nested_meta(|meta| read(&meta)) {
            for part in &error {
                let message = part.to_string();
                let id = if message.starts_with("this pattern") {
                    "schema-pattern-invalid"
                } else if message.starts_with(bounds::NO_COUNT) {
                    "schema-rule-mismatch"
                } else {
                    UNKNOWN
                };
                let (wrong, help) = message.split_once("; ").unwrap_or((&message, ""));
                sink.report_at(id, part.span(), wrong, help);
            }
        }
    }
}

pub(super) fn key(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.to_token_stream().to_string().replace(' ', "")
}

fn unknown(meta: &ParseNestedMeta<'_>, written: &str, known: &[&str]) -> syn::Error {
    let help = match written {
        "min" | "max" => {
            "bounds stand in a rule: `length(min = 1, max = 10)`, `items(..)`, `range(..)`".to_owned()
        }
        "email" | "url" | "regex" | "ip" => {
            "say it with `pattern(\"..\")`, which the schema can say too".to_owned()
        }
        "min_length" | "max_length" => "write `length(min = 1, max = 10)`".to_owned(),
        "required" => {
            "leave it out: a field that is no `Option` and has no serde default is required".to_owned()
        }
        _ => suggest::help(written, known),
    };
    meta.error(format!("there is no rule `{written}`; {help}"))
}

fn rule(meta: &ParseNestedMeta<'_>) -> syn::Result<Rule> {
    let name = key(meta);
    let kind = match name.as_str() {
        "not_empty" => RuleKind::NotEmpty,
        "nested" => RuleKind::Nested,
        "length" => RuleKind::Length(Bounds::read(meta, &name)?),
        "items" => RuleKind::Items(Bounds::read(meta, &name)?),
        "range" => RuleKind::Range(Bounds::read(meta, &name)?),
        "pattern" => RuleKind::Pattern(pattern::read(in_parentheses(meta)?)?),
        "custom" => RuleKind::Custom(in_parentheses(meta)?),
        "any" => RuleKind::Any(reason(in_parentheses(meta)?)?),
        "one_of" => {
            let content;
            parenthesized!(content in meta.input);
            let values = content.parse_terminated(<LitStr as syn::parse::Parse>::parse, Token![,])?;
            if values.is_empty() {
                return Err(meta.error("`one_of` of nothing lets no value pass; list the values"));
            }
            RuleKind::OneOf(values.into_iter().collect())
        }
        "each" => {
            let mut rules = Vec::new();
            meta.parse_nested_meta(|inner| {
                let rule = rule(&inner)?;
                once(&rules, &rule)?;
                rules.push(rule);
                Ok(())
            })?;
            if rules.is_empty() {
                return Err(meta
                    .error("`each` says nothing; write the rules of an element: `each(length(max = 10))`"));
            }
            RuleKind::Each(rules)
        }
        _ => return Err(unknown(meta, &name, &FIELD_KEYS)),
    };
    Ok(Rule { kind, span: meta.path.span() })
}

/// That a value has each rule once: its schema has one keyword for it. Checks of the author's own may be several.
fn once(known: &[Rule], rule: &Rule) -> syn::Result<()> {
    let same = |other: &&Rule| std::mem::discriminant(&other.kind) == std::mem::discriminant(&rule.kind);
    if matches!(rule.kind, RuleKind::Custom(_)) || known.iter().find(same).is_none() {
        return Ok(());
    }
    Err(syn::Error::new(
        rule.span,
        "this rule is given twice, and a schema says it once; write one that holds for both",
    ))
}

fn in_parentheses<T: syn::parse::Parse>(meta: &ParseNestedMeta<'_>) -> syn::Result<T> {
    if !meta.input.peek(syn::token::Paren) {
        return Err(meta.error(format!("expected `{}(..)`", key(meta))));
    }
    let content;
    parenthesized!(content in meta.input);
    let value = content.parse()?;
    let _ = content.parse::<Option<Token![,]>>()?;
    if content.is_empty() { Ok(value) } else { Err(content.error("expected one value")) }
}

fn reason(text: LitStr) -> syn::Result<LitStr> {
    if text.value().trim().is_empty() {
        return Err(syn::Error::new_spanned(&text, "the reason is empty; say why no value can be wrong"));
    }
    Ok(text)
}

impl Rule {
    /// The rule as a value of the framework's `ValidationRule`.
    pub(crate) fn value(&self) -> TokenStream {
        let kind = match &self.kind {
            RuleKind::NotEmpty => quote! { NotEmpty },
            RuleKind::Nested => quote! { Nested },
            RuleKind::Length(limits) => {
                let limits = limits.fields("usize");
                quote! { Length #limits }
            }
            RuleKind::Items(limits) => {
                let limits = limits.fields("usize");
                quote! { Items #limits }
            }
            RuleKind::Range(limits) => {
                let limits = limits.fields("f64");
                quote! { InRange #limits }
            }
            RuleKind::Pattern(text) => quote! { Pattern(#text) },
            RuleKind::OneOf(values) => quote! { OneOf(&[#(#values),*]) },
            RuleKind::Each(rules) => {
                let rules = rules.iter().map(Self::value);
                quote! { Each(&[#(#rules),*]) }
            }
            RuleKind::Custom(path) => {
                let name = crate::route::signature::written(path);
                quote! { Custom(#name) }
            }
            RuleKind::Any(reason) => quote! { Any(#reason) },
        };
        quote! { __t::ValidationRule::#kind }
    }
}
