//! What the table shows: the best offer of each plan in each datacenter, and what changed last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::stock::{Offer, Stock};

/// How many lines of news are kept.
const NEWS: usize = 5;

/// A clone is the same board.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) rows: Vec<Row>,
    /// The latest last.
    pub(crate) news: VecDeque<String>,
    /// Attempts that failed in calls that succeeded.
    pub(crate) healed: u64,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) plan: String,
    /// By datacenter; `None` before the first answer.
    pub(crate) cells: Option<BTreeMap<String, Cell>>,
}

#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) offer: Offer,
    pub(crate) change: Option<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Instant,
    pub(crate) better: bool,
}

impl Board {
    pub(crate) fn new(plans: &[String]) -> Self {
        let rows = plans.iter().map(|plan| Row { plan: plan.clone(), cells: None }).collect();
        Self(Arc::new(Mutex::new(State { rows, ..State::default() })))
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.lock())
    }

    /// A call about this plan was answered, after so many attempts that failed.
    pub(crate) fn answered(&self, plan: &str, stock: &Stock, healed: u64, now: Instant) {
        let mut state = self.0.lock();
        state.healed += healed;
        if let Some(row) = state.rows.iter_mut().find(|row| row.plan == plan) {
            row.update(stock, now);
        }
    }

    pub(crate) fn tell(&self, news: String) {
        let mut state = self.0.lock();
        if state.news.len() == NEWS {
            state.news.pop_front();
        }
        state.news.push_back(news);
    }
}

impl Row {
    fn update(&mut self, stock: &Stock, now: Instant) {
        let mut offers = stock.offers();
        let Some(cells) = &mut self.cells else {
            let cell = |(datacenter, offer)| (datacenter, Cell { offer, change: None });
            self.cells = Some(offers.into_iter().map(cell).collect());
            return;
        };
        for (datacenter, cell) in &mut *cells {
            // What is listed no more is on offer no more.
            cell.update(offers.remove(datacenter).unwrap_or_default(), now);
        }
        for (datacenter, offer) in offers {
            let mut cell = Cell { offer: Offer::default(), change: None };
            cell.update(offer, now);
            cells.insert(datacenter, cell);
        }
    }
}

impl Cell {
    fn update(&mut self, offer: Offer, now: Instant) {
        if offer != self.offer {
            self.change = Some(Change { at: now, better: offer > self.offer });
            self.offer = offer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock::tests::stock;

    fn cells(board: &Board) -> Vec<(String, String, Option<bool>)> {
        board.read(|state| {
            let cells = state.rows[0].cells.as_ref().unwrap();
            let told = |(datacenter, cell): (&String, &Cell)| {
                (datacenter.clone(), cell.offer.to_string(), cell.change.map(|change| change.better))
            };
            cells.iter().map(told).collect()
        })
    }

    #[test]
    fn what_gets_better_or_worse_is_marked() {
        let board = Board::new(&["p".to_owned()]);
        assert!(board.read(|state| state.rows[0].cells.is_none()));
        let old = stock(&[
            ("a", "bhs", "72H"),
            ("a", "gra", "unavailable"),
            ("a", "rbx", "1H-low"),
            ("a", "waw", "24H"),
        ]);
        board.answered("p", &old, 2, Instant::now());
        assert!(cells(&board).iter().all(|(.., better)| better.is_none()), "at first nothing has changed");
        let new =
            stock(&[("a", "bhs", "72H"), ("a", "gra", "1H-high"), ("a", "rbx", "72H"), ("b", "sbg", "24H")]);
        board.answered("p", &new, 1, Instant::now());
        let cell = |datacenter: &str, offer: &str, better| (datacenter.to_owned(), offer.to_owned(), better);
        assert_eq!(
            cells(&board),
            [
                cell("bhs", "72H 1", None),
                cell("gra", "1H-high 1", Some(true)),
                cell("rbx", "72H 1", Some(false)),
                cell("sbg", "24H 1", Some(true)),
                cell("waw", "none", Some(false)),
            ]
        );
        assert_eq!(board.read(|state| state.healed), 3);
    }

    #[test]
    fn the_oldest_news_go_first() {
        let board = Board::new(&[]);
        for n in 0..NEWS + 2 {
            board.tell(n.to_string());
        }
        assert_eq!(
            board.read(|state| state.news.iter().cloned().collect::<Vec<_>>()),
            ["2", "3", "4", "5", "6"]
        );
    }
}
