//! Chunks: parts of a text that one vector stands for.
//!
//! A text is cut along its headings and its pages, then between its blocks, then between sentences (Unicode Standard Annex 29), words, and
//! where a word is longer than a chunk, characters. Every chunk is a range of the text; together they cover all of it but
//! the white space between them, and neighbours within a section overlap by whole sentences.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::parse::{Block, BlockKind};
use crate::error::Result;

/// Bytes in which ends of sentences are looked for at once. Looking for them takes time with the square of what is looked at
/// where none is found, and a sentence that is longer is cut in any case.
const WINDOW: usize = 1024;
/// Bytes of a heading that stand above what follows it: every chunk below it has them. Those of a longer one are in its own
/// chunk alone.
const HEADING: usize = 512;

/// How large chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkSize {
    /// Most tokens.
    pub(crate) tokens: usize,
    /// Most tokens that a chunk repeats of the one before it.
    pub(crate) overlap: usize,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// In bytes of the text.
    pub(crate) range: Range<usize>,
    /// The headings above it, the outermost first; one that it begins with is among them.
    pub(crate) headings: Vec<String>,
    /// How many of those stand in it.
    pub(crate) own_headings: usize,
    /// Page on which it begins.
    pub(crate) page: Option<u32>,
    /// Its tokens.
    pub(crate) tokens: usize,
}

/// Counts the tokens of a text.
pub(crate) type Count<'a> = dyn Fn(&str) -> Result<usize> + 'a;

/// A piece that is not cut: a sentence, or a part of one that is too long.
#[derive(Debug)]
struct Piece {
    range: Range<usize>,
    tokens: usize,
    page: Option<u32>,
    /// Whether a block begins here.
    begins_block: bool,
}

/// A heading, or several without text between them, with all that follows until the next, or until the page ends.
#[derive(Debug, Default)]
struct Section {
    headings: Vec<String>,
    own_headings: usize,
    blocks: Vec<Block>,
}

/// Cuts a text.
///
/// # Errors
/// Those of `count`.
pub(crate) fn chunks(text: &str, blocks: &[Block], size: ChunkSize, count: &Count<'_>) -> Result<Vec<Chunk>> {
    let mut found = Vec::new();
    for section in sections(text, blocks) {
        let mut pieces = Vec::new();
        for block in &section.blocks {
            cut(text, block, size.tokens, count, &mut pieces)?;
        }
        pack(text, &section, &pieces, size, count, &mut found)?;
    }
    Ok(found)
}

fn sections(text: &str, blocks: &[Block]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    // The headings that are open, with their levels.
    let mut open: Vec<(u8, String)> = Vec::new();
    let mut has_text = true;
    for block in blocks {
        if let BlockKind::Heading(level) = block.kind {
            let deeper = open.last().is_some_and(|(last, _)| *last < level);
            open.retain(|(above, _)| *above < level);
            let heading = &text[block.start..block.end];
            open.push((level, heading[..heading.floor_char_boundary(HEADING)].to_owned()));
            if has_text || !deeper {
                sections.push(Section::default());
            }
            if let Some(section) = sections.last_mut() {
                section.own_headings += 1;
                section.headings = open.iter().map(|(_, heading)| heading.clone()).collect();
                section.blocks.push(*block);
            }
            has_text = false;
        } else {
            let last = sections.last().and_then(|section| section.blocks.last());
            if last.is_none_or(|last| last.page != block.page) {
                // Whoever looks a passage up wants the page that it is on.
                let headings = sections.last().map(|section| section.headings.clone()).unwrap_or_default();
                sections.push(Section { headings, ..Section::default() });
            }
            if let Some(section) = sections.last_mut() {
                section.blocks.push(*block);
            }
            has_text = true;
        }
    }
    sections
}

/// Cuts a block into pieces of at most `most` tokens.
fn cut(text: &str, block: &Block, most: usize, count: &Count<'_>, pieces: &mut Vec<Piece>) -> Result<()> {
    let whole = &text[block.start..block.end];
    let first = pieces.len();
    let mut add = |range: Range<usize>| {
        let range = trimmed(text, block.start + range.start..block.start + range.end);
        if range.is_empty() { Ok(()) } else { cut_range(text, range, most, count, block.page, pieces) }
    };
    match block.kind {
        BlockKind::Code | BlockKind::Table => lines(whole).into_iter().try_for_each(&mut add)?,
        _ => sentences(whole).try_for_each(&mut add)?,
    }
    if let Some(piece) = pieces.get_mut(first) {
        piece.begins_block = true;
    }
    Ok(())
}

/// Cuts a range into halves, at white space where there is some, until each has at most `most` tokens.
fn cut_range(
    text: &str,
    range: Range<usize>,
    most: usize,
    count: &Count<'_>,
    page: Option<u32>,
    pieces: &mut Vec<Piece>,
) -> Result<()> {
    let mut waiting = vec![range];
    while let Some(range) = waiting.pop() {
        let part = &text[range.clone()];
        // Every token stands for a byte at least: a part that is far too long is not counted as a whole.
        let tokens = if part.len() > most.saturating_mul(64) { usize::MAX } else { count(part)? };
        let middle = if tokens <= most { 0 } else { middle(part) };
        if middle == 0 {
            pieces.push(Piece { tokens, range, page, begins_block: false });
            continue;
        }
        let middle = range.start + middle;
        let (left, right) = (trimmed(text, range.start..middle), trimmed(text, middle..range.end));
        waiting.extend([right, left].into_iter().filter(|half| !half.is_empty()));
    }
    Ok(())
}

/// Where a part is cut in two: at the white space next to its middle, else at the character there; 0 where it is one
/// character.
fn middle(part: &str) -> usize {
    let half = part.ceil_char_boundary(part.len() / 2);
    let before = part[..half].trim_end().rfind(char::is_whitespace);
    let after = part[half..].find(char::is_whitespace).map(|at| half + at);
    let near = [before, after].into_iter().flatten().min_by_key(|at| at.abs_diff(half));
    match near {
        Some(at) if at > 0 => at,
        _ if half < part.len() => half,
        _ => part.floor_char_boundary(part.len().saturating_sub(1)),
    }
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let range = start..start + line.len();
            start = range.end;
            range
        })
        .collect()
}

/// The sentences of a text, found as they are asked for, so that whoever does can stop.
fn sentences(text: &str) -> impl Iterator<Item = Range<usize>> {
    // A line that ends within a sentence does not end it; a space is as long as the end of a line.
    let flowing = text.replace('\n', " ");
    // Those of the present window, the next one at the end.
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut begin = 0;
    std::iter::from_fn(move || {
        if found.is_empty() && begin < flowing.len() {
            let window = &flowing[begin..flowing.floor_char_boundary(begin + WINDOW)];
            let is_last = begin + window.len() == flowing.len();
            let mut ends: Vec<usize> =
                window.split_sentence_bound_indices().map(|(start, _)| start).skip(1).collect();
            if is_last {
                ends.push(window.len());
            } else if ends.is_empty() {
                // Beyond a window a sentence ends at the white space before that, or anywhere.
                let space = window.trim_end().rfind(char::is_whitespace).filter(|at| *at > 0);
                ends.push(space.unwrap_or(window.len()));
            }
            let starts = std::iter::once(0).chain(ends.iter().copied());
            found = starts.zip(&ends).map(|(start, end)| begin + start..begin + end).collect();
            found.reverse();
            // What begins after the last end may go on beyond the window, which begins there next.
            begin += ends.last().copied().unwrap_or(window.len());
        }
        found.pop()
    })
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..(range.start + part.trim_end().len()).max(start)
}

/// Puts pieces together.
fn pack(
    text: &str,
    section: &Section,
    pieces: &[Piece],
    size: ChunkSize,
    count: &Count<'_>,
    found: &mut Vec<Chunk>,
) -> Result<()> {
    let mut first = 0;
    // Pieces before this one are in a chunk already.
    let mut done = 0;
    while done < pieces.len() {
        let mut total = 0;
        let mut end = first;
        while let Some(piece) = pieces.get(end)
            && (end == first || total + piece.tokens <= size.tokens)
        {
            total += piece.tokens;
            end += 1;
        }
        if end < pieces.len() {
            end = block_border(pieces, first, done, end, size.tokens);
        }
        // Pieces have fewer tokens together than by themselves, but for some vocabularies.
        let range = |end: usize| pieces[first].range.start..pieces[end - 1].range.end;
        let mut tokens = count(&text[range(end)])?;
        while tokens > size.tokens && end > (done + 1).max(first + 1) {
            end -= 1;
            tokens = count(&text[range(end)])?;
        }
        if tokens > size.tokens && first < done {
            // What it repeats takes the room: it begins without that.
            first = done;
            continue;
        }
        found.push(Chunk {
            range: range(end),
            headings: section.headings.clone(),
            own_headings: if first == 0 { section.own_headings } else { 0 },
            page: pieces[first].page,
            tokens,
        });
        done = end;
        first = overlapping(pieces, first, end, size);
    }
    Ok(())
}

/// The last border of blocks before `end` that leaves a chunk at least half full, else `end`.
fn block_border(pieces: &[Piece], first: usize, done: usize, end: usize, most: usize) -> usize {
    if pieces[end].begins_block {
        return end;
    }
    let mut total: usize = pieces[first..end].iter().map(|piece| piece.tokens).sum();
    for at in (done.max(first) + 1..end).rev() {
        total -= pieces[at].tokens;
        if total * 2 < most {
            break;
        }
        if pieces[at].begins_block {
            return at;
        }
    }
    end
}

/// Where the next chunk begins, so that it repeats the end of this one and has room for what comes next.
fn overlapping(pieces: &[Piece], first: usize, end: usize, size: ChunkSize) -> usize {
    let next = pieces.get(end).map_or(0, |piece| piece.tokens);
    let room = size.overlap.min(size.tokens.saturating_sub(next));
    let mut total = 0;
    let mut begin = end;
    while begin > first + 1 && total + pieces[begin - 1].tokens <= room {
        begin -= 1;
        total += pieces[begin].tokens;
    }
    begin
}

#[cfg(test)]
mod tests;
