//! An error's text, without its tail.

use std::error::Error;
use std::fmt::{self, Write};

/// The first part of an error's text: as much as any known text needs.
pub(crate) struct Text(String);

/// An OpenSSL error stack is the longest text that is looked into.
const ENOUGH: usize = 512;

impl Text {
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut text = Self(String::new());
        // It answers an error where the text is cut at `ENOUGH`; what was written by then is what counts.
        let _ = write!(text, "{error}");
        text
    }

    /// What the `Debug` shows.
    pub(crate) fn debug(value: &dyn fmt::Debug) -> Self {
        let mut text = Self(String::new());
        let _ = write!(text, "{value:?}");
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let mut room = ENOUGH - self.0.len();
        if part.len() <= room {
            self.0.push_str(part);
            return Ok(());
        }
        while !part.is_char_boundary(room) {
            room -= 1;
        }
        self.0.push_str(&part[..room]);
        Err(fmt::Error)
    }
}
