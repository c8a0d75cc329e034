//! A server's text, for people.

use std::fmt::{self, Write as _};

/// Shows a text without what a terminal would act on: control characters, and those that turn the direction of writing or begin a
/// line, are escaped.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            let acts = c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if acts { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn a_terminal_has_nothing_to_act_on() {
        let text = "é 日本 \u{1b}[2J\r\nERROR forged\u{9b}31m\u{202e}\u{2028}\u{7f}";
        assert_eq!(
            Escaped(text).to_string(),
            "é 日本 \\u{1b}[2J\\r\\nERROR forged\\u{9b}31m\\u{202e}\\u{2028}\\u{7f}"
        );
    }
}
