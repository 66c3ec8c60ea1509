//! PDF, page by page, by pdf-extract.
//!
//! That crate panics on much that it does not expect, and is without bounds in time and memory. `apart` runs it in a process of
//! its own where the program that holds the runtime offers one. There it has a thread with a stack that is large and a panic
//! that is caught, and `guard` looks for what would take all memory, or recurse without end: that finds what is common, and not
//! all that can be thought of, so that without such a process only PDFs that are trusted should be read.

mod apart;
mod guard;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

pub use apart::{PdfReader, read_pdf};
use pdf_extract::{
    ColorSpace, Document, MediaBox, OutputDev, OutputError, Path, PlainTextOutput, Transform, output_doc_page,
};

use super::{BlockKind, DEADLINE, Parsed, Patience, writer::Writer};
use crate::{
    compute::Abandoned,
    error::{BackendError, Result},
};

/// Most pages.
const MOST_PAGES: usize = 10_000;
/// Most bytes of text.
const MOST_TEXT: usize = 32 << 20;
/// Threads that read at the same time; one that hangs counts until it ends.
const MOST_THREADS: usize = 4;
/// Stack of such a thread.
const STACK: usize = 64 << 20;
/// How often the caller is looked for.
const LOOK: Duration = Duration::from_millis(20);

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// What was read of a document: its pages in order.
struct Pages {
    texts: Vec<(u32, String)>,
    title: Option<String>,
}

/// # Errors
/// [`BackendError::InvalidInput`] where it cannot be read, or takes too much time or memory.
pub(super) fn parse(
    field: &str,
    content: &[u8],
    reader: Option<&PdfReader>,
    abandoned: &Abandoned,
) -> Result<Parsed> {
    match reader {
        Some(reader) => apart::parse(reader, field, content, &Patience::new(field, abandoned)),
        None => on_a_thread(field, content.to_vec(), abandoned).map(written),
    }
}

/// The text of pages with its blocks.
fn written(Pages { texts, title }: Pages) -> Parsed {
    let mut writer = Writer::default();
    for (page, text) in texts {
        writer.page(page);
        for paragraph in text.split("\n\n") {
            writer.add(BlockKind::Paragraph, &joined(paragraph));
        }
    }
    writer.finish(title)
}

/// Lines of a paragraph as one, with words whole again that a hyphen parts at the end of a line.
fn joined(paragraph: &str) -> String {
    let mut text = String::with_capacity(paragraph.len());
    for line in paragraph.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parts_a_word = text.ends_with('-')
            && text.chars().rev().nth(1).is_some_and(char::is_lowercase)
            && line.starts_with(char::is_lowercase);
        if parts_a_word {
            text.pop();
        } else if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}

/// A place among [`MOST_THREADS`].
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let taken =
            THREADS.fetch_update(Relaxed, Relaxed, |count| (count < MOST_THREADS).then_some(count + 1));
        taken.ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Relaxed);
    }
}

fn on_a_thread(field: &str, content: Vec<u8>, abandoned: &Abandoned) -> Result<Pages> {
    let begun = Instant::now();
    let place = loop {
        match Place::take() {
            Some(place) => break place,
            None if abandoned.is_set() => return Err(Abandoned::error()),
            None if begun.elapsed() > DEADLINE => {
                return Err(BackendError::ResourceLimitExceeded {
                    resource: "the threads that read PDFs".to_owned(),
                    limit: MOST_THREADS as u64,
                    current: MOST_THREADS as u64,
                    retry_after: DEADLINE,
                });
            }
            None => std::thread::sleep(LOOK),
        }
    };
    let (answer, answered) = channel();
    let (stop, field_name) = (abandoned.clone(), field.to_owned());
    std::thread::Builder::new()
        .name("pdf".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            let _place = place;
            let end = Instant::now() + DEADLINE;
            let stopped = || stop.is_set() || Instant::now() > end;
            let read = catch_unwind(AssertUnwindSafe(|| read(&field_name, &content, &stopped)));
            let outcome = read.unwrap_or_else(|_| Err(damaged(&field_name, "its reader gave up")));
            // Whoever left does not want it.
            answer.send(outcome).ok();
        })
        .map_err(|error| BackendError::internal(format!("no thread for a PDF: {error}")))?;
    loop {
        match answered.recv_timeout(LOOK) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(BackendError::internal("the thread that reads a PDF ended without an answer"));
            }
            Err(RecvTimeoutError::Timeout) if abandoned.is_set() => return Err(Abandoned::error()),
            Err(RecvTimeoutError::Timeout) if begun.elapsed() > DEADLINE => {
                let reason = format!("takes more than {} seconds to read; part it", DEADLINE.as_secs());
                return Err(BackendError::invalid(field, reason));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn read(field: &str, content: &[u8], stopped: &dyn Fn() -> bool) -> Result<Pages> {
    let document = guard::load(content).map_err(|found| damaged(field, &found))?;
    let pages = document.get_pages();
    if pages.is_empty() || pages.len() > MOST_PAGES {
        let reason = format!("is a PDF of {} pages; 1 to {MOST_PAGES} are read", pages.len());
        return Err(BackendError::invalid(field, reason));
    }
    let mut texts = Vec::with_capacity(pages.len());
    let mut bytes = 0;
    for (page, id) in pages {
        if stopped() {
            return Err(Abandoned::error());
        }
        // A page that is left out in silence would be missed by nobody until it is looked for.
        let cannot = || damaged(field, &format!("page {page} cannot be read"));
        if !guard::ends(&document, id) {
            return Err(cannot());
        }
        let text = catch_unwind(AssertUnwindSafe(|| {
            let mut text = String::new();
            let plain = PlainTextOutput::new(&mut text);
            let mut output = Bounded { plain, stopped, left: MOST_TEXT - bytes };
            output_doc_page(&document, &mut output, page).map(|()| text)
        }));
        let Ok(Ok(text)) = text else { return Err(cannot()) };
        bytes += text.len();
        texts.push((page, text));
    }
    Ok(Pages { texts, title: title(&document) })
}

/// The output of pdf-extract, which ends when it has become too much, or nobody waits.
struct Bounded<'a, 'b> {
    plain: PlainTextOutput<&'a mut String>,
    stopped: &'b dyn Fn() -> bool,
    left: usize,
}

impl Bounded<'_, '_> {
    fn goes_on(&mut self, bytes: usize) -> Result<(), OutputError> {
        // Up to three characters of white space come with each one.
        self.left = self.left.saturating_sub(bytes + 3);
        if self.left == 0 || (self.stopped)() { Err(OutputError::FormatError(fmt::Error)) } else { Ok(()) }
    }
}

impl OutputDev for Bounded<'_, '_> {
    fn begin_page(
        &mut self,
        page: u32,
        media: &MediaBox,
        art: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.plain.begin_page(page, media, art)
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.plain.end_page()
    }

    fn output_character(
        &mut self,
        place: &Transform,
        width: f64,
        spacing: f64,
        size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        self.goes_on(text.len())?;
        self.plain.output_character(place, width, spacing, size, text)
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.plain.begin_word()
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        self.plain.end_word()
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        self.plain.end_line()
    }

    fn stroke(&mut self, _: &Transform, _: &ColorSpace, _: &[f64], _: &Path) -> Result<(), OutputError> {
        self.goes_on(0)
    }

    fn fill(&mut self, _: &Transform, _: &ColorSpace, _: &[f64], _: &Path) -> Result<(), OutputError> {
        self.goes_on(0)
    }
}

/// The title among the document's properties.
fn title(document: &Document) -> Option<String> {
    let properties = document.trailer.get(b"Info").ok()?.as_reference().ok()?;
    let title = document.get_dictionary(properties).ok()?.get(b"Title").ok()?;
    pdf_extract::decode_text_string(title).ok()
}

fn damaged(field: &str, found: &str) -> BackendError {
    let reason = format!("is a PDF that cannot be read: {found}; export it again, or send its text");
    BackendError::invalid(field, reason)
}
