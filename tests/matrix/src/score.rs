//! The score by client and method.

use std::collections::BTreeMap;
use std::fmt;

use crate::judge::Wrong;
use crate::run::Cell;

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    cells: u32,
    right: u32,
    twice: u32,
    futile: u32,
}

/// What was right, by client and method.
#[derive(Clone, Debug, Default)]
pub struct Score {
    rows: BTreeMap<(String, String), Row>,
}

impl Score {
    pub fn add(&mut self, cell: &Cell, wrong: Option<&Wrong>) {
        let row = self.rows.entry((format!("{:?}", cell.client), cell.method.to_string())).or_default();
        row.cells += 1;
        match wrong {
            None => row.right += 1,
            Some(Wrong::Twice) => row.twice += 1,
            Some(Wrong::Futile) => row.futile += 1,
            Some(Wrong::Not(_)) => {}
        }
    }

    /// How often a POST was received twice.
    #[must_use]
    pub fn twice(&self) -> u32 {
        self.rows.values().map(|row| row.twice).sum()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:26} {:6} {:>6} {:>6} {:>4} {:>6}",
            "client", "method", "cells", "right", "DUP", "futile"
        )?;
        for ((client, method), Row { cells, right, twice, futile }) in &self.rows {
            writeln!(f, "{client:26} {method:6} {cells:6} {right:6} {twice:4} {futile:6}")?;
        }
        Ok(())
    }
}
