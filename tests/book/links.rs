//! Every link of a page, and every page that a comment, an error or a help text names, exists.

use super::page::{book, pages_in, read, root, Page};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

fn pages() -> Vec<Page> {
    let mut pages = book();
    pages.extend(pages_in("."));
    for more in
        ["precast-macro/README.md", "fixtures/corpus/README.md", "fixtures/foreign/README.md"]
    {
        pages.push(read(Path::new(more)));
    }
    pages
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                assert!(plain.pop(), "{} leaves the repository", path.display())
            }
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let known: BTreeMap<PathBuf, &Page> =
        pages.iter().map(|page| (plain(&page.path), page)).collect();
    let mut faults = Vec::new();
    for page in &pages {
        for link in &page.links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(f, a)| (f, Some(a)));
            let target = match file {
                "" => plain(&page.path),
                file => plain(&page.path.parent().unwrap().join(file)),
            };
            let has_anchor = anchor.is_none_or(|anchor| {
                known.get(&target).is_some_and(|page| page.anchors.contains(anchor))
            });
            if !root().join(&target).exists() || !has_anchor {
                faults.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "links to nothing:\n{}", faults.join("\n"));
}

#[test]
fn the_summary_has_every_page() {
    let summary = read(Path::new("docs/SUMMARY.md"));
    for page in book().iter().filter(|page| !page.path.ends_with("SUMMARY.md")) {
        let name = page.path.file_name().unwrap().to_string_lossy().into_owned();
        let n = summary.links.iter().filter(|link| **link == name).count();
        assert_eq!(n, 1, "docs/SUMMARY.md must have {name} once");
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_source =
            path.extension().is_some_and(|end| end == "rs" || end == "toml" || end == "trycmd");
        match path.is_dir() {
            true if path.file_name().is_some_and(|name| name != "target") => walk(&path, found),
            true => {}
            false if is_source => found.push(path),
            false => {}
        }
    }
}

/// `docs/NAME.md` or `docs/NAME.md#ANCHOR` in the texts of the program, its tests and its tasks.
#[test]
fn sources_name_pages_that_exist() {
    let mut files = Vec::new();
    for folder in ["src", "runtime", "guest", "precast-macro", "xtask", "tests", "fixtures/probes"]
    {
        walk(&root().join(folder), &mut files);
    }
    let pages: BTreeMap<String, Page> =
        book().into_iter().map(|page| (page.path.display().to_string(), page)).collect();
    let mut n = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("docs/") {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_./#".contains(c);
            let name = text[at..].split(|c| !is_name(c)).next().unwrap().trim_end_matches('.');
            // What tests write into packages of their own.
            if !name.contains(".md") || name == "docs/start.md" || name.contains("NAME") {
                continue;
            }
            let (page, anchor) = name.split_once('#').map_or((name, None), |(p, a)| (p, Some(a)));
            let known = pages.get(page);
            assert!(known.is_some(), "{}: there is no {page}", file.display());
            let has = |anchor| known.is_some_and(|page| page.anchors.contains(anchor));
            assert!(anchor.is_none_or(has), "{}: there is no {name}", file.display());
            n += 1;
        }
    }
    assert!(n > 20, "{n} names of pages");
}
