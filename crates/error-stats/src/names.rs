//! Names that calls are counted by: a table that does not grow.

use std::sync::{Mutex, OnceLock};

use crate::guard::lock;

/// How many names are told apart. So few that a scan beats a hash.
pub(crate) const NAMES: usize = 32;

/// Where the calls of all names beyond the table are counted together.
pub(crate) const OTHERS: usize = NAMES;

/// The longest name that is kept, in bytes. DNS allows hosts 253; those that long count among the others.
pub(crate) const LONGEST: usize = 128;

/// The first names seen keep their places for good.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: [OnceLock<Box<str>>; NAMES],
    adding: Mutex<()>,
}

impl Names {
    /// The place of a name; a new name gets the next free one. Allocates for a new name only.
    pub(crate) fn place(&self, name: &str) -> u8 {
        self.known_place(name).unwrap_or_else(|| self.add(name, str::to_owned))
    }

    /// The place of a name that is known.
    #[inline]
    pub(crate) fn known_place(&self, name: &str) -> Option<u8> {
        self.find(|known| known == name)
    }

    /// The same for a name whose case does not matter, a host's.
    pub(crate) fn place_of_host(&self, name: &str) -> u8 {
        let found = self.known_place(name);
        let found = found.or_else(|| self.find(|known| known.eq_ignore_ascii_case(name)));
        found.unwrap_or_else(|| self.add(name, str::to_ascii_lowercase))
    }

    /// The names, in order of their places.
    pub(crate) fn known(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map_while(OnceLock::get).map(|name| &**name)
    }

    /// The name at a place; none for the others together.
    #[cfg(feature = "metrics")]
    pub(crate) fn name(&self, place: u8) -> Option<&str> {
        self.names.get(usize::from(place))?.get().map(|name| &**name)
    }

    #[inline]
    fn find(&self, is_it: impl Fn(&str) -> bool) -> Option<u8> {
        for (place, known) in self.names.iter().enumerate() {
            // The first free place: no name is beyond it.
            let known = known.get()?;
            if is_it(known) {
                return Some(place as u8);
            }
        }
        None
    }

    /// A name that is kept as `kept_as` has it: asked for one that finds room only.
    fn add(&self, name: &str, kept_as: fn(&str) -> String) -> u8 {
        let full = self.names.last().is_none_or(|last| last.get().is_some());
        if full || name.len() > LONGEST {
            return OTHERS as u8;
        }
        let name = kept_as(name);
        let _adding = lock(&self.adding);
        for (place, known) in self.names.iter().enumerate() {
            if **known.get_or_init(|| name.as_str().into()) == *name {
                return place as u8;
            }
        }
        OTHERS as u8
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_name_keeps_its_place_and_names_beyond_the_table_share_one() {
        let names = Names::default();
        for round in 0..2 {
            for n in 0..1000 {
                let place = names.place(&format!("name-{n}"));
                assert_eq!(usize::from(place), n.min(OTHERS), "round {round}");
            }
        }
        assert_eq!(names.known().count(), NAMES);
        assert_eq!(names.place(""), OTHERS as u8);
    }

    #[test]
    fn a_name_too_long_takes_no_place() {
        let names = Names::default();
        assert_eq!(names.place(&"x".repeat(LONGEST + 1)), OTHERS as u8);
        assert_eq!(names.place(&"x".repeat(LONGEST)), 0);
    }

    #[test]
    fn a_hosts_case_does_not_matter_and_a_labels_does() {
        let names = Names::default();
        assert_eq!(names.place_of_host("API.example.org"), 0);
        assert_eq!(names.place_of_host("api.example.org"), 0);
        assert_eq!(names.place_of_host("Api.Example.Org"), 0);
        assert_eq!(names.place("Api"), 1);
        assert_eq!(names.place("api"), 2);
        assert_eq!(names.known().collect::<Vec<_>>(), ["api.example.org", "Api", "api"]);
    }

    #[test]
    fn threads_that_add_at_once_agree() {
        let names = Names::default();
        let places: Vec<Vec<u8>> = thread::scope(|scope| {
            let add = || (0..NAMES).map(|n| names.place(&n.to_string())).collect();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(places.iter().all(|seen| *seen == places[0]));
        assert_eq!(names.known().count(), NAMES);
    }
}
