//! Which macro packages are to be precompiled: the command line's word, then the workspace's.

use super::{Graph, Package};
use crate::base::error::{Class, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names of packages. With `only`, all others are built from source; without, those in `except`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub only: Vec<String>,
    pub except: Vec<String>,
}

impl Choice {
    /// This choice where it says something, else that of `[workspace.metadata.precast]`. A name on
    /// the command line that no macro package of the graph has is an error.
    pub(crate) fn with(&self, graph: &Graph) -> Result<Choice> {
        for name in self.only.iter().chain(&self.except) {
            let is_known = |package: &Package| package.is_macro && package.name == *name;
            if !graph.packages.iter().any(is_known) {
                let message = format!("no macro package of this workspace is called {name}");
                let error = Error::new(Class::Usage, message);
                return Err(error.help(format!("there are: {}", known(graph))));
            }
        }
        if self.is_made() {
            return Ok(self.clone());
        }
        Ok(Choice {
            only: names(&graph.settings, "only")?,
            except: names(&graph.settings, "except")?,
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
