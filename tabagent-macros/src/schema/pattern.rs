//! `pattern("..")`: a regular expression that says the same to the crate `regex`, which enforces it, and to clients, whose
//! JSON Schema has the regular expressions of ECMA-262, read with the flag `u`.
//!
//! Source: JSON Schema 2020-12 Core 6.4; ECMA-262 22.2.1.

use std::convert::Infallible;

use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassPerlKind, ClassSetBinaryOp, ClassSetItem, GroupKind, HexLiteralKind,
    Literal, LiteralKind, Span, SpecialLiteralKind,
};
use syn::LitStr;

/// What ECMA-262 takes behind a backslash outside of a class, where `-` may be escaped too.
const SYNTAX: &str = "^$\\.*+?()[]{}|/";

/// Reads the pattern.
///
/// # Errors
/// It is no regular expression, is read otherwise by clients, or is larger than `regex` compiles; the message begins with
/// `this pattern`, and the way out stands behind a semicolon.
pub(super) fn read(text: LitStr) -> syn::Result<LitStr> {
    match judge(&text.value()) {
        None => Ok(text),
        Some(wrong) => Err(syn::Error::new_spanned(&text, format!("this pattern {wrong}"))),
    }
}

/// What is wrong with it.
fn judge(pattern: &str) -> Option<String> {
    let tree = match ast::parse::Parser::new().parse(pattern) {
        Ok(tree) => tree,
        Err(error) => return Some(malformed(&error.kind().to_string())),
    };
    let Ok(found) = ast::visit(&tree, Differences { pattern, first: None });
    if let Some((written, help)) = found {
        // A semicolon of the pattern's own would be taken for the one in front of the way out.
        let written = written.replace("; ", ";");
        return Some(format!("has a part that clients read otherwise, or not at all: `{written}`; {help}"));
    }
    // The same crate as enforces it, with the same limit.
    match regex::Regex::new(pattern) {
        Ok(_) => None,
        Err(regex::Error::CompiledTooBig(limit)) => Some(format!(
            "takes more than {limit} bytes when it is compiled; bound the text with `length(max = ..)` in place of large \
             repetitions"
        )),
        Err(error) => {
            let message = error.to_string();
            Some(malformed(message.lines().last().unwrap_or_default().trim_start_matches("error: ")))
        }
    }
}

fn malformed(reason: &str) -> String {
    format!("is no regular expression: {reason}; a backslash is written `\\\\`, or use r\"..\"")
}

/// Finds the first part that the two read differently, or that one of them does not read.
struct Differences<'a> {
    pattern: &'a str,
    first: Option<(&'a str, String)>,
}

impl<'a> Differences<'a> {
    fn refuse(&mut self, span: &Span, help: impl Into<String>) {
        if self.first.is_none() {
            let written = self.pattern.get(span.start.offset..span.end.offset).unwrap_or(self.pattern);
            self.first = Some((written, help.into()));
        }
    }

    fn literal(&mut self, literal: &Literal, in_class: bool) {
        let character = literal.c;
        let help = match &literal.kind {
            LiteralKind::Verbatim if matches!(character, ']' | '}') => format!("write `\\{character}`"),
            LiteralKind::Verbatim => return,
            LiteralKind::Meta | LiteralKind::Superfluous
                if SYNTAX.contains(character) || (in_class && character == '-') =>
            {
                return;
            }
            LiteralKind::Meta | LiteralKind::Superfluous => {
                format!("write `{character}` without the backslash, or in a class")
            }
            LiteralKind::HexFixed(HexLiteralKind::X | HexLiteralKind::UnicodeShort) => return,
            LiteralKind::Special(
                SpecialLiteralKind::FormFeed
                | SpecialLiteralKind::Tab
                | SpecialLiteralKind::LineFeed
                | SpecialLiteralKind::CarriageReturn
                | SpecialLiteralKind::VerticalTab,
            ) => return,
            LiteralKind::Special(SpecialLiteralKind::Bell) => "write `\\x07`".to_owned(),
            LiteralKind::Special(SpecialLiteralKind::Space) => "write a space".to_owned(),
            LiteralKind::HexFixed(HexLiteralKind::UnicodeLong)
            | LiteralKind::HexBrace(_)
            | LiteralKind::Octal => "write the character itself, `\\x41` or `\\u0041`".to_owned(),
        };
        self.refuse(&literal.span, help);
    }

    fn perl(&mut self, class: &ast::ClassPerl) {
        let ascii = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Word, false) => "[a-zA-Z0-9_]",
            (ClassPerlKind::Word, true) => "[^a-zA-Z0-9_]",
            (ClassPerlKind::Space, false) => "[ \\t\\r\\n]",
            (ClassPerlKind::Space, true) => "[^ \\t\\r\\n]",
        };
        self.refuse(
            &class.span,
            format!("clients take other characters than the server, so write `{ascii}`"),
        );
    }

    fn unicode(&mut self, class: &ast::ClassUnicode) {
        self.refuse(
            &class.span,
            "write the characters as a class, such as `[a-zA-Z]`, or check with `custom(..)`",
        );
    }

    fn repetition(&mut self, repetition: &ast::Repetition) {
        if matches!(*repetition.ast, Ast::Repetition(_) | Ast::Assertion(_)) {
            self.refuse(&repetition.span, "put what is repeated into `(..)`");
        }
        let operator = &repetition.op.span;
        if self
            .pattern
            .get(operator.start.offset..operator.end.offset)
            .is_some_and(|written| written.contains(char::is_whitespace))
        {
            self.refuse(operator, "write the numbers without white space, as in `{1,3}`");
        }
    }
}

impl<'a> ast::Visitor for Differences<'a> {
    type Output = Option<(&'a str, String)>;
    type Err = Infallible;

    fn finish(self) -> Result<Self::Output, Infallible> {
        Ok(self.first)
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), Infallible> {
        const FLAGS: &str = "ECMA-262 has no flags within a pattern, so write both cases, as in `[aA]`";
        match part {
            Ast::Flags(flags) => self.refuse(&flags.span, FLAGS),
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(flags) if !flags.items.is_empty() => self.refuse(&flags.span, FLAGS),
                GroupKind::CaptureName { .. } => self.refuse(&group.span, "write the group without a name, `(..)`"),
                GroupKind::NonCapturing(_) | GroupKind::CaptureIndex(_) => {}
            },
            Ast::Literal(literal) => self.literal(literal, false),
            Ast::Dot(span) => {
                self.refuse(span, "the ends of lines differ, so write a class, such as `[^\\r\\n]`");
            }
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine | AssertionKind::EndLine => {}
                AssertionKind::StartText => self.refuse(&assertion.span, "write `^`"),
                AssertionKind::EndText => self.refuse(&assertion.span, "write `$`"),
                _ => self.refuse(
                    &assertion.span,
                    "the ends of words differ, so write what stands there, such as `[^a-z]`, or check with `custom(..)`",
                ),
            },
            Ast::ClassUnicode(class) => self.unicode(class),
            Ast::ClassPerl(class) => self.perl(class),
            Ast::Repetition(repetition) => self.repetition(repetition),
            Ast::Empty(_) | Ast::ClassBracketed(_) | Ast::Alternation(_) | Ast::Concat(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Infallible> {
        match item {
            ClassSetItem::Literal(literal) => self.literal(literal, true),
            ClassSetItem::Range(range) => {
                self.literal(&range.start, true);
                self.literal(&range.end, true);
            }
            ClassSetItem::Ascii(class) => self.refuse(&class.span, "write its characters, such as `a-zA-Z`"),
            ClassSetItem::Unicode(class) => self.unicode(class),
            ClassSetItem::Perl(class) => self.perl(class),
            ClassSetItem::Bracketed(class) => {
                self.refuse(
                    &class.span,
                    "write one class without another in it; a bracket of its own is `\\[`",
                );
            }
            ClassSetItem::Empty(_) | ClassSetItem::Union(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_binary_op_pre(&mut self, operation: &ClassSetBinaryOp) -> Result<(), Infallible> {
        self.refuse(&operation.span, "write the characters that are meant, without `&&`, `--` and `~~`");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn what_both_read_alike_is_taken() {
        for pattern in [
            "",
            "^[a-zA-Z0-9_-]+$",
            "^(?:a|b){1,3}?(c|)$",
            r"^\^\$\\\.\*\+\?\(\)\[\]\{\}\|\/$",
            r"^[\]\-\t\x41\u00e9&~#]*$",
            "^[^\r\n]{0,10}$",
            "é+|[à-ü]",
        ] {
            assert_eq!(judge(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_clients_read_otherwise_is_refused_with_the_way_out() {
        for (pattern, written, help) in [
            (r"\Aa", r"`\A`", "write `^`"),
            (r"a\z", r"`\z`", "write `$`"),
            (r"\ba", r"`\b`", "custom"),
            (r"a\B", r"`\B`", "custom"),
            (r"\<a", r"`\<`", "custom"),
            ("[a-z&&[^aeiou]]", "`a-z&&[^aeiou]`", "without `&&`"),
            ("[a-z--b]", "`a-z--b`", "without `&&`"),
            ("[a[bc]]", "`[bc]`", r"`\[`"),
            ("[[:alpha:]]", "`[:alpha:]`", "a-zA-Z"),
            ("[]a]", "`]`", r"`\]`"),
            ("a}", "`}`", r"`\}`"),
            ("(?i)a", "`(?i)`", "[aA]"),
            ("(?i:a)", "`i`", "[aA]"),
            ("(?<name>a)", "`(?<name>a)`", "without a name"),
            ("(?P<name>a)", "`(?P<name>a)`", "without a name"),
            (r"\d", r"`\d`", "`[0-9]`"),
            (r"[\D]", r"`\D`", "`[^0-9]`"),
            (r"[\w.]", r"`\w`", "`[a-zA-Z0-9_]`"),
            (r"\s", r"`\s`", r"`[ \t\r\n]`"),
            (r"\pL", r"`\pL`", "[a-zA-Z]"),
            (r"[\p{Greek}]", r"`\p{Greek}`", "[a-zA-Z]"),
            ("a.b", "`.`", r"[^\r\n]"),
            (r"\-", r"`\-`", "without the backslash"),
            (r"[\&]", r"`\&`", "without the backslash"),
            (r"[a-\x{7a}]", r"`\x{7a}`", r"\u0041"),
            (r"\U00000041", r"`\U00000041`", r"\u0041"),
            (r"\a", r"`\a`", r"\x07"),
            ("a**", "`a**`", "`(..)`"),
            ("^*", "`^*`", "`(..)`"),
            ("a{ 2 }", "`{ 2 }`", "white space"),
        ] {
            let wrong = judge(pattern).unwrap_or_default();
            let (what, way_out) = wrong.split_once("; ").unwrap_or_default();
            assert!(what.ends_with(written) && way_out.contains(help), "{pattern}: {wrong}");
        }
    }

    #[test]
    fn what_does_not_compile_is_refused() {
        assert!(judge("^(a|b$").unwrap().contains("unclosed group"));
        assert!(judge("a(?=b)").unwrap().contains("look-around"));
        assert!(judge("^(a|([a-z]{300}){300})$").is_none());
        let wrong = judge("^(a|(([a-zé]{300}){300}){300})$").unwrap();
        assert!(wrong.contains("bytes when it is compiled"), "{wrong}");
    }
}
