//! Words of others, made fit for one line of a terminal.

/// The text, with a space for each control character.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
