//! Queries and forms.

use crate::answer::Refusal;

/// The pairs of a query string or an urlencoded form, decoded.
pub(crate) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// The first value of this name.
pub(crate) fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(one, _)| one == name).map(|(_, value)| &**value)
}

/// The first value of this name, which must be there.
pub(crate) fn required<'a>(pairs: &'a [(String, String)], name: &str) -> Result<&'a str, Refusal> {
    first(pairs, name).ok_or_else(|| Refusal::bad_request(format!("Missing query parameter: {name}")))
}
