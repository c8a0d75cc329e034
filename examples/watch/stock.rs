//! Stock as the API tells it, and what changed in it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// One configuration in an answer of `/dedicated/server/datacenter/availabilities`: the part that a watcher reads.
#[derive(Deserialize)]
struct Configuration {
    fqn: String,
    datacenters: Vec<Datacenter>,
}

#[derive(Deserialize)]
struct Datacenter {
    datacenter: String,
    availability: String,
}

/// The availability of each configuration in each datacenter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stock(BTreeMap<(String, String), String>);

impl Stock {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let configurations: Vec<Configuration> = serde_json::from_slice(json)?;
        let mut stock = BTreeMap::new();
        for Configuration { fqn, datacenters } in configurations {
            for Datacenter { datacenter, availability } in datacenters {
                stock.insert((fqn.clone(), datacenter), availability);
            }
        }
        Ok(Self(stock))
    }

    /// What must change in this for it to be `new`, in order of configuration and datacenter.
    pub(crate) fn changes<'a>(&'a self, new: &'a Self) -> Vec<Change<'a>> {
        let appeared = new.0.keys().filter(|key| !self.0.contains_key(*key));
        let mut changes: Vec<_> = self
            .0
            .keys()
            .chain(appeared)
            .map(|key @ (fqn, datacenter)| {
                let value = |stock: &'a Self| stock.0.get(key).map(String::as_str);
                Change { fqn, datacenter, old: value(self), new: value(new) }
            })
            .filter(|change| change.old != change.new)
            .collect();
        changes.sort_unstable_by_key(|change| (change.fqn, change.datacenter));
        changes
    }

    /// How many configurations there are, each in its datacenters counted by itself.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them can be ordered now: the API promises hours until delivery.
    pub(crate) fn available(&self) -> usize {
        let hours = |value: &&String| value.split('-').next().is_some_and(|hours| hours.ends_with('H'));
        self.0.values().filter(hours).count()
    }
}

/// One change. `None` is: not in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    fqn: &'a str,
    datacenter: &'a str,
    old: Option<&'a str>,
    new: Option<&'a str>,
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped: these are a server's words, and they go to a terminal.
        let value = |value: Option<&str>| value.unwrap_or("(not listed)").escape_debug().to_string();
        let (fqn, datacenter) = (self.fqn.escape_debug(), self.datacenter.escape_debug());
        write!(f, "{fqn}  {datacenter}  {} -> {}", value(self.old), value(self.new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(entries: &[(&str, &str, &str)]) -> Stock {
        let rows: Vec<_> = entries
            .iter()
            .map(|(fqn, datacenter, availability)| {
                serde_json::json!({
                    "fqn": fqn, "memory": "m", "planCode": "p", "server": "s", "storage": "d",
                    "datacenters": [{ "datacenter": datacenter, "availability": availability }],
                })
            })
            .collect();
        Stock::parse(&serde_json::to_vec(&rows).unwrap()).unwrap()
    }

    #[test]
    fn an_answer_is_read_and_counted() {
        let json = br#"[{"fqn":"24adv01-v3.ram-128g.hybridsoftraid","memory":"ram-128g","planCode":"24adv01-v3",
            "server":"24adv01","storage":"hybridsoftraid","datacenters":[{"availability":"unavailable","datacenter":"bhs"},
            {"availability":"1H-high","datacenter":"gra"},{"availability":"720H","datacenter":"rbx"},
            {"availability":"comingSoon","datacenter":"sbg"},{"availability":"unknown","datacenter":"waw"}]}]"#;
        let stock = Stock::parse(json).unwrap();
        assert_eq!((stock.len(), stock.available()), (5, 2));
        assert_eq!(Stock::parse(b"[]").unwrap(), Stock::default());
        assert!(Stock::parse(b"<html>").is_err());
        assert!(Stock::parse(br#"{"message":"no"}"#).is_err());
    }

    #[test]
    fn changes_are_those_that_differ() {
        let old = stock(&[("a", "gra", "72H"), ("b", "gra", "72H"), ("c", "gra", "72H")]);
        let new = stock(&[("0", "gra", "1H-low"), ("b", "gra", "72H"), ("c", "gra", "unavailable")]);
        assert_eq!(old.changes(&old), []);
        let lines: Vec<_> = old.changes(&new).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["0  gra  (not listed) -> 1H-low", "a  gra  72H -> (not listed)", "c  gra  72H -> unavailable"]
        );
    }

    #[test]
    fn what_a_server_says_cannot_drive_the_terminal() {
        let old = Stock::default();
        let new = stock(&[("a\u{1b}[2J", "gra", "x\ny")]);
        let line = old.changes(&new)[0].to_string();
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
}
