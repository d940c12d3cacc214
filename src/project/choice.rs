//! Which macro packages are to be precompiled: the command line's word, then the workspace's.

use super::Graph;
use crate::base::error::{Class, Error, Result};
use crate::policy::subtree;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names of packages. With `only`, all others are built from source; without, those in `except`. `NAME/` names the
/// macro packages in the subtree of a dependency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub only: Vec<String>,
    pub except: Vec<String>,
}

impl Choice {
    /// This choice where it says something, else that of `[workspace.metadata.precast]`, with the names of macro
    /// packages alone. A name on the command line that the graph has not is an error.
    pub(crate) fn with(&self, graph: &Graph) -> Result<Choice> {
        let resolved = |listed: &[String], is_required| -> Result<Vec<String>> {
            let each = listed.iter().map(|name| resolve(name, graph, is_required));
            Ok(each.collect::<Result<Vec<_>>>()?.concat())
        };
        if self.is_made() {
            return Ok(Choice {
                only: resolved(&self.only, true)?,
                except: resolved(&self.except, true)?,
            });
        }
        Ok(Choice {
            only: resolved(&names(&graph.settings, "only")?, false)?,
            except: resolved(&names(&graph.settings, "except")?, false)?,
        })
    }

    pub(crate) fn is_made(&self) -> bool {
        *self != Choice::default()
    }

    /// Why the package is not to be precompiled.
    pub(crate) fn refusal(&self, name: &str) -> Option<&'static str> {
        let named = |names: &[String]| names.iter().any(|listed| listed == name);
        if !self.only.is_empty() && !named(&self.only) {
            return Some("`only` does not name it");
        }
        named(&self.except).then_some("`except` names it")
    }
}

/// The macro packages that a name stands for.
fn resolve(listed: &str, graph: &Graph, is_required: bool) -> Result<Vec<String>> {
    let is_macro = |name: &str| graph.packages.iter().any(|p| p.is_macro && p.name == name);
    let Some(top) = subtree::top(listed) else {
        if is_required && !is_macro(listed) {
            let message = format!("no macro package of this workspace is called {listed}");
            let error = Error::new(Class::Usage, message);
            return Err(error.help(format!("there are: {}", known(graph))));
        }
        return Ok(vec![listed.to_owned()]);
    };
    let below = subtree::below(&graph.dependencies(), top);
    let found: Vec<String> =
        below.into_iter().filter(|name| is_macro(name)).map(str::to_owned).collect();
    if found.is_empty() {
        if is_required {
            let message = format!("no macro package is in the subtree of {top}");
            let error = Error::new(Class::Usage, message);
            return Err(error.help(format!("`cargo tree -p {top}` shows it")));
        }
        // An empty list would mean all of them.
        return Ok(vec![listed.to_owned()]);
    }
    Ok(found)
}

fn known(graph: &Graph) -> String {
    let macros = graph.packages.iter().filter(|package| package.is_macro);
    let mut names: Vec<&str> = macros.map(|package| package.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn names(settings: &Value, key: &str) -> Result<Vec<String>> {
    let odd = || {
        let message = format!("workspace.metadata.precast.{key} is not a list of package names");
        Error::new(Class::Usage, message).help(format!("write {key} = [\"serde_derive\"]"))
    };
    match &settings[key] {
        Value::Null => Ok(Vec::new()),
        Value::Array(names) => {
            names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(odd)).collect()
        }
        _ => Err(odd()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let all = Choice::default();
        let only = Choice { only: list(&["a"]), except: list(&[]) };
        let except = Choice { only: list(&[]), except: list(&["a"]) };
        assert_eq!(all.refusal("a"), None);
        assert_eq!(only.refusal("a"), None);
        assert_eq!(only.refusal("b"), Some("`only` does not name it"));
        assert_eq!(except.refusal("a"), Some("`except` names it"));
        assert_eq!(except.refusal("b"), None);
        assert!(names(&serde_json::json!({"only": "a"}), "only").is_err());
        assert!(names(&serde_json::json!({"only": [1]}), "only").is_err());
    }
}
