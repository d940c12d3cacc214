//! What is known of each project: `docs/bench/projects.json`, its chart, and the tables in
//! `docs/benchmarks.md`. One project can be measured anew without the others.

use super::super::{chart, insert};
use super::COMMANDS;
use crate::run::{root, write, Result};
use serde_json::{json, Map, Value};

/// Rows of a project's tables, beside the native one.
pub const EMPTY: usize = 1;
pub const FILLED: usize = 2;

/// What is measured of a clean build, in words.
const MEASURES: [(&str, &str); 2] = [("wall", "wall"), ("cpu", "CPU")];

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(f64::NAN)
}

pub fn median(table: &Value, row: usize) -> f64 {
    number(&table["rows"][row], "median")
}

/// To native.
pub fn ratio(table: &Value, row: usize) -> f64 {
    number(&table["rows"][row], "ratio")
}

/// The least of the second side less the least of the first: a busy machine only adds to either.
pub fn difference(table: &Value) -> f64 {
    number(&table["rows"][1], "min") - number(&table["rows"][0], "min")
}

/// All tables as Markdown, a row a project.
pub fn text(projects: &Map<String, Value>) -> String {
    let mut tables: Vec<String> = Vec::new();
    for command in COMMANDS {
        let of = MEASURES.map(|(measure, words)| clean(projects, command, measure, words));
        tables.extend(of);
        tables.push(idle(projects, command));
    }
    tables.extend(
        projects.iter().filter_map(|(name, record)| Some(packing(name, record.get("packing")?))),
    );
    tables.join("\n")
}

fn clean(projects: &Map<String, Value>, command: &str, measure: &str, words: &str) -> String {
    let mut text = format!(
        "**Clean `cargo {command}`, {words}**\n\n| | native s | precast, empty store s | ratio to \
         native | precast, filled store s | ratio to native |\n|---|---|---|---|---|---|\n"
    );
    for (name, record) in projects {
        let table = &record[command][measure];
        let figures = [0, EMPTY, FILLED].map(|row| seconds(&table["rows"][row]));
        let [first, second] = [EMPTY, FILLED].map(|row| ratio(table, row));
        let [native, empty, filled] = figures;
        text += &format!("| {name} | {native} | {empty} | {first:.3} | {filled} | {second:.3} |\n");
    }
    text
}

/// The median, and its spread if there is one.
fn seconds(row: &Value) -> String {
    let [median, low, high] = ["median", "min", "max"].map(|key| number(row, key));
    match row["runs"].as_u64() {
        Some(1) => format!("{median:.2}"),
        _ => format!("{median:.2} ({low:.2} to {high:.2})"),
    }
}

fn idle(projects: &Map<String, Value>, command: &str) -> String {
    let mut text = format!(
        "**`cargo {command}` with nothing to do, the least of all calls**\n\n\
         | | native ms | precast ms | difference ms |\n|---|---|---|---|\n"
    );
    for (name, record) in projects {
        let table = &record[command]["idle"];
        let [native, precast] = [0, 1].map(|row| number(&table["rows"][row], "min"));
        text += &format!("| {name} | {native:.0} | {precast:.0} | {:.0} |\n", difference(table));
    }
    text
}

fn packing(name: &str, packing: &Value) -> String {
    let mut text = format!(
        "**Packing the macros of {name} from nothing**\n\n| | wall s | ratio | CPU s | ratio | CPU / wall \
         |\n|---|---|---|---|---|---|\n"
    );
    for at in 0..2 {
        let [wall, cpu] = ["wall", "cpu"].map(|measure| &packing[measure]);
        let side = wall["rows"][at]["name"].as_str().unwrap_or_default();
        text += &format!(
            "| {side} | {} | {:.3} | {} | {:.3} | {:.2} |\n",
            seconds(&wall["rows"][at]),
            ratio(wall, at),
            seconds(&cpu["rows"][at]),
            ratio(cpu, at),
            median(cpu, at) / median(wall, at)
        );
    }
    text
}

/// What the chart shows: for each measure that is promised a bar a project, native being 1.
fn bars(projects: &Map<String, Value>) -> Value {
    let shown = [("wall", EMPTY, "empty"), ("wall", FILLED, "filled"), ("cpu", FILLED, "filled")];
    let mut tables = Vec::new();
    for command in COMMANDS {
        for (measure, at, store) in shown {
            let words = MEASURES.iter().find(|(name, _)| *name == measure);
            let words = words.map_or(measure, |(_, words)| words);
            let title =
                format!("Clean `cargo precast {command}`, {store} store, {words}; native = 1");
            let bar = |(name, record): (&String, &Value)| {
                let table = &record[command][measure];
                let (median, ratio) = (median(table, at), ratio(table, at));
                json!({ "name": name, "median": median, "ratio": ratio, "is_ours": true })
            };
            let rows: Vec<Value> = projects.iter().map(bar).collect();
            tables.push(json!({ "title": title, "unit": "s", "rows": rows }));
        }
    }
    json!({ "tables": tables })
}

/// The record in the place of that of the same package.
fn with(mut known: Map<String, Value>, name: &str, record: &Value) -> Map<String, Value> {
    known.retain(|other, _| first_word(other) != first_word(name));
    known.insert(name.to_owned(), record.clone());
    known
}

fn first_word(name: &str) -> &str {
    name.split(' ').next().expect("a split has a part")
}

pub fn save(name: &str, record: &Value) -> Result {
    let file = root().join("docs/bench/projects.json");
    let known = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(error.to_string()),
        Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
    };
    let known: Value = known.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let known = known["projects"].as_object().cloned().unwrap_or_default();
    let projects = with(known, name, record);
    let results = json!({ "benchmark": "projects", "projects": projects });
    let json = serde_json::to_string_pretty(&results).expect("values are JSON") + "\n";
    write(&file, &json)?;
    write(&file.with_extension("svg"), &chart::draw(&bars(&projects)))?;
    insert("projects", &text(&projects))
}

#[cfg(test)]
pub mod tests {
    use super::super::super::table::{Row, Table};
    use super::*;

    fn table(unit: &'static str, samples: &[(&str, &[f64])]) -> Value {
        let row = |(name, samples): &(&str, &[f64])| Row {
            name: (*name).to_owned(),
            samples: samples.to_vec(),
        };
        Table::new("", unit, samples.iter().map(row).collect(), 0).value()
    }

    /// Natively 100 s and 100 ms; on two cores.
    pub fn record(empty: f64, filled: f64, more: f64, packing: Option<f64>) -> Value {
        let clean = table("s", &[("native", &[100.0]), ("e", &[empty]), ("f", &[filled])]);
        let idle = table("ms", &[("native", &[100.0, 200.0]), ("p", &[300.0, 100.0 + more])]);
        let of = json!({ "cpu": clean, "wall": clean, "idle": idle });
        let mut record = json!({ "build": of, "check": of });
        if let Some(seconds) = packing {
            let table = table("s", &[("`cargo build`", &[100.0]), ("pack", &[seconds])]);
            record["packing"] = json!({ "cpu": table, "wall": table });
        }
        record
    }

    #[test]
    fn one_project_is_replaced() {
        let known = with(Map::new(), "a 1.0.0", &record(100.0, 50.0, 5.0, None));
        let known = with(known, "b 1.0.0", &record(102.0, 60.0, 7.0, Some(70.0)));
        let projects = with(known, "a 1.1.0", &record(101.0, 70.0, 6.0, None));
        let text = text(&projects);
        let rows = |of: &str| -> Vec<&str> { text.lines().filter(|l| l.starts_with(of)).collect() };
        let [a, b] = ["a 1.1.0", "b 1.0.0"].map(|name| rows(&format!("| {name} ")));
        let clean = "| a 1.1.0 | 100.00 | 101.00 | 1.010 | 70.00 | 0.700 |";
        let idle = "| a 1.1.0 | 100 | 106 | 6 |";
        assert_eq!(a, [clean, clean, idle, clean, clean, idle]);
        assert_eq!(b.len(), 6);
        assert!(rows("| a 1.0.0").is_empty());
        assert_eq!(rows("| pack "), ["| pack | 70.00 | 0.700 | 70.00 | 0.700 | 1.00 |"]);
        let titles: Vec<&str> = rows("**");
        assert_eq!(titles.len(), 7);
        assert_eq!(titles[0], "**Clean `cargo build`, wall**");
        assert_eq!(titles[6], "**Packing the macros of b 1.0.0 from nothing**");
        let rows = text.lines().filter(|line| line.starts_with('|'));
        let widths: Vec<usize> = rows.map(|line| line.matches('|').count()).collect();
        assert!(widths.iter().all(|n| [5, 7].contains(n)), "{widths:?}");
    }

    #[test]
    fn spreads_are_shown_where_there_are_several_runs() {
        let table = table("s", &[("native", &[3.0, 1.0, 2.0]), ("other", &[4.0])]);
        assert_eq!(seconds(&table["rows"][0]), "2.00 (1.00 to 3.00)");
        assert_eq!(seconds(&table["rows"][1]), "4.00");
    }

    #[test]
    fn the_chart_has_a_bar_for_each_project_and_promise() {
        let projects = with(Map::new(), "a 1.0.0", &record(103.0, 50.0, 5.0, None));
        let projects = with(projects, "b 1.0.0", &record(100.0, 40.0, 5.0, None));
        let drawn = chart::draw(&bars(&projects));
        assert_eq!(drawn.matches("<rect class=\"s\"").count(), 12);
        assert_eq!(drawn.matches(">103 s, 1.03<").count(), 2);
        assert_eq!(drawn.matches(">40.0 s, 0.40<").count(), 4);
    }
}
