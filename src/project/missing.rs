//! The setting `missing`: what to do with macros that no store has.

use crate::base::error::{Class, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Chooses it for all commands.
pub const VARIABLE: &str = "PRECAST_MISSING";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Compile them from source now, as cargo does, and pack them after it.
    #[default]
    Later,
    /// Pack them first.
    Pack,
    /// Compile them from source, and leave it at that.
    Source,
    /// Do not build.
    Fail,
}

impl Missing {
    /// What `--missing`, `PRECAST_MISSING` or `[workspace.metadata.precast] missing` says, in this order.
    /// On a machine for continuous integration nobody comes back for what is packed later.
    pub fn chosen(given: Option<&str>, settings: &Value) -> Result<Missing> {
        let variable = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
        let setting = settings.get("missing").filter(|setting| !setting.is_null());
        let odd = || Error::new(Class::Usage, "workspace.metadata.precast.missing is not a text");
        let setting = setting.map(|text| text.as_str().ok_or_else(odd)).transpose()?;
        match given.or(variable.as_deref()).or(setting) {
            Some(text) => Missing::parse(text),
            None if is_ci() => Ok(Missing::Pack),
            None => Ok(Missing::Later),
        }
    }

    fn parse(text: &str) -> Result<Missing> {
        Ok(match text {
            "later" => Missing::Later,
            "pack" => Missing::Pack,
            "source" => Missing::Source,
            "fail" => Missing::Fail,
            _ => {
                let message = format!("`{text}` does not say what to do with missing macros");
                let help = "write one of: later, pack, source, fail";
                return Err(Error::new(Class::Usage, message).help(help));
            }
        })
    }
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    use super::Missing;
    use serde_json::json;

    #[test]
    fn the_nearest_word_counts() {
        let settings = json!({ "missing": "source" });
        assert_eq!(Missing::chosen(Some("fail"), &settings).unwrap(), Missing::Fail);
        assert_eq!(Missing::chosen(None, &settings).unwrap(), Missing::Source);
        let error = Missing::chosen(Some("never"), &settings).unwrap_err();
        assert_eq!(error.help_text(), Some("write one of: later, pack, source, fail"));
        assert!(Missing::chosen(None, &json!({ "missing": 1 })).is_err());
    }
}
