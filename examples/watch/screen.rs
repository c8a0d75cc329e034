//! The terminal: a block of lines that is drawn again in place.

use std::env;
use std::io::{self, IsTerminal as _, Stdout, Write};
use std::panic;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::line::Line;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const ERASE_LINE_END: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";

/// Stdout, if it is a terminal that can go back to what it has shown. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Screen(Arc<Mutex<Block<Stdout>>>);

/// In characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Screen {
    /// `None` if stdout is a file, a pipe or a terminal without escapes.
    pub(crate) fn of_stdout() -> Option<Self> {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let stdout = io::stdout();
        (stdout.is_terminal() && !dumb).then(|| Self(Arc::new(Mutex::new(Block::new(stdout)))))
    }

    /// From here on a panic gives the terminal back before it says what it has to say.
    pub(crate) fn close_on_panic(&self) {
        let (screen, inner) = (self.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            match screen.0.try_lock() {
                Some(mut block) => block.close(),
                // It panicked in the middle of drawing, and the lock is not coming back.
                None => drop(io::stdout().write_all(SHOW_CURSOR.as_bytes())),
            }
            inner(info);
        }));
    }

    pub(crate) fn size() -> Size {
        use terminal_size::{Height, Width, terminal_size};
        let (Width(columns), Height(rows)) = terminal_size().unwrap_or((Width(80), Height(24)));
        // A terminal that does not know its size says 0.
        let or = |value: u16, unknown| if value == 0 { unknown } else { value.into() };
        Size { columns: or(columns, 80), rows: or(rows, 24) }
    }

    pub(crate) fn draw(&self, lines: Vec<Line>, size: Size) -> io::Result<()> {
        self.0.lock().draw(lines, size.columns)
    }

    /// Gives the terminal back: the block stays where it is, and what is written next comes below it.
    pub(crate) fn close(&self) {
        self.0.lock().close();
    }
}

/// Where the log goes: to stderr, above the block if both share the terminal.
#[derive(Debug)]
pub(crate) struct Log(Option<Screen>);

impl Log {
    pub(crate) fn above(screen: Option<&Screen>) -> Self {
        Self(screen.filter(|_| io::stderr().is_terminal()).cloned())
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(Screen(block)) = &self.0 else { return io::stderr().write(bytes) };
        let mut block = block.lock();
        block.erase(Screen::size().columns)?;
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The lines last drawn, with the cursor at the start of the line below them.
#[derive(Debug)]
struct Block<W: Write> {
    out: W,
    widths: Vec<usize>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was drawn yet, and the cursor is there.
    New,
    Drawing,
    Closed,
}

impl<W: Write> Block<W> {
    fn new(out: W) -> Self {
        Self { out, widths: Vec::new(), state: State::New }
    }

    /// In one write, so that no half of a picture is seen.
    fn draw(&mut self, lines: Vec<Line>, columns: usize) -> io::Result<()> {
        let mut text = match self.state {
            State::New => HIDE_CURSOR.to_owned(),
            State::Drawing => self.to_top(columns),
            State::Closed => return Ok(()),
        };
        self.state = State::Drawing;
        self.widths.clear();
        for line in lines {
            let (words, width) = line.finish();
            text += &words;
            text += ERASE_LINE_END;
            text += "\n";
            self.widths.push(width);
        }
        text += ERASE_BELOW;
        self.write(&text)
    }

    fn erase(&mut self, columns: usize) -> io::Result<()> {
        if self.state != State::Drawing {
            return Ok(());
        }
        let text = self.to_top(columns) + ERASE_BELOW;
        self.widths.clear();
        self.write(&text)
    }

    fn close(&mut self) {
        if self.state == State::Drawing {
            // A terminal that is gone needs no cursor.
            let _ = self.write(SHOW_CURSOR);
        }
        self.state = State::Closed;
    }

    /// The way to the block's first line. In a terminal that has become narrower its lines are folded.
    fn to_top(&self, columns: usize) -> String {
        let rows: usize = self.widths.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if rows == 0 { "\r".to_owned() } else { format!("\r\x1b[{rows}A") }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Style;

    fn lines(words: &[&str]) -> Vec<Line> {
        let line = |words: &&str| Line::new(40, false).with(Style::Plain, words);
        words.iter().map(line).collect()
    }

    fn written(block: &mut Block<Vec<u8>>) -> String {
        String::from_utf8(std::mem::take(&mut block.out)).unwrap()
    }

    #[test]
    fn it_draws_over_what_it_drew() {
        let mut block = Block::new(Vec::new());
        block.draw(lines(&["one", "two"]), 40).unwrap();
        assert_eq!(written(&mut block), "\x1b[?25lone\x1b[K\ntwo\x1b[K\n\x1b[J");
        block.draw(lines(&["three"]), 40).unwrap();
        assert_eq!(written(&mut block), "\r\x1b[2Athree\x1b[K\n\x1b[J");
        block.close();
        assert_eq!(written(&mut block), "\x1b[?25h");
        block.draw(lines(&["late"]), 40).unwrap();
        block.close();
        assert_eq!(written(&mut block), "", "what is closed stays so");
    }

    #[test]
    fn a_log_line_goes_above() {
        let mut block = Block::new(Vec::new());
        block.erase(40).unwrap();
        assert_eq!(written(&mut block), "");
        block.draw(lines(&["one", "two"]), 40).unwrap();
        written(&mut block);
        block.erase(40).unwrap();
        assert_eq!(written(&mut block), "\r\x1b[2A\x1b[J");
        block.draw(lines(&["one"]), 40).unwrap();
        assert_eq!(written(&mut block), "\rone\x1b[K\n\x1b[J");
    }

    #[test]
    fn lines_that_a_narrower_terminal_folds_are_counted() {
        let mut block = Block::new(Vec::new());
        block.draw(lines(&["twelve chars", "", "ten chars."]), 40).unwrap();
        written(&mut block);
        block.draw(lines(&[]), 5).unwrap();
        assert_eq!(written(&mut block), "\r\x1b[6A\x1b[J");
    }

    #[test]
    fn what_drew_nothing_leaves_nothing() {
        let mut block = Block::new(Vec::new());
        block.close();
        assert_eq!(written(&mut block), "");
    }
}
