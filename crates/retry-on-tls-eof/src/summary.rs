//! What an error tells of the call it ended.

use std::fmt;
use std::time::Duration;

use http::Method;

use crate::history::History;

/// A call as its error sees it.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) method: Method,
    /// Without the query, which may hold what is nobody's business.
    pub(crate) path: String,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) history: History,
}

/// "3 attempts, 1.4s", and the query's id if there is one.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts {
            0 => f.write_str("waiting for the first attempt's turn")?,
            1 => f.write_str("1 attempt")?,
            attempts => write!(f, "{attempts} attempts")?,
        }
        write!(f, ", {:.1?}", self.elapsed)?;
        match self.history.query_id() {
            Some(id) => write!(f, ", query {id}"),
            None => Ok(()),
        }
    }
}
