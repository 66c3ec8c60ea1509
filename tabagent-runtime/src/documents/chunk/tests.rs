//! What holds for every text: chunks cover it, keep their size, and are cut between characters.

use proptest::prelude::*;

use super::*;

/// A token is a word, or five letters of a longer one.
fn words(text: &str) -> Result<usize> {
    Ok(text.split_whitespace().map(|word| word.chars().count().div_ceil(5)).sum())
}

fn block(kind: BlockKind, start: usize, end: usize) -> Block {
    Block { kind, start, end, page: None }
}

/// A text of blocks with an empty line between them.
fn text_of(parts: &[(BlockKind, String)]) -> (String, Vec<Block>) {
    let (mut text, mut blocks) = (String::new(), Vec::new());
    for (kind, part) in parts {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        let start = text.len();
        text.push_str(part);
        blocks.push(block(*kind, start, text.len()));
    }
    (text, blocks)
}

fn texts<'a>(text: &'a str, chunks: &[Chunk]) -> Vec<&'a str> {
    chunks.iter().map(|chunk| &text[chunk.range.clone()]).collect()
}

const SIZE: ChunkSize = ChunkSize { tokens: 10, overlap: 3 };

#[test]
fn sections_are_cut_along_headings_and_paths_are_kept() {
    let heading = |level, text: &str| (BlockKind::Heading(level), text.to_owned());
    let paragraph = |text: &str| (BlockKind::Paragraph, text.to_owned());
    let (text, blocks) = text_of(&[
        paragraph("Before all."),
        heading(1, "Guide"),
        heading(2, "Install"),
        paragraph("Run it."),
        heading(2, "Use"),
        paragraph("Ask it."),
        heading(1, "End"),
    ]);
    let chunks = chunks(&text, &blocks, SIZE, &words).unwrap();
    let expected = ["Before all.", "Guide\n\nInstall\n\nRun it.", "Use\n\nAsk it.", "End"];
    assert_eq!(texts(&text, &chunks), expected);
    let headings: Vec<String> = chunks.iter().map(|chunk| chunk.headings.join(" > ")).collect();
    assert_eq!(headings, ["", "Guide > Install", "Guide > Use", "End"]);
    assert_eq!(chunks.iter().map(|chunk| chunk.own_headings).collect::<Vec<_>>(), [0, 2, 1, 1]);
}

#[test]
fn neighbours_overlap_by_whole_sentences_and_paragraphs_are_kept_whole_where_they_fit() {
    let paragraph = |text: &str| (BlockKind::Paragraph, text.to_owned());
    let (text, blocks) = text_of(&[paragraph("A b c. D e f. G h i. J k l. M n o."), paragraph("P q r.")]);
    let size = ChunkSize { tokens: 9, overlap: 3 };
    let found = chunks(&text, &blocks, size, &words).unwrap();
    assert_eq!(texts(&text, &found), ["A b c. D e f. G h i.", "G h i. J k l. M n o.", "M n o.\n\nP q r."]);
    let (text, blocks) = text_of(&[paragraph("A b c d e f."), paragraph("G h i j k l. M n o p q r.")]);
    let found = chunks(&text, &blocks, ChunkSize { tokens: 12, overlap: 0 }, &words).unwrap();
    assert_eq!(texts(&text, &found), ["A b c d e f.", "G h i j k l. M n o p q r."]);
}

#[test]
fn a_sentence_may_go_over_lines_and_a_line_of_code_may_not() {
    let lines = "one two three\nfour five six. Seven\neight nine";
    let cut = |kind| {
        let (text, blocks) = text_of(&[(kind, lines.to_owned())]);
        let found = chunks(&text, &blocks, ChunkSize { tokens: 6, overlap: 0 }, &words).unwrap();
        texts(&text, &found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cut(BlockKind::Paragraph), ["one two three\nfour five six.", "Seven\neight nine"]);
    assert_eq!(cut(BlockKind::Code), ["one two three", "four five six. Seven\neight nine"]);
}

#[test]
fn a_page_begins_a_chunk() {
    let (text, mut blocks) =
        text_of(&["One.", "Two.", "Three."].map(|text| (BlockKind::Paragraph, text.to_owned())));
    for (block, page) in blocks.iter_mut().zip([1, 1, 2]) {
        block.page = Some(page);
    }
    let found = chunks(&text, &blocks, SIZE, &words).unwrap();
    assert_eq!(texts(&text, &found), ["One.\n\nTwo.", "Three."]);
    assert_eq!(found.iter().map(|chunk| chunk.page).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

fn kind() -> impl Strategy<Value = BlockKind> {
    prop_oneof![
        (1..4_u8).prop_map(BlockKind::Heading),
        Just(BlockKind::Paragraph),
        Just(BlockKind::Item),
        Just(BlockKind::Code),
        Just(BlockKind::Table),
    ]
}

/// Letters of one to four bytes, ends of sentences, spaces and lines.
const LETTERS: &str = "([a-c\u{e9}\u{df}\u{4e2d}\u{1f600}\u{301}]|[a-c]{4}|[.!?] | |\n){1,120}";

proptest! {
    #[test]
    fn chunks_cover_a_text_and_keep_their_size(
        parts in proptest::collection::vec((kind(), LETTERS), 1..12),
        tokens in 2..30_usize,
        overlap in 0..20_usize,
    ) {
        let (text, blocks) = text_of(&parts);
        let size = ChunkSize { tokens, overlap: overlap.min(tokens / 2) };
        let found = chunks(&text, &blocks, size, &words).unwrap();
        let mut end = 0;
        let mut start = 0;
        for chunk in &found {
            // A slice that is cut within a character panics.
            let part = &text[chunk.range.clone()];
            prop_assert_eq!(chunk.tokens, words(part).unwrap());
            prop_assert!(chunk.tokens <= tokens, "{} tokens of {}", chunk.tokens, tokens);
            prop_assert!(!part.trim().is_empty());
            prop_assert!(chunk.range.end > end && chunk.range.start >= start, "it goes on");
            if chunk.range.start > end {
                prop_assert!(text[end..chunk.range.start].trim().is_empty(), "{:?} is lost", &text[end..chunk.range.start]);
            }
            (start, end) = (chunk.range.start, chunk.range.end);
        }
        prop_assert!(text[end..].trim().is_empty(), "{:?} is lost", &text[end..]);
    }
}

#[test]
fn sentences_end_where_the_standard_ends_them_however_long_the_text_is() {
    let text =
        "The cat (a tabby) sleeps. Is it 3.5 hours? \"Yes!\" said Dr. Who... He left.\nGo on. ".repeat(200);
    let whole: Vec<&str> = text.split_sentence_bounds().map(str::trim).collect();
    let found: Vec<&str> = sentences(&text).map(|range| text[range].trim()).collect();
    // The end of a line is none of a sentence here.
    let parted = |texts: &[&str]| texts.join(" ").replace('\n', " ");
    assert_eq!(parted(&found), parted(&whole));
    assert!(found.len() >= 1000, "{}", found.len());
    assert!(found.contains(&"Is it 3.5 hours?"));
}

#[test]
fn a_gap_of_white_space_or_of_brackets_is_passed() {
    // As a whole these take the library minutes.
    for gap in [" ".repeat(300_000), ") ".repeat(150_000), ")".repeat(300_000)] {
        let text = format!("It ends here.{gap}b");
        let all: Vec<Range<usize>> = sentences(&text).collect();
        assert_eq!(all.first().map(|first| first.start), Some(0));
        assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(all.last().map(|last| last.end), Some(text.len()));
    }
}

#[test]
fn a_heading_that_is_a_book_is_not_repeated_above_every_chunk() {
    let heading = "word ".repeat(100_000);
    let (text, blocks) = text_of(&[
        (BlockKind::Heading(1), heading.trim_end().to_owned()),
        (BlockKind::Paragraph, "Some more words. ".repeat(100)),
    ]);
    let chunks = chunks(&text, &blocks, SIZE, &words).unwrap();
    assert!(chunks.len() > 1000);
    assert!(chunks.iter().flat_map(|chunk| &chunk.headings).all(|heading| heading.len() <= HEADING));
}
