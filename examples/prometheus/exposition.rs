//! A strict reader of Prometheus' text format 0.0.4: what a scraper might forgive is an error here.
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>)

use std::collections::{BTreeMap, BTreeSet};

use crate::sample::{Sample, is_name, number};

/// What a scrape has told.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<String, Family>,
}

/// The samples of one metric.
#[derive(Debug, Default)]
pub struct Family {
    help: Option<String>,
    kind: Option<Kind>,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Exposition {
    /// Reads a scrape.
    ///
    /// # Errors
    ///
    /// The line that breaks a rule, and the rule.
    pub fn read(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".into());
        }
        let mut read = Self::default();
        let mut current = String::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_end_matches(' ');
            read.line(line, &mut current).map_err(|rule| format!("line {}: {rule}: {line}", at + 1))?;
        }
        for (name, family) in &read.families {
            family.check(name).map_err(|rule| format!("{name}: {rule}"))?;
        }
        Ok(read)
    }

    /// The sum of the samples that have this name and all these labels; none if there is no such metric.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|known| known == value))
        };
        let named = |family: &Family| family.samples.iter().any(|sample| sample.name == name);
        let family = self.families.values().find(|family| named(family))?;
        let samples = family.samples.iter().filter(|sample| sample.name == name);
        // Not `sum`, whose nothing is -0.
        Some(samples.filter(fits).fold(0.0, |sum, sample| sum + sample.value))
    }

    /// The values that a label has, over the samples of this name.
    #[must_use]
    pub fn values(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let samples = self.families.values().flat_map(|family| &family.samples);
        let of_name = samples.filter(|sample| sample.name == name);
        of_name.filter_map(|sample| sample.labels.get(label)).map(String::as_str).collect()
    }

    fn line(&mut self, line: &str, current: &mut String) -> Result<(), &'static str> {
        if line.is_empty() {
            return Ok(());
        }
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').ok_or("a help without words")?;
            let family = self.family(name, current)?;
            return set(&mut family.help, help.to_owned()).ok_or("a second help, or one after samples");
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or("a type without a kind")?;
            let kind = match kind {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                "histogram" => Kind::Histogram,
                _ => return Err("a kind that was not asked for"),
            };
            let family = self.family(name, current)?;
            if !family.samples.is_empty() {
                return Err("a type after samples");
            }
            return set(&mut family.kind, kind).ok_or("a second type");
        }
        let sample = Sample::read(line)?;
        let family = self.families.get_mut(current).ok_or("a sample before its type")?;
        let suffix = sample.name.strip_prefix(&**current).ok_or("a sample among those of another name")?;
        let fitting = match family.kind.ok_or("a sample before its type")? {
            Kind::Histogram => ["_bucket", "_sum", "_count"].contains(&suffix),
            Kind::Counter | Kind::Gauge => suffix.is_empty(),
        };
        if !fitting {
            return Err("a sample among those of another name");
        }
        if family.samples.iter().any(|known| known.name == sample.name && known.labels == sample.labels) {
            return Err("a series that was there before");
        }
        family.samples.push(sample);
        Ok(())
    }

    /// The family that lines of this name belong to, which must be the last one.
    fn family(&mut self, name: &str, current: &mut String) -> Result<&mut Family, &'static str> {
        if !is_name(name, true) {
            return Err("no name of a metric");
        }
        if name != current {
            if self.families.contains_key(name) {
                return Err("a metric in two pieces");
            }
            name.clone_into(current);
        }
        Ok(self.families.entry(name.to_owned()).or_default())
    }
}

impl Family {
    fn check(&self, name: &str) -> Result<(), &'static str> {
        if self.help.is_none() {
            return Err("no help");
        }
        match self.kind {
            None => Err("no type"),
            Some(Kind::Gauge) => Ok(()),
            Some(Kind::Counter) if !name.ends_with("_total") => Err("a counter that is no _total"),
            Some(Kind::Counter) if self.samples.iter().any(|sample| sample.value < 0.0) => {
                Err("a counter below zero")
            }
            Some(Kind::Counter) => Ok(()),
            Some(Kind::Histogram) => self.check_histogram(name),
        }
    }

    /// Buckets rise, and the last of each series is +Inf and its count; each series has a sum.
    fn check_histogram(&self, name: &str) -> Result<(), &'static str> {
        let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in self.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
            let mut labels = sample.labels.clone();
            let end = labels.remove("le").and_then(|end| number(&end)).ok_or("a bucket without its end")?;
            series.entry(labels).or_default().push((end, sample.value));
        }
        let one = |suffix: &str, labels: &BTreeMap<String, String>| {
            let fits =
                |sample: &&Sample| sample.name == format!("{name}{suffix}") && sample.labels == *labels;
            self.samples.iter().find(fits).map(|sample| sample.value)
        };
        for (labels, buckets) in &series {
            if !buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1) {
                return Err("buckets out of order");
            }
            let last = buckets.last().copied();
            let count = one("_count", labels).ok_or("a histogram without its count")?;
            if last != Some((f64::INFINITY, count)) {
                return Err("a last bucket that is not the count");
            }
            one("_sum", labels).ok_or("a histogram without its sum")?;
        }
        let others = self.samples.iter().filter(|sample| !sample.name.ends_with("_bucket"));
        if others.count() != 2 * series.len() {
            return Err("a histogram without buckets");
        }
        Ok(())
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}
