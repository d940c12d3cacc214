//! The workspaces that cargo compiles: each a group of packages that agree about all that they share.

use super::task::{label, Task};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::base::report::Report;
use crate::cache::{Cache, Locked};
use crate::pack::compile::build::{self, Built, Failed, Job, Member};
use crate::pack::compile::environment::Variables;
use crate::pack::compile::script;
use crate::pack::compile::unified::{unified, Asked, Unified};
use crate::pack::compiler::guest::Guest;
use crate::pack::compiler::toolchain::Toolchain;
use crate::pack::source::exact;
use crate::pack::source::lock::{Id, Lock};
use crate::pack::source::native;
use crate::pack::source::stage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml_edit::{Array, DocumentMut, Item, Table};

/// The package whose features are unified with those of all others.
pub(super) const PINS: &str = "precast-pins";

/// What all builds of one command have in common.
pub(crate) struct Builder<'a> {
    pub(crate) toolchain: &'a Toolchain,
    /// Where cargo's configuration is looked for.
    pub(crate) directory: &'a Path,
    pub(crate) offline: bool,
    pub(crate) variables: &'a Variables,
    pub(crate) cache: &'a Cache,
}

/// Tasks that one cargo build compiles.
pub(super) struct Group {
    pub tasks: Vec<usize>,
    pub lock: Lock,
}

/// Puts each task into the first group where everybody agrees with it.
pub(super) fn groups(tasks: &[Task], open: &[usize]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for &at in open {
        let task = &tasks[at];
        let fits = |group: &&mut Group| {
            let agrees = |other: &usize| agree(task, &tasks[*other]);
            group.tasks.iter().all(agrees) && group.lock.agrees(&task.lock)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.tasks.push(at);
                group.lock.merge(&task.lock);
            }
            None => groups.push(Group { tasks: vec![at], lock: task.lock.clone() }),
        }
    }
    groups
}

/// Whether both can be compiled together without changing each other.
fn agree(one: &Task, other: &Task) -> bool {
    let (Some(linked), Some(others)) = (&one.linked, &other.linked) else { return false };
    one.features.asserted.is_empty()
        && other.features.asserted.is_empty()
        && one.package.name != other.package.name
        && one.library != other.library
        && linked.iter().all(|(id, locked)| {
            others.get(id).is_none_or(|other| other.features == locked.features)
        })
}

/// A group in its place.
pub(super) struct Build<'a> {
    pub tasks: &'a [Task<'a>],
    pub group: &'a Group,
    pub shared: &'a Path,
    pub guest: &'a Guest,
}

impl Build<'_> {
    pub(super) fn run(
        &self,
        builder: &Builder,
        n_tasks: usize,
        n_done: usize,
        report: &dyn Report,
        done: &mut dyn FnMut(usize, Built),
    ) -> Result<Vec<(usize, Error)>> {
        let staged = self.shared.join("staged");
        let members = self.stage(builder, &staged)?;
        let mut n_made = n_done;
        let names: Vec<String> = self.tasks().map(|task| label(task.package)).collect();
        report.step(&format!("compiling {}", names.join(", ")));
        let asserted = self.tasks().flat_map(|task| task.features.asserted.iter().cloned());
        let mut job = Job {
            toolchain: builder.toolchain,
            guest: self.guest,
            staged: &staged,
            members: &members,
            directory: builder.directory,
            shared: self.shared,
            asserted: &asserted.collect::<Vec<_>>(),
            variables: builder.variables,
            // With all versions known, nobody need be asked.
            offline: true,
        };
        let n_crates = self.n_crates();
        let mut progress = build::Progress::new(&names, n_crates);
        let mut seen = BTreeSet::new();
        let mut failed = None;
        for offline in [true, builder.offline] {
            job.offline = offline;
            let found = build::build(&job, &mut |event| match event {
                build::Event::Compiled(name) => {
                    report.step(&progress.text(name, n_made, n_tasks));
                }
                build::Event::Module(at, built) => {
                    if seen.insert(at) {
                        n_made += 1;
                        done(self.group.tasks[at], built);
                    }
                }
            })?;
            let is_missing = found.as_ref().is_some_and(Failed::is_offline);
            failed = found;
            if !is_missing || builder.offline {
                break;
            }
        }
        let missing = (0..members.len()).filter(|at| !seen.contains(at));
        Ok(missing.map(|at| (self.group.tasks[at], self.error(at, failed.as_ref()))).collect())
    }

    fn tasks(&self) -> impl Iterator<Item = &Task<'_>> {
        self.group.tasks.iter().map(|at| &self.tasks[*at])
    }

    /// How many crates cargo compiles, about.
    fn n_crates(&self) -> usize {
        let linked = self.tasks().filter_map(|task| task.linked.as_ref());
        let linked: BTreeSet<&Id> = linked.flat_map(|linked| linked.keys()).collect();
        let known = self.tasks().all(|task| task.linked.is_some());
        if known {
            linked.len() + self.group.tasks.len()
        } else {
            self.group.lock.ids().count()
        }
    }

    /// Why a member has no module.
    fn error(&self, at: usize, failed: Option<&Failed>) -> Error {
        let task = &self.tasks[self.group.tasks[at]];
        match failed {
            None => Error::new(
                Class::Package,
                "the build made no wasm module; is this a proc-macro crate?",
            ),
            Some(failed) => failed.error(&|name, version| {
                let same = |id: &Id| id.name == name && version.is_none_or(|v| v == id.version);
                task.lock.ids().any(same)
            }),
        }
    }

    /// Writes the workspace.
    fn stage(&self, builder: &Builder, staged: &Path) -> Result<Vec<Member>> {
        if staged.exists() {
            std::fs::remove_dir_all(staged).at("empty", staged)?;
        }
        let mut members = Vec::new();
        let mut names = vec![PINS.to_owned()];
        for task in self.tasks() {
            let name = format!("{}-{}", task.package.name, task.package.version);
            let directory = staged.join(&name);
            stage::write_files(task.package, &directory)?;
            let mut manifest = task.manifest.clone();
            if native::has_targets(&manifest) {
                let cfgs = script::host_cfgs(&builder.toolchain.rustc)?;
                manifest = native::native(&manifest, &builder.toolchain.host, &cfgs)?;
            }
            files::put(&directory.join("Cargo.toml"), manifest.as_bytes())?;
            names.push(name);
            members.push(Member { directory });
        }
        files::put(&staged.join("Cargo.toml"), self.root(&names)?.as_bytes())?;
        files::put(&staged.join("Cargo.lock"), self.group.lock.text().as_bytes())?;
        let pins = staged.join(PINS);
        files::put(&pins.join("main.rs"), b"fn main() {}\n")?;
        let pins = pins.join("Cargo.toml");
        if self.tasks().any(|task| task.linked.is_none()) {
            files::put(&pins, self.pins(&members, "build-dependencies", &[]).as_bytes())?;
            let Builder { toolchain, directory, offline, .. } = *builder;
            let asked = Asked { toolchain, directory, staged, member: PINS, offline };
            let unified = unified(&asked, &self.group.lock)?;
            files::put(&pins, self.pins(&members, "dependencies", &unified).as_bytes())?;
        } else {
            files::put(&pins, self.pins(&members, "dependencies", &[]).as_bytes())?;
        }
        Ok(members)
    }

    fn root(&self, names: &[String]) -> Result<String> {
        let mut root = DocumentMut::new();
        root["workspace"]["resolver"] = toml_edit::value("2");
        root["workspace"]["members"] = toml_edit::value(Array::from_iter(names));
        for task in self.tasks() {
            let Some(linked) = &task.linked else {
                if let Some(patch) = &task.patch {
                    root.insert("patch", patch.clone());
                }
                continue;
            };
            for (registry, id) in task.lock.patches() {
                let directory = linked.get(id).map(|locked| locked.directory.clone());
                let Some(patch) = exact::patch(id, directory) else { continue };
                let patches = root.entry("patch").or_insert(Item::Table(Table::new()));
                let table = patches.as_table_like_mut().expect("it was made one");
                let table = table.entry(registry).or_insert(Item::Table(Table::new()));
                table[&format!("{}-{}", id.name, id.version)] = toml_edit::value(patch);
            }
        }
        Ok(root.to_string())
    }

    /// The manifest of the package that chooses features: for wasm, and for what macros use of other
    /// macros while they are compiled. Members are dependencies of this kind; others have the features that
    /// the project has, or these.
    fn pins(&self, members: &[Member], kind: &str, unified: &[Unified]) -> String {
        let mut pins: DocumentMut = format!(
            "[package]\nname = \"{PINS}\"\nversion = \"0.0.0\"\nedition = \"2021\"\nbuild = false\n\
             [[bin]]\nname = \"{PINS}\"\npath = \"main.rs\"\n[dependencies]\n[build-dependencies]\n"
        )
        .parse()
        .expect("it is TOML");
        let linked = self.tasks().filter_map(|task| task.linked.as_ref()).flatten();
        let linked: BTreeMap<&Id, &&Locked> = linked.collect();
        let of_project = linked.into_iter().map(|(id, locked)| {
            let features: Vec<String> = locked.features.iter().cloned().collect();
            exact::dependency(id, Some(locked.directory.clone()), &features)
        });
        let of_unified = unified.iter().map(|one| {
            let Unified { id, directory, features } = one;
            exact::dependency(id, directory.clone(), features)
        });
        for (at, pin) in of_project.chain(of_unified).enumerate() {
            for kind in ["dependencies", "build-dependencies"] {
                pins[kind][&format!("p{at}")] = toml_edit::value(pin.clone().unwrap_or_default());
            }
        }
        for (at, (task, member)) in self.tasks().zip(members).enumerate() {
            let (default, names) = &task.enabled;
            let pin = exact::dependency(&task.id(), Some(member.directory.clone()), names);
            let mut pin = pin.unwrap_or_default();
            pin.insert("default-features", (*default).into());
            pins[kind][&format!("m{at}")] = toml_edit::value(pin);
        }
        pins.to_string()
    }
}
