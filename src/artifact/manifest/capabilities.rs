//! What a macro may ask of its surroundings, as its author wants it or a workspace grants it.

use crate::base::error::{Class, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a path to write may begin: all of them are below the target directory.
const WRITABLE: [&str; 4] = ["target", "$CARGO_TARGET_DIR", "$CARGO_TARGET_TMPDIR", "$OUT_DIR"];

/// What the macro may ask of its surroundings. All else is refused at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Names of environment variables; a trailing `*` matches any ending.
    pub env: Vec<String>,
    /// Directories that may be read, `$NAME` standing for that environment variable. A relative one
    /// starts at the root of the workspace.
    pub read: Vec<String>,
    /// Directories that may be written, each below the target directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
}

impl Capabilities {
    /// Adds what is not there yet.
    pub fn extend(&mut self, more: &Capabilities) {
        let lists = [
            (&mut self.env, &more.env),
            (&mut self.read, &more.read),
            (&mut self.write, &more.write),
        ];
        for (list, more) in lists {
            for name in more {
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
        }
    }

    /// Whether nothing is permitted.
    pub fn is_empty(&self) -> bool {
        self.env.is_empty() && self.read.is_empty() && self.write.is_empty()
    }

    /// What a workspace grants the macros of the package `name`. `settings` is the value of
    /// `workspace.metadata.precast`, as `cargo metadata` shows it.
    #[doc(hidden)]
    pub fn granted(settings: &Value, name: &str) -> Result<Capabilities> {
        let bad = |key: &str, what: &str| {
            let message = format!("workspace.metadata.precast.{key} {what}");
            Error::new(Class::Usage, message)
        };
        let grants = match settings.get("grants") {
            None => return Ok(Capabilities::default()),
            Some(grants) => grants.as_object().ok_or_else(|| bad("grants", "is no table"))?,
        };
        let Some(grant) = grants.get(name) else { return Ok(Capabilities::default()) };
        let place = format!("grants.{name}");
        let grant = grant.as_object().ok_or_else(|| bad(&place, "is no table"))?;
        let mut capabilities = Capabilities::default();
        for (key, value) in grant {
            let list = match key.as_str() {
                "env" => &mut capabilities.env,
                "read" => &mut capabilities.read,
                "write" => &mut capabilities.write,
                _ => {
                    let error = bad(&place, &format!("has no `{key}`"));
                    return Err(error.help("there are env, read and write, each a list of texts"));
                }
            };
            let texts = value.as_array().and_then(|texts| {
                texts.iter().map(|text| text.as_str().map(str::to_owned)).collect()
            });
            *list = texts.ok_or_else(|| bad(&format!("{place}.{key}"), "is no list of texts"))?;
        }
        capabilities
            .check()
            .map_err(|error| error.context(format!("workspace.metadata.precast.{place}")))?;
        Ok(capabilities)
    }

    /// Empty texts mean nothing, and only the target directory can be written.
    pub(crate) fn check(&self) -> Result<()> {
        let all = self.env.iter().chain(&self.read).chain(&self.write);
        if all.into_iter().any(|text| text.is_empty() || text.contains('\0')) {
            return Err(Error::new(Class::Usage, "a grant is empty, or has a NUL"));
        }
        for path in &self.write {
            let mut parts = path.split(['/', '\\']);
            let begins = parts.next().is_some_and(|first| WRITABLE.contains(&first));
            if !begins || parts.any(|part| part.is_empty() || part == ".." || part == ".") {
                let message = format!("`{path}` cannot be granted to be written");
                let help = format!("a path to write begins with one of {}", WRITABLE.join(", "));
                return Err(Error::new(Class::Usage, message).help(help));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Capabilities;
    use serde_json::json;

    #[test]
    fn what_a_workspace_grants() {
        let settings = json!({ "grants": {
            "a": { "env": ["A", "B_*"], "read": ["../shared"], "write": ["target/notes"] },
            "b": { "write": ["src"] },
            "c": { "reads": [] },
            "d": { "env": "A" },
            "e": 1,
            "f": { "read": [""] },
        }});
        let granted = Capabilities::granted(&settings, "a").unwrap();
        assert_eq!(granted.env, ["A", "B_*"]);
        assert_eq!(
            (granted.read, granted.write),
            (vec!["../shared".into()], vec!["target/notes".into()])
        );
        assert!(Capabilities::granted(&settings, "none").unwrap().is_empty());
        assert!(Capabilities::granted(&json!(null), "a").unwrap().is_empty());
        for (name, message) in [
            ("b", "grants.b: `src` cannot be granted to be written"),
            ("c", "grants.c has no `reads`"),
            ("d", "grants.d.env is no list of texts"),
            ("e", "grants.e is no table"),
            ("f", "grants.f: a grant is empty, or has a NUL"),
        ] {
            let error = Capabilities::granted(&settings, name).unwrap_err().to_string();
            assert_eq!(error, format!("workspace.metadata.precast.{message}"));
        }
    }

    #[test]
    fn only_below_target_is_written() {
        let check =
            |path: &str| Capabilities { write: vec![path.into()], ..Default::default() }.check();
        for path in ["target", "target/a/b", "$CARGO_TARGET_DIR/a", "$OUT_DIR"] {
            assert!(check(path).is_ok(), "{path}");
        }
        for path in [
            "/",
            "src",
            "../target",
            "target/../src",
            "targets",
            "$HOME",
            "target/",
            "target\\..\\a",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
    }
}
