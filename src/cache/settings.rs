//! The user's settings for stores: environment variables, then the user's configuration. A project cannot set them.

use crate::base::error::{Class, Context, Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Stores that are asked for what the user's own does not have; several are tried in order.
pub const URL_VARIABLE: &str = "PRECAST_STORE_URL";
/// `read` or `write`.
pub const MODE_VARIABLE: &str = "PRECAST_STORE_MODE";
/// Seconds.
pub const DEADLINE_VARIABLE: &str = "PRECAST_STORE_DEADLINE";
/// Keys or their files.
pub const TRUSTED_VARIABLE: &str = "PRECAST_TRUSTED_KEYS";

const DEADLINE: f64 = 5.0;
const DEADLINE_MAX: f64 = 3600.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub urls: Vec<String>,
    pub mode: Mode,
    /// How long all lookups of a command may take together.
    pub deadline: Duration,
    /// Keys or their files.
    pub trusted: Vec<String>,
    /// How old a list of revocations may be; none is asked for if this is none.
    pub revocations: Option<Duration>,
    pub versions: Versions,
    /// The user's configuration, whether it is there or not.
    pub file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Read,
    Write,
}

/// Which versions of its dependencies an entry may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Versions {
    /// Those of `Cargo.lock`.
    #[default]
    Locked,
    /// Any that the macro's manifest permits.
    Compatible,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    store: Table,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    url: OneOrMany,
    mode: Mode,
    deadline: Option<f64>,
    trusted: OneOrMany,
    revocation_days: Option<u64>,
    versions: Versions,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> OneOrMany {
        OneOrMany::Many(Vec::new())
    }
}

impl OneOrMany {
    fn list(self) -> Vec<String> {
        match self {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        }
    }
}

impl Settings {
    /// Of this process's environment, and of the user's configuration.
    pub fn of_user() -> Result<Settings> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let file = place();
        let text = match &file {
            Some(file) if file.is_file() => std::fs::read_to_string(file).at("read", file)?,
            _ => String::new(),
        };
        let place = file.as_deref().unwrap_or(Path::new("the configuration"));
        Settings { file: file.clone(), ..Settings::read(&text, place, &variable)? }.checked()
    }

    fn read(
        text: &str,
        place: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings> {
        let file: File = toml_edit::de::from_str(text).map_err(|error| {
            Error::new(Class::Usage, error.to_string()).context(place.display().to_string())
        })?;
        let Table { url, mode, deadline, trusted, revocation_days, versions } = file.store;
        let list = |name: &str, else_: OneOrMany| match variable(name) {
            Some(text) => words(&text),
            None => else_.list(),
        };
        let mode = match variable(MODE_VARIABLE).as_deref() {
            None => mode,
            Some("read") => Mode::Read,
            Some("write") => Mode::Write,
            Some(other) => {
                let message = format!("{MODE_VARIABLE} is `{}`", other.escape_debug());
                return Err(Error::new(Class::Usage, message).help("write `read` or `write`"));
            }
        };
        let seconds = match variable(DEADLINE_VARIABLE) {
            Some(text) => text.trim().parse().ok(),
            None => deadline.or(Some(DEADLINE)),
        };
        let seconds = seconds.filter(|seconds| (0.0..=DEADLINE_MAX).contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            let message = "the deadline of a shared store is no number of seconds";
            let help = format!("write a number up to {DEADLINE_MAX} into {DEADLINE_VARIABLE}");
            Error::new(Class::Usage, message).help(help)
        })?;
        Ok(Settings {
            urls: list(URL_VARIABLE, url),
            mode,
            deadline: Duration::from_secs_f64(seconds),
            trusted: list(TRUSTED_VARIABLE, trusted),
            revocations: revocation_days.map(|days| Duration::from_secs(days * 24 * 60 * 60)),
            versions,
            file: None,
        })
    }

    /// Relative files are those beside the configuration.
    fn checked(mut self) -> Result<Settings> {
        let folder = self.file.as_deref().and_then(Path::parent);
        if let Some(folder) = folder {
            for text in &mut self.trusted {
                let beside = folder.join(&*text);
                if !Path::new(text).is_file() && beside.is_file() {
                    *text = beside.to_string_lossy().into_owned();
                }
            }
        }
        Ok(self)
    }

    /// Files that decide what is trusted.
    pub fn files(&self) -> Vec<PathBuf> {
        let keys = self.trusted.iter().map(PathBuf::from).filter(|file| file.is_file());
        self.file.iter().cloned().chain(keys).collect()
    }

    /// An error unless something may be written.
    pub fn require_write(&self) -> Result<()> {
        if self.mode == Mode::Write {
            return Ok(());
        }
        let error = Error::new(Class::Usage, "shared stores are only read here");
        Err(error.help(format!(
            "set {MODE_VARIABLE}=write, or `mode = \"write\"` under [store] in the user's configuration"
        )))
    }
}

/// A list in one variable: a PEM file's name has neither blanks nor commas here.
fn words(text: &str) -> Vec<String> {
    let words = text.split([',', '\n']).map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `precast/config.toml` where the system keeps the user's configuration.
fn place() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        variable("APPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))
    };
    base.map(|base| base.join("precast").join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(text, Path::new("config.toml"), &variable)
    }

    #[test]
    fn variables_come_first() {
        let text =
            "[store]\nurl = \"s3://a/b\"\ntrusted = [\"one.pub\", \"two.pub\"]\ndeadline = 2\n\
                    revocation_days = 7\nversions = \"compatible\"\n";
        let found = read(text, &[]).unwrap();
        assert_eq!((found.urls.len(), found.trusted.len()), (1, 2));
        assert_eq!((found.mode, found.deadline), (Mode::Read, Duration::from_secs(2)));
        assert_eq!(found.revocations, Some(Duration::from_secs(7 * 86400)));
        assert_eq!(found.versions, Versions::Compatible);
        let variables = [
            (URL_VARIABLE, "https://a/, file:///b"),
            (MODE_VARIABLE, "write"),
            (DEADLINE_VARIABLE, "0.5"),
            (TRUSTED_VARIABLE, "three.pub"),
        ];
        let found = read(text, &variables).unwrap();
        assert_eq!(found.urls, ["https://a/", "file:///b"]);
        assert_eq!((found.mode, found.deadline), (Mode::Write, Duration::from_millis(500)));
        assert_eq!(found.trusted, ["three.pub"]);
    }

    #[test]
    fn what_is_not_known_is_told() {
        assert!(read("[store]\nurls = []\n", &[]).is_err());
        assert!(read("[store]\nmode = \"both\"\n", &[]).is_err());
        assert!(read("", &[(MODE_VARIABLE, "both")]).is_err());
        assert!(read("", &[(DEADLINE_VARIABLE, "soon")]).is_err());
        assert!(read("", &[(DEADLINE_VARIABLE, "-1")]).is_err());
        assert_eq!(read("", &[]).unwrap().deadline, Duration::from_secs(5));
    }
}
