//! What is known of each application: `docs/bench/apps.json`, and the table of it in
//! `docs/benchmarks.md`. One application's row can be taken anew without the others.

use crate::bench::{insert, machine};
use crate::run::{root, write, Result};
use serde_json::{json, Map, Value};

#[derive(Clone, Copy)]
pub struct Cost {
    pub cpu: f64,
    pub wall: f64,
}

pub struct Row {
    pub name: String,
    pub n_packages: usize,
    pub n_macros: usize,
    pub n_tests: usize,
    pub native: Cost,
    pub overlay: Cost,
    pub vendored: Cost,
}

impl Row {
    fn value(&self) -> Value {
        let short = |seconds: f64| (seconds * 100.0).round() / 100.0;
        let cost = |cost: Cost| json!({ "cpu": short(cost.cpu), "wall": short(cost.wall) });
        json!({
            "packages": self.n_packages, "macros": self.n_macros, "tests": self.n_tests,
            "native": cost(self.native), "overlay": cost(self.overlay),
            "vendored": cost(self.vendored),
        })
    }
}

/// The table of all rows, of which only some may be new.
pub fn text(rows: &Map<String, Value>) -> String {
    let mut text =
        "| application | packages | macros precompiled | tests, all as natively | native: CPU s \
        | wall s | overlay: CPU s | wall s | vendored: CPU s | wall s | overlay / native, CPU |\n\
        |---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, row) in rows {
        let count = |key: &str| row[key].as_u64().unwrap_or_default();
        let seconds = |side: &str, key: &str| row[side][key].as_f64().unwrap_or_default();
        text += &format!(
            "| {name} | {} | {} | {} ",
            count("packages"),
            count("macros"),
            count("tests")
        );
        for side in ["native", "overlay", "vendored"] {
            text += &format!("| {:.1} | {:.1} ", seconds(side, "cpu"), seconds(side, "wall"));
        }
        text += &format!("| {:.3} |\n", seconds("overlay", "cpu") / seconds("native", "cpu"));
    }
    text
}

/// These rows in the place of those of the same applications.
pub fn with(mut known: Map<String, Value>, rows: &[Row]) -> Map<String, Value> {
    for row in rows {
        let package = row.name.split(' ').next();
        known.retain(|name, _| name.split(' ').next() != package);
        known.insert(row.name.clone(), row.value());
    }
    known
}

pub fn save(row: &Row) -> Result {
    let file = root().join("docs/bench/apps.json");
    let known = std::fs::read_to_string(&file).unwrap_or_else(|_| "{}".into());
    let known: Value =
        serde_json::from_str(&known).map_err(|e| format!("{}: {e}", file.display()))?;
    let known = known["applications"].as_object().cloned().unwrap_or_default();
    let rows = with(known, std::slice::from_ref(row));
    let results = json!({ "benchmark": "apps", "machine": machine()?, "applications": rows });
    let json = serde_json::to_string_pretty(&results).expect("values are JSON") + "\n";
    write(&file, &json)?;
    insert("apps", &text(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_is_replaced() {
        let row = |name: &str, cpu| Row {
            name: name.into(),
            n_packages: 3,
            n_macros: 2,
            n_tests: 1,
            native: Cost { cpu, wall: 4.0 },
            overlay: Cost { cpu: 1.0, wall: 2.0 },
            vendored: Cost { cpu: 1.0, wall: 2.0 },
        };
        let known = with(Map::new(), &[row("a 1.0.0", 2.0), row("b 1.0.0", 4.0)]);
        let rows = with(known, &[row("a 1.1.0", 5.0)]);
        let text = text(&rows);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| a 1.1.0 | 3 | 2 | 1 | 5.0 | 4.0 | 1.0 | 2.0 | 1.0 | 2.0 | 0.200 |",
                "| b 1.0.0 | 3 | 2 | 1 | 4.0 | 4.0 | 1.0 | 2.0 | 1.0 | 2.0 | 0.250 |"
            ]
        );
    }
}
