//! One table for all benchmarks: a row a side, medians with their spread, ratios to one side.

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

    fn spread(&self) -> (f64, f64) {
        let low = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
        (low, self.samples.iter().copied().fold(0.0, f64::max))
    }
}

/// Prints the rows as Markdown; the ratio is the median over that of row `base`.
pub fn print(title: &str, unit: &str, rows: &[Row], base: usize) {
    let reference = rows[base].median();
    println!("\n{title}\n");
    println!("| | median {unit} | min to max | ratio to {} |", rows[base].name);
    println!("|---|---|---|---|");
    for row in rows {
        let (median, (low, high)) = (row.median(), row.spread());
        let ratio = median / reference;
        println!("| {} | {median:.3} | {low:.3} to {high:.3} | {ratio:.3} |", row.name);
    }
    println!();
}
