//! `manifest.json`: everything a consumer can know about an artifact without running it.
//!
//! What it says is here, how that is written in `statement`; docs/artifact.md explains both. Maps are
//! ordered, so that equal manifests are equal bytes.

mod capabilities;
mod documentation;
mod statement;
mod text;

use crate::base::error::{Class, Context, Error, Result};
use crate::runtime::instance;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use syn::ext::IdentExt;
use syn::parse::Parser;

pub use capabilities::Capabilities;
pub(crate) use statement::purl;
pub(crate) use text::text_of;
pub use text::{identity, read, write};

/// Version of this schema. A reader refuses any other.
///
/// 1 (November 2026): a table of its own. 2 (November 2026): an in-toto statement with build provenance.
pub const SCHEMA: u32 = 2;

/// Stands among the features of a set whose module was compiled with debug assertions: no feature has
/// such a name.
pub const ASSERTIONS: &str = "cfg(debug_assertions)";

/// The macro that `precast-macro`'s `fingerprint!` declares: it expands to a number.
pub const FINGERPRINT: &str = "__precast_fingerprint";

/// A feature of the package itself: neither [`ASSERTIONS`] nor that of a dependency (`syn/full`), which no consumer
/// can enable.
pub(crate) fn is_own(feature: &str) -> bool {
    feature != ASSERTIONS && is_choice(feature)
}

/// What a consumer's build decides: [`ASSERTIONS`], or a feature of the package itself.
pub(crate) fn is_choice(feature: &str) -> bool {
    !feature.contains('/')
}

/// The features proper of a set, and whether its module has debug assertions.
pub(crate) fn parts_of(set: &[String]) -> (Vec<&str>, bool) {
    let features: Vec<&str> = set.iter().map(String::as_str).filter(|f| *f != ASSERTIONS).collect();
    let asserts = features.len() < set.len();
    (features, asserts)
}

/// Serialized as reports show it; the file is what [`write`] makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Version of the manifest's own form.
    pub schema: u32,
    /// Version of precast that packed this.
    pub precast: String,
    /// The packed package.
    pub package: Package,
    /// The macros that the module exports.
    pub macros: Vec<Macro>,
    /// Features of the package that were enabled, sorted, `default` included where it was, with those of
    /// dependencies that were enabled besides (`syn/full`), and perhaps [`ASSERTIONS`].
    pub features: Vec<String>,
    /// What compiled the module.
    pub toolchain: Toolchain,
    /// What the macros may use.
    pub capabilities: Capabilities,
    /// What the macro may use, where that is less than the runtime's defaults.
    #[serde(skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// Version of the token ABI (docs/token-abi.md).
    pub abi: u32,
    /// Version of the image format (docs/image.md).
    pub image: u32,
    /// SHA-256 in lower-case hex of the other parts of the artifact: `module.wasm`, `image.bin`,
    /// `Cargo.lock`, `source.tar`, `licenses.tar` (the last two before their compression).
    /// Filled in by [`crate::artifact::Artifact::new`].
    pub sha256: BTreeMap<String, String>,
    /// Every package linked into the module.
    pub linked: Vec<Linked>,
    /// Other feature sets that were packed, each with a module of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<Set>,
    /// Rust source with uses of the macros that was given to order the module's functions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<String>,
    /// Variables of the environment that were read while the modules were compiled (`option_env!`), with
    /// the values they had; none for one that was not set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
/// The packed package.
pub struct Package {
    /// As in its `Cargo.toml`.
    pub name: String,
    /// As in its `Cargo.toml`.
    pub version: String,
    /// Name of the library target: the crate name consumers write, e.g. `serde_derive`.
    pub crate_name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where the packed sources come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Source {
    /// A package of the default registry; `checksum` is the SHA-256 of its `.crate` file.
    Registry {
        /// SHA-256 in lower-case hex.
        checksum: String,
    },
    /// A directory; `checksum` is that of `source.tar`, filled in as the hashes are.
    Path {
        /// SHA-256 in lower-case hex.
        checksum: String,
    },
    /// A module that was built elsewhere; `checksum` is the SHA-256 of its file. There is no source to
    /// rebuild it from, and nothing is known of its toolchain.
    Module {
        /// SHA-256 in lower-case hex.
        checksum: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
/// How a macro is used.
pub enum Kind {
    /// `#[derive(Name)]`
    Derive,
    /// `#[name]`
    Attribute,
    /// `name!()`
    Bang,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
/// A macro of the package.
pub struct Macro {
    /// How it is used.
    pub kind: Kind,
    /// The name users write: `Serialize`, `main`, `paste`.
    pub name: String,
    /// The Rust function, and the module's export: `derive_serialize`.
    pub function: String,
    /// Helper attributes of a derive, in the order of its declaration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<String>,
    /// Outer attributes worth repeating on the shim's function, each as source text
    /// (`#[doc = " …"]`, `#[deprecated]`, `#[doc(hidden)]`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
/// What compiled a module.
pub struct Toolchain {
    /// `1.96.0`
    pub rustc: String,
    /// Commit hash where the compiler tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Version of LLVM in the compiler, `22.1.2`: distributions build one rustc with different ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llvm: Option<String>,
    /// Where the standard library is from: `toolchain` if the compiler came with it, else
    /// `sources, wasi-libc SHA-256`.
    pub std: String,
    /// `LLD 22.1.2`
    pub linker: String,
    /// What of precast itself decides the module, its `proc_macro` included: the beginning of the
    /// SHA-256 of its sources.
    pub recipe: String,
    /// `wasm32-wasip1`
    pub target: String,
    /// The codegen flags in the order they are given.
    pub flags: Vec<String>,
}

/// Limits of one expansion, by the names that the runtime's errors use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Calls and backward branches.
    pub fuel: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Nested calls.
    pub depth: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Tokens of the output.
    pub tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Files open at one time.
    pub files: Option<u64>,
}

impl Limits {
    fn is_default(&self) -> bool {
        *self == Limits::default()
    }

    /// Name, value if there is one, field of the runtime's struct, and its default.
    #[doc(hidden)]
    pub fn all(&self) -> [(&'static str, Option<u64>, &'static str, u64); 5] {
        let max = instance::Limits::DEFAULT;
        [
            ("memory", self.memory, "memory_bytes_max", max.memory_bytes_max.into()),
            ("fuel", self.fuel, "fuel", max.fuel),
            ("depth", self.depth, "depth_max", max.depth_max.into()),
            ("tokens", self.tokens, "tokens_max", max.tokens_max.into()),
            ("files", self.files, "files_max", max.files_max.into()),
        ]
    }

    /// An artifact can lower the runtime's limits; only whoever builds can raise them.
    pub(super) fn check(&self) -> Result<()> {
        for (name, value, _, max) in self.all() {
            if value.is_some_and(|value| value > max) {
                let message = format!("the limit `{name}` is above {max}, the runtime's own");
                return Err(Error::new(Class::Verify, message));
            }
        }
        Ok(())
    }

    /// As the runtime takes them.
    #[doc(hidden)]
    pub fn runtime(&self) -> instance::Limits {
        let max = instance::Limits::DEFAULT;
        let word = |value: Option<u64>, max: u32| {
            value.and_then(|value| u32::try_from(value).ok()).unwrap_or(max)
        };
        instance::Limits {
            memory_bytes_max: word(self.memory, max.memory_bytes_max),
            fuel: self.fuel.unwrap_or(max.fuel),
            depth_max: word(self.depth, max.depth_max),
            tokens_max: word(self.tokens, max.tokens_max),
            files_max: word(self.files, max.files_max),
        }
    }
}

/// What is told of one more feature set, as of the first one in [`Manifest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Set {
    /// Features of the package, as in [`Manifest::features`].
    pub features: Vec<String>,
    /// The macros that this set's module exports.
    pub macros: Vec<Macro>,
    /// Every package linked into it.
    pub linked: Vec<Linked>,
}

impl Manifest {
    /// Whether the variables that went into the modules have the same values now: else the original
    /// would be compiled again, and to something else.
    #[doc(hidden)]
    pub fn environment_holds(&self, value: impl Fn(&str) -> Option<String>) -> bool {
        self.environment.iter().all(|(name, recorded)| value(name) == *recorded)
    }

    /// The enabled features of every set, the first one's first.
    pub fn feature_sets(&self) -> impl Iterator<Item = &[String]> {
        let more = self.sets.iter().map(|set| set.features.as_slice());
        std::iter::once(self.features.as_slice()).chain(more)
    }

    /// Names become Rust code in a shim, and versions comments: each must be what it says it is.
    #[doc(hidden)]
    pub fn check(&self) -> Result<()> {
        let package = &self.package;
        let is_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if package.name.is_empty() || !package.name.chars().all(is_name) {
            return Err(bad("package name", &package.name));
        }
        for version in [&self.precast, &package.version] {
            semver::Version::parse(version).map_err(|_| bad("version", version))?;
        }
        if self.toolchain.is_unknown() != package.source.is_module() {
            return Err(bad("toolchain", &self.toolchain.rustc));
        }
        self.limits.check()?;
        self.capabilities.check().class(Class::Verify, "capabilities")?;
        is_ident("crate name", &package.crate_name)?;
        let more = self.sets.iter().flat_map(|set| &set.macros);
        for item in self.macros.iter().chain(more) {
            is_ident("macro", &item.name)?;
            is_ident("function", &item.function)?;
            item.helpers.iter().try_for_each(|helper| is_ident("helper attribute", helper))?;
        }
        Ok(())
    }
}

impl Source {
    /// Whether it was packed from a module that was built elsewhere.
    pub fn is_module(&self) -> bool {
        matches!(self, Source::Module { .. })
    }
}

impl Toolchain {
    /// Of a module that was built elsewhere.
    pub fn is_unknown(&self) -> bool {
        *self == Toolchain::default()
    }
}

fn is_ident(what: &str, name: &str) -> Result<()> {
    let parsed = syn::Ident::parse_any.parse_str(name);
    parsed.map(drop).map_err(|_| bad(what, name))
}

fn bad(what: &str, name: &str) -> Error {
    Error::new(Class::Verify, format!("the {what} `{}` is not one", name.escape_debug()))
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
/// A package that is linked into a module.
pub struct Linked {
    /// As in the lock file.
    pub name: String,
    /// As in the lock file.
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// SHA-256 of its `.crate` file; none for a directory.
    pub checksum: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Its SPDX expression.
    pub license: Option<String>,
    /// All that were enabled, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// What is linked into every module beside the packages of its lock file.
#[doc(hidden)]
pub struct Base {
    /// Name of the part.
    pub name: &'static str,
    /// Its version.
    pub version: Option<String>,
    /// Its address, as other programs write it.
    pub uri: String,
    /// Its hash, where it is known.
    pub sha256: Option<String>,
    /// Its SPDX expression.
    pub license: &'static str,
}

impl Manifest {
    /// Precast's own `proc_macro`, the standard library, and the C library below that.
    #[doc(hidden)]
    pub fn base(&self) -> Vec<Base> {
        if self.package.source.is_module() {
            return Vec::new();
        }
        let (rustc, libc) = (&self.toolchain.rustc, self.toolchain.std.rsplit_once(' '));
        vec![
            Base {
                name: "proc_macro",
                version: Some(self.precast.clone()),
                uri: purl("precast", &self.precast) + "#guest",
                sha256: None,
                license: "MIT OR Apache-2.0",
            },
            Base {
                name: "std",
                version: Some(rustc.clone()),
                uri: format!("pkg:generic/rust-std@{rustc}"),
                sha256: None,
                license: "MIT OR Apache-2.0",
            },
            Base {
                name: "wasi-libc",
                version: None,
                uri: "pkg:generic/wasi-libc".into(),
                sha256: libc.map(|(_, sha256)| sha256.to_owned()),
                license: "(Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT) AND MIT",
            },
        ]
    }
}

/// The module's custom section with the table of its macros.
pub const DECLS_SECTION: &str = ".rustc_proc_macro_decls";

/// The text of that section: `derive:Trait:function[:helper,helper]`, `attr:name:function` or
/// `bang:name:function`, one line each.
pub fn decls(macros: &[Macro]) -> String {
    let line = |item: &Macro| {
        let kind = match item.kind {
            Kind::Derive => "derive",
            Kind::Attribute => "attr",
            Kind::Bang => "bang",
        };
        let colon = if item.helpers.is_empty() { "" } else { ":" };
        format!("{kind}:{}:{}{colon}{}\n", item.name, item.function, item.helpers.join(","))
    };
    macros.iter().map(line).collect()
}

/// Reads that text. Any other spelling is an error, also a repeated name.
pub fn read_decls(bytes: &[u8]) -> Result<Vec<Macro>> {
    let bad = |what: String| Error::new(Class::Verify, format!("section {DECLS_SECTION}: {what}"));
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8".into()))?;
    let mut macros: Vec<Macro> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let item = read_decl(line).filter(|item| {
            let names = item.helpers.iter().chain([&item.name, &item.function]);
            names.into_iter().all(|name| is_ident("macro", name).is_ok())
        });
        let item = item.ok_or_else(|| bad(format!("line {} declares no macro", index + 1)))?;
        if macros.iter().any(|known| (known.kind, &known.name) == (item.kind, &item.name)) {
            return Err(bad(format!("line {} declares {} again", index + 1, item.name)));
        }
        macros.push(item);
    }
    match decls(&macros).as_bytes() == bytes {
        true => Ok(macros),
        false => Err(bad("a line does not end as lines do".into())),
    }
}

fn read_decl(line: &str) -> Option<Macro> {
    let mut parts = line.split(':');
    let kind = match parts.next()? {
        "derive" => Kind::Derive,
        "attr" => Kind::Attribute,
        "bang" => Kind::Bang,
        _ => return None,
    };
    let (name, function) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let helpers = parts.next().map(|helpers| helpers.split(',').map(str::to_owned).collect());
    if parts.next().is_some() || helpers.is_some() && kind != Kind::Derive {
        return None;
    }
    let helpers = helpers.unwrap_or_default();
    Some(Macro { kind, name, function, helpers, attributes: Vec::new() })
}
