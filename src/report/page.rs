//! The report as one page of HTML: no script, nothing from elsewhere, light and dark as the reader likes it.

use super::content::Report;
use super::measure::{Measured, PackageTime};
use super::table::{costs, hints, told};
use crate::project::Outcome;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css.txt");

/// As many bars are drawn.
const N_BARS: usize = 20;

const WIDTH: f64 = 940.0;
/// Of the names, and of the figures behind the bars.
const NAMES: f64 = 330.0;
const FIGURES: f64 = 110.0;
const BAR: f64 = 16.0;

pub fn write(report: &Report) -> String {
    let title = format!("{} in {}", report.command, report.project);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n\
         <style>\n{STYLE}</style>\n<h1>{0}</h1>\n",
        escaped(&title)
    );
    cards(report, &mut out);
    if let Some(measured) = &report.measured {
        compared(measured, &mut out);
    }
    expansions(report, &mut out);
    packages(report, &mut out);
    syn(report, &mut out);
    advice(report, &mut out);
    out + "</html>\n"
}

fn cards(report: &Report, out: &mut String) {
    *out += "<div class=\"cards\">\n";
    let mut card = |value: String, what: &str| {
        let _ = writeln!(out, "<div class=\"card\"><b>{value}</b><span>{what}</span></div>");
    };
    if let Some(measured) = &report.measured {
        card(format!("{:.1} s", measured.precast), "the whole build");
        card(format!("{:.1} s", measured.native), "without precast");
    }
    let is_ready = |outcome: &Outcome| !matches!(outcome, Outcome::Source(_) | Outcome::Later);
    let n_ready = report.packages.iter().filter(|package| is_ready(&package.outcome)).count();
    card(format!("{n_ready} of {}", report.packages.len()), "macro packages precompiled");
    card(report.calls().to_string(), "expansions");
    card(format!("{:.3} s", report.seconds()), "in these macros");
    let n_syn = report.syn.iter().filter(|syn| !syn.compiled_for.is_empty()).count();
    card(format!("{n_syn} of {}", report.syn.len()), "versions of syn compiled");
    *out += "</div>\n";
}

fn compared(measured: &Measured, out: &mut String) {
    *out += "<h2>Compile time by package</h2>\n<p>Both ways were measured: each build began with nothing. The time of a \
        package is that of all its units, which may run at the same time as others.</p>\n\
        <p><span class=\"key one\"></span>precast <span class=\"key two\"></span>without</p>\n";
    let differs = |one: &&PackageTime| (one.native - one.precast).abs() >= 0.05;
    let bars = measured.packages.iter().filter(differs).take(N_BARS);
    let bars: Vec<(String, Vec<f64>)> =
        bars.map(|one| (one.package.clone(), vec![one.precast, one.native])).collect();
    chart(&bars, "seconds by package, with precast and without", 2, out);
}

fn expansions(report: &Report, out: &mut String) {
    *out += "<h2>Expansion time by macro</h2>\n";
    if report.macros.is_empty() {
        *out += "<p>No precompiled macro was expanded: cargo found all crates fresh, or none has one.</p>\n";
        return;
    }
    let bars = report.macros.iter().take(N_BARS);
    let bars: Vec<(String, Vec<f64>)> = bars
        .map(|one| (format!("{} · {}", one.function, one.package), vec![one.seconds]))
        .collect();
    chart(&bars, "seconds by macro", 4, out);
    let rows = report.macros.iter().map(|one| {
        vec![
            code(&one.function),
            escaped(&one.package),
            one.calls.to_string(),
            one.remembered.to_string(),
            one.failed.to_string(),
            format!("{:.4}", one.seconds),
            one.tokens_in.to_string(),
            one.tokens_out.to_string(),
            one.lines.to_string(),
        ]
    });
    let heads = [
        "macro",
        "package",
        "calls",
        "remembered",
        "failed",
        "seconds",
        "tokens in",
        "tokens out",
        "lines",
    ];
    table(&heads, 2, rows, out);
    *out += "<p class=\"note\">Tokens out are those that a macro made or gave back one by one. Lines are its semicolons \
        and braces.</p>\n<h2>Expansion time by crate</h2>\n";
    let bars = report.crates.iter().take(N_BARS);
    let bars: Vec<(String, Vec<f64>)> =
        bars.map(|one| (one.name.clone(), vec![one.seconds])).collect();
    chart(&bars, "seconds by crate", 4, out);
    *out += "<h2>Largest expansions</h2>\n";
    let rows = report.largest.iter().map(|one| {
        vec![
            code(&one.function),
            code(&format!("{}:{}", one.file, one.line)),
            one.tokens_out.to_string(),
            one.lines.to_string(),
            format!("{:.4}", one.seconds),
        ]
    });
    table(&["macro", "place", "tokens out", "lines", "seconds"], 2, rows, out);
}

fn packages(report: &Report, out: &mut String) {
    *out += "<h2>Macro packages</h2>\n";
    let rows = report.packages.iter().map(|package| {
        let label = format!("{} {}", package.name, package.version);
        vec![escaped(&label), escaped(&told(&package.outcome))]
    });
    table(&["package", "what was done"], 2, rows, out);
}

fn syn(report: &Report, out: &mut String) {
    *out += "<h2>syn</h2>\n";
    match report.syn.len() {
        0 => *out += "<p>The graph has no <code>syn</code>.</p>\n",
        1 => {}
        n => {
            let _ = writeln!(out, "<p>The graph has {n} versions of <code>syn</code>.</p>");
        }
    }
    let listed = |names: &std::collections::BTreeSet<String>| {
        let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    };
    let rows = report
        .syn
        .iter()
        .map(|syn| vec![escaped(&syn.version), listed(&syn.compiled_for), listed(&syn.used_by)]);
    table(&["version", "compiled for", "used by"], 3, rows, out);
}

fn advice(report: &Report, out: &mut String) {
    if report.advice.native_costs.is_empty() {
        return;
    }
    *out += "<h2>What they cost natively</h2>\n<ul>\n";
    for cost in &report.advice.native_costs {
        let _ = writeln!(out, "<li>{}</li>", escaped(&costs(cost)));
    }
    for text in hints(report) {
        let _ = writeln!(out, "<li>{}</li>", escaped(&text));
    }
    *out += "</ul>\n";
}

/// Rows of cells in HTML; the first columns are words, the others figures.
fn table(
    heads: &[&str],
    n_words: usize,
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut String,
) {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let class = |column: usize| if column < n_words { "" } else { " class=\"n\"" };
    *out += "<div class=\"wide\"><table>\n<tr>";
    for (column, head) in heads.iter().enumerate() {
        let _ = write!(out, "<th{}>{head}</th>", class(column));
    }
    *out += "</tr>\n";
    for row in rows {
        *out += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{cell}</td>", class(column));
        }
        *out += "</tr>\n";
    }
    *out += "</table></div>\n";
}

/// Bars of seconds, one or two for each name.
fn chart(rows: &[(String, Vec<f64>)], label: &str, digits: usize, out: &mut String) {
    let values = rows.iter().flat_map(|(_, values)| values);
    let most = values.copied().fold(f64::MIN_POSITIVE, f64::max);
    let height = |values: &[f64]| values.len() as f64 * (BAR + 2.0) + 8.0;
    let total: f64 = rows.iter().map(|(_, values)| height(values)).sum();
    let _ = writeln!(
        out,
        "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {WIDTH} {total}\">",
        escaped(label)
    );
    let mut top = 0.0;
    for (name, values) in rows {
        let middle = top + (height(values) - 8.0) / 2.0 + 4.0;
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 10.0,
            escaped(&shortened(name))
        );
        for (at, value) in values.iter().enumerate() {
            let y = top + at as f64 * (BAR + 2.0);
            let width = (value / most * (WIDTH - NAMES - FIGURES)).max(1.0);
            let class = ["one", "two"][at % 2];
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\
                 <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{value:.digits$} s</text>",
                NAMES + width + 8.0,
                y + 12.5
            );
        }
        top += height(values);
    }
    *out += "</svg>\n";
}

/// As much of a name as there is room for.
fn shortened(name: &str) -> String {
    const N_CHARS_MAX: usize = 44;
    match name.chars().count() > N_CHARS_MAX {
        true => name.chars().take(N_CHARS_MAX - 1).collect::<String>() + "…",
        false => name.to_owned(),
    }
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Text may come from a package: it is no HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
