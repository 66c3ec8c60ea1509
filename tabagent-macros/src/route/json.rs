//! JSON written in place: Rust tokens to JSON text.
//!
//! Every JSON document is a token tree, so the compiler's spans point into it; strings may be Rust literals of any form.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{Lit, LitStr};

/// Reads one JSON value from the front of `input` and gives its text.
pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<String> {
    let mut tokens: Vec<TokenTree> = Vec::new();
    while !input.is_empty() && !input.peek(syn::Token![,]) {
        tokens.push(input.parse()?);
    }
    if tokens.is_empty() {
        return Err(input.error("expected a JSON value"));
    }
    let mut text = String::new();
    value(&tokens, &mut text)?;
    Ok(text)
}

fn value(tokens: &[TokenTree], out: &mut String) -> syn::Result<()> {
    match tokens {
        [TokenTree::Group(group)] => match group.delimiter() {
            Delimiter::Brace => object(group, out),
            Delimiter::Bracket => array(group, out),
            // A value that came through a macro_rules fragment.
            Delimiter::None => value(&group.stream().into_iter().collect::<Vec<_>>(), out),
            Delimiter::Parenthesis => {
                Err(error(&tokens[0], "JSON has no parentheses; arrays are written `[..]`"))
            }
        },
        [TokenTree::Ident(word)] => match word.to_string().as_str() {
            known @ ("true" | "false" | "null") => {
                out.push_str(known);
                Ok(())
            }
            "True" | "False" => Err(error(word, "JSON writes `true` and `false`")),
            "None" | "undefined" | "nil" => Err(error(word, "JSON writes `null`")),
            other => {
                Err(error(word, &format!("`{other}` is not JSON; a string needs quotes: `\"{other}\"`")))
            }
        },
        [TokenTree::Literal(literal)] => scalar(&Lit::new(literal.clone()), "", out),
        [TokenTree::Punct(minus), TokenTree::Literal(literal)] if minus.as_char() == '-' => {
            scalar(&Lit::new(literal.clone()), "-", out)
        }
        [first, second, ..] => {
            let at = if matches!(first, TokenTree::Punct(_)) { first } else { second };
            Err(error(at, "expected one JSON value; a comma is missing, or this is an expression"))
        }
        [TokenTree::Punct(mark)] => Err(error(mark, &format!("`{}` is not JSON", mark.as_char()))),
        [] => Err(syn::Error::new(proc_macro2::Span::call_site(), "expected a JSON value")),
    }
}

fn scalar(literal: &Lit, sign: &str, out: &mut String) -> syn::Result<()> {
    match literal {
        Lit::Str(text) if sign.is_empty() => {
            string(&text.value(), out);
            Ok(())
        }
        Lit::Int(number) if number.suffix().is_empty() => {
            out.push_str(sign);
            out.push_str(number.base10_digits());
            Ok(())
        }
        Lit::Float(number) if number.suffix().is_empty() => {
            out.push_str(sign);
            let digits = number.base10_digits();
            out.push_str(digits);
            // Rust reads `1.` as a number, JSON does not.
            if digits.ends_with('.') {
                out.push('0');
            }
            Ok(())
        }
        Lit::Bool(value) if sign.is_empty() => {
            out.push_str(if value.value { "true" } else { "false" });
            Ok(())
        }
        Lit::Int(_) | Lit::Float(_) => Err(error(literal, "a number in JSON has no type suffix")),
        Lit::Char(_) => Err(error(literal, "JSON has no characters; write a string in double quotes")),
        _ => Err(error(literal, "not a JSON value; hostile bytes go in `body = b\"..\"`")),
    }
}

fn array(group: &Group, out: &mut String) -> syn::Result<()> {
    out.push('[');
    for (index, item) in split(group.stream()).iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if item.is_empty() {
            return Err(error(group, "an element is missing between two commas"));
        }
        value(item, out)?;
    }
    out.push(']');
    Ok(())
}

fn object(group: &Group, out: &mut String) -> syn::Result<()> {
    let mut seen: Vec<String> = Vec::new();
    out.push('{');
    for (index, member) in split(group.stream()).iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let (key, rest) = match member.as_slice() {
            [key, TokenTree::Punct(colon), rest @ ..]
                if colon.as_char() == ':' && colon.spacing() == Spacing::Alone =>
            {
                (key, rest)
            }
            [key, TokenTree::Punct(equals), ..] if equals.as_char() == '=' => {
                return Err(error(equals, &format!("JSON writes `{key}: value`")));
            }
            [key, ..] => return Err(error(key, "expected `\"key\": value`")),
            [] => return Err(error(group, "a member is missing between two commas")),
        };
        let name = match syn::parse2::<LitStr>(TokenStream::from(key.clone())) {
            Ok(name) => name.value(),
            Err(_) => {
                return Err(error(key, &format!("a key in JSON needs double quotes: `\"{}\"`", bare(key))));
            }
        };
        if seen.contains(&name) {
            return Err(error(key, &format!("the key \"{name}\" stands twice in one object")));
        }
        string(&name, out);
        seen.push(name);
        out.push(':');
        if rest.is_empty() {
            return Err(error(key, "this key has no value"));
        }
        value(rest, out)?;
    }
    out.push('}');
    Ok(())
}

/// What a key in other quotes, or in none, was to be.
fn bare(key: &TokenTree) -> String {
    match syn::parse2::<Lit>(key.clone().into()) {
        Ok(Lit::Char(character)) => character.value().to_string(),
        Ok(Lit::ByteStr(bytes)) => String::from_utf8_lossy(&bytes.value()).into_owned(),
        _ => key.to_string(),
    }
}

/// The parts between commas; one trailing comma is allowed.
fn split(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for token in tokens {
        if matches!(&token, TokenTree::Punct(mark) if mark.as_char() == ',') {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(token);
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Writes a JSON string with its quotes.
pub(crate) fn string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if (control as u32) < 0x20 => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn error(tokens: impl quote::ToTokens, text: &str) -> syn::Error {
    syn::Error::new_spanned(tokens, text)
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    fn text(source: &str) -> Result<String, String> {
        super::parse.parse_str(source).map_err(|error| error.to_string())
    }

    #[test]
    fn json_comes_out_as_it_went_in() {
        let source = r##"{ "a": [1, -2.5e3, true, null, "x\n\"y\"", r#"raw"#, {}, [],], "ü": 1_000, }"##;
        assert_eq!(text(source).unwrap(), r#"{"a":[1,-2.5e3,true,null,"x\n\"y\"","raw",{},[]],"ü":1000}"#);
    }

    #[test]
    fn what_is_not_json_is_refused_with_the_way_out() {
        for (source, hint) in [
            ("{ a: 1 }", "needs double quotes: `\"a\"`"),
            ("{ 'a': 1 }", "needs double quotes: `\"a\"`"),
            ("{ \"a\": 1, \"a\": 2 }", "stands twice"),
            ("[hello]", "a string needs quotes"),
            ("[1 2]", "a comma is missing"),
            ("None", "`null`"),
            ("[1u8]", "no type suffix"),
            ("(1)", "no parentheses"),
            ("{ \"a\" = 1 }", "JSON writes"),
            ("{ \"a\": }", "no value"),
            ("[1,,2]", "missing between"),
            ("'c'", "double quotes"),
            ("-\"x\"", "not a JSON value"),
        ] {
            let error = text(source).unwrap_err();
            assert!(error.contains(hint), "{source}: {error}");
        }
    }
}
