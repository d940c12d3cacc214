//! Runs the macros of libraries as their shims would.

use super::find::{self, Found};
use crate::artifact::manifest::{Kind, Limits, Macro};
use crate::artifact::names;
use crate::base::error::{Class, Error, Result};
use crate::base::files::sha256;
use crate::cache::expansions::{folder, profile, VARIABLE};
use crate::embed::expansions;
use crate::runtime::{Grants, Kept, Machine, Module};
use crate::tokens::TokenStream;
use std::any::Any;
use std::collections::HashMap;
use std::ffi::OsString;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// As many crates at once have an instance of a library's macros.
const N_INSTANCES_MAX: usize = 8;

#[derive(Default)]
pub struct Macros {
    libraries: HashMap<PathBuf, Library>,
    /// Images that live as long as the program, by their hashes.
    images: HashMap<String, &'static [u8]>,
}

struct Library {
    modified: Option<SystemTime>,
    /// `serde_derive 1.0.229`
    label: &'static str,
    name: String,
    version: String,
    macros: Vec<Macro>,
    embedded: &'static [u8],
    grants: &'static Grants,
    limits: Limits,
    /// Where its expansions are remembered: a file's name, and where its variables begin.
    kept: (&'static str, u32),
    names: &'static [u8],
    /// The last used comes last.
    instances: Vec<Instance>,
}

/// The macros for one crate: state persists as it does in a compiler.
struct Instance {
    surroundings: Surroundings,
    /// With where its expansions are remembered.
    remembering: Surroundings,
    module: Module,
}

/// What a macro sees of the process that it runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    pub variables: Vec<(String, String)>,
    pub directory: Option<PathBuf>,
}

/// One use of a macro.
pub struct Use<'a> {
    /// None: whatever has the name, an attribute rather if there are arguments.
    pub kind: Option<Kind>,
    pub name: &'a str,
    /// The item, or the tokens of a function-like macro.
    pub input: TokenStream,
    /// Of an attribute; none are as good as no tokens.
    pub arguments: Option<TokenStream>,
}

/// How an expansion ended: with tokens, or the text of a panic.
pub type Expanded = std::result::Result<TokenStream, String>;

impl Macros {
    /// Name and version of the package, and its macros.
    pub fn list(&mut self, path: &Path) -> Result<(&str, &str, &[Macro])> {
        let library = self.library(path)?;
        Ok((&library.name, &library.version, &library.macros))
    }

    pub fn expand(&mut self, path: &Path, used: Use<'_>, place: &Surroundings) -> Result<Expanded> {
        let library = self.library(path)?;
        let item = library.find(used.kind, used.name, used.arguments.is_some())?.clone();
        let instance = library.instance(path, place);
        Ok(instance.remembering.inside(|| instance.expand(&item, used.input, used.arguments)))
    }

    /// In an instance of its own, of which `look` is shown what it asked the machine for, and what the macro wrote to
    /// standard error.
    pub fn trace<T>(
        &mut self,
        path: &Path,
        used: Use<'_>,
        place: &Surroundings,
        look: impl FnOnce(&mut Machine, &Grants) -> T,
    ) -> Result<(Expanded, Option<T>)> {
        let library = self.library(path)?;
        let item = library.find(used.kind, used.name, used.arguments.is_some())?.clone();
        let instance = library.new_instance(place, None);
        Ok(place.inside(|| {
            instance.module.keep_errors();
            let expanded = instance.expand(&item, used.input, used.arguments);
            let machine = instance.module.take();
            (expanded, machine.map(|mut machine| look(&mut machine, library.grants)))
        }))
    }

    /// Read again if the file has changed.
    fn library(&mut self, path: &Path) -> Result<&mut Library> {
        let modified = path.metadata().and_then(|metadata| metadata.modified()).ok();
        let is_known = self.libraries.get(path).is_some_and(|known| known.modified == modified);
        if !is_known {
            let library = self.load(find::find(path)?, modified);
            if let Some(old) = self.libraries.insert(path.to_owned(), library) {
                old.instances.iter().for_each(|instance| drop(instance.module.take()));
            }
        }
        Ok(self.libraries.get_mut(path).expect("it was just inserted"))
    }

    fn load(&mut self, found: Found, modified: Option<SystemTime>) -> Library {
        let Found { artifact, granted, own } = found;
        let mut capabilities = artifact.manifest.capabilities.clone();
        capabilities.extend(&granted);
        let kept = expansions::place(&artifact.manifest, &artifact.wasm, &capabilities);
        let hash = sha256(&artifact.image);
        let image = self.images.entry(hash).or_insert_with(|| Vec::leak(artifact.image));
        let names = &*Vec::leak(names::of(&artifact.wasm).to_vec());
        let manifest = artifact.manifest;
        let package = manifest.package;
        let texts = |texts: Vec<String>| -> &'static [&'static str] {
            Vec::leak(texts.into_iter().map(|text| &*String::leak(text)).collect())
        };
        // The runtime is written for statics; a server sees few libraries, and few changes of one.
        let label = &*String::leak(format!("{} {}", package.name, package.version));
        let own_label = &*String::leak(label.replace(' ', "-"));
        let own = &*String::leak(own.to_string_lossy().into_owned());
        let grants = Box::leak(Box::new(Grants {
            env: texts(capabilities.env),
            read: texts(capabilities.read),
            write: texts(capabilities.write),
            own: Some((own_label, own)),
        }));
        Library {
            modified,
            label,
            name: package.name,
            version: package.version,
            macros: manifest.macros,
            embedded: image,
            grants,
            limits: manifest.limits,
            kept: (String::leak(kept.0), kept.1),
            names,
            instances: Vec::new(),
        }
    }
}

impl Library {
    fn find(&self, kind: Option<Kind>, name: &str, has_arguments: bool) -> Result<&Macro> {
        let mut named: Vec<&Macro> = self.macros.iter().filter(|item| item.name == name).collect();
        named.sort_by_key(|item| (item.kind == Kind::Attribute) != has_arguments);
        let fits = |item: &&&Macro| kind.is_none_or(|kind| item.kind == kind);
        named.iter().find(fits).copied().ok_or_else(|| {
            let names: Vec<&str> = self.macros.iter().map(|item| item.name.as_str()).collect();
            Error::new(Class::Usage, format!("{} has no such macro `{name}`", self.label))
                .help(format!("it has {}", names.join(", ")))
        })
    }

    /// `memory`: where its expansions are remembered.
    fn new_instance(&self, place: &Surroundings, memory: Option<PathBuf>) -> Instance {
        let mut remembering = place.clone();
        let memory = memory.and_then(|folder| folder.into_os_string().into_string().ok());
        remembering.variables.extend(memory.map(|folder| (VARIABLE.to_owned(), folder)));
        Instance {
            surroundings: place.clone(),
            remembering,
            module: Module::new(
                self.embedded,
                self.grants,
                self.label,
                self.limits.runtime(),
                Kept { file: self.kept.0, variables: self.kept.1 },
                self.names,
            ),
        }
    }

    /// With cargo's libraries expansions are remembered where rustc does it.
    fn instance(&mut self, path: &Path, place: &Surroundings) -> &Instance {
        let known = self.instances.iter().position(|known| known.surroundings == *place);
        let instance = match known {
            Some(at) => self.instances.remove(at),
            None => {
                let crate_name = place.crate_name();
                let memory = profile(path)
                    .zip(crate_name)
                    .and_then(|(profile, name)| folder(profile, &name));
                self.new_instance(place, memory)
            }
        };
        if self.instances.len() >= N_INSTANCES_MAX {
            drop(self.instances.remove(0).module.take());
        }
        self.instances.push(instance);
        self.instances.last().expect("it was just pushed")
    }
}

impl Instance {
    fn expand(&self, item: &Macro, input: TokenStream, arguments: Option<TokenStream>) -> Expanded {
        let (module, function) = (&self.module, item.function.as_str());
        let expanded = catch_unwind(AssertUnwindSafe(|| match item.kind {
            Kind::Derive => module.derive(function, input),
            Kind::Bang => module.bang(function, input),
            Kind::Attribute => module.attribute(function, arguments.unwrap_or_default(), input),
        }));
        expanded.map_err(|payload| message(&*payload))
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default()
}

impl Surroundings {
    /// As cargo says it to the compiler.
    fn crate_name(&self) -> Option<String> {
        let value = |name| self.variables.iter().find(|(known, _)| known == name);
        let found = value("CARGO_CRATE_NAME").or_else(|| value("CARGO_PKG_NAME"))?;
        let name = found.1.replace('-', "_");
        let is_name = |c: char| c == '_' || c.is_alphanumeric();
        (!name.is_empty() && name.chars().all(is_name)).then_some(name)
    }

    /// With these variables and this directory, which are then as before.
    fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        // Others no process can have.
        let is_possible = |(name, value): &&(String, String)| {
            !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
        };
        let variables: Vec<_> = self.variables.iter().filter(is_possible).collect();
        let before: Vec<(&String, Option<OsString>)> =
            variables.iter().map(|(name, _)| (name, std::env::var_os(name))).collect();
        let directory = self.directory.as_ref().and_then(|_| std::env::current_dir().ok());
        // One thread expands, and others read no variables.
        variables.iter().for_each(|(name, value)| std::env::set_var(name, value));
        if let Some(directory) = &self.directory {
            // A macro that reads relative paths says what it did not find.
            let _ = std::env::set_current_dir(directory);
        }
        let result = work();
        for (name, value) in before {
            match value {
                Some(value) => std::env::set_var(name, value),
                None => std::env::remove_var(name),
            }
        }
        if let Some(directory) = directory {
            let _ = std::env::set_current_dir(directory);
        }
        result
    }
}
