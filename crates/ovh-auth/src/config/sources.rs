//! Where the configuration is looked for.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::assemble::assemble;
use super::error::{ConfigError, ConfigErrorKind};
use super::file::File;
use super::found::{Found, Searched};
use super::setting::{Origin, Place, Setting};
use super::value::Config;
use crate::endpoint::Endpoint;

/// The settings of each way to authenticate.
const METHODS: [&[Setting]; 3] = [
    &[Setting::ApplicationKey, Setting::ApplicationSecret, Setting::ConsumerKey],
    &[Setting::ClientId, Setting::ClientSecret],
    &[Setting::AccessToken],
];

type Env = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// The section that names the endpoint.
const DEFAULT: &str = "default";

/// The endpoint if none is set anywhere: go-ovh's choice.
const DEFAULT_ENDPOINT: &str = "ovh-eu";

/// Where a configuration is looked for, key by key: arguments, the environment, files.
///
/// ```
/// use ovh_auth::{Setting, Sources};
///
/// let config = Sources::new()
///     .with_env(|name| (name == "OVH_ENDPOINT").then(|| "kimsufi-eu".into()))
///     .with_files([] as [&str; 0])
///     .with_argument(Setting::Endpoint, "ovh-ca")
///     .load()?;
/// assert_eq!(config.endpoint().name(), Some("ovh-ca"));
/// # Ok::<(), ovh_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Sources {
    arguments: BTreeMap<Setting, String>,
    env: Env,
    files: Option<Vec<PathBuf>>,
}

impl Sources {
    /// The process's environment, and the usual files.
    #[must_use]
    pub fn new() -> Self {
        Self { arguments: BTreeMap::new(), env: Arc::new(|name| env::var_os(name)), files: None }
    }

    /// Sets something in code. An empty value counts as unset, as everywhere.
    #[must_use]
    pub fn with_argument(mut self, setting: Setting, value: impl Into<String>) -> Self {
        self.arguments.insert(setting, value.into());
        self
    }

    /// Asks this for variables instead of the process's environment.
    #[must_use]
    pub fn with_env(self, env: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self { env: Arc::new(env), ..self }
    }

    /// Reads these files instead of the usual ones, the first before the others.
    #[must_use]
    pub fn with_files<P: Into<PathBuf>>(self, files: impl IntoIterator<Item = P>) -> Self {
        Self { files: Some(files.into_iter().map(Into::into).collect()), ..self }
    }

    /// Looks everything up.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        let paths = self.files.clone().unwrap_or_else(|| self.usual_files());
        let files = paths.iter().filter_map(|path| File::read(path).transpose()).collect();
        let search = Search { sources: self, files };

        let endpoint = match search.find(Setting::Endpoint, DEFAULT)? {
            Looked::Found(endpoint) => endpoint,
            Looked::Nowhere => Found { value: DEFAULT_ENDPOINT.to_owned(), origin: Origin::Default },
            Looked::Hidden(error) => return Err(error),
        };
        let section = endpoint.value.clone();
        let parsed: Endpoint = section.parse().map_err(|error| {
            let place = Place(Setting::Endpoint, &endpoint.origin);
            ConfigError::new(ConfigErrorKind::UnknownEndpoint, format_args!("{place}: {error}"))
        })?;

        let mut found = BTreeMap::from([(Setting::Endpoint, endpoint)]);
        let mut hidden = BTreeMap::new();
        for setting in METHODS.concat() {
            match search.find(setting, &section)? {
                Looked::Found(value) => drop(found.insert(setting, value)),
                Looked::Nowhere => {}
                Looked::Hidden(error) => drop(hidden.insert(setting, error)),
            }
        }
        match needed(&found).find_map(|setting| hidden.remove(&setting)) {
            Some(error) => Err(error),
            None => assemble(parsed, &found, Searched { paths, section }),
        }
    }

    fn usual_files(&self) -> Vec<PathBuf> {
        let home = ["HOME", "USERPROFILE"].into_iter().filter_map(|name| (self.env)(name));
        let home = home.into_iter().find(|home| !home.is_empty());
        let home = home.map(|home| PathBuf::from(home).join(".ovh.conf"));
        ["./ovh.conf".into()].into_iter().chain(home).chain(["/etc/ovh.conf".into()]).collect()
    }
}

impl Config {
    /// Looks the configuration up, each key for itself, in this order: the environment, `./ovh.conf`, `~/.ovh.conf`,
    /// `/etc/ovh.conf`. [`Sources`] puts arguments before them, and looks elsewhere.
    ///
    /// An empty value counts as unset. Without an endpoint it is `ovh-eu`, as in go-ovh. No credentials are no error
    /// here, for many calls need none: see [`require_credentials`](Self::require_credentials).
    ///
    /// A file that can't be read is an error only where it could have what is needed: the endpoint, or a key of the method by
    /// which one is known to authenticate (each key, if none is known), and that was found in no place before it. A program
    /// whose environment has everything asks nothing of files.
    ///
    /// # Errors
    ///
    /// - [`UnreadableFile`](ConfigErrorKind::UnreadableFile): a file that is needed is there and can't be read;
    /// - [`MalformedFile`](ConfigErrorKind::MalformedFile): one that is needed is no INI, or its section has a line
    ///   without a `=`;
    /// - [`UnknownEndpoint`](ConfigErrorKind::UnknownEndpoint): no known name, no base URL;
    /// - [`InvalidValue`](ConfigErrorKind::InvalidValue): a key, secret or token that can't be a
    ///   [`Secret`](crate::Secret);
    /// - [`MixedMethods`](ConfigErrorKind::MixedMethods), [`HalfPair`](ConfigErrorKind::HalfPair),
    ///   [`NoOAuth2`](ConfigErrorKind::NoOAuth2): credentials that don't go together, or not with the endpoint.
    pub fn load() -> Result<Self, ConfigError> {
        Sources::new().load()
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows which settings are given in code, not what they are.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<_> = self.arguments.keys().collect();
        f.debug_struct("Sources")
            .field("arguments", &arguments)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// What must be known before credentials are put together: the parts of each method of which one is there.
fn needed(found: &BTreeMap<Setting, Found>) -> impl Iterator<Item = Setting> {
    let used = |method: &[Setting]| method.iter().any(|setting| found.contains_key(setting));
    let any = METHODS.into_iter().any(used);
    METHODS.into_iter().filter(move |method| !any || used(method)).flatten().copied()
}

struct Search<'a> {
    sources: &'a Sources,
    files: Vec<Result<File, ConfigError>>,
}

/// What became of the search for one setting.
enum Looked {
    Found(Found),
    Nowhere,
    /// A file may have it, and can't be read. That is an error if the setting is needed.
    Hidden(ConfigError),
}

impl Search<'_> {
    fn find(&self, setting: Setting, section: &str) -> Result<Looked, ConfigError> {
        let argument = self.sources.arguments.get(&setting).filter(|value| !value.is_empty());
        if let Some(value) = argument {
            return Ok(Looked::Found(Found { value: value.clone(), origin: Origin::Argument }));
        }
        if let Some(value) = (self.sources.env)(setting.variable()).filter(|value| !value.is_empty()) {
            let value = value.into_string().map_err(|_| {
                let place = Place(setting, &Origin::Environment);
                ConfigError::new(ConfigErrorKind::InvalidValue, format_args!("{place}: it is not Unicode"))
            })?;
            return Ok(Looked::Found(Found { value, origin: Origin::Environment }));
        }
        for file in &self.files {
            let value = match file {
                Ok(file) => file.get(section, setting).map(|value| value.map(|value| (file, value))),
                Err(error) => Err(error.clone()),
            };
            match value {
                Ok(Some((file, value))) => {
                    let origin = Origin::File { path: file.path().to_owned(), section: section.to_owned() };
                    return Ok(Looked::Found(Found { value: value.to_owned(), origin }));
                }
                Ok(None) => {}
                Err(error) => return Ok(Looked::Hidden(error.while_looking_for(setting))),
            }
        }
        Ok(Looked::Nowhere)
    }
}
