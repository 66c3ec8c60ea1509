//! The cases of a route: `case("name", request.., expectation)` and `untested(Variant, "reason")`.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Expr, Ident, Lit, LitStr, Path, Token, parenthesized};

use super::json;
use super::model::{Check, Status};
use super::values::{self, Pair};
use crate::diagnostics::Sink;
use crate::rules::{attribute_duplicate, case_malformed};
use crate::suggest;

/// One case.
pub(crate) struct Case {
    pub(crate) name: LitStr,
    pub(crate) path: Option<(Span, Vec<Pair>)>,
    pub(crate) query: Vec<Pair>,
    pub(crate) headers: Vec<Pair>,
    pub(crate) body: CaseBody,
    pub(crate) expectation: Expectation,
}

/// The body of a case's request.
pub(crate) enum CaseBody {
    None,
    Json { text: String, key: Ident },
    Raw { bytes: Box<Expr>, content_type: Option<LitStr>, key: Ident },
}

/// What a case expects.
pub(crate) enum Expectation {
    Success {
        status: Status,
        check: Check,
    },
    /// The path of the variant, `Enum::Variant`.
    Problem {
        variant: Path,
    },
    /// It could not be read; an error says so.
    Unreadable,
}

impl Expectation {
    /// Whether the case ends in a success, or was to.
    pub(crate) fn may_succeed(&self) -> bool {
        !matches!(self, Self::Problem { .. })
    }

    /// Whether the case ends in a problem, or was to.
    pub(crate) fn may_fail(&self) -> bool {
        !matches!(self, Self::Success { .. })
    }
}

/// A variant that no case exercises, and why.
pub(crate) struct Waiver {
    pub(crate) variant: Ident,
    pub(crate) reason: LitStr,
}

const KEYS: [&str; 9] =
    ["json", "body", "content_type", "path", "query", "headers", "status", "check", "problem"];

/// Reads the list between the brackets of `tests = [..]`.
pub(crate) fn parse_list(
    input: ParseStream<'_>,
    cases: &mut Vec<Case>,
    waivers: &mut Vec<Waiver>,
    sink: &mut Sink,
) {
    while !input.is_empty() {
        match parse_entry(input, sink) {
            Ok(Entry::Case(case)) => cases.push(*case),
            Ok(Entry::Waiver(waiver)) => waivers.push(waiver),
            Err(error) => {
                case_malformed::report(sink, &error);
                values::skip_to_comma(input);
            }
        }
        if !input.is_empty()
            && let Err(error) = input.parse::<Token![,]>()
        {
            case_malformed::report(
                sink,
                &syn::Error::new(error.span(), "expected a comma between two cases"),
            );
            values::skip_to_comma(input);
            // At a comma or at the end: either is progress.
            let _ = input.parse::<Option<Token![,]>>();
        }
    }
}

enum Entry {
    Case(Box<Case>),
    Waiver(Waiver),
}

fn parse_entry(input: ParseStream<'_>, sink: &mut Sink) -> syn::Result<Entry> {
    let word: Ident = input.call(Ident::parse_any).map_err(|error| {
        syn::Error::new(error.span(), "expected `case(\"name\", ..)` or `untested(Variant, \"reason\")`")
    })?;
    if word != "case" && word != "untested" {
        let help = suggest::help(&word.to_string(), &["case", "untested"]);
        return Err(syn::Error::new_spanned(&word, format!("`{word}` is not an entry of `tests`; {help}")));
    }
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new_spanned(&word, format!("expected `{word}(..)`")));
    }
    let content;
    parenthesized!(content in input);
    if word == "case" {
        return parse_case(&word, &content, sink).map(|case| Entry::Case(Box::new(case)));
    }
    parse_waiver(&content).map(Entry::Waiver)
}

/// `Variant, "reason"`.
pub(crate) fn parse_waiver(input: ParseStream<'_>) -> syn::Result<Waiver> {
    let form = "expected `untested(Variant, \"reason\")`";
    let path: Path = input.parse().map_err(|error| syn::Error::new(error.span(), form))?;
    let Some(last) = path.segments.last() else { return Err(syn::Error::new_spanned(&path, form)) };
    let variant = last.ident.clone();
    if input.parse::<Token![,]>().is_err() {
        return Err(syn::Error::new_spanned(
            &path,
            "say why no case exercises it: `untested(Variant, \"reason\")`",
        ));
    }
    let reason: LitStr = input.parse().map_err(|error| syn::Error::new(error.span(), form))?;
    if reason.value().trim().is_empty() {
        return Err(syn::Error::new_spanned(
            &reason,
            "the reason is empty; say why no case exercises this variant",
        ));
    }
    let _ = input.parse::<Option<Token![,]>>()?;
    if input.is_empty() { Ok(Waiver { variant, reason }) } else { Err(input.error(form)) }
}

/// What has been read of a case so far.
#[derive(Default)]
struct Parts {
    seen: Vec<Ident>,
    path: Option<(Span, Vec<Pair>)>,
    query: Vec<Pair>,
    headers: Vec<Pair>,
    json: Option<(String, Ident)>,
    raw: Option<(Expr, Ident)>,
    content_type: Option<LitStr>,
    status: Option<Status>,
    check: Option<(Check, Ident)>,
    problem: Option<Path>,
    /// Whether a part could not be read, so that what follows from it is not reported as well.
    broken: bool,
}

fn parse_case(word: &Ident, input: ParseStream<'_>, sink: &mut Sink) -> syn::Result<Case> {
    let name: LitStr = input.parse().map_err(|error| {
        let span = if input.is_empty() { word.span() } else { error.span() };
        syn::Error::new(span, "a case begins with its name in quotes: `case(\"one text\", ..)`")
    })?;
    if name.value().trim().is_empty() {
        return Err(syn::Error::new_spanned(
            &name,
            "the name of a case is what a failing test prints; it cannot be empty",
        ));
    }
    let mut parts = Parts::default();
    while !input.is_empty() {
        if let Err(error) = input.parse::<Token![,]>() {
            case_malformed::report(sink, &syn::Error::new(error.span(), "expected a comma"));
            parts.broken = true;
            values::skip_to_comma(input);
            continue;
        }
        if input.is_empty() {
            break;
        }
        if let Err(error) = parse_key(input, &mut parts, sink) {
            case_malformed::report(sink, &error);
            parts.broken = true;
            values::skip_to_comma(input);
        }
    }
    let expectation = expectation(&name, &mut parts, sink);
    let body = body(&mut parts, sink);
    Ok(Case { name, path: parts.path, query: parts.query, headers: parts.headers, body, expectation })
}

fn parse_key(input: ParseStream<'_>, parts: &mut Parts, sink: &mut Sink) -> syn::Result<()> {
    let key: Ident = input
        .call(Ident::parse_any)
        .map_err(|error| syn::Error::new(error.span(), "expected `key = value`, such as `status = 200`"))?;
    let name = key.to_string();
    if !KEYS.contains(&name.as_str()) {
        let help = suggest::help(&name, &KEYS);
        return Err(syn::Error::new_spanned(&key, format!("a case has no `{name}`; {help}")));
    }
    if let Some(first) = parts.seen.iter().find(|seen| **seen == key) {
        attribute_duplicate::report(sink, first, &key);
        parts.broken = true;
        values::skip_to_comma(input);
        return Ok(());
    }
    parts.seen.push(key.clone());
    if input.parse::<Token![=]>().is_err() {
        return Err(syn::Error::new_spanned(&key, format!("expected `{name} = ..`")));
    }
    match name.as_str() {
        "json" => parts.json = Some((json::parse(input)?, key)),
        "body" => parts.raw = Some((input.parse()?, key)),
        "content_type" => parts.content_type = Some(values::text(input)?),
        "path" => parts.path = Some((key.span(), values::pairs(input)?)),
        "query" => parts.query = values::pairs(input)?,
        "headers" => {
            let headers = values::pairs(input)?;
            headers.iter().try_for_each(header)?;
            parts.headers = headers;
        }
        "status" => {
            let (code, span) = values::status(input)?;
            parts.status = Some(Status { code, span });
        }
        "check" => {
            let expression: Expr = input.parse()?;
            callable(&expression)?;
            let check = match expression {
                Expr::Path(path) if path.qself.is_none() => Check::Function(path.path),
                other => Check::Expression(other),
            };
            parts.check = Some((check, key));
        }
        _ => {
            let variant: Path = input.parse().map_err(|error| {
                syn::Error::new(
                    error.span(),
                    "expected a variant of the error type: `problem = MyError::Variant`",
                )
            })?;
            if variant.segments.len() < 2 {
                return Err(syn::Error::new_spanned(
                    &variant,
                    format!(
                        "name the type as well: `problem = MyError::{}`",
                        super::signature::written(&variant)
                    ),
                ));
            }
            parts.problem = Some(variant);
        }
    }
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error(format!("unexpected after the value of `{name}`; expected a comma")));
    }
    Ok(())
}

/// That a header can be sent: a token as its name, and a value on one line (RFC 9110, 5.1 and 5.5).
fn header(pair: &Pair) -> syn::Result<()> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if pair.key.is_empty() || !pair.key.bytes().all(is_token) {
        let message = format!(
            "`{}` cannot name a header; a name is made of letters, digits and marks such as `-`",
            pair.key.escape_debug()
        );
        return Err(syn::Error::new(pair.key_span, message));
    }
    if !pair.value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
        let message = format!(
            "the value of `{}` has control characters, which no header has; write it on one line",
            pair.key
        );
        return Err(syn::Error::new(pair.key_span, message));
    }
    Ok(())
}

/// That a check is something to call with the response, as far as can be seen.
fn callable(check: &Expr) -> syn::Result<()> {
    let wrong = match check {
        Expr::Lit(_) => "a check is called with the response, and this is a value",
        Expr::Closure(closure) if closure.inputs.len() != 1 => {
            "a check is called with the response, and this closure does not take one argument"
        }
        Expr::Group(group) => return callable(&group.expr),
        Expr::Paren(paren) => return callable(&paren.expr),
        _ => return Ok(()),
    };
    Err(syn::Error::new_spanned(
        check,
        format!("{wrong}; write a fn or a closure, `|answer| answer.is_right`"),
    ))
}

fn expectation(name: &LitStr, parts: &mut Parts, sink: &mut Sink) -> Expectation {
    let check = parts.check.take();
    match (parts.status.take(), parts.problem.take()) {
        (Some(_), Some(problem)) => {
            case_malformed::say(
                sink,
                &problem,
                "a case succeeds or ends in a problem, not both",
                "remove `status` or `problem`",
            );
            Expectation::Unreadable
        }
        (Some(status), None) => {
            let check = check.map_or(Check::None, |(check, _)| check);
            Expectation::Success { status, check }
        }
        (None, Some(variant)) => {
            if let Some((_, key)) = check {
                let help = "remove `check`: the problem's status, type and body are compared as a whole";
                case_malformed::say(sink, &key, "a case that ends in a problem has no check", help);
            }
            Expectation::Problem { variant }
        }
        (None, None) if parts.broken => Expectation::Unreadable,
        (None, None) => {
            let help = "add `status = 200, check = my_check` or `problem = MyError::Variant`";
            case_malformed::say(sink, name, "this case expects nothing", help);
            Expectation::Unreadable
        }
    }
}

fn body(parts: &mut Parts, sink: &mut Sink) -> CaseBody {
    match (parts.json.take(), parts.raw.take()) {
        (Some(_), Some((_, key))) => {
            case_malformed::say(sink, &key, "a case has one body", "remove `json` or `body`");
            CaseBody::None
        }
        (Some((text, key)), None) => {
            if let Some(content_type) = &parts.content_type {
                let help = "send the text with `body = \"..\"` to choose the content type";
                case_malformed::say(sink, content_type, "`json` is sent as application/json", help);
            }
            CaseBody::Json { text, key }
        }
        (None, Some((bytes, key))) => {
            if let Expr::Lit(literal) = &bytes
                && !matches!(literal.lit, Lit::Str(_) | Lit::ByteStr(_))
            {
                case_malformed::say(sink, &bytes, "a raw body is text or bytes", "write `body = b\"..\"`");
            }
            CaseBody::Raw { bytes: Box::new(bytes), content_type: parts.content_type.take(), key }
        }
        (None, None) => {
            if let Some(content_type) = &parts.content_type
                && !parts.broken
            {
                case_malformed::say(
                    sink,
                    content_type,
                    "a content type without a body",
                    "add `body = b\"..\"`",
                );
            }
            CaseBody::None
        }
    }
}
