//! One of the checks of a verdict.

use serde::Serialize;

/// One check; it holds where there is no difference.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// What must hold.
    pub what: &'static str,
    /// Each difference by its name.
    pub differences: Vec<String>,
    /// What is worth knowing although the check holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Check {
    pub(super) fn new(what: &'static str, differences: Vec<String>) -> Check {
        Check { what, differences, notes: Vec::new() }
    }
}
