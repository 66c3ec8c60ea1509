//! stdout and stderr of the commands. stdout is a command's output and nothing else; what is said beside it goes to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Writes text to stdout. A reader that went away, such as `head`, is no error.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a value to stdout as JSON.
///
/// # Errors
/// When stdout cannot be written.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// Tells the operator something beside a command's output.
pub fn note(text: &str) {
    // Where stderr cannot be written there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether somebody sees what [`note`] writes as it is written.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Bytes for people.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

/// Rows as columns of equal width; the last column is as wide as it needs to be.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let rows = [["a", "long", "x"], ["bbb", "é", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a    long  x\nbbb  é\n");
    }
}
