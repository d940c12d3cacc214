//! A manifest as it is written: an in-toto statement whose predicate is SLSA's provenance. What was
//! made is the subject, what it was made of stands among the dependencies, and nothing stands twice.
//!
//! Only the form is decided here; docs/artifact.md explains it, docs/manifest.schema.json checks it.

use crate::artifact::manifest::{
    Capabilities, Limits, Linked, Macro, Manifest, Package, Set, Source, Toolchain,
};
use crate::base::error::{Class, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// The document that says what the parameters mean, as part of the package `precast`.
const BUILD: &str = "pkg:cargo/precast#docs/artifact.md";
/// The package that packed.
const BUILDER: &str = "precast";

/// The parts that a build gives, beside its subject `module.wasm`.
const IMAGE: &str = "image.bin";
const MODULE: &str = "module.wasm";
const SETS: &str = "sets.tar";
const LICENSES: &str = "licenses.tar";
/// Those that it is made of.
const LOCKFILE: &str = "Cargo.lock";
const SOURCE: &str = "source.tar";
/// The published package.
const PUBLISHED: &str = "source";
/// The file of a module that was built elsewhere.
const GIVEN: &str = "module";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource<Made>>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Predicate {
    build_definition: Definition,
    run_details: Details,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Definition {
    build_type: String,
    external_parameters: External,
    internal_parameters: Internal,
    resolved_dependencies: Vec<Resource<Used>>,
}

/// What whoever packs decides.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct External {
    package: Named,
    features: Vec<String>,
    /// The features of further sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sets: Vec<Vec<String>>,
    capabilities: Capabilities,
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    limits: Limits,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    profile: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<String, Option<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    version: String,
}

/// What precast and the machine decide.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Internal {
    schema: u32,
    abi: u32,
    image: u32,
    #[serde(default, skip_serializing_if = "Toolchain::is_unknown")]
    toolchain: Toolchain,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Details {
    builder: Builder,
    byproducts: Vec<Resource<()>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Builder {
    id: String,
}

/// A part of the artifact by its name, or a package by its address.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource<A> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    annotations: Option<A>,
}

fn none<A>() -> Option<A> {
    None
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    sha256: String,
}

/// Of what is made: the macros of a module, or of those in `sets.tar`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crate_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    macros: Option<Vec<Macro>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sets: Option<Vec<Vec<Macro>>>,
}

/// Of a linked package; the set is left out where it is the first one.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Used {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    license: Option<String>,
    /// The features that were enabled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    features: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<usize>,
}

/// A package's address, as other programs write it.
pub(crate) fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// Name and version of what [`purl`] made.
fn named(purl: &str) -> Result<(String, String)> {
    let parts = purl.strip_prefix("pkg:cargo/").and_then(|rest| rest.rsplit_once('@'));
    let (name, version) = parts.ok_or_else(|| not(&format!("`{purl}` is no package of cargo")))?;
    Ok((name.to_owned(), version.replace("%2B", "+")))
}

fn not(what: &str) -> Error {
    Error::new(Class::Verify, format!("not a manifest: {what}"))
}

fn digest(sha256: &str) -> Option<Digest> {
    Some(Digest { sha256: sha256.to_owned() })
}

impl Statement {
    pub(crate) fn of(manifest: &Manifest) -> Statement {
        let manifest = manifest.clone();
        let dependencies = dependencies(&manifest);
        let subject = subject(&manifest);
        let byproducts = vec![part(&manifest.sha256, LICENSES, None)];
        let Manifest { schema, precast, package, features, toolchain, capabilities, .. } = manifest;
        let Manifest { limits, abi, image, sets, profile, environment, .. } = manifest;
        Statement {
            kind: STATEMENT.into(),
            subject,
            predicate_type: PREDICATE.into(),
            predicate: Predicate {
                build_definition: Definition {
                    build_type: BUILD.into(),
                    external_parameters: External {
                        package: Named { name: package.name, version: package.version },
                        features,
                        sets: sets.into_iter().map(|set| set.features).collect(),
                        capabilities,
                        limits,
                        profile,
                        environment,
                    },
                    internal_parameters: Internal { schema, abi, image, toolchain },
                    resolved_dependencies: dependencies,
                },
                run_details: Details {
                    builder: Builder { id: purl(BUILDER, &precast) },
                    byproducts,
                },
            },
        }
    }

    /// What is nowhere read is compared when the manifest is written again.
    pub(crate) fn manifest(self) -> Result<Manifest> {
        let Definition { external_parameters: external, internal_parameters: internal, .. } =
            self.predicate.build_definition;
        let External { package: Named { name, version }, features, capabilities, .. } = external;
        let Details { builder, byproducts } = self.predicate.run_details;
        let mut sha256 = BTreeMap::new();
        let (mut crate_name, mut macros, mut more) = (None, None, Vec::new());
        for made in self.subject {
            hash(&mut sha256, made.name, made.digest);
            if let Some(made) = made.annotations {
                crate_name = crate_name.or(made.crate_name);
                macros = macros.or(made.macros);
                more.extend(made.sets.into_iter().flatten());
            }
        }
        byproducts.into_iter().for_each(|made| hash(&mut sha256, made.name, made.digest));
        if more.len() != external.sets.len() {
            return Err(not("each feature set has features and macros"));
        }
        let sets = external.sets.into_iter().zip(more);
        let set = |(features, macros)| Set { features, macros, linked: Vec::new() };
        let mut manifest = Manifest {
            schema: internal.schema,
            precast: named(&builder.id)?.1,
            package: Package {
                name,
                version,
                crate_name: crate_name.ok_or_else(|| not("the module has no crate's name"))?,
                source: Source::Path { checksum: String::new() },
            },
            macros: macros.ok_or_else(|| not("the module has no macros"))?,
            features,
            toolchain: internal.toolchain,
            capabilities,
            limits: external.limits,
            abi: internal.abi,
            image: internal.image,
            sha256,
            linked: Vec::new(),
            sets: sets.map(set).collect(),
            profile: external.profile,
            environment: external.environment,
        };
        for used in self.predicate.build_definition.resolved_dependencies {
            add(&mut manifest, used)?;
        }
        let hash = manifest.sha256.get(SOURCE).cloned();
        if let Source::Path { checksum } = &mut manifest.package.source {
            *checksum = hash.unwrap_or_default();
        }
        Ok(manifest)
    }
}

fn part<A>(hashes: &BTreeMap<String, String>, name: &str, annotations: Option<A>) -> Resource<A> {
    let digest = hashes.get(name).and_then(|hash| digest(hash));
    Resource { name: Some(name.into()), uri: None, digest, annotations }
}

fn hash(hashes: &mut BTreeMap<String, String>, name: Option<String>, digest: Option<Digest>) {
    if let (Some(name), Some(digest)) = (name, digest) {
        hashes.insert(name, digest.sha256);
    }
}

fn subject(manifest: &Manifest) -> Vec<Resource<Made>> {
    let hashes = &manifest.sha256;
    let made = Made {
        crate_name: Some(manifest.package.crate_name.clone()),
        macros: Some(manifest.macros.clone()),
        sets: None,
    };
    let mut subject = vec![part(hashes, MODULE, Some(made)), part(hashes, IMAGE, None)];
    if !manifest.sets.is_empty() {
        let sets = manifest.sets.iter().map(|set| set.macros.clone()).collect();
        let made = Made { crate_name: None, macros: None, sets: Some(sets) };
        subject.push(part(hashes, SETS, Some(made)));
    }
    subject
}

/// The published package where there is one, the parts, every linked package, set by set, and what is
/// linked into all modules.
fn dependencies(manifest: &Manifest) -> Vec<Resource<Used>> {
    let Package { name, version, source, .. } = &manifest.package;
    let mut all = Vec::new();
    if let Source::Registry { checksum } = source {
        let uri = Some(purl(name, version));
        let name = Some(PUBLISHED.into());
        all.push(Resource { name, uri, digest: digest(checksum), annotations: None });
    }
    if let Source::Module { checksum } = source {
        let digest = digest(checksum);
        all.push(Resource { name: Some(GIVEN.into()), uri: None, digest, annotations: None });
    }
    all.extend([SOURCE, LOCKFILE].map(|name| part(&manifest.sha256, name, None)));
    all.extend(manifest.linked.iter().map(|linked| used(linked, None)));
    for (at, set) in manifest.sets.iter().enumerate() {
        all.extend(set.linked.iter().map(|linked| used(linked, Some(at + 2))));
    }
    all.extend(manifest.base().into_iter().map(|base| Resource {
        name: Some(base.name.into()),
        uri: Some(base.uri),
        digest: base.sha256.map(|sha256| Digest { sha256 }),
        annotations: Some(Used {
            license: Some(base.license.into()),
            features: Vec::new(),
            set: None,
        }),
    }));
    all
}

fn used(linked: &Linked, set: Option<usize>) -> Resource<Used> {
    let Linked { name, version, checksum, license, features } = linked.clone();
    let annotated = license.is_some() || set.is_some() || !features.is_empty();
    Resource {
        name: None,
        uri: Some(purl(&name, &version)),
        digest: checksum.map(|sha256| Digest { sha256 }),
        annotations: annotated.then_some(Used { license, features, set }),
    }
}

/// The other way of [`dependencies`].
fn add(manifest: &mut Manifest, used: Resource<Used>) -> Result<()> {
    let sha256 = used.digest.map(|digest| digest.sha256);
    let uri = match (used.name.as_deref(), used.uri) {
        (None, Some(uri)) => uri,
        (Some(GIVEN), None) => {
            let checksum = sha256.unwrap_or_default();
            manifest.package.source = Source::Module { checksum };
            return Ok(());
        }
        (None, None) => return Err(not("a dependency without a name")),
        (Some(PUBLISHED), _) => {
            let checksum = sha256.unwrap_or_default();
            manifest.package.source = Source::Registry { checksum };
            return Ok(());
        }
        (Some(name @ (SOURCE | LOCKFILE)), _) => {
            manifest.sha256.extend(sha256.map(|sha256| (name.to_owned(), sha256)));
            return Ok(());
        }
        // What is linked into all modules follows from the rest.
        (Some(_), _) => return Ok(()),
    };
    let (name, version) = named(&uri)?;
    let Used { license, features, set } = used.annotations.unwrap_or_default();
    let linked = match set {
        None => Some(&mut manifest.linked),
        Some(set) => {
            let set = set.checked_sub(2).and_then(|at| manifest.sets.get_mut(at));
            set.map(|set| &mut set.linked)
        }
    };
    let linked = linked.ok_or_else(|| not("a package is linked to no feature set"))?;
    linked.push(Linked { name, version, checksum: sha256, license, features });
    Ok(())
}
