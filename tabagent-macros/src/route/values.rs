//! Values of the attribute's keys: durations, sizes, statuses, key-value maps.

use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Ident, Lit, LitInt, LitStr, Token, braced, bracketed};

/// `"30s"`, `"500ms"`, `"2m"` or a whole number of seconds, in milliseconds.
pub(crate) fn duration_ms(input: ParseStream<'_>) -> syn::Result<u64> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    scaled(input, &UNITS, 1000, "a duration: `\"30s\"`, `\"500ms\"`, `\"2m\"`, or seconds as a number")
}

/// `"16MiB"`, `"64KiB"` or a number of bytes.
pub(crate) fn bytes(input: ParseStream<'_>) -> syn::Result<usize> {
    const UNITS: [(&str, u64); 7] = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("KB", 1000),
        ("B", 1),
    ];
    let span = input.span();
    let value = scaled(input, &UNITS, 1, "a size: `\"16MiB\"`, `\"64KiB\"`, or bytes as a number")?;
    usize::try_from(value).map_err(|_| syn::Error::new(span, "this size does not fit this machine"))
}

fn scaled(input: ParseStream<'_>, units: &[(&str, u64)], plain: u64, what: &str) -> syn::Result<u64> {
    let literal: Lit =
        input.parse().map_err(|error| syn::Error::new(error.span(), format!("expected {what}")))?;
    let wrong = || syn::Error::new_spanned(&literal, format!("expected {what}"));
    let value = match &literal {
        Lit::Int(number) => number.base10_parse::<u64>().ok().and_then(|number| number.checked_mul(plain)),
        Lit::Str(text) => {
            let text = text.value();
            units.iter().find_map(|(unit, scale)| {
                let number = text.strip_suffix(unit)?.trim().parse::<u64>().ok()?;
                number.checked_mul(*scale)
            })
        }
        _ => None,
    };
    match value {
        Some(0) => Err(syn::Error::new_spanned(&literal, "a limit of nothing lets no request pass")),
        Some(value) => Ok(value),
        None => Err(wrong()),
    }
}

/// A status as three digits.
pub(crate) fn status(input: ParseStream<'_>) -> syn::Result<(u16, proc_macro2::Span)> {
    let number: LitInt = input
        .parse()
        .map_err(|error| syn::Error::new(error.span(), "expected a status as a number, such as `201`"))?;
    match number.base10_parse::<u16>() {
        Ok(code @ 100..=599) => Ok((code, number.span())),
        _ => Err(syn::Error::new_spanned(&number, "a status is a number from 100 to 599")),
    }
}

/// A string in quotes.
pub(crate) fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse().map_err(|error| syn::Error::new(error.span(), "expected text in quotes"))
}

/// One `key: value` of a case's path, query or headers.
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) key_span: proc_macro2::Span,
    pub(crate) value: String,
}

/// `{ key: "value", "x-key": 3, list: ["a", "b"] }`; a list gives one pair for each of its values.
pub(crate) fn pairs(input: ParseStream<'_>) -> syn::Result<Vec<Pair>> {
    let content;
    braced!(content in input);
    let mut pairs = Vec::new();
    while !content.is_empty() {
        let key_span = content.span();
        let key = if content.peek(LitStr) {
            content.parse::<LitStr>()?.value()
        } else {
            use syn::ext::IdentExt as _;
            let key = content
                .call(Ident::parse_any)
                .map_err(|error| syn::Error::new(error.span(), "expected a name, or a name in quotes"))?;
            key.unraw().to_string()
        };
        content.parse::<Token![:]>()?;
        if content.peek(syn::token::Bracket) {
            let list;
            bracketed!(list in content);
            for value in Punctuated::<Lit, Token![,]>::parse_terminated(&list)? {
                pairs.push(Pair { key: key.clone(), key_span, value: plain(&value)? });
            }
        } else {
            let negative = content.parse::<Option<Token![-]>>()?.is_some();
            let value = plain(&content.parse()?)?;
            let value = if negative { format!("-{value}") } else { value };
            pairs.push(Pair { key, key_span, value });
        }
        if content.is_empty() {
            break;
        }
        content.parse::<Token![,]>()?;
    }
    Ok(pairs)
}

/// A literal as it goes on the wire.
fn plain(literal: &Lit) -> syn::Result<String> {
    match literal {
        Lit::Str(text) => Ok(text.value()),
        Lit::Int(number) => Ok(number.base10_digits().to_owned()),
        Lit::Float(number) => Ok(number.base10_digits().to_owned()),
        Lit::Bool(value) => Ok(value.value.to_string()),
        _ => Err(syn::Error::new_spanned(literal, "expected text, a number or a bool")),
    }
}

/// Skips to the next comma of this level, after something that could not be read.
pub(crate) fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<proc_macro2::TokenTree>().is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    #[test]
    fn durations_and_sizes_have_units() {
        let ms = |source: &str| super::duration_ms.parse_str(source).ok();
        assert_eq!(
            [ms("30"), ms("\"30s\""), ms("\"500ms\""), ms("\"2m\""), ms("\"2\""), ms("0")],
            [Some(30_000), Some(30_000), Some(500), Some(120_000), None, None]
        );
        let bytes = |source: &str| super::bytes.parse_str(source).ok();
        assert_eq!(
            [bytes("1_048_576"), bytes("\"16MiB\""), bytes("\"x\"")],
            [Some(1 << 20), Some(16 << 20), None]
        );
    }

    #[test]
    fn a_list_repeats_its_key() {
        let pairs = super::pairs.parse_str(r#"{ k: -3, "x-y": ["a", true], type: 1 }"#).unwrap();
        let flat: Vec<_> = pairs.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
        assert_eq!(flat, ["k=-3", "x-y=a", "x-y=true", "type=1"]);
    }
}
