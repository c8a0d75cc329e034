//! The picture: the table, the figures, the news.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::board::{Cell, Row, State};
use crate::line::{Line, Style};
use crate::screen::Size;

/// How long a change stands out.
const FRESH: Duration = Duration::from_millis(1500);

/// What the line below the table tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) elapsed: Duration,
    /// How long it is to last; `None`: until it is stopped.
    pub(crate) seconds: Option<Duration>,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) attempts: u64,
    pub(crate) broken: u64,
    /// Calls that failed in a row, up to now.
    pub(crate) streak: u64,
    /// Calls that wait to be repeated.
    pub(crate) waiting: usize,
    /// Attempts released in the last second.
    pub(crate) last_second: usize,
    pub(crate) quota: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) now: Instant,
    pub(crate) size: Size,
    pub(crate) colour: bool,
}

/// How the table is set.
struct Columns {
    /// The width of the plans.
    first: usize,
    /// The width of a datacenter, without the mark before it.
    width: usize,
    /// How many datacenters fit side by side.
    across: usize,
    text: Text,
}

type Text = fn(&Cell) -> String;

impl Frame {
    /// No more lines than are seen at once, less the one that the cursor is in.
    pub(crate) fn lines(&self, state: &State, figures: &Figures) -> Vec<Line> {
        let mut lines = self.table(&state.rows);
        let figures = self.figures(figures, state.healed);
        let room = self.size.rows.saturating_sub(1);
        let for_table = room.saturating_sub(figures.len() + 1);
        if lines.len() > for_table {
            let hidden = lines.len() + 1 - for_table.max(1);
            lines.truncate(for_table.saturating_sub(1));
            lines.push(self.line().with(Style::Faint, &format!("... and {hidden} lines more")));
        }
        lines.push(self.line());
        lines.extend(figures);
        let left = room.saturating_sub(lines.len()).min(state.news.len());
        let newest = state.news.range(state.news.len() - left..);
        lines.extend(newest.map(|news| self.line().with(Style::Faint, news)));
        lines.truncate(room);
        lines
    }

    fn line(&self) -> Line {
        Line::new(self.size.columns, self.colour)
    }

    /// As many datacenters side by side as fit, the others below.
    fn table(&self, rows: &[Row]) -> Vec<Line> {
        let first = rows.iter().map(|row| row.plan.len()).max().unwrap_or_default().max("plan".len()) + 1;
        let cells = || rows.iter().flat_map(|row| row.cells.iter().flatten());
        let datacenters: Vec<&str> =
            cells().map(|(name, _)| &**name).collect::<BTreeSet<_>>().into_iter().collect();
        let columns = |text: Text, gap| {
            let cells = cells().map(|(_, cell)| text(cell).len());
            let width =
                cells.chain(datacenters.iter().map(|name| name.len())).max().unwrap_or_default() + gap;
            // Before each there is the mark of a change.
            let across = self.size.columns.saturating_sub(first) / (1 + width);
            Columns { first, width, across: across.max(1), text }
        };
        // The numbers are told if that takes no second block.
        let columns = match columns(|cell| cell.offer.to_string(), 1) {
            long if long.across >= datacenters.len() => long,
            _ => columns(|cell| cell.offer.best().to_owned(), 0),
        };
        let blocks = match &*datacenters {
            [] => vec![&[][..]],
            some => some.chunks(columns.across).collect(),
        };
        let mut lines = Vec::new();
        for block in blocks {
            let mut head = self.line().with(Style::Strong, &format!("{:first$}", "plan"));
            for name in block {
                head.push(Style::Strong, &format!(" {name:0$}", columns.width));
            }
            lines.push(head);
            lines.extend(rows.iter().map(|row| self.row(row, block, &columns)));
        }
        lines
    }

    fn row(&self, row: &Row, block: &[&str], columns: &Columns) -> Line {
        let &Columns { first, width, text, .. } = columns;
        let line = self.line().with(Style::Plain, &format!("{:first$}", row.plan));
        let Some(cells) = &row.cells else { return line.with(Style::Faint, " no answer yet") };
        if cells.is_empty() {
            return line.with(Style::Faint, " not listed");
        }
        block.iter().fold(line, |line, name| {
            let Some(cell) = cells.get(*name) else { return line.with(Style::Plain, &" ".repeat(1 + width)) };
            let fresh = cell.change.filter(|change| self.now.duration_since(change.at) < FRESH);
            let (mark, style) = match fresh.map(|change| change.better) {
                Some(true) => ('+', Style::Better),
                Some(false) => ('-', Style::Worse),
                None if cell.offer.is_available() => (' ', Style::Plain),
                None => (' ', Style::Faint),
            };
            line.with(style, &format!("{mark}{:width$}", text(cell)))
        })
    }

    /// One line, or as many as it takes.
    fn figures(&self, figures: &Figures, healed: u64) -> Vec<Line> {
        let Figures { calls, failed, attempts, broken, streak, waiting, last_second, quota, .. } = *figures;
        let time = match figures.seconds {
            Some(seconds) => format!("{:.1?} of {seconds:?}", figures.elapsed.min(seconds)),
            None => format!("{:.1?}", figures.elapsed),
        };
        let bad = |is_bad| if is_bad { Style::Worse } else { Style::Plain };
        let items = [
            (Style::Strong, time),
            (bad(failed > 0), format!("calls {calls} ({failed} failed)")),
            (Style::Plain, format!("attempts {attempts} ({broken} broken)")),
            (Style::Better, format!("cuts healed {healed}")),
            (bad(streak > 0), format!("streak {streak}")),
            (Style::Plain, format!("waiting to repeat {waiting}")),
            (Style::Plain, format!("last second {last_second} of {quota}")),
        ];
        let mut lines = vec![self.line()];
        for (style, text) in items {
            match lines.last_mut() {
                Some(line) if line.width() == 0 => line.push(style, &text),
                Some(line) if line.width() + 3 + text.len() <= self.size.columns => {
                    line.push(Style::Faint, " | ");
                    line.push(style, &text);
                }
                _ => lines.push(self.line().with(style, &text)),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Board;
    use crate::stock::tests::stock;

    const FIGURES: Figures = Figures {
        elapsed: Duration::from_millis(3210),
        seconds: Some(Duration::from_secs(12)),
        calls: 30,
        failed: 1,
        attempts: 41,
        broken: 11,
        streak: 0,
        waiting: 2,
        last_second: 9,
        quota: 10,
    };

    fn board(now: Instant) -> Board {
        let plans = ["24sk10", "24rise01", "99none01"].map(String::from);
        let board = Board::new(&plans);
        let old = stock(&[("a", "bhs", "72H"), ("a", "gra", "unavailable"), ("a", "rbx", "1H-high")]);
        board.answered("24sk10", &old, 7, now);
        let new = stock(&[("a", "bhs", "72H"), ("a", "gra", "1H-low"), ("a", "rbx", "72H")]);
        board.answered("24sk10", &new, 0, now);
        board.answered("99none01", &stock(&[]), 0, now);
        for n in 0..5 {
            board.tell(format!("news {n}"));
        }
        board
    }

    fn picture(columns: usize, rows: usize, colour: bool, age: Duration) -> Vec<String> {
        let now = Instant::now();
        let frame = Frame { now: now + age, size: Size { columns, rows }, colour };
        let lines = board(now).read(|state| frame.lines(state, &FIGURES));
        lines
            .into_iter()
            .map(|line| {
                let (text, width) = line.finish();
                assert!(width <= columns, "{text:?}");
                text.trim_end().to_owned()
            })
            .collect()
    }

    #[test]
    fn wide_enough_it_tells_all() {
        assert_eq!(
            picture(120, 40, false, Duration::ZERO),
            [
                "plan      bhs       gra       rbx",
                "24sk10    72H 1    +1H-low 1 -72H 1",
                "24rise01  no answer yet",
                "99none01  not listed",
                "",
                "3.2s of 12s | calls 30 (1 failed) | attempts 41 (11 broken) | cuts healed 7 | streak 0 | waiting to repeat 2",
                "last second 9 of 10",
                "news 0",
                "news 1",
                "news 2",
                "news 3",
                "news 4",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_side_by_side_goes_below() {
        let lines = picture(27, 40, false, Duration::ZERO);
        assert_eq!(
            lines[..8],
            [
                "plan      bhs    gra",
                "24sk10    72H   +1H-low",
                "24rise01  no answer yet",
                "99none01  not listed",
                "plan      rbx",
                "24sk10   -72H",
                "24rise01  no answer yet",
                "99none01  not listed",
            ]
        );
        for columns in 1..40 {
            picture(columns, 100, true, Duration::ZERO);
        }
    }

    #[test]
    fn it_is_never_higher_than_the_terminal() {
        for rows in 1..20 {
            let lines = picture(120, rows, false, Duration::ZERO);
            assert!(lines.len() < rows.max(2), "{rows}: {lines:?}");
        }
        // The figures and the latest news are what stays.
        let lines = picture(120, 9, false, Duration::ZERO);
        assert_eq!((&*lines[6], &*lines[7], lines.len()), ("last second 9 of 10", "news 4", 8));
        let lines = picture(120, 6, false, Duration::ZERO);
        assert_eq!((&*lines[1], lines.len()), ("... and 3 lines more", 5));
    }

    #[test]
    fn without_an_end_it_tells_how_long_it_has_lasted() {
        let frame = Frame { now: Instant::now(), size: Size { columns: 120, rows: 40 }, colour: false };
        let figures = frame.figures(&Figures { seconds: None, ..FIGURES }, 0);
        let first = figures.into_iter().next().map(|line| line.finish().0);
        assert!(first.is_some_and(|line| line.starts_with("3.2s | calls 30")));
    }

    #[test]
    fn colours_and_marks_pass() {
        let fresh = picture(120, 40, true, Duration::ZERO).join("\n");
        assert!(fresh.contains("\x1b[1;32m+1H-low 1") && fresh.contains("\x1b[1;31m-72H 1"), "{fresh:?}");
        let old = picture(120, 40, true, FRESH).join("\n");
        assert!(!old.contains("+1H-low") && old.contains(" 1H-low"), "{old:?}");
        assert!(!picture(120, 40, false, Duration::ZERO).join("\n").contains('\x1b'));
    }
}
