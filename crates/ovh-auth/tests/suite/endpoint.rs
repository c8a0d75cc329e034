//! Names, base URLs, and what becomes of a path.

use http::Uri;
use ovh_auth::Endpoint;

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

fn refused(text: &str) -> String {
    text.parse::<Endpoint>().unwrap_err().to_string()
}

#[test]
fn each_name_has_its_base_and_perhaps_its_token_url() {
    let table = [
        ("ovh-eu", "https://eu.api.ovh.com/1.0", Some("https://www.ovh.com/auth/oauth2/token")),
        ("ovh-ca", "https://ca.api.ovh.com/1.0", Some("https://ca.ovh.com/auth/oauth2/token")),
        ("ovh-us", "https://api.us.ovhcloud.com/1.0", Some("https://us.ovhcloud.com/auth/oauth2/token")),
        ("kimsufi-eu", "https://eu.api.kimsufi.com/1.0", None),
        ("kimsufi-ca", "https://ca.api.kimsufi.com/1.0", None),
        ("soyoustart-eu", "https://eu.api.soyoustart.com/1.0", None),
        ("soyoustart-ca", "https://ca.api.soyoustart.com/1.0", None),
    ];
    assert!(Endpoint::names().eq(table.map(|(name, ..)| name)));
    for (name, base, token_url) in table {
        let token_url = token_url.map(Uri::from_static);
        let by_name = endpoint(name);
        assert_eq!((by_name.name(), by_name.token_url()), (Some(name), token_url.as_ref()));
        assert_eq!((by_name.base().to_string(), by_name.to_string()), (base.to_owned(), name.to_owned()));

        let by_url = endpoint(base);
        assert_eq!((by_url.name(), by_url.token_url()), (None, token_url.as_ref()), "{base}");
        assert_eq!((by_url.base(), by_url.to_string()), (by_name.base(), base.to_owned()));
    }
}

#[test]
fn a_path_is_put_behind_the_base_as_it_is() {
    let mut cases = vec![];
    for path in ["/me", "/me?a=1&a=2", "/a%2Fb/../c//d?x=%20+y&", "/v1", "/v3/x", "/v2x/y", "/é?ü=ß", "/?"]
    {
        cases.push(("ovh-eu", path, format!("https://eu.api.ovh.com/1.0{path}")));
        cases.push(("http://127.0.0.1:8080", path, format!("http://127.0.0.1:8080{path}")));
    }
    for path in ["/v1/me", "/v2/iam/policy?x", "/v2/"] {
        // The version in the base gives way, and only that one.
        cases.push(("ovh-eu", path, format!("https://eu.api.ovh.com{path}")));
        cases.push(("http://[::1]:81/ovh/1.0", path, format!("http://[::1]:81/ovh{path}")));
        cases.push(("http://127.0.0.1:8080", path, format!("http://127.0.0.1:8080{path}")));
        cases.push(("https://mock/api", path, format!("https://mock/api{path}")));
        cases.push(("https://mock/11.0", path, format!("https://mock/11.0{path}")));
    }
    for (base, path, url) in cases {
        assert_eq!(endpoint(base).url(path).unwrap().to_string(), url);
    }
}

#[test]
fn what_is_no_endpoint_is_told_by_name() {
    assert_eq!(
        refused("ovh-de"),
        "unknown endpoint `ovh-de`: accepted are ovh-eu, ovh-ca, ovh-us, kimsufi-eu, kimsufi-ca, soyoustart-eu, \
         soyoustart-ca, or a base URL"
    );
    assert!(refused("").starts_with("unknown endpoint ``"));
    assert!(refused("OVH-EU").starts_with("unknown endpoint `OVH-EU`"));
    assert_eq!(
        refused("https://eu.api.ovh.com/1.0/"),
        "endpoint `https://eu.api.ovh.com/1.0/` ends in a slash: leave it out, since every path begins with one"
    );
    assert!(refused("http://localhost/").contains("ends in a slash"));
    for text in [
        "/1.0",
        "eu.api.ovh.com/1.0",
        "ftp://host/1.0",
        "https:///1.0",
        "https://ho st/1.0",
        "https://host:x/1.0",
        "https://host:/1.0",
        "https://host:99999/1.0",
    ] {
        let error = refused(text);
        assert!(error.starts_with(&format!("endpoint `{text}` has a slash but is no URL")), "{error}");
    }
    assert!(refused("https://host:443/1.0").contains("names its scheme's own port"));
    assert!(refused("http://host:80/1.0").contains("names its scheme's own port"));
    assert_eq!(
        refused("https://host:08443/1.0"),
        "endpoint `https://host:08443/1.0` has a port that begins with a zero: leave the zero out, for clients don't \
         send it and the signature would not fit"
    );
    assert!(refused("https://[::1]:0443/1.0").contains("names its scheme's own port"));
    for text in ["https://LocalHost/1.0", "http://LOCALHOST:8080", "https://[2001:DB8::1]:8443/1.0"] {
        assert!(refused(text).starts_with(&format!("endpoint `{text}` has capitals in its host")), "{text}");
    }
    // Only the host's: a path is sent as it is written.
    assert_eq!(endpoint("http://localhost:8080/API").url("/Me").unwrap(), "http://localhost:8080/API/Me");
    assert!(refused("https://host/1.0?x=1").contains("has a query or a fragment"));
    assert!(refused("https://host/1.0#x").contains("has a query or a fragment"));
    assert!(
        refused(&format!("https://host/{}", "x".repeat(2048))).contains("2061 bytes is too long: up to 2048")
    );

    // What is cut off is marked, and a comment recognised.
    let error = refused("ovh-eu # prod");
    assert!(error.starts_with("unknown endpoint `ovh-eu …`: accepted are ovh-eu"), "{error}");
    assert!(error.ends_with("; a comment takes a line of its own"), "{error}");
    let error = refused("ovh-eu\t; prod");
    assert!(error.starts_with("unknown endpoint `ovh-eu\t; prod`"), "{error}");
    assert!(error.ends_with("; a comment takes a line of its own"), "{error}");
    let error = refused("https://host/1.0 # prod");
    assert!(error.starts_with("endpoint `https://host/1.0 …` has a slash but is no URL"), "{error}");
    assert!(error.ends_with("; a comment takes a line of its own"), "{error}");
    assert!(refused("ovh-eu#x").starts_with("unknown endpoint `ovh-eu…`"));
    assert!(!refused("ovh-eu#x").contains("comment"));

    // Neither a password nor a token is repeated.
    let error = refused("https://user:hunter2@host/1.0");
    assert_eq!(error, "endpoint `…@host/1.0` has user information before its host: it can't have any");
    for text in
        ["https://host/1.0?token=hunter2", "https://user:hunter#2@host/1.0", "https://host/1.0?at=x@hunter2"]
    {
        assert!(!refused(text).contains("hunter"), "{text}: {}", refused(text));
    }
}

#[test]
fn what_is_no_path_is_told_by_name_without_its_query() {
    let refused = |path| endpoint("ovh-eu").url(path).unwrap_err().to_string();
    for path in ["", "me", "https://eu.api.ovh.com/1.0/me", "/me#x", "/a b", "/a\nb", "/me?q=a b"] {
        let shown = path.split(['?', '#']).next().unwrap();
        assert!(refused(path).starts_with(&format!("`{shown}` is no path")), "{path}: {}", refused(path));
    }
    assert!(!refused("/me?token=hun ter2").contains("ter2"));
    // As long as a URL can be, and longer.
    assert!(endpoint("ovh-eu").url(&format!("/{}", "x".repeat(60_000))).is_ok());
    assert!(endpoint("ovh-eu").url(&format!("/{}", "x".repeat(70_000))).is_err());
}
