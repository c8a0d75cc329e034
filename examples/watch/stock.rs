//! Stock as the API tells it, and what changed in it.

use std::cmp::Reverse;
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
        self.0.values().filter(|value| Rank::of(value).is_available()).count()
    }

    /// What each datacenter offers, by its name, which is made fit for a terminal.
    pub(crate) fn offers(&self) -> BTreeMap<String, Offer> {
        let mut offers: BTreeMap<String, Offer> = BTreeMap::new();
        for ((_, datacenter), value) in &self.0 {
            offers.entry(datacenter.escape_default().to_string()).or_default().add(value);
        }
        offers
    }
}

/// The configurations of one plan in one datacenter, in short. The greater is the better.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offer {
    best: Rank,
    available: usize,
    /// The best availability in the API's words, made fit for a terminal.
    words: String,
}

impl Offer {
    fn add(&mut self, value: &str) {
        let rank = Rank::of(value);
        self.available += usize::from(rank.is_available());
        if rank > self.best {
            (self.best, self.words) = (rank, value.escape_default().to_string());
        }
    }

    pub(crate) fn is_available(&self) -> bool {
        self.available > 0
    }

    /// Without the number of configurations.
    pub(crate) fn best(&self) -> &str {
        match self.best {
            Rank::Unavailable => "none",
            Rank::ComingSoon => "soon",
            _ => &self.words,
        }
    }
}

/// Such as `1H-high 12`: the best, and how many configurations can be ordered at all.
impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.best())?;
        if self.is_available() { write!(f, " {}", self.available) } else { Ok(()) }
    }
}

/// How good an availability is, from the worst on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    #[default]
    Unavailable,
    Unknown,
    ComingSoon,
    /// The sooner the better; then the more there are.
    Within {
        hours: Reverse<u32>,
        level: i8,
    },
}

impl Rank {
    fn of(value: &str) -> Self {
        let (hours, level) = value.split_once('-').unwrap_or((value, ""));
        let level = match level {
            "high" => 1,
            "low" => -1,
            _ => 0,
        };
        match (value, hours.strip_suffix('H').and_then(|hours| hours.parse().ok())) {
            (_, Some(hours)) => Self::Within { hours: Reverse(hours), level },
            ("unavailable", None) => Self::Unavailable,
            ("comingSoon", None) => Self::ComingSoon,
            (_, None) => Self::Unknown,
        }
    }

    fn is_available(self) -> bool {
        matches!(self, Self::Within { .. })
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
pub(crate) mod tests {
    use super::*;

    pub(crate) fn stock(entries: &[(&str, &str, &str)]) -> Stock {
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
    fn the_best_offer_is_the_soonest() {
        let worst_first =
            ["unavailable", "x\u{1b}y", "comingSoon", "2160H", "72H", "24H", "1H-low", "1H", "1H-high"];
        for pair in worst_first.windows(2) {
            assert!(Rank::of(pair[0]) < Rank::of(pair[1]), "{pair:?}");
            for (first, second) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let offer =
                    stock(&[("a", "gra", first), ("b", "gra", second)]).offers().remove("gra").unwrap();
                assert_eq!(offer.best, Rank::of(pair[1]));
                assert!(!offer.to_string().contains(char::is_control), "{offer}");
            }
        }
        let offers =
            stock(&[("a", "gra", "72H"), ("b", "gra", "1H-low"), ("a", "g\u{1b}", "unavailable")]).offers();
        let words: Vec<_> = offers.iter().map(|(name, offer)| format!("{name} {offer}")).collect();
        assert_eq!(words, ["g\\u{1b} none", "gra 1H-low 2"]);
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
