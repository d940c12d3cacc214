//! The list of packages, and the part of it that a job begins with.

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::{put, sha256};
use crate::project::all::Shard;
use std::fmt;
use std::path::Path;

/// Packages with versions and features, one a line.
pub struct List {
    items: Vec<Item>,
}

/// `NAME[@VERSION] [FEATURE,FEATURE…]`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) name: String,
    version: Option<semver::Version>,
    features: Vec<String>,
}

/// How engines of jobs tell a job its number, from which number on they count, and how they tell how many there are.
const NUMBERS: [(&str, usize, &str); 8] = [
    ("SLURM_ARRAY_TASK_ID", 0, "SLURM_ARRAY_TASK_COUNT"),
    ("JOB_COMPLETION_INDEX", 0, SHARDS_VARIABLE),
    ("AWS_BATCH_JOB_ARRAY_INDEX", 0, "AWS_BATCH_JOB_ARRAY_SIZE"),
    ("BATCH_TASK_INDEX", 0, "BATCH_TASK_COUNT"),
    ("CLOUD_RUN_TASK_INDEX", 0, "CLOUD_RUN_TASK_COUNT"),
    ("CI_NODE_INDEX", 1, "CI_NODE_TOTAL"),
    ("BUILDKITE_PARALLEL_JOB", 0, "BUILDKITE_PARALLEL_JOB_COUNT"),
    ("PBS_ARRAY_INDEX", 0, SHARDS_VARIABLE),
];

/// Says how many jobs there are, where their engine does not.
const SHARDS_VARIABLE: &str = "PRECAST_SHARDS";

impl List {
    pub fn read(file: &Path) -> Result<List> {
        let text = std::fs::read_to_string(file).at("read", file)?;
        List::parse(&text).context(file.display().to_string())
    }

    fn parse(text: &str) -> Result<List> {
        let mut items = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                items.push(Item::parse(line).context(format!("line {}", at + 1))?);
            }
        }
        items.sort();
        items.dedup();
        match items.is_empty() {
            false => Ok(List { items }),
            true => Err(Error::new(Class::Usage, "the list names no package")),
        }
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Stands for the list, whatever the order of its lines.
    pub(super) fn id(&self) -> String {
        let lines: String = self.items.iter().map(|item| format!("{item}\n")).collect();
        sha256(lines.as_bytes())[..16].to_owned()
    }
}

impl Item {
    fn parse(line: &str) -> Result<Item> {
        let bad = || {
            let error = Error::new(Class::Usage, format!("`{line}` names no package"));
            error.help("write NAME, NAME@VERSION, or either with a blank and FEATURE,FEATURE")
        };
        let mut words = line.split_whitespace();
        let (spec, features) = (words.next().ok_or_else(bad)?, words.next());
        if words.next().is_some() {
            return Err(bad());
        }
        let (name, version) = match spec.split_once('@') {
            Some((name, version)) => {
                (name, Some(semver::Version::parse(version).map_err(|_| bad())?))
            }
            None => (spec, None),
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(bad());
        }
        let features = features.into_iter().flat_map(|text| text.split(','));
        let mut features: Vec<String> = features.map(str::to_owned).collect();
        features.sort();
        Ok(Item { name: name.to_owned(), version, features })
    }

    /// Writes a project that depends on this package and nothing else.
    pub(super) fn write_project(&self, folder: &Path) -> Result<()> {
        let mut dependency = toml_edit::InlineTable::new();
        let version = self.version.as_ref().map_or("*".into(), |version| format!("={version}"));
        dependency.insert("version", version.into());
        let features: toml_edit::Array = self.features.iter().map(String::as_str).collect();
        dependency.insert("features", toml_edit::Value::Array(features));
        let manifest = format!(
            "[package]\nname = \"precast-list\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n\
             [dependencies]\n{} = {dependency}\n",
            self.name
        );
        put(&folder.join("Cargo.toml"), manifest.as_bytes())?;
        put(&folder.join("src/lib.rs"), b"")
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        match self.features.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.features.join(",")),
        }
    }
}

/// The part of the list that the engine of this job means, if it is one of those that are known.
pub fn shard_of_environment() -> Result<Option<Shard>> {
    shard(&|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
}

fn shard(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Shard>> {
    for (number, first, count) in NUMBERS {
        let Some(text) = variable(number) else { continue };
        let bad = |what: &str| {
            let error = Error::new(Class::Usage, format!("{number} is {text}, and {what}"));
            error.help(format!("set {count} to how many jobs there are, or give --shard K/N"))
        };
        // Slurm's numbers may begin anywhere.
        let first = match variable("SLURM_ARRAY_TASK_MIN") {
            Some(min) if number.starts_with("SLURM") => min.parse().unwrap_or(first),
            _ => first,
        };
        let n = variable(count).and_then(|n| n.parse::<usize>().ok());
        let n = n.ok_or_else(|| bad(&format!("{count} is no number")))?;
        let k = text.parse::<usize>().ok().and_then(|k| (k + 1).checked_sub(first));
        let k = k.filter(|k| (1..=n).contains(k)).ok_or_else(|| bad("no job of that many"))?;
        return Ok(Some(Shard { k, n }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let list = List::parse("b@1.2.3 y,x # why\n\n# nothing\na\nb@1.2.3 x,y\n").unwrap();
        let shown: Vec<String> = list.items.iter().map(Item::to_string).collect();
        assert_eq!(shown, ["a", "b@1.2.3 x,y"]);
        assert_eq!(list.id(), List::parse("a\nb@1.2.3 x,y").unwrap().id());
        for bad in ["a@1", "a b c", "../a", "", "@1.0.0"] {
            assert!(List::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_of_jobs() {
        let of = |variables: &[(&str, &str)]| {
            shard(&|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let is = |k, n| Some(Shard { k, n });
        let slurm = [("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_COUNT", "3")];
        assert!(of(&slurm).is_err());
        let more = [slurm[0], slurm[1], ("SLURM_ARRAY_TASK_MIN", "5")];
        assert_eq!(of(&more).unwrap(), is(3, 3));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0"), ("PRECAST_SHARDS", "4")];
        assert_eq!(of(&kubernetes).unwrap(), is(1, 4));
        assert!(of(&kubernetes[..1]).is_err());
        assert_eq!(of(&[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "2")]).unwrap(), is(2, 2));
        assert_eq!(of(&[]).unwrap(), None);
    }
}
