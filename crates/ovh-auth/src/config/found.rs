//! What was found, and where it was looked for.

use std::path::PathBuf;

use super::setting::{Origin, Setting};

/// A value and where it was.
pub(super) struct Found {
    pub(super) value: String,
    pub(super) origin: Origin,
}

/// Where it was looked, for those who did not find it.
#[derive(Clone, Debug)]
pub(super) struct Searched {
    pub(super) paths: Vec<PathBuf>,
    pub(super) section: String,
}

impl Searched {
    /// "environment variable OVH_CLIENT_ID; key `client_id` in section [ovh-eu] of ./ovh.conf, /etc/ovh.conf".
    pub(super) fn places(&self, setting: Setting) -> String {
        let mut places = format!("environment variable {}", setting.variable());
        for (n, path) in self.paths.iter().enumerate() {
            let before = if n == 0 {
                format!("; key `{}` in section [{}] of ", setting.key(), self.section)
            } else {
                ", ".to_owned()
            };
            places += &format!("{before}{}", path.display());
        }
        places
    }
}
