//! One table for all benchmarks: a row a side, medians with their spread, ratios to one side.

use serde_json::{json, Value};

/// The samples of one side, in the order they were taken.
pub struct Row {
    pub name: String,
    pub samples: Vec<f64>,
}

impl Row {
    pub fn new(name: impl Into<String>) -> Row {
        Row { name: name.into(), samples: Vec::new() }
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    }

    /// The least sample: what a noisy machine adds the least to.
    pub fn least(&self) -> f64 {
        self.samples.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn spread(&self) -> (f64, f64) {
        (self.least(), self.samples.iter().copied().fold(0.0, f64::max))
    }
}

/// One comparison.
pub struct Table {
    pub title: String,
    pub unit: &'static str,
    /// Digits behind the point.
    pub digits: usize,
    pub rows: Vec<Row>,
    /// The row that ratios are to.
    pub base: usize,
}

impl Table {
    pub fn new(title: impl Into<String>, unit: &'static str, rows: Vec<Row>, base: usize) -> Table {
        Table { title: title.into(), unit, digits: 3, rows, base }
    }

    pub fn digits(mut self, digits: usize) -> Table {
        self.digits = digits;
        self
    }

    /// The median of row `row` over that of the base.
    pub fn ratio(&self, row: usize) -> f64 {
        self.rows[row].median() / self.rows[self.base].median()
    }

    /// As Markdown.
    pub fn text(&self) -> String {
        let digits = self.digits;
        let mut text = format!(
            "**{}**\n\n| | median {} | min to max | ratio to {} |\n|---|---|---|---|\n",
            self.title, self.unit, self.rows[self.base].name
        );
        for (at, row) in self.rows.iter().enumerate() {
            let (median, (low, high)) = (row.median(), row.spread());
            let ratio = self.ratio(at);
            text += &format!(
                "| {} | {median:.digits$} | {low:.digits$} to {high:.digits$} | {ratio:.3} |\n",
                row.name
            );
        }
        text
    }

    pub fn value(&self) -> Value {
        let row = |(at, row): (usize, &Row)| {
            let (low, high) = row.spread();
            json!({
                "name": row.name, "median": row.median(), "min": low, "max": high,
                "runs": row.samples.len(), "ratio": self.ratio(at),
            })
        };
        let rows: Vec<Value> = self.rows.iter().enumerate().map(row).collect();
        let base = &self.rows[self.base].name;
        json!({ "title": self.title, "unit": self.unit, "base": base, "rows": rows })
    }
}
