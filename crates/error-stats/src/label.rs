//! A name that the caller gives a call.

use std::fmt;
use std::sync::Arc;

/// A request extension: what kind of call this is, in the caller's words. Calls are counted by it.
///
/// The first 32 labels that a handle sees, of up to 128 bytes each, are told apart; all others are counted
/// together, and the snapshot says so. So a label is for kinds ("availability", "checkout"), not for single
/// calls.
///
/// ```
/// use error_stats::Label;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Label::from_static("checkout"));
/// ```
///
/// # Clone
///
/// Cheap: the text is not copied.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Label(Text);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Label {
    /// A label known at compile time.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Text::Static(text))
    }

    /// A label made at run time. Make it once and clone it.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(Text::Shared(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Label").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
