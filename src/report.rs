//! What the macros of a project cost, and what precast saves: a table, JSON, and one page of HTML.
//!
//! The figures are those of the project's last build with a report: what shims have noted (`ledger`), which macros
//! are precompiled, and, if both ways were measured, how long cargo took for each package (`timings`).

mod advice;
mod content;
mod ledger;
mod measure;
mod moves;
mod page;
mod syn;
mod table;
mod timings;

use crate::base::error::{Class, Context, Error, Result};
use crate::base::scratch;
use crate::cache::Store;
use crate::project::{Graph, Plan, Request};
use std::path::{Path, PathBuf};

pub use advice::{Advice, Cost, Replaceable};
pub use content::Report;
pub use ledger::{Crate, Expansion, MacroUse};
pub use measure::{measure, Measured, PackageTime, Side};
pub use syn::Syn;

/// Raised when a field comes to mean something else.
/// 1 (December 2026): the first.
const VERSION: u32 = 1;

/// The folder for all that reports need, in a target directory.
pub fn folder(target: &Path) -> PathBuf {
    target.join("precast/report")
}

/// Where expansions are noted.
pub fn ledger(target: &Path) -> PathBuf {
    folder(target).join("ledger")
}

fn file(target: &Path) -> PathBuf {
    folder(target).join("report.json")
}

/// The page's file.
pub fn page(target: &Path) -> PathBuf {
    folder(target).join("report.html")
}

impl Report {
    /// After a build.
    pub fn make(
        request: &Request,
        plan: &Plan,
        store: &Store,
        target: &Path,
        measured: Option<Measured>,
    ) -> Result<Report> {
        let graph = Graph::load(request, store.cache())?;
        let expansions = ledger::read(&ledger(target))?;
        let advice = advice::of(&graph, request, store, &expansions, measured.as_ref())?;
        let name = plan.root.file_name().unwrap_or_default().to_string_lossy();
        Ok(Report {
            version: VERSION,
            project: name.into_owned(),
            command: format!("cargo {}", request.command),
            packages: plan.macros.clone(),
            macros: ledger::by_macro(&expansions),
            crates: ledger::by_crate(&expansions),
            largest: ledger::largest(expansions),
            syn: syn::versions(&graph, &plan.macros),
            advice,
            measured,
        })
    }

    /// The report of the last build that made one.
    pub fn read(target: &Path) -> Result<Report> {
        let file = file(target);
        let missing = || {
            Error::new(Class::Usage, format!("there is no report in {}", target.display()))
                .help("`cargo precast build --report` makes one")
        };
        let text = std::fs::read_to_string(&file).map_err(|_| missing())?;
        let value: serde_json::Value = serde_json::from_str(&text).context("report.json")?;
        // Another version's.
        if value["version"] != VERSION {
            return Err(missing());
        }
        serde_json::from_value(value).context("report.json")
    }

    /// Writes it, and the page.
    pub fn write(&self, target: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).expect("a report has only string keys");
        scratch::replace(&file(target), &text)?;
        scratch::replace(&page(target), page::write(self).as_bytes())
    }

    /// For people.
    pub fn table(&self) -> String {
        table::write(self)
    }
}
