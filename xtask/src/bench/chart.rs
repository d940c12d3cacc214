//! A chart of a benchmark's results: a bar for each side, its length the ratio to the base.

use serde_json::Value;
use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const LABELS: f64 = 220.0;
const BARS: f64 = 420.0;
const LINE: f64 = 22.0;
/// A longer bar is cut; its number says how long it is.
const RATIO_MAX: f64 = 4.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}.n{fill:#59636e}\
.b{fill:#8c959f}.s{fill:#2f81f7}.o{fill:#c4cad1}.l{stroke:#59636e;stroke-dasharray:3 3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}.o{fill:#4b535d}}";

/// The SVG of `results`, which is what `--save` writes.
pub fn draw(results: &Value) -> String {
    let mut body = String::new();
    let mut y = 8.0;
    for table in results["tables"].as_array().into_iter().flatten() {
        table_chart(table, &mut y, &mut body);
        y += 14.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" \
         role=\"img\"><style>{STYLE}</style>\n{body}</svg>\n"
    )
}

fn table_chart(table: &Value, y: &mut f64, body: &mut String) {
    let rows: Vec<&Value> = table["rows"].as_array().into_iter().flatten().collect();
    let ratio = |row: &Value| row["ratio"].as_f64().unwrap_or(0.0);
    let longest = rows.iter().map(|row| ratio(row)).fold(1.0, f64::max).min(RATIO_MAX);
    let unit = table["unit"].as_str().unwrap_or_default();
    let base = table["base"].as_str().unwrap_or_default();
    let title = escape(table["title"].as_str().unwrap_or_default());
    line(body, format!("<text class=\"t\" x=\"8\" y=\"{}\">{title}</text>", *y + 14.0));
    *y += LINE + 2.0;
    let top = *y;
    for row in &rows {
        let name = row["name"].as_str().unwrap_or_default();
        let is_ours = name == "shim" || row["is_ours"] == true;
        let class = if name == base {
            "b"
        } else if is_ours {
            "s"
        } else {
            "o"
        };
        let width = ratio(row).min(longest) / longest * BARS;
        let (text_y, bar_y) = (*y + 14.0, *y + 3.0);
        let label = escape(&name.replace('`', ""));
        line(
            body,
            format!(
                "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{label}</text>",
                LABELS - 8.0
            ),
        );
        line(body, format!("<rect class=\"{class}\" x=\"{LABELS}\" y=\"{bar_y}\" width=\"{width:.1}\" height=\"14\" rx=\"2\"/>"));
        let median = row["median"].as_f64().unwrap_or(0.0);
        let figures = format!("{} {unit}, {:.2}", figure(median), ratio(row));
        line(
            body,
            format!(
                "<text class=\"n\" x=\"{:.1}\" y=\"{text_y}\">{figures}</text>",
                LABELS + width + 6.0
            ),
        );
        *y += LINE;
    }
    let x = LABELS + BARS / longest;
    line(
        body,
        format!("<line class=\"l\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{}\"/>", *y),
    );
}

fn line(body: &mut String, text: String) {
    writeln!(body, "{text}").expect("a String takes all text");
}

/// Three digits are enough for a chart.
fn figure(value: f64) -> String {
    let digits = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('`', "")
}
