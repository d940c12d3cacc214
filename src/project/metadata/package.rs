//! One macro package of the document.

use super::document::{
    Artifact, Build, Compiled, From, Granted, Macro, Package, Rebuild, Rebuilt, Records, Signature,
    Vouched, Why,
};
use crate::artifact::manifest::{self, Capabilities, Limits, Manifest, FINGERPRINT};
use crate::base::error::{Context, Result};
use crate::cache::{Key, Store};
use crate::embed::input;
use crate::expand::whole::declared;
use crate::policy::{self, Policy};
use crate::project::after::FUNCTION;
use crate::project::graph::{self, Graph, UnitIdx};
use crate::project::plan::{Decision, FROM_SOURCE, IN_DIRECTORY};
use crate::project::Missing;
use crate::verify;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(super) struct Reader<'a> {
    pub(super) graph: &'a Graph,
    pub(super) store: &'a Store,
    /// What is compiled if all macros are packed that can be.
    pub(super) needed: BTreeSet<UnitIdx>,
    pub(super) missing: Missing,
    pub(super) policy: Option<&'a Policy>,
    /// Of records, by `NAME@VERSION` of the macro package.
    pub(super) keys: BTreeMap<String, BTreeSet<String>>,
}

/// What stands in the package's place, as far as it is there.
struct Held {
    manifest: Manifest,
    path: Option<PathBuf>,
    /// In the store.
    entry: Option<String>,
    /// The shim's own grants.
    granted: Capabilities,
}

impl Reader<'_> {
    pub(super) fn package(&self, at: UnitIdx, decision: &Decision) -> Result<Package> {
        let unit = &self.graph.units[at];
        let about = &self.graph.packages[unit.package];
        let held = self.held(about, decision).context(about.label())?;
        let mut granted = Capabilities::granted(&self.graph.settings, &about.name)?;
        granted.extend(&held.as_ref().map(|held| held.granted.clone()).unwrap_or_default());
        let (all, macros_from) = match &held {
            Some(held) => (chosen(&held.manifest, &unit.features).to_vec(), From::Artifact),
            // What cannot be read is the compiler's to complain about.
            None => (declared(&unit.root, &unit.features).unwrap_or_default(), From::Source),
        };
        let has = |function: &str| all.iter().any(|item| item.function == function);
        let (post_process, fingerprint) = match macros_from {
            From::Artifact => (has(FUNCTION), has(FINGERPRINT)),
            From::Source => (self.says(at, "post_process!"), self.says(at, "fingerprint!")),
        };
        let problems = held.as_ref().map(|held| match self.policy {
            Some(policy) => policy::problems_with(policy, &about.name, &held.manifest, &granted),
            None => Vec::new(),
        });
        let by = format!("{}@{}", about.name, about.version);
        Ok(Package {
            name: about.name.clone(),
            version: about.version.clone(),
            source: about.source.clone(),
            checksum: about.checksum.clone(),
            manifest_path: about.directory.join("Cargo.toml"),
            crate_name: unit.name.replace('-', "_"),
            edition: unit.edition.clone(),
            features: unit.features.clone(),
            used_by: self.users(at),
            build: self.build(at, decision),
            macros: all.iter().filter(|item| !is_internal(item)).map(described).collect(),
            macros_from,
            signature: self.signature(&about.name, held.as_ref()),
            rebuild: self.rebuild(&about.name, held.as_ref()),
            problems,
            limits: held.as_ref().map(|held| held.manifest.limits.clone()).filter(is_set),
            capabilities: Granted {
                manifest: held.as_ref().map(|held| held.manifest.capabilities.clone()),
                granted,
            },
            artifact: held.map(artifact),
            records: Records {
                keys: self.keys.get(&by).cloned().unwrap_or_default(),
                post_process,
                fingerprint,
            },
        })
    }

    fn held(&self, about: &graph::Package, decision: &Decision) -> Result<Option<Held>> {
        let key: &Key = match decision {
            Decision::Shim => {
                let (artifact, granted) = input::granted(&about.directory)?;
                let path = Some(about.directory.clone());
                return Ok(Some(Held { manifest: artifact.manifest, path, entry: None, granted }));
            }
            Decision::Stored(key) | Decision::Similar(_, key) => key,
            Decision::Missing(..) | Decision::Source(_) => return Ok(None),
        };
        Ok(Some(Held {
            manifest: self.store.manifest(key)?,
            path: self.store.file(key),
            entry: Some(key.id()),
            granted: Capabilities::default(),
        }))
    }

    fn build(&self, at: UnitIdx, decision: &Decision) -> Build {
        let unit = &self.graph.units[at];
        let is_member = self.graph.packages[unit.package].source.is_none();
        let (from, why, reason) = match decision {
            _ if !self.needed.contains(&at) => {
                (Compiled::Nothing, Why::Unneeded, "only packed macros need it")
            }
            Decision::Shim => (Compiled::Packed, Why::Shim, "it is a shim"),
            Decision::Stored(_) => (Compiled::Packed, Why::Stored, "the store has it"),
            Decision::Similar(..) => {
                let reason = "the store has it with other versions of its dependencies";
                (Compiled::Packed, Why::Similar, reason)
            }
            Decision::Missing(..) => match self.missing {
                Missing::Pack => (Compiled::Packed, Why::Missing, "the build packs it first"),
                Missing::Later => (
                    Compiled::Source,
                    Why::Missing,
                    "the store has it not; it is packed after the build",
                ),
                Missing::Source => (Compiled::Source, Why::Missing, "the store has it not"),
                Missing::Fail => (
                    Compiled::Nothing,
                    Why::Missing,
                    "the store has it not, and so the build fails",
                ),
            },
            Decision::Source(Some(reason)) => (Compiled::Source, Why::Refused, reason.as_str()),
            Decision::Source(None) if is_member => (Compiled::Source, Why::Refused, IN_DIRECTORY),
            Decision::Source(None) => (Compiled::Source, Why::Refused, FROM_SOURCE),
        };
        Build { from, why, reason: reason.to_owned() }
    }

    fn users(&self, at: UnitIdx) -> BTreeSet<String> {
        let own = self.graph.units[at].package;
        let users = self.graph.units.iter().filter(|unit| unit.dependencies.contains(&at));
        let users = users.filter(|unit| unit.package != own);
        users.map(|unit| self.graph.packages[unit.package].label()).collect()
    }

    fn signature(&self, name: &str, held: Option<&Held>) -> Signature {
        let required = self.policy.map_or(1, |policy| policy.signatures(name));
        let (state, signed) = match held {
            None => (Vouched::None, None),
            Some(Held { entry: None, .. }) => (Vouched::InTree, None),
            Some(Held { entry: Some(id), .. }) => match self.store.signed(id) {
                Some(signed) => (Vouched::Signed, Some(signed)),
                None => (Vouched::Local, None),
            },
        };
        let (store, signers) = signed.map(|signed| (signed.store, signed.signers)).unzip();
        Signature { state, store, signers: signers.unwrap_or_default(), required }
    }

    fn rebuild(&self, name: &str, held: Option<&Held>) -> Rebuild {
        let required = self.policy.is_some_and(|policy| policy.rebuilds(name));
        let Some(held) = held else {
            return Rebuild {
                state: Rebuilt::None,
                precast: None,
                differences: Vec::new(),
                required,
            };
        };
        let known = verify::rebuilt(&held.manifest, self.store.cache());
        let (precast, differences) = known.map(|known| (known.precast, known.differences)).unzip();
        let differences = differences.unwrap_or_default();
        let state = match (&precast, differences.is_empty()) {
            (None, _) => Rebuilt::Unknown,
            (Some(_), true) => Rebuilt::Same,
            (Some(_), false) => Rebuilt::Different,
        };
        Rebuild { state, precast, differences, required }
    }

    /// Whether the crate's root file has this text.
    fn says(&self, at: UnitIdx, text: &str) -> bool {
        std::fs::read_to_string(&self.graph.units[at].root).is_ok_and(|file| file.contains(text))
    }
}

/// The macros of the smallest feature set that has all that is enabled, as a shim chooses it.
fn chosen<'a>(manifest: &'a Manifest, enabled: &BTreeSet<String>) -> &'a [manifest::Macro] {
    let own = std::iter::once((&manifest.features, &manifest.macros));
    let all = own.chain(manifest.sets.iter().map(|set| (&set.features, &set.macros)));
    let missing = |features: &[String]| {
        let counts = |name: &&String| *name != "default" && !features.contains(name);
        enabled.iter().filter(counts).count()
    };
    let least = all.min_by_key(|(features, _)| (missing(features), features.len()));
    least.map_or(&manifest.macros, |(_, macros)| macros)
}

/// What the library declares for us is none of the author's macros.
fn is_internal(item: &manifest::Macro) -> bool {
    [FUNCTION, FINGERPRINT].contains(&item.name.as_str())
}

fn described(item: &manifest::Macro) -> Macro {
    Macro {
        kind: item.kind,
        name: item.name.clone(),
        function: item.function.clone(),
        helpers: item.helpers.clone(),
        documentation: item.documentation(),
        hidden: item.is_hidden(),
        deprecated: item.deprecation(),
    }
}

fn is_set(limits: &Limits) -> bool {
    *limits != Limits::default()
}

fn artifact(held: Held) -> Artifact {
    let Held { manifest, path, entry, .. } = held;
    Artifact {
        path,
        entry,
        sha256: manifest::identity(&manifest),
        precast: manifest.precast.clone(),
        abi: manifest.abi,
        image: manifest.image,
        feature_sets: manifest.feature_sets().map(<[String]>::to_vec).collect(),
        toolchain: Some(manifest.toolchain).filter(|toolchain| !toolchain.is_unknown()),
        linked: manifest.linked,
    }
}
