//! The fn below the attribute: its signature parsed, its body kept as tokens.
//!
//! A body that is half typed does not parse, and an editor needs the fn all the same: only the signature is read here.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Ident, PathArguments, ReturnType, Signature, Type, Visibility,
};

/// A handler fn.
pub(crate) struct Handler {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) signature: Signature,
    /// What stands between the braces.
    pub(crate) body: TokenStream,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Output,
}

/// One argument of a handler.
pub(crate) struct Argument {
    pub(crate) ty: Type,
    pub(crate) kind: ArgumentKind,
}

/// What an argument's type says by its name.
pub(crate) enum ArgumentKind {
    Path(Type),
    Query(Type),
    /// A JSON body.
    Json(Type),
    /// Any other extractor that reads the body.
    Body,
    /// Reads the head of the request, or is not known to the macro.
    Other,
}

impl ArgumentKind {
    /// Whether the argument reads the body.
    pub(crate) fn reads_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Body)
    }
}

/// What a handler returns.
pub(crate) enum Output {
    /// `Result<Ok, Err>`, both written out.
    Result { ok: Box<Type>, err: Box<Type> },
    /// A generic type that is called a result, such as `ApiResult<Json<T>>`: an alias of `Result`, most likely.
    Alias(Box<Type>),
    /// Nothing, or a type that is no `Result`.
    Other,
}

impl Handler {
    /// Parses a fn item with its attributes.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let _: Visibility = input.parse()?;
        let signature: Signature = input.parse()?;
        let body = match input.parse()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Group::stream(&group),
            other => return Err(syn::Error::new_spanned(other, "expected the body of the fn")),
        };
        let arguments = signature
            .inputs
            .iter()
            .filter_map(|argument| match argument {
                FnArg::Typed(typed) => Some(Argument::of((*typed.ty).clone())),
                FnArg::Receiver(_) => None,
            })
            .collect();
        let output = Output::of(&signature.output);
        Ok(Self { attributes, signature, body, arguments, output })
    }

    /// Name of the fn.
    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    /// Name of the fn as text, without `r#`.
    pub(crate) fn plain_name(&self) -> String {
        self.name().unraw().to_string()
    }

    /// The `#[cfg]` attributes, which go on everything that is generated.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
    }

    /// Whether the fn carries `#[deprecated]`.
    pub(crate) fn is_deprecated(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"))
    }

    /// The lines of the doc comment, without the space that follows `///`; text that a macro gives is not among them.
    pub(crate) fn docs(&self) -> Vec<String> {
        doc_lines(&self.attributes)
    }

    /// The first piece of the doc comment, where there is one.
    pub(crate) fn first_doc(&self) -> Option<&Expr> {
        doc_values(&self.attributes).next()
    }

    /// The doc comment as a const expression, where a macro such as `include_str!` gives a part of its text.
    pub(crate) fn computed_docs(&self) -> Option<TokenStream> {
        computed_docs(&self.attributes)
    }
}

/// What stands behind `#[doc = `, for each of `attributes` that is a doc comment.
fn doc_values(attributes: &[Attribute]) -> impl Iterator<Item = &Expr> {
    attributes.iter().filter_map(doc_value)
}

fn doc_value(attribute: &Attribute) -> Option<&Expr> {
    match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(&pair.value),
        _ => None,
    }
}

fn computed_docs(attributes: &[Attribute]) -> Option<TokenStream> {
    if !doc_values(attributes).any(|value| matches!(value, Expr::Macro(_))) {
        return None;
    }
    let pieces = attributes.iter().filter_map(|attribute| match doc_value(attribute)? {
        Expr::Macro(text) => Some(text.to_token_stream()),
        _ => Some(doc_lines(std::slice::from_ref(attribute)).join("\n").to_token_stream()),
    });
    Some(quote! { ::core::concat!(#(#pieces, "\n"),*) })
}

/// The doc comment among `attributes`, as a const expression for a description.
pub(crate) fn description(attributes: &[Attribute]) -> TokenStream {
    match computed_docs(attributes) {
        Some(text) => quote! { __t::doc_trimmed(#text) },
        None => doc_lines(attributes).join("\n").trim().to_token_stream(),
    }
}

/// The lines of the doc comments among `attributes`; a `#[doc = include_str!(..)]` has no text here.
fn doc_lines(attributes: &[Attribute]) -> Vec<String> {
    let mut lines = Vec::new();
    for value in doc_values(attributes) {
        let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = value else { continue };
        let text = text.value();
        if text.contains('\n') {
            // A block comment: its lines may begin with a star.
            let inner = text.lines().map(|line| line.trim().trim_start_matches('*').trim().to_owned());
            lines.extend(inner.skip_while(String::is_empty));
        } else {
            lines.push(text.strip_prefix(' ').unwrap_or(&text).trim_end().to_owned());
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

impl Argument {
    fn of(ty: Type) -> Self {
        let inner = |name: &str| generic_of(&ty, name).map(|mut types| types.remove(0));
        let kind = if let Some(fields) = inner("Path") {
            ArgumentKind::Path(fields)
        } else if let Some(fields) = inner("Query") {
            ArgumentKind::Query(fields)
        } else if let Some(body) = inner("Json").or_else(|| inner("JsonOrForm")) {
            ArgumentKind::Json(body)
        } else if is_body_extractor(&ty) {
            ArgumentKind::Body
        } else {
            ArgumentKind::Other
        };
        Self { ty, kind }
    }
}

/// Extractors of axum and of the framework that read the body.
fn is_body_extractor(ty: &Type) -> bool {
    const NAMES: [&str; 7] = ["Bytes", "String", "Form", "Multipart", "Request", "Body", "RawForm"];
    match bare(ty) {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            NAMES.iter().any(|name| last.ident == name)
                || (last.ident == "Option"
                    && generic_of(ty, "Option").is_some_and(|types| {
                        is_body_extractor(&types[0]) || generic_of(&types[0], "Json").is_some()
                    }))
        }),
        _ => false,
    }
}

impl Output {
    fn of(output: &ReturnType) -> Self {
        let ReturnType::Type(_, ty) = output else { return Self::Other };
        if let Some(mut types) = generic_of(ty, "Result")
            && types.len() == 2
        {
            let err = Box::new(types.remove(1));
            return Self::Result { ok: Box::new(types.remove(0)), err };
        }
        match last_ident(ty) {
            Some(name)
                if name != "Result"
                    && name.to_string().ends_with("Result")
                    && generic_of(ty, &name.to_string()).is_some() =>
            {
                Self::Alias(ty.clone())
            }
            _ => Self::Other,
        }
    }

    /// The type of a success, where it is written out.
    pub(crate) fn ok(&self) -> Option<&Type> {
        match self {
            Self::Result { ok, .. } => Some(ok),
            _ => None,
        }
    }
}

/// The type arguments of `name<..>`, at the end of any path; `None` for another type or when there are none.
pub(crate) fn generic_of(ty: &Type, name: &str) -> Option<Vec<Type>> {
    let Type::Path(path) = bare(ty) else { return None };
    let last = path.path.segments.last()?;
    if last.ident != name {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types: Vec<Type> = arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty.clone()),
            _ => None,
        })
        .collect();
    (!types.is_empty()).then_some(types)
}

/// The type without the invisible group in which `macro_rules!` hands on a `$t:ty`, and without parentheses.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// The last name of a path type.
pub(crate) fn last_ident(ty: &Type) -> Option<&Ident> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

/// A type as it was written, for messages: the spaces of token printing removed.
pub(crate) fn written(tokens: impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(' ') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let after = after.trim_start();
        let tight_left = out.ends_with(['<', '(', '[', '&', ':']);
        let tight_right = after.starts_with(['<', '>', ',', ')', ']', ':', '(', ';']);
        if !tight_left && !tight_right {
            out.push(' ');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
