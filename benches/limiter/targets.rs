//! What was aimed at, and whether it was reached.

/// Told of what was measured; prints all at the end.
#[derive(Debug, Default)]
pub(crate) struct Targets(Vec<(String, f64, f64, bool)>);

impl Targets {
    /// What must be at most so much.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, measured: f64, most: f64) {
        self.0.push((what.into(), measured, most, measured <= most));
    }

    /// What must be at least so much.
    pub(crate) fn at_least(&mut self, what: impl Into<String>, measured: f64, least: f64) {
        self.0.push((what.into(), measured, least, measured >= least));
    }

    pub(crate) fn print(&self) {
        if self.0.is_empty() {
            return;
        }
        println!("\n{:<74} {:>10} {:>10}", "targets", "measured", "bound");
        for (what, measured, bound, reached) in &self.0 {
            let verdict = if *reached { "ok" } else { "miss" };
            println!("{what:<74} {measured:>10.3} {bound:>10.3} {verdict}");
        }
    }
}
