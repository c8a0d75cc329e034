//! The rules of `NO_PROXY`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// Whom a proxy is for: everybody but those that the rules except.
///
/// hyper-util's matcher compares names, addresses and networks. What it has no notion of is done here: ports, blanks
/// between rules, and a star that means addresses, too.
pub(super) struct Exceptions {
    everywhere: Matcher,
    /// The rules that name a port.
    at_ports: Vec<(u16, Matcher)>,
}

impl Exceptions {
    /// `proxy` is a URL that the matcher can read; `None` is no proxy.
    pub(super) fn new(proxy: Option<&str>, rules: &str) -> Self {
        let mut hosts = BTreeMap::<Option<u16>, Vec<String>>::new();
        let rules = rules.split(|c: char| c == ',' || c.is_whitespace()).filter(|rule| !rule.is_empty());
        for (host, port) in rules.map(split) {
            hosts.entry(port).or_default().push(host);
        }
        let everywhere = matcher(proxy, &hosts.remove(&None).unwrap_or_default());
        let at_ports = hosts.into_iter().filter_map(|(port, hosts)| Some((port?, matcher(proxy, &hosts))));
        Self { everywhere, at_ports: at_ports.collect() }
    }

    /// The proxy for this destination, if it is for that.
    pub(super) fn intercept(&self, destination: &Uri) -> Option<Intercept> {
        let port = destination.port_u16().unwrap_or(443);
        let mut at_port = self.at_ports.iter().filter(|(known, _)| *known == port);
        if at_port.any(|(_, hosts)| hosts.intercept(destination).is_none()) {
            return None;
        }
        self.everywhere.intercept(destination)
    }
}

fn matcher(proxy: Option<&str>, hosts: &[String]) -> Matcher {
    let builder = Matcher::builder().no(hosts.join(","));
    // To the matcher a star means all names, to curl all addresses, too.
    match proxy.filter(|_| !hosts.iter().any(|host| host == "*")) {
        Some(proxy) => builder.https(proxy).build(),
        None => builder.build(),
    }
}

/// A rule's host and its port, if it names one: `10.0.0.0/8`, `::1`, `[::1]:8443`, `.example.com:8443`.
fn split(rule: &str) -> (String, Option<u16>) {
    let (host, port) = match rule.rsplit_once(':') {
        Some((host, port)) if rule.parse::<IpAddr>().is_err() && !rule.contains('/') => {
            match port.parse().ok().filter(|_| port.bytes().all(|digit| digit.is_ascii_digit())) {
                Some(port) => (host, Some(port)),
                None => (rule, None),
            }
        }
        _ => (rule, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // Neither the dot of the root nor `*.` is a rule of the matcher's; the first is one of curl's, the second widely used.
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    (host.to_owned(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excepts(rules: &str, url: &str) -> bool {
        Exceptions::new(Some("http://proxy:3128"), rules).intercept(&url.parse().unwrap()).is_none()
    }

    /// What curl 7.88 was seen to send past the proxy for these, and more.
    #[test]
    fn who_is_excepted() {
        for rules in [
            "localhost",
            "x localhost",
            "x\tlocalhost",
            "x,localhost",
            "x, localhost ,y",
            ".localhost",
            "LOCALHOST",
            "localhost.",
            "*",
            // Not curl's: it knows a star only where it stands alone, and no ports.
            "x,*",
            "*.localhost",
            "localhost:443",
            "x localhost:8443,localhost:443",
        ] {
            assert!(excepts(rules, "https://localhost/"), "{rules:?}");
        }
        for rules in
            ["", ",", " ", ".", "ocalhost", "localhost:8443", "localhost:", "localhost:x", "x.localhost"]
        {
            assert!(!excepts(rules, "https://localhost/"), "{rules:?}");
        }
        for rules in ["example.test", ".example.test", "*.example.test", "test.", "A.Example.Test."] {
            assert!(excepts(rules, "https://a.example.test:8443/"), "{rules:?}");
        }
        assert!(!excepts("ample.test", "https://a.example.test/"));
    }

    #[test]
    fn addresses_networks_and_ports() {
        for rules in ["127.0.0.1", "127.0.0.0/8", "x 127.0.0.0/8", "127.0.0.1:8443", "*:8443", "*"] {
            assert!(excepts(rules, "https://127.0.0.1:8443/"), "{rules:?}");
        }
        for rules in ["127.0.0.2", "10.0.0.0/8", "127.0.0.1:443", "127.0.0.0/8:8443", "0.0.1"] {
            assert!(!excepts(rules, "https://127.0.0.1:8443/"), "{rules:?}");
        }
        for rules in ["::1", "[::1]", "[::1]:8443", "::/64"] {
            assert!(excepts(rules, "https://[::1]:8443/"), "{rules:?}");
        }
        for rules in ["::2", "[::1]:443", "[::1", "::1:8443"] {
            assert!(!excepts(rules, "https://[::1]:8443/"), "{rules:?}");
        }
    }
}
