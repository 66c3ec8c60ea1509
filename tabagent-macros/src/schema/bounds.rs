//! `min = .., max = ..`: the bounds of a rule, each written so that the compiler takes it as the number that it is.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Expr, Lit, LitFloat, LitInt, Type, UnOp};

use super::Schema;
use super::rule::{Rule, RuleKind, key};
use crate::route::signature::{generic_of, last_ident, written};

/// The bounds; both are included.
#[derive(Default)]
pub(crate) struct Bounds {
    min: Option<Expr>,
    max: Option<Expr>,
}

/// How the message begins that a bound is no number of things.
pub(super) const NO_COUNT: &str = "no text or list has";

impl Bounds {
    /// Reads what stands in the parentheses of the rule `name`.
    ///
    /// # Errors
    /// At the token at fault: another key, no bound, bounds that no value is between, a count that is no whole number.
    pub(super) fn read(meta: &ParseNestedMeta<'_>, name: &str) -> syn::Result<Self> {
        let mut bounds = Self::default();
        if meta.input.peek(syn::token::Paren) {
            meta.parse_nested_meta(|inner| {
                let place = if inner.path.is_ident("min") {
                    &mut bounds.min
                } else if inner.path.is_ident("max") {
                    &mut bounds.max
                } else {
                    let written = key(&inner);
                    return Err(inner.error(format!(
                        "`{name}` has no `{written}`; it has `min` and `max`, both inclusive"
                    )));
                };
                if place.is_some() {
                    return Err(inner.error(format!("`{}` is given twice; remove one of them", key(&inner))));
                }
                let bound: Expr = inner.value()?.parse()?;
                if let Expr::Lit(literal) = &bound
                    && !matches!(literal.lit, Lit::Int(_) | Lit::Float(_))
                {
                    let message =
                        format!("a bound of `{name}` is a number; write it without quotes, as in `max = 10`");
                    return Err(syn::Error::new_spanned(literal, message));
                }
                *place = Some(bound);
                Ok(())
            })?;
        }
        if bounds.min.is_none() && bounds.max.is_none() {
            return Err(meta
                .error(format!("`{name}` without bounds says nothing; write `{name}(min = .., max = ..)`")));
        }
        if name != "range" {
            for bound in bounds.iter() {
                if let Some(count) = number(bound)
                    && (count < 0.0 || count.fract() != 0.0)
                {
                    let what = if name == "length" { "characters" } else { "elements" };
                    let message =
                        format!("{NO_COUNT} {count} {what}; a bound of `{name}` is 0, 1, 2 and so on");
                    return Err(syn::Error::new_spanned(bound, message));
                }
            }
        }
        let value = |bound: &Option<Expr>| bound.as_ref().and_then(number);
        if let (Some(min), Some(max)) = (value(&bounds.min), value(&bounds.max))
            && min > max
        {
            return Err(
                meta.error(format!("no value is at least {min} and at most {max}; exchange the bounds"))
            );
        }
        Ok(bounds)
    }

    /// Both as fields of a `ValidationRule`, each of the type `ty`.
    pub(super) fn fields(&self, ty: &str) -> TokenStream {
        let [min, max] = [&self.min, &self.max].map(|bound| match bound {
            Some(bound) => {
                let value = typed(bound, ty);
                quote! { ::core::option::Option::Some(#value) }
            }
            None => quote! { ::core::option::Option::None },
        });
        quote! { { min: #min, max: #max } }
    }

    fn iter(&self) -> impl Iterator<Item = &Expr> {
        self.min.iter().chain(&self.max)
    }
}

/// Const checks of the bounds of every rule: that each is one that values of its field's type reach, and that there is a
/// value between the two. What stands there may be a constant, whose value the macro does not see.
pub(super) fn assertions(schema: &Schema) -> TokenStream {
    let mut checks = TokenStream::new();
    for field in schema.all_fields().filter(|field| !field.serde.skip) {
        for rule in &field.rules.rules {
            within(field.schema_type(), rule, &mut checks);
        }
    }
    checks
}

fn within(ty: &Type, rule: &Rule, checks: &mut TokenStream) {
    match &rule.kind {
        RuleKind::Range(bounds) => {
            let (name, reach) = (written(ty), quote! { <__t::FieldType<#ty>>::REACH });
            for bound in bounds.iter() {
                let value = typed(bound, "f64");
                say(bound.span(), &quote! { __t::bound_beyond(#name, #reach, #value) }, checks);
            }
            bounds.between(rule.span, &reach, checks);
        }
        RuleKind::Length(bounds) => bounds.counts("length", "characters", rule.span, checks),
        RuleKind::Items(bounds) => bounds.counts("items", "elements", rule.span, checks),
        RuleKind::Each(rules) => {
            let list = generic_of(ty, "Option").map_or_else(|| ty.clone(), |mut inner| inner.remove(0));
            let element = last_ident(&list).and_then(|name| generic_of(&list, &name.to_string()));
            // The last argument of a list or map is its element.
            if let Some(element) = element.as_ref().and_then(|types| types.last()) {
                rules.iter().for_each(|rule| within(element, rule, checks));
            }
        }
        _ => {}
    }
}

/// A const check that stops the compiler at `span` when `sentence` says something.
fn say(span: Span, sentence: &TokenStream, checks: &mut TokenStream) {
    checks.extend(quote_spanned! { span =>
        const _: () = {
            const __SENTENCE: __t::Sentence = #sentence;
            if !__SENTENCE.is_silent() { ::core::panic!("{}", __SENTENCE.text()) }
        };
    });
}

impl Bounds {
    /// Checks of the bounds of a rule that counts. Literals were looked at when they were read.
    fn counts(&self, name: &str, what: &str, span: Span, checks: &mut TokenStream) {
        for bound in self.iter().filter(|bound| number(bound).is_none()) {
            let value = typed(bound, "f64");
            say(bound.span(), &quote! { __t::bound_no_count(#name, #what, #value) }, checks);
        }
        if self.iter().any(|bound| number(bound).is_none()) {
            self.between(span, &quote! { __t::Reach::Open }, checks);
        }
    }

    /// A check that a value of this reach is between the two.
    fn between(&self, span: Span, reach: &TokenStream, checks: &mut TokenStream) {
        if let (Some(min), Some(max)) = (&self.min, &self.max) {
            let (min, max) = (typed(min, "f64"), typed(max, "f64"));
            say(span, &quote! { __t::bounds_apart(#reach, #min, #max) }, checks);
        }
    }
}

/// A bound as an expression of the type `ty`, `f64` or `usize`.
///
/// A cast alone would first make a literal an `i32`, which ends at two thousand million.
fn typed(bound: &Expr, ty: &str) -> TokenStream {
    if let Some(literal) = suffixed(bound, ty) {
        return literal;
    }
    let cast = syn::Ident::new(ty, bound.span());
    let wide = widened(bound).unwrap_or_else(|| bound.to_token_stream());
    quote! { (#wide) as #cast }
}

/// A literal without a type, perhaps negative, with the type `ty`.
fn suffixed(bound: &Expr, ty: &str) -> Option<TokenStream> {
    match bound {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) if number.suffix().is_empty() => {
                let text = format!("{}{ty}", number.base10_digits());
                // In decimal, whatever it is written in: `0xf` with `f64` behind it would be another number.
                Some(match ty {
                    "f64" => LitFloat::new(&text, number.span()).to_token_stream(),
                    _ => LitInt::new(&text, number.span()).to_token_stream(),
                })
            }
            Lit::Float(number) if number.suffix().is_empty() && ty == "f64" => {
                let text = format!("{}{ty}", number.base10_digits());
                Some(LitFloat::new(&text, number.span()).to_token_stream())
            }
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) && ty == "f64" => {
            let (minus, value) = (&unary.op, suffixed(&unary.expr, ty)?);
            Some(quote! { #minus #value })
        }
        Expr::Paren(inner) => suffixed(&inner.expr, ty),
        Expr::Group(inner) => suffixed(&inner.expr, ty),
        _ => None,
    }
}

/// Arithmetic on integer literals alone, such as `1 << 40`, in the widest type.
fn widened(bound: &Expr) -> Option<TokenStream> {
    match bound {
        Expr::Lit(_) => suffixed(bound, "i128"),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            let (op, value) = (&unary.op, widened(&unary.expr)?);
            Some(quote! { #op #value })
        }
        Expr::Binary(binary) => {
            let (left, op, right) = (widened(&binary.left)?, &binary.op, widened(&binary.right)?);
            Some(quote! { #left #op #right })
        }
        Expr::Paren(inner) => widened(&inner.expr).map(|value| quote! { (#value) }),
        Expr::Group(inner) => widened(&inner.expr).map(|value| quote! { (#value) }),
        _ => None,
    }
}

/// The value of a literal, where it is one.
fn number(bound: &Expr) -> Option<f64> {
    match bound {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_digits().parse().ok(),
            Lit::Float(number) => number.base10_digits().parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => number(&unary.expr).map(|value| -value),
        Expr::Paren(inner) => number(&inner.expr),
        Expr::Group(inner) => number(&inner.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{number, typed};

    fn written(bound: &str, ty: &str) -> String {
        typed(&syn::parse_str(bound).unwrap(), ty).to_string()
    }

    #[test]
    fn literals_have_the_type_of_the_bound() {
        assert_eq!(written("5_000_000_000", "f64"), "5000000000f64");
        assert_eq!(written("-5_000_000_000", "f64"), "- 5000000000f64");
        assert_eq!(written("0xff", "f64"), "255f64");
        assert_eq!(written("2.5e3", "f64"), "2.5e3f64");
        assert_eq!(written("5_000_000_000", "usize"), "5000000000usize");
        assert_eq!(written("1 << 40", "f64"), "(1i128 << 40i128) as f64");
        assert_eq!(written("7u8", "f64"), "(7u8) as f64");
        assert_eq!(written("MAX * 2", "usize"), "(MAX * 2) as usize");
    }

    #[test]
    fn literals_have_a_value() {
        let value = |bound: &str| number(&syn::parse_str(bound).unwrap());
        assert_eq!((value("-(3)"), value("2.5f32"), value("MAX")), (Some(-3.0), Some(2.5), None));
    }
}
