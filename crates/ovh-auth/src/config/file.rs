//! One INI file.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};

use super::error::{ConfigError, ConfigErrorKind};
use super::setting::Setting;

pub(super) struct File {
    path: PathBuf,
    sections: HashMap<String, HashMap<String, Option<String>>>,
}

impl File {
    /// Reads a file; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let unreadable = |why: &dyn std::fmt::Display| {
            ConfigError::new(
                ConfigErrorKind::UnreadableFile,
                format_args!("{} can't be read: {why}", path.display()),
            )
        };
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8"))?,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(&error)),
        };
        // The parser's errors name the line, and quote nothing of it.
        let sections = parser().read(without_mark(text)).map_err(|error| {
            ConfigError::new(ConfigErrorKind::MalformedFile, format_args!("{}: {error}", path.display()))
        })?;
        Ok(Some(Self { path: path.to_owned(), sections }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A setting's value in a section. An empty one counts as none.
    pub(super) fn get(&self, section: &str, setting: Setting) -> Result<Option<&str>, ConfigError> {
        let Some(keys) = self.sections.get(section) else { return Ok(None) };
        if keys.values().any(Option::is_none) {
            let path = self.path.display();
            return Err(ConfigError::new(
                ConfigErrorKind::MalformedFile,
                format_args!("section [{section}] of {path} has a line that is no `key=value`"),
            ));
        }
        // Python's clients take keys in any case. The exact one goes first, then the order is the alphabet's.
        let exact = keys.get_key_value(setting.key());
        let similar = keys.iter().filter(|(key, _)| key.eq_ignore_ascii_case(setting.key())).min();
        let value = exact.or(similar).and_then(|(_, value)| value.as_deref());
        Ok(value.filter(|value| !value.is_empty()))
    }
}

/// As Python's `RawConfigParser`: `=` or `:`, whole lines of comments after `;` or `#`, none behind a value (where they
/// could be part of it), names of sections to the letter. Keys before the first section belong to `[default]`.
fn parser() -> Ini {
    let mut defaults = IniDefault::default();
    defaults.case_sensitive = true;
    defaults.enable_inline_comments = false;
    Ini::new_from_defaults(defaults)
}

/// Some editors put a byte-order mark first.
fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
