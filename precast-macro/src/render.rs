//! A diagnostic as the compiler writes it: for people, and as JSON.

use crate::diagnostic::{Diagnostic, Level, Spans};
use crate::place::{between, Files, Place};
use std::fmt::Write;

/// Lines of one place that are shown.
const N_LINES_MAX: usize = 6;

/// A diagnostic whose places are known.
struct Located<'a> {
    level: Level,
    message: &'a str,
    places: Vec<Place>,
    children: Vec<Located<'a>>,
}

fn locate<'a>(diagnostic: &'a Diagnostic, files: &mut Files) -> Located<'a> {
    let Spans(spans) = &diagnostic.spans;
    let places = spans.iter().filter_map(|(first, last)| between(*first, *last, files)).collect();
    let children = diagnostic.children.iter().map(|child| locate(child, files)).collect();
    Located { level: diagnostic.level, message: &diagnostic.message, places, children }
}

/// One line on standard error, in one piece: others write there, too.
pub(crate) fn print_json(diagnostic: &Diagnostic, ansi: bool) {
    let located = locate(diagnostic, &mut Files::default());
    let mut line = String::from("{\"$message_type\":\"diagnostic\",");
    write_json(&located, Some(ansi), &mut line);
    eprintln!("{}}}", line);
}

pub(crate) fn text(diagnostic: &Diagnostic, ansi: bool) -> String {
    rendered(&locate(diagnostic, &mut Files::default()), ansi)
}

/// The message with its children as lines: for where there is room for a text alone.
pub(crate) fn lines(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    let mut files = Files::default();
    for child in &diagnostic.children {
        let located = locate(child, &mut files);
        let at = located.places.first().map_or(String::new(), |place| {
            format!(" ({}:{}:{})", place.file, place.start.0, place.start.1)
        });
        let _ = write!(text, "\n{}: {}{}", child.level.as_str(), child.message, at);
    }
    text
}

/// The fields of an object, without its braces. `rendered`: with the whole as text, perhaps in colours.
fn write_json(located: &Located, rendered_ansi: Option<bool>, out: &mut String) {
    out.push_str("\"message\":");
    quote(located.message, out);
    let _ = write!(out, ",\"code\":null,\"level\":\"{}\",\"spans\":[", located.level.as_str());
    for (at, place) in located.places.iter().enumerate() {
        out.push_str(if at == 0 { "{" } else { ",{" });
        write_place(place, out);
        out.push('}');
    }
    out.push_str("],\"children\":[");
    for (at, child) in located.children.iter().enumerate() {
        out.push_str(if at == 0 { "{" } else { ",{" });
        write_json(child, None, out);
        out.push('}');
    }
    out.push_str("],\"rendered\":");
    match rendered_ansi {
        Some(ansi) => quote(&(rendered(located, ansi) + "\n"), out),
        None => out.push_str("null"),
    }
}

fn write_place(place: &Place, out: &mut String) {
    out.push_str("\"file_name\":");
    quote(&place.file, out);
    let _ = write!(
        out,
        ",\"byte_start\":{},\"byte_end\":{},\"line_start\":{},\"line_end\":{},\"column_start\":{},\
         \"column_end\":{},\"is_primary\":true,\"text\":[",
        place.bytes.0, place.bytes.1, place.start.0, place.end.0, place.start.1, place.end.1
    );
    for (at, line) in place.lines.iter().enumerate() {
        out.push_str(if at == 0 { "{\"text\":" } else { ",{\"text\":" });
        quote(line, out);
        let (from, to) = marked(place, at, line);
        let _ = write!(out, ",\"highlight_start\":{},\"highlight_end\":{}}}", from, to);
    }
    out.push_str(
        "],\"label\":null,\"suggested_replacement\":null,\"suggestion_applicability\":null,\
         \"expansion\":null",
    );
}

/// Columns of a place in one of its lines.
fn marked(place: &Place, at: usize, line: &str) -> (usize, usize) {
    let is_last = at + 1 == place.end.0 - place.start.0 + 1;
    let from = if at == 0 { place.start.1 } else { line.len() - line.trim_start().len() + 1 };
    let to = if is_last { place.end.1 } else { line.chars().count() + 1 };
    (from, to.max(from + 1))
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

const BOLD: &str = "\u{1b}[1m";
const BLUE: &str = "\u{1b}[1m\u{1b}[94m";
const RESET: &str = "\u{1b}[0m";

fn colour(level: Level) -> &'static str {
    match level {
        Level::Error => "\u{1b}[1m\u{1b}[91m",
        Level::Warning => "\u{1b}[1m\u{1b}[33m",
        Level::Note => "\u{1b}[1m\u{1b}[92m",
        Level::Help => "\u{1b}[1m\u{1b}[96m",
    }
}

/// Writes a text in a colour, if there are any.
fn paint(out: &mut String, ansi: bool, colour: &str, text: &str) {
    if ansi {
        let _ = write!(out, "{}{}{}", colour, text, RESET);
    } else {
        out.push_str(text);
    }
}

fn rendered(located: &Located, ansi: bool) -> String {
    let own = located.places.iter().map(|place| place.end.0);
    let of_children = located.children.iter().flat_map(|child| &child.places);
    let last = own.chain(of_children.map(|place| place.end.0)).max().unwrap_or(0);
    let width = last.to_string().len();
    let mut out = String::new();
    head(located, ansi, &mut out);
    places(located, width, ansi, &mut out);
    for child in &located.children {
        if child.places.is_empty() {
            let _ = write!(out, "{:width$} ", "", width = width);
            paint(&mut out, ansi, BLUE, "= ");
            paint(&mut out, ansi, BOLD, child.level.as_str());
            let indent = format!("\n{:width$}", "", width = width + child.level.as_str().len() + 5);
            let _ = writeln!(out, ": {}", child.message.replace('\n', &indent));
        } else {
            head(child, ansi, &mut out);
            places(child, width, ansi, &mut out);
        }
    }
    out
}

fn head(located: &Located, ansi: bool, out: &mut String) {
    paint(out, ansi, colour(located.level), located.level.as_str());
    // As the compiler does, below the message's first line.
    let indent = format!("\n{:width$}", "", width = located.level.as_str().len() + 2);
    paint(out, ansi, BOLD, &format!(": {}", located.message.replace('\n', &indent)));
    out.push('\n');
}

fn places(located: &Located, width: usize, ansi: bool, out: &mut String) {
    for (at, place) in located.places.iter().enumerate() {
        let arrow = if at == 0 { "-->" } else { ":::" };
        let _ = write!(out, "{:width$}", "", width = width);
        paint(out, ansi, BLUE, arrow);
        let _ = writeln!(out, " {}:{}:{}", place.file, place.start.0, place.start.1);
        if !place.lines.is_empty() {
            bar(width, ansi, out);
            out.push('\n');
            quoted(place, colour(located.level), width, ansi, out);
            if at + 1 < located.places.len() || !located.children.is_empty() {
                bar(width, ansi, out);
                out.push('\n');
            }
        }
    }
}

fn bar(width: usize, ansi: bool, out: &mut String) {
    let _ = write!(out, "{:width$} ", "", width = width);
    paint(out, ansi, BLUE, "|");
}

/// The lines, each with marks below it.
fn quoted(place: &Place, colour: &str, width: usize, ansi: bool, out: &mut String) {
    for (at, line) in place.lines.iter().enumerate() {
        if at >= N_LINES_MAX {
            out.push_str("...\n");
            break;
        }
        let number = format!("{:<width$} |", place.start.0 + at, width = width);
        paint(out, ansi, BLUE, &number);
        let _ = writeln!(out, " {}", line.replace('\t', "    "));
        let (from, to) = marked(place, at, line);
        let tabs = line.chars().take(from - 1).filter(|c| *c == '\t').count();
        bar(width, ansi, out);
        let _ = write!(out, "{:indent$}", "", indent = from + tabs * 3);
        paint(out, ansi, colour, &"^".repeat(to - from));
        out.push('\n');
    }
}
