//! Sentences that are built at compile time, for the rules that compare constants.

use crate::framework::problem::ProblemVariant;

/// A sentence built at compile time; silent when there is nothing to say.
#[derive(Debug, Clone, Copy)]
pub struct Sentence {
    bytes: [u8; 2048],
    length: usize,
}

impl Sentence {
    /// Nothing to say.
    pub const SILENT: Self = Self { bytes: [0; 2048], length: 0 };

    /// Whether there is nothing to say.
    pub const fn is_silent(&self) -> bool {
        self.length == 0
    }

    /// The sentence.
    pub const fn text(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.length);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => "a rule is broken (its sentence was cut inside a character)",
        }
    }

    pub(super) const fn and(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.length < self.bytes.len() {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    /// A whole number.
    pub(super) const fn integer(self, number: i64) -> Self {
        const DIGITS: &str = "0123456789";
        let say = if number < 0 { self.and("-") } else { self };
        let say = if number.unsigned_abs() < 10 {
            say
        } else {
            say.integer((number / 10).unsigned_abs().cast_signed())
        };
        let (_, rest) = DIGITS.split_at((number.unsigned_abs() % 10) as usize);
        say.and(rest.split_at(1).0)
    }

    /// `, ` between the parts of a list.
    const fn separated(self, first: bool) -> Self {
        if first { self } else { self.and(", ") }
    }

    pub(super) const fn quoted(self, name: &str) -> Self {
        self.and("`").and(name).and("`")
    }
}

/// `problem-case-missing`: no case ends in a problem, and the error type has variants.
pub const fn problem_case_missing(route: &str, error: &str, variants: &[ProblemVariant]) -> Sentence {
    if variants.is_empty() {
        return Sentence::SILENT;
    }
    let say = Sentence::SILENT
        .and("[route::problem-case-missing] no case of the route ")
        .quoted(route)
        .and(" ends in a problem\n  help: add one with `problem = ")
        .and(error)
        .and("::")
        .and(variants[0].name)
        .and("`; the error type can be ");
    names(say, variants)
}

const fn names(mut say: Sentence, variants: &[ProblemVariant]) -> Sentence {
    let mut at = 0;
    while at < variants.len() {
        say = say.separated(at == 0).quoted(variants[at].name);
        at += 1;
    }
    say
}

/// `problem-untested`: the variants that neither a case (type and variant) nor a waiver names.
pub const fn problem_untested(
    error: &str,
    variants: &[ProblemVariant],
    tested: &[(&str, &str)],
    waived: &[&str],
) -> Sentence {
    let mut say = Sentence::SILENT;
    let mut example = "";
    let mut at = 0;
    while at < waived.len() {
        if is_tested(error, waived[at], tested) {
            return say
                .and("[route::problem-untested] a case exercises ")
                .quoted(waived[at])
                .and(", which is waived as well\n  help: remove `untested(")
                .and(waived[at])
                .and(", ..)`");
        }
        at += 1;
    }
    at = 0;
    while at < variants.len() {
        let name = variants[at].name;
        if !is_tested(error, name, tested) && !contains(waived, name) {
            say = if say.is_silent() {
                example = name;
                say.and("[route::problem-untested] no case exercises ")
            } else {
                say.and(", ")
            };
            say = say.quoted(name);
        }
        at += 1;
    }
    if say.is_silent() {
        return say;
    }
    say.and(" of `")
        .and(error)
        .and("`\n  help: add `case(\"..\", .., problem = ")
        .and(error)
        .and("::")
        .and(example)
        .and(")`, or `untested(")
        .and(example)
        .and(", \"why no request can cause it\")` to `tests`")
}

const fn is_tested(error: &str, name: &str, tested: &[(&str, &str)]) -> bool {
    let mut at = 0;
    while at < tested.len() {
        if same(tested[at].0, error) && same(tested[at].1, name) {
            return true;
        }
        at += 1;
    }
    false
}

/// `case-type-mismatch`: the type that a case names is the route's error type or the framework's own, and has the
/// variant.
pub const fn case_problem_unknown(
    own: (&str, &[ProblemVariant]),
    named: (&str, &[ProblemVariant]),
    variant: &str,
) -> Sentence {
    // A route without a problem type has an error of its own.
    if own.0.is_empty() {
        return Sentence::SILENT;
    }
    if named.0.is_empty() {
        return Sentence::SILENT
            .and(
                "[route::case-type-mismatch] this is not a variant of a problem\n  help: name a variant of `",
            )
            .and(own.0)
            .and("`, the error type of the route, or of `ApiError`");
    }
    if !same(own.0, named.0) && !same(named.0, "ApiError") {
        let say = Sentence::SILENT
            .and("[route::case-type-mismatch] ")
            .quoted(named.0)
            .and(" is not the error type of the route, which is ")
            .quoted(own.0)
            .and("\n  help: the route can answer with ");
        return names(say, own.1).and(", or a variant of `ApiError`");
    }
    let mut at = 0;
    let mut nearest = "";
    let mut least = 4;
    while at < named.1.len() {
        let name = named.1[at].name;
        if same(name, variant) {
            return Sentence::SILENT;
        }
        let distance = distance(name, variant);
        if distance < least {
            least = distance;
            nearest = name;
        }
        at += 1;
    }
    let say = Sentence::SILENT
        .and("[route::case-type-mismatch] ")
        .quoted(named.0)
        .and(" has no variant ")
        .quoted(variant)
        .and("\n  help: ");
    let say = if nearest.is_empty() { say } else { say.and("did you mean ").quoted(nearest).and("? ") };
    names(say.and("it has "), named.1)
}

/// Whether two texts are one.
pub const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

pub(super) const fn contains(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if same(names[at], name) {
            return true;
        }
        at += 1;
    }
    false
}

/// The nearest name, or none when all are far.
pub(super) const fn nearest<'a>(name: &str, known: &[&'a str]) -> &'a str {
    let mut found = "";
    let mut least = 4;
    let mut at = 0;
    while at < known.len() {
        let distance = distance(known[at], name);
        if distance < least && distance * 2 < name.len() {
            least = distance;
            found = known[at];
        }
        at += 1;
    }
    found
}

/// Edits from one name to the other, over bytes; names of 64 bytes and more are far from everything.
const fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() >= 64 || other.len() >= 64 {
        return usize::MAX / 4;
    }
    let mut row = [0; 65];
    let mut at = 0;
    while at <= other.len() {
        row[at] = at;
        at += 1;
    }
    let mut i = 0;
    while i < one.len() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut j = 0;
        while j < other.len() {
            let replaced = diagonal + (one[i] != other[j]) as usize;
            diagonal = row[j + 1];
            let mut best = if row[j] < row[j + 1] { row[j] + 1 } else { row[j + 1] + 1 };
            if replaced < best {
                best = replaced;
            }
            row[j + 1] = best;
            j += 1;
        }
        i += 1;
    }
    row[other.len()]
}
