//! The index of words: what it takes of a text, and which words of a query are looked for.
//!
//! Words are kept by their stems as Porter, "An algorithm for suffix stripping" (Program 14, 1980) cuts them, so that a question
//! finds what says the same in another English form; words of other languages have hardly any of the endings that are cut off.
//! Chinese, Japanese and Korean do not put spaces where words end. A run of their characters is kept as all pairs of
//! neighbours, as Lucene's CJKAnalyzer has it, and the last character by itself, so that each one begins something. Names that are
//! several words, as programmers write them, are kept whole and in their parts.

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

/// What stands behind an apostrophe in English, and says nothing.
const ENDINGS: [&str; 7] = ["d", "ll", "m", "re", "s", "t", "ve"];

/// What the index of words is given of a text, for whoever holds it against the chunks.
pub fn indexed_text(text: &str) -> String {
    apart(text, For::Index)
}

/// Gives a connection `apart`, which the index is built with.
pub(super) fn add_function(connection: &Connection) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("apart", 1, flags, |context| {
        let text = context.get_raw(0).as_str()?;
        Ok(indexed_text(text))
    })
}

/// For what a text comes apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// For the index, which has more than is looked for at once: the last character of a run by itself, and the parts of a name.
    Index,
    /// For a query.
    Query,
}

/// A text with spaces between the pairs of a run of characters that stand without spaces, and behind a name its parts.
///
/// FTS5 takes out of the index what it is told was put in: where this makes something else of a text than before, a step has to
/// build the index anew.
fn apart(text: &str, purpose: For) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut letters = text.char_indices().peekable();
    let mut in_run = false;
    // Where the word begins that stands here.
    let mut word = None;
    while let Some((at, letter)) = letters.next() {
        if letter.is_alphanumeric() && !runs_on(letter) {
            word.get_or_insert(at);
        } else if let Some(begin) = word.take()
            && purpose == For::Index
        {
            add_parts(&text[begin..at], &mut out);
        }
        if !runs_on(letter) {
            if in_run {
                out.push(' ');
            }
            out.push(letter);
            in_run = false;
            continue;
        }
        let next = letters.peek().map(|(_, next)| *next).filter(|next| runs_on(*next));
        if next.is_some() || !in_run || purpose == For::Index {
            out.push(' ');
            out.push(letter);
            out.extend(next);
        }
        in_run = true;
    }
    if let Some(begin) = word
        && purpose == For::Index
    {
        add_parts(&text[begin..], &mut out);
    }
    out
}

/// Adds the parts of a name of several words, such as `HttpServer2`: a question that says them finds it. As Lucene's
/// WordDelimiterGraphFilter has it.
fn add_parts(word: &str, out: &mut String) {
    let letters: Vec<(usize, char)> = word.char_indices().collect();
    let ends = letters.windows(2).enumerate().filter(|(at, pair)| {
        let (letter, next) = (pair[0].1, pair[1].1);
        // The last of several capitals begins a word where a small letter follows.
        let begins = || letters.get(at + 2).is_some_and(|(_, after)| after.is_lowercase());
        letter.is_numeric() != next.is_numeric()
            || (next.is_uppercase() && (letter.is_lowercase() || (letter.is_uppercase() && begins())))
    });
    let mut ends: Vec<usize> = ends.map(|(_, pair)| pair[1].0).collect();
    if ends.is_empty() {
        return;
    }
    ends.push(word.len());
    let mut begin = 0;
    for end in ends {
        let part = &word[begin..end];
        // A letter or a digit by itself says nothing.
        if part.chars().nth(1).is_some() {
            out.push(' ');
            out.push_str(part);
        }
        begin = end;
    }
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
    let (mut telling, mut all): (Vec<String>, Vec<String>) = Default::default();
    for word in parted(&apart(text, For::Query)) {
        let word = word.to_lowercase();
        let tells = FUNCTION_WORDS.binary_search(&word.as_str()).is_err();
        for (list, takes) in [(&mut telling, tells), (&mut all, true)] {
            if takes && list.len() < MOST && !list.contains(&word) {
                list.push(word.clone());
            }
        }
        if telling.len() == MOST {
            break;
        }
    }
    if telling.is_empty() { all } else { telling }
}

/// The words of a text as they stand there.
fn parted(text: &str) -> impl Iterator<Item = &str> {
    let is_apostrophe = |letter: char| matches!(letter, '\'' | '\u{2019}');
    // An accent by itself belongs to the letter before it; the index leaves both kinds out.
    let in_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '\u{300}'..='\u{36F}');
    text.split(move |letter: char| !in_word(letter) && !is_apostrophe(letter)).flat_map(move |word| {
        let parts = word.split(is_apostrophe).enumerate();
        parts
            .filter(|(at, part)| !part.is_empty() && (*at == 0 || !ENDINGS.contains(part)))
            .map(|(_, part)| part)
    })
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
        assert_eq!(words("what's Ada's don\u{2019}t, l'eau"), ["ada", "don", "l", "eau"]);
        assert_eq!(words("re\u{301}sume\u{301}s"), ["re\u{301}sume\u{301}s"]);
        // What is passed over of a long question are not the words behind its function words.
        let long = format!("{} last", "the of and ".repeat(40));
        assert_eq!(words(&long), ["last"]);
    }

    #[test]
    fn a_run_of_characters_comes_apart_into_pairs() {
        let both = |text: &str| {
            let spaced = |purpose| apart(text, purpose).split_whitespace().collect::<Vec<_>>().join(" ");
            (spaced(For::Index), spaced(For::Query))
        };
        let pair = |alone: &str, paired: &str| (alone.to_owned(), paired.to_owned());
        assert_eq!(both("東京都に住む"), pair("東京 京都 都に に住 住む む", "東京 京都 都に に住 住む"));
        assert_eq!(both("猫"), pair("猫", "猫"));
        assert_eq!(both("Rust言語と C"), pair("Rust 言語 語と と C", "Rust 言語 語と C"));
        assert_eq!(both("한국어 책"), pair("한국 국어 어 책", "한국 국어 책"));
        assert_eq!(
            (term("猫"), term("猫が"), term("x")),
            ("\"猫\"*".into(), "\"猫が\"".into(), "\"x\"".into())
        );
    }

    #[test]
    fn names_are_kept_whole_and_in_their_parts() {
        for (text, index) in [
            ("a ReentrantLock, held", "a ReentrantLock Reentrant Lock, held"),
            ("HTTPServer2 of sqlite3", "HTTPServer2 HTTP Server of sqlite3 sqlite"),
            ("toUtf8 a1b2 iPhone", "toUtf8 to Utf a1b2 iPhone Phone"),
            (
                "stra\u{df}e, 12 x_y \u{c9}t\u{e9}Froid",
                "stra\u{df}e, 12 x_y \u{c9}t\u{e9}Froid \u{c9}t\u{e9} Froid",
            ),
        ] {
            assert_eq!((apart(text, For::Index).as_str(), apart(text, For::Query).as_str()), (index, text));
        }
    }
}
