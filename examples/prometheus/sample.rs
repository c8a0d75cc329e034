//! One line of the format: a series and its value.

use std::collections::BTreeMap;

/// One value.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn read(line: &str) -> Result<Self, &'static str> {
        let end = line.find(['{', ' ']).ok_or("a sample without a value")?;
        let (name, rest) = line.split_at(end);
        if !is_name(name, true) {
            return Err("no name of a metric");
        }
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let value =
            rest.strip_prefix(' ').and_then(number).ok_or("a value that is none, or a time besides")?;
        Ok(Self { name: name.to_owned(), labels, value })
    }
}

/// The labels, and what follows their brace.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), &'static str> {
    let mut labels = BTreeMap::new();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (key, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(key, false) || key.starts_with("__") {
            return Err("no name of a label");
        }
        let (value, after) = value(after)?;
        if labels.insert(key.to_owned(), value).is_some() {
            return Err("a label twice");
        }
        rest = match after.strip_prefix(',') {
            Some(after) if !after.starts_with('}') => after,
            None if after.starts_with('}') => after,
            _ => return Err("labels that do not end"),
        };
    }
}

/// A label's value, its escapes undone, and what follows its quote.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                _ => return Err("an escape that there is not"),
            }),
            _ => value.push(char),
        }
    }
    Err("a label's value without an end")
}

/// A value as the format writes it.
pub(crate) fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => text.parse().ok(),
        _ => None,
    }
}

/// Of a metric, or else of a label, which has no colons.
pub(crate) fn is_name(name: &str, of_metric: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (of_metric && c == ':');
    !name.is_empty() && name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
}
