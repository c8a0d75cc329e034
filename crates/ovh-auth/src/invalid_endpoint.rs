//! What can't be an endpoint, or a path of one.

use std::error::Error;
use std::fmt;

use crate::known::{MAX_LEN, TABLE};

/// A text that names no [`Endpoint`](crate::Endpoint). The message names it, less any user information, and what is
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidEndpoint {
    text: String,
    flaw: EndpointFlaw,
    /// In the manner of a comment, which INI files don't have there.
    comment: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointFlaw {
    UnknownName,
    NotAUrl,
    UserInformation,
    DefaultPort,
    LeadingZero,
    Capitals,
    Query,
    TrailingSlash,
    TooLong,
}

impl InvalidEndpoint {
    pub(crate) fn new(text: &str, flaw: EndpointFlaw) -> Self {
        let comment = text.contains([' ', '\t']) && text.contains(['#', ';']);
        Self { text: shown(text), flaw, comment }
    }
}

/// A password may stand before the last `@`, and a token in a query; what is cut off is marked.
fn shown(text: &str) -> String {
    let (kept, rest) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let shown = match kept.rsplit_once('@') {
        // The mark may be of a password.
        _ if rest.contains('@') => return "…".to_owned(),
        Some((_, host)) => format!("…@{host}"),
        None => kept.to_owned(),
    };
    if rest.is_empty() { shown } else { shown + "…" }
}

impl InvalidEndpoint {
    fn hint(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.comment { f.write_str("; a comment takes a line of its own") } else { Ok(()) }
    }
}

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.flaw {
            EndpointFlaw::UnknownName => {
                write!(f, "unknown endpoint `{text}`: accepted are ")?;
                for known in &TABLE {
                    write!(f, "{}, ", known.name)?;
                }
                f.write_str("or a base URL")?;
                self.hint(f)
            }
            EndpointFlaw::NotAUrl => {
                write!(
                    f,
                    "endpoint `{text}` has a slash but is no URL: accepted is http(s)://host[:port][/path]"
                )?;
                self.hint(f)
            }
            EndpointFlaw::UserInformation => {
                write!(f, "endpoint `{text}` has user information before its host: it can't have any")
            }
            EndpointFlaw::DefaultPort => write!(
                f,
                "endpoint `{text}` names its scheme's own port: leave it out, for clients don't send it and the \
                 signature would not fit"
            ),
            EndpointFlaw::LeadingZero => write!(
                f,
                "endpoint `{text}` has a port that begins with a zero: leave the zero out, for clients don't send it and \
                 the signature would not fit"
            ),
            EndpointFlaw::Capitals => write!(
                f,
                "endpoint `{text}` has capitals in its host: write it in small letters, for some clients send it so and \
                 the signature would not fit"
            ),
            EndpointFlaw::TooLong => {
                write!(
                    f,
                    "an endpoint's base URL of {} bytes is too long: up to {MAX_LEN} are accepted",
                    text.len()
                )
            }
            EndpointFlaw::Query => {
                write!(f, "endpoint `{text}` has a query or a fragment: it can't have any")
            }
            EndpointFlaw::TrailingSlash => {
                write!(f, "endpoint `{text}` ends in a slash: leave it out, since every path begins with one")
            }
        }
    }
}

impl Error for InvalidEndpoint {}

/// A path that can't be a call's. The message names it, without its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPath {
    path: String,
}

impl InvalidPath {
    pub(crate) fn new(path_and_query: &str) -> Self {
        let end = path_and_query.find(['?', '#']).unwrap_or(path_and_query.len());
        Self { path: path_and_query[..end].to_owned() }
    }
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path } = self;
        write!(
            f,
            "`{path}` is no path with a query: it must start with a slash, be escaped where URLs ask for it, and \
             have no fragment"
        )
    }
}

impl Error for InvalidPath {}
