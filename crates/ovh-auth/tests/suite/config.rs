//! What is found where, and what is said when it isn't.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use ovh_auth::{
    ApplicationKeys, Config, ConfigErrorKind, Credentials, OAuth2Client, Origin, Secret, Setting, Sources,
};

/// A directory of this test's own, removed with it.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ovh-auth-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Neither the process's environment nor its files.
fn sources<const N: usize>(env: [(&'static str, &str); N], files: &[&PathBuf]) -> Sources {
    let env: HashMap<_, OsString> = env.into_iter().map(|(name, value)| (name, value.into())).collect();
    Sources::new()
        .with_env(move |name| env.get(name).cloned())
        .with_files(files.iter().map(|path| path.to_path_buf()))
}

fn application(key: &str, secret: &str, consumer: Option<&str>) -> Option<Credentials> {
    let keys = ApplicationKeys::new(key, secret).unwrap();
    Some(Credentials::Application(match consumer {
        Some(consumer) => keys.with_consumer_key(consumer).unwrap(),
        None => keys,
    }))
}

#[track_caller]
fn refused(sources: &Sources, kind: ConfigErrorKind) -> String {
    let error = sources.load().unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}

#[test]
fn each_key_comes_from_the_first_place_that_has_it() {
    let dir = Dir::new();
    let near = dir.file("near.conf", "[ovh-ca]\nconsumer_key=near-ck\n");
    let far = dir.file(
        "far.conf",
        "[default]\nendpoint=ovh-ca\n[ovh-ca]\napplication_key=far-ak\napplication_secret=far-as\nconsumer_key=far-ck\n\
         [ovh-eu]\napplication_key=eu-ak\napplication_secret=eu-as\n",
    );
    let missing = dir.0.join("missing.conf");
    let files = [&near, &missing, &far];

    let config = sources([], &files).load().unwrap();
    assert_eq!(config.endpoint().name(), Some("ovh-ca"));
    assert_eq!(config.credentials().cloned(), application("far-ak", "far-as", Some("near-ck")));
    let file =
        |path: &PathBuf, section: &str| Origin::File { path: path.clone(), section: section.to_owned() };
    assert_eq!(config.origin(Setting::Endpoint), Some(&file(&far, "default")));
    assert_eq!(config.origin(Setting::ConsumerKey), Some(&file(&near, "ovh-ca")));
    assert_eq!(config.origin(Setting::ApplicationKey), Some(&file(&far, "ovh-ca")));
    assert_eq!(config.origin(Setting::ClientId), None);

    // The environment goes before files; what is empty there is not set.
    let env = [("OVH_APPLICATION_KEY", "env-ak"), ("OVH_CONSUMER_KEY", "")];
    let config = sources(env, &files).load().unwrap();
    assert_eq!(config.credentials().cloned(), application("env-ak", "far-as", Some("near-ck")));
    assert_eq!(config.origin(Setting::ApplicationKey), Some(&Origin::Environment));

    // Arguments go before both; the endpoint decides the section.
    let config = sources(env, &files)
        .with_argument(Setting::Endpoint, "ovh-eu")
        .with_argument(Setting::ApplicationKey, "arg-ak")
        .with_argument(Setting::ApplicationSecret, "")
        .load()
        .unwrap();
    assert_eq!(config.endpoint().name(), Some("ovh-eu"));
    assert_eq!(config.credentials().cloned(), application("arg-ak", "eu-as", None));
    assert_eq!(config.origin(Setting::Endpoint), Some(&Origin::Argument));

    let config = sources([("OVH_ENDPOINT", "ovh-us")], &files).load().unwrap();
    assert_eq!((config.endpoint().name(), config.credentials()), (Some("ovh-us"), None));
}

#[test]
fn nothing_set_is_ovh_eu_without_credentials() {
    let dir = Dir::new();
    let empty = dir.file("ovh.conf", "\n; nothing\n# here\n");
    let config = sources([], &[&empty, &dir.0.join("missing.conf")]).load().unwrap();
    assert_eq!((config.endpoint().name(), config.credentials()), (Some("ovh-eu"), None));
    assert_eq!(config.origin(Setting::Endpoint), Some(&Origin::Default));

    let error = config.require_credentials().unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::NoCredentials);
    assert_eq!(
        error.to_string(),
        format!(
            "no credentials for endpoint ovh-eu: give `application_key` and `application_secret` (with \
             `consumer_key`), `client_id` and `client_secret`, or `access_token`; looked for environment variable \
             OVH_APPLICATION_KEY; key `application_key` in section [ovh-eu] of {0}/ovh.conf, {0}/missing.conf",
            dir.0.display()
        )
    );
}

#[test]
fn the_usual_files_are_the_local_one_the_homes_and_the_systems() {
    let home = Dir::new();
    home.file(".ovh.conf", "[ovh-eu]\naccess_token=from-home\n");
    let path: OsString = home.0.clone().into();
    let at_home = Sources::new().with_env(move |name| (name == "HOME").then(|| path.clone()));
    let error = Config::new("ovh-eu".parse().unwrap(), None).unwrap().require_credentials().unwrap_err();
    assert_eq!(error.to_string(), "no credentials for endpoint ovh-eu");
    let config = at_home.load().unwrap();
    assert_eq!(config.credentials(), Some(&Credentials::AccessToken(Secret::new("from-home").unwrap())));

    let homeless = Sources::new().with_env(|_| None).load().unwrap();
    let looked = homeless.require_credentials().unwrap_err().to_string();
    assert!(looked.ends_with("of ./ovh.conf, /etc/ovh.conf"), "{looked}");
}

#[test]
fn files_are_read_as_the_official_clients_write_them() {
    let dir = Dir::new();
    let file = dir.file(
        "ovh.conf",
        "\u{feff}[default]\r\n; general\r\nendpoint = http://127.0.0.1:8080/1.0\r\n\r\n[http://127.0.0.1:8080/1.0]\r\n\
         # both delimiters, any case\r\nAPPLICATION_KEY: ak;1#2\r\n  application_secret =as=: \r\n",
    );
    let config = sources([], &[&file]).load().unwrap();
    assert_eq!(config.endpoint().to_string(), "http://127.0.0.1:8080/1.0");
    assert_eq!(config.credentials().cloned(), application("ak;1#2", "as=:", None));

    // As python-ovh's tracker has it (#7): keys before the first section.
    let file = dir.file("headless.conf", "endpoint=ovh-ca\n[ovh-ca]\nclient_id=i\nclient_secret=s\n");
    let config = sources([], &[&file]).load().unwrap();
    assert_eq!(config.credentials(), Some(&Credentials::OAuth2(OAuth2Client::new("i", "s").unwrap())));

    // Nothing in a value stands for anything else, a section may come twice, and a section may have a comment behind it.
    let file = dir.file(
        "odd.conf",
        "[ovh-eu] ; Europe\napplication_key\t=\t%(x)s%%$HOME\\n\n[default]\nendpoint=ovh-eu\n[ovh-eu]\napplication_secret=as",
    );
    let config = sources([], &[&file]).load().unwrap();
    assert_eq!(config.credentials().cloned(), application("%(x)s%%$HOME\\n", "as", None));

    // The exact key goes before one in another case.
    let file = dir.file("twice.conf", "[ovh-eu]\nACCESS_TOKEN=b\naccess_token=a\nAccess_Token=c\n");
    let config = sources([], &[&file]).load().unwrap();
    assert_eq!(config.credentials(), Some(&Credentials::AccessToken(Secret::new("a").unwrap())));
}

#[test]
fn half_a_pair_names_both_halves() {
    let dir = Dir::new();
    let file = dir.file("ovh.conf", "[ovh-eu]\napplication_key=hidden\n");
    let shown = file.display();
    assert_eq!(
        refused(&sources([], &[&file]), ConfigErrorKind::HalfPair),
        format!(
            "key `application_key` in section [ovh-eu] of {shown} is set, but `application_secret` is not: looked for \
             environment variable OVH_APPLICATION_SECRET; key `application_secret` in section [ovh-eu] of {shown}"
        )
    );
    assert_eq!(
        refused(&sources([("OVH_CLIENT_SECRET", "hidden")], &[]), ConfigErrorKind::HalfPair),
        "environment variable OVH_CLIENT_SECRET is set, but `client_id` is not: looked for environment variable \
         OVH_CLIENT_ID"
    );
    let lone = sources([], &[]).with_argument(Setting::ConsumerKey, "hidden");
    assert_eq!(
        refused(&lone, ConfigErrorKind::HalfPair),
        "argument `consumer_key` is set, but `application_key` is not: looked for environment variable \
         OVH_APPLICATION_KEY"
    );
}

#[test]
fn mixed_methods_name_one_of_each() {
    let dir = Dir::new();
    let file = dir.file("ovh.conf", "[ovh-eu]\napplication_key=hidden\napplication_secret=hidden\n");
    assert_eq!(
        refused(&sources([("OVH_CLIENT_ID", "hidden")], &[&file]), ConfigErrorKind::MixedMethods),
        format!(
            "two ways to authenticate are mixed, and only one is accepted: key `application_key` in section [ovh-eu] \
             of {}, and environment variable OVH_CLIENT_ID",
            file.display()
        )
    );
    let token = [("OVH_ACCESS_TOKEN", "hidden")];
    assert!(refused(&sources(token, &[&file]), ConfigErrorKind::MixedMethods).contains("OVH_ACCESS_TOKEN"));
    let both = sources(token, &[]).with_argument(Setting::ClientId, "hidden");
    assert!(refused(&both, ConfigErrorKind::MixedMethods).contains("argument `client_id`"));
}

#[test]
fn oauth2_is_for_those_who_take_it() {
    let env = [("OVH_ENDPOINT", "kimsufi-eu"), ("OVH_CLIENT_ID", "i"), ("OVH_CLIENT_SECRET", "hidden")];
    assert_eq!(
        refused(&sources(env, &[]), ConfigErrorKind::NoOAuth2),
        "environment variable OVH_CLIENT_ID: OAuth2 client credentials can't be used with endpoint kimsufi-eu: accepted \
         are ovh-eu, ovh-ca, ovh-us"
    );
    for endpoint in ["soyoustart-ca", "http://127.0.0.1:1/1.0"] {
        let sources = sources(env, &[]).with_argument(Setting::Endpoint, endpoint);
        assert!(refused(&sources, ConfigErrorKind::NoOAuth2).contains(endpoint));
    }
    // By hand, for a mock that has one.
    let client = || Some(Credentials::OAuth2(OAuth2Client::new("i", "s").unwrap()));
    let mock = || "http://127.0.0.1:1/1.0".parse::<ovh_auth::Endpoint>().unwrap();
    assert_eq!(Config::new(mock(), client()).unwrap_err().kind(), ConfigErrorKind::NoOAuth2);
    Config::new(mock().with_token_url(http::Uri::from_static("http://127.0.0.1:1/token")), client()).unwrap();
    // A token from elsewhere is the caller's affair.
    let token = sources([("OVH_ENDPOINT", "kimsufi-eu"), ("OVH_ACCESS_TOKEN", "t")], &[]);
    assert!(matches!(token.load().unwrap().credentials(), Some(Credentials::AccessToken(_))));
}

#[test]
fn a_bad_endpoint_names_its_place() {
    let dir = Dir::new();
    let file = dir.file("ovh.conf", "[default]\nendpoint=ovh-eu ; Europe\n");
    let error = refused(&sources([], &[&file]), ConfigErrorKind::UnknownEndpoint);
    let place = format!("key `endpoint` in section [default] of {}: ", file.display());
    assert!(
        error.starts_with(&(place + "unknown endpoint `ovh-eu ; Europe`: accepted are ovh-eu, ")),
        "{error}"
    );
    let error = refused(&sources([("OVH_ENDPOINT", "http://x/")], &[]), ConfigErrorKind::UnknownEndpoint);
    assert!(
        error.starts_with("environment variable OVH_ENDPOINT: endpoint `http://x/` ends in a slash"),
        "{error}"
    );
}

#[test]
fn a_bad_value_names_its_place_and_not_itself() {
    let dir = Dir::new();
    let file = dir.file("ovh.conf", "[ovh-eu]\napplication_key=ok\napplication_secret=\"hidden\"\n");
    assert_eq!(
        refused(&sources([], &[&file]), ConfigErrorKind::InvalidValue),
        format!(
            "key `application_secret` in section [ovh-eu] of {}: its character 1 is not accepted: visible ASCII \
             without quotes is",
            file.display()
        )
    );
    let error = refused(&sources([("OVH_ACCESS_TOKEN", "hid den")], &[]), ConfigErrorKind::InvalidValue);
    assert!(error.starts_with("environment variable OVH_ACCESS_TOKEN: its character 4 "), "{error}");
    let long = sources([], &[]).with_argument(Setting::AccessToken, "x".repeat(8193));
    let error = refused(&long, ConfigErrorKind::InvalidValue);
    assert_eq!(error, "argument `access_token`: its length is 8193; accepted are 1 to 8192");
}

#[cfg(unix)]
#[test]
fn what_is_not_unicode_names_its_place() {
    use std::os::unix::ffi::OsStringExt;

    let sources = Sources::new()
        .with_files([] as [&str; 0])
        .with_env(|name| (name == "OVH_CONSUMER_KEY").then(|| OsString::from_vec(vec![0xff])));
    let error = refused(&sources, ConfigErrorKind::InvalidValue);
    assert_eq!(error, "environment variable OVH_CONSUMER_KEY: it is not Unicode");
}

#[test]
fn a_file_that_is_there_must_be_one() {
    let dir = Dir::new();
    let shown = dir.0.display();
    let error = refused(&sources([], &[&dir.0]), ConfigErrorKind::UnreadableFile);
    assert!(error.starts_with(&format!("{shown} can't be read: ")), "{error}");
    let latin = dir.file("latin.conf", b"[default]\n; \xe9\n");
    let error = refused(&sources([], &[&latin]), ConfigErrorKind::UnreadableFile);
    let key = "(while looking for key `endpoint`)";
    assert_eq!(error, format!("{shown}/latin.conf can't be read: it is not UTF-8 {key}"));

    let open = dir.file("open.conf", "[default]\nendpoint=ovh-eu\n[ovh-eu\nconsumer_key=hidden\n");
    let error = refused(&sources([], &[&open]), ConfigErrorKind::MalformedFile);
    assert!(error.starts_with(&format!("{shown}/open.conf: line 3: ")), "{error}");
    let bare = dir.file("bare.conf", "[ovh-eu]\napplication_key\nhidden\n");
    assert_eq!(
        refused(&sources([], &[&bare]), ConfigErrorKind::MalformedFile),
        format!(
            "section [ovh-eu] of {shown}/bare.conf has a line that is no `key=value` (while looking for key \
             `application_key`)"
        )
    );
    // Sections of other endpoints are nobody's business.
    let other = sources([("OVH_ENDPOINT", "ovh-ca")], &[&bare]);
    assert_eq!(other.load().unwrap().credentials(), None);
}

/// A file that can't be read, because it is a directory or is no text, before one that can.
#[test]
fn a_file_that_nothing_is_needed_of_may_be_unreadable() {
    let dir = Dir::new();
    let good = dir.file("good.conf", "[default]\nendpoint=ovh-ca\n[ovh-ca]\naccess_token=t\n");
    let latin = dir.file("latin.conf", b"\xe9");
    let open = dir.file("open.conf", "[ovh-eu\nconsumer_key=hidden\n");
    for (bad, kind) in [
        (&dir.0, ConfigErrorKind::UnreadableFile),
        (&latin, ConfigErrorKind::UnreadableFile),
        (&open, ConfigErrorKind::MalformedFile),
    ] {
        // Each method, whole, in the environment.
        let keys = [
            ("OVH_ENDPOINT", "ovh-eu"),
            ("OVH_APPLICATION_KEY", "ak"),
            ("OVH_APPLICATION_SECRET", "as"),
            ("OVH_CONSUMER_KEY", "ck"),
        ];
        assert_eq!(
            sources(keys, &[bad]).load().unwrap().credentials().cloned(),
            application("ak", "as", Some("ck"))
        );
        let client = [("OVH_ENDPOINT", "ovh-eu"), ("OVH_CLIENT_ID", "i"), ("OVH_CLIENT_SECRET", "s")];
        assert!(sources(client, &[bad]).load().is_ok());
        assert!(sources([("OVH_ENDPOINT", "ovh-eu"), ("OVH_ACCESS_TOKEN", "t")], &[bad]).load().is_ok());
        // Or in a file before it.
        assert_eq!(sources([], &[&good, bad]).load().unwrap().endpoint().name(), Some("ovh-ca"));

        // What it may have, and what is after it may only stand in for.
        for (env, key) in [
            ([("OVH_ACCESS_TOKEN", "t"), ("", "")], "endpoint"),
            ([("OVH_ENDPOINT", "ovh-ca"), ("", "")], "application_key"),
            ([("OVH_ENDPOINT", "ovh-ca"), ("OVH_APPLICATION_KEY", "ak")], "application_secret"),
            ([("OVH_ENDPOINT", "ovh-ca"), ("OVH_CLIENT_ID", "i")], "client_secret"),
        ] {
            let error = refused(&sources(env, &[bad, &good]), kind);
            assert!(error.ends_with(&format!("(while looking for key `{key}`)")), "{error}");
            assert!(!error.contains("hidden"));
        }
        let keys =
            [("OVH_ENDPOINT", "ovh-eu"), ("OVH_APPLICATION_KEY", "ak"), ("OVH_APPLICATION_SECRET", "as")];
        let error = refused(&sources(keys, &[bad]), kind);
        assert!(error.ends_with("(while looking for key `consumer_key`)"), "{error}");
    }
}
