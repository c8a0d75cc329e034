//! One line of a terminal, no longer than fits.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Strong,
    Faint,
    Better,
    Worse,
}

impl Style {
    /// As "Select Graphic Rendition" of ECMA-48 has them.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Better => Some("1;32"),
            Self::Worse => Some("1;31"),
        }
    }
}

/// Each character is taken to be as wide as any other: give it no words of others that are not escaped to ASCII.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    text: String,
    width: usize,
    limit: usize,
    colour: bool,
}

impl Line {
    pub(crate) fn new(limit: usize, colour: bool) -> Self {
        Self { text: String::new(), width: 0, limit, colour }
    }

    /// Appends what still fits of the words.
    pub(crate) fn push(&mut self, style: Style, words: &str) {
        let fits: String = words.chars().take(self.limit - self.width).collect();
        self.width += fits.chars().count();
        match style.code().filter(|_| self.colour && !fits.is_empty()) {
            Some(code) => self.text += &format!("\x1b[{code}m{fits}\x1b[0m"),
            None => self.text += &fits,
        }
    }

    pub(crate) fn with(mut self, style: Style, words: &str) -> Self {
        self.push(style, words);
        self
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The text, with its escapes, and its width.
    pub(crate) fn finish(self) -> (String, usize) {
        (self.text, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_the_edge() {
        let line = Line::new(6, true).with(Style::Better, "1H-high").with(Style::Plain, " more");
        assert_eq!(line.finish(), ("\x1b[1;32m1H-hig\x1b[0m".to_owned(), 6));
    }

    #[test]
    fn without_colour_there_are_no_escapes() {
        let line = Line::new(20, false).with(Style::Worse, "none").with(Style::Faint, " dim");
        assert_eq!(line.finish(), ("none dim".to_owned(), 8));
    }
}
