//! The index of words: what it takes of a text, and which words of a query are looked for.
//!
//! Words are kept by their stems as Porter, "An algorithm for suffix stripping" (Program 14, 1980) cuts them, so that a question
//! finds what says the same in another English form; words of other languages have hardly any of the endings that are cut off.
//! Chinese, Japanese and Korean do not put spaces where words end. A run of their characters is kept as all pairs of
//! neighbours, as Lucene's CJKAnalyzer has it, and the last character by itself, so that each one begins something.

use std::borrow::Cow;

use rusqlite::{Connection, functions::FunctionFlags};

/// Builds the index in this form.
pub(in crate::store::sqlite) const STEP: &str = "
    DROP TRIGGER chunk_comes;
    DROP TRIGGER chunk_goes;
    DROP TABLE chunk_words;
    DROP TABLE chunks_fts;
    CREATE VIEW chunk_texts AS SELECT number, apart(text) AS text, apart(headings) AS headings FROM chunks;
    CREATE VIRTUAL TABLE chunks_fts USING fts5 (
        text, headings, content = 'chunk_texts', content_rowid = 'number',
        tokenize = 'porter unicode61 remove_diacritics 2'
    );
    -- What is deleted is taken out of the index, not only marked.
    INSERT INTO chunks_fts (chunks_fts, rank) VALUES ('secure-delete', 1);
    INSERT INTO chunks_fts (chunks_fts) VALUES ('rebuild');
    CREATE VIRTUAL TABLE chunk_words USING fts5vocab (chunks_fts, row);
    CREATE TRIGGER chunk_comes AFTER INSERT ON chunks BEGIN
        INSERT INTO chunks_fts (rowid, text, headings) VALUES (new.number, apart(new.text), apart(new.headings));
    END;
    CREATE TRIGGER chunk_goes AFTER DELETE ON chunks BEGIN
        INSERT INTO chunks_fts (chunks_fts, rowid, text, headings)
        VALUES ('delete', old.number, apart(old.text), apart(old.headings));
    END;
";

/// Words of a query that are looked for; the rest of a longer one is passed over.
const MOST: usize = 64;

/// Words that hold English sentences together, sorted. A question has many of them and a passage that answers it others, so
/// they lead to passages that ask alike; and most of the time of a search goes into them. Left out are those that are more than
/// that where code or another language is read, such as `if`, `will`, `die`.
const FUNCTION_WORDS: [&str; 66] = [
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does",
    "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "in", "into", "is", "it", "its",
    "me", "my", "nor", "of", "on", "our", "she", "should", "so", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when", "where",
    "which", "who", "whom", "whose", "why", "with", "would", "you", "your",
];

/// Gives a connection `apart`, which the index is built with.
pub(super) fn add_function(connection: &Connection) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("apart", 1, flags, |context| {
        let text = context.get_raw(0).as_str()?;
        Ok(apart(text, Last::Alone).into_owned())
    })
}

/// What becomes of the last character of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// It is a word by itself as well.
    Alone,
    /// It is in the last pair, unless the run has no other character.
    Paired,
}

/// A text with spaces between the pairs of a run of characters that stand without spaces.
fn apart(text: &str, last: Last) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(runs_on) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut letters = text.chars().peekable();
    let mut in_run = false;
    while let Some(letter) = letters.next() {
        if !runs_on(letter) {
            if in_run {
                out.push(' ');
            }
            out.push(letter);
            in_run = false;
            continue;
        }
        let next = letters.peek().copied().filter(|next| runs_on(*next));
        if next.is_some() || !in_run || last == Last::Alone {
            out.push(' ');
            out.push(letter);
            out.extend(next);
        }
        in_run = true;
    }
    Cow::Owned(out)
}

/// Whether a character is of a script that has no spaces between words, or has several words between two of them.
fn runs_on(letter: char) -> bool {
    matches!(letter,
        // Hangul: letters, syllables.
        '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{A960}'..='\u{A97F}' | '\u{AC00}'..='\u{D7FF}'
        // Kana, with the marks that repeat or lengthen.
        | '\u{3005}'..='\u{3007}' | '\u{3031}'..='\u{3035}' | '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309F}'
        | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}'
        // Han.
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFD}'
    )
}

/// The words of a text, each once, in small letters; function words only where there are no others.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let apart = apart(text, Last::Paired);
    for word in apart.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if !all.contains(&word) {
            all.push(word);
        }
        if all.len() == MOST {
            break;
        }
    }
    let tells = |word: &&String| FUNCTION_WORDS.binary_search(&word.as_str()).is_err();
    let telling: Vec<String> = all.iter().filter(tells).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

/// A word as a term of FTS5's language: in quotes, so that nothing of it is syntax. A character that stands in pairs is found as
/// the beginning of one.
pub(super) fn term(word: &str) -> String {
    let mut letters = word.chars();
    let begins = letters.next().is_some_and(runs_on) && letters.next().is_none();
    format!("\"{word}\"{}", if begins { "*" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_tell_nothing_are_looked_for_where_there_are_no_others() {
        assert!(FUNCTION_WORDS.is_sorted());
        assert_eq!(words("When was the Café closed, and why the café?"), ["café", "closed"]);
        assert_eq!(words("To be, or not to be"), ["or", "not"]);
        assert_eq!(words("What is it?"), ["what", "is", "it"]);
        assert_eq!(words("\"... !"), [""; 0]);
    }

    #[test]
    fn a_run_of_characters_comes_apart_into_pairs() {
        let both = |text: &str| {
            let spaced = |last| apart(text, last).split_whitespace().collect::<Vec<_>>().join(" ");
            (spaced(Last::Alone), spaced(Last::Paired))
        };
        let pair = |alone: &str, paired: &str| (alone.to_owned(), paired.to_owned());
        assert_eq!(both("東京都に住む"), pair("東京 京都 都に に住 住む む", "東京 京都 都に に住 住む"));
        assert_eq!(both("猫"), pair("猫", "猫"));
        assert_eq!(both("Rust言語と C"), pair("Rust 言語 語と と C", "Rust 言語 語と C"));
        assert_eq!(both("한국어 책"), pair("한국 국어 어 책", "한국 국어 책"));
        assert_eq!(both("straße, 12"), pair("straße, 12", "straße, 12"));
        assert_eq!(
            (term("猫"), term("猫が"), term("x")),
            ("\"猫\"*".into(), "\"猫が\"".into(), "\"x\"".into())
        );
    }
}
