//! The options of commands that look at a whole workspace: cargo's, and which macros to pack.

use clap::Args;
use precast::base::error::{Context, Result};
use precast::project::{Choice, Request};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct Workspace {
    /// Precompile only these packages, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,

    /// Leave these packages as they are, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    except: Vec<String>,

    /// Features of the members to enable, separated by commas
    #[arg(long, short = 'F', value_name = "FEATURES")]
    features: Vec<OsString>,

    /// Enable all features of the members
    #[arg(long)]
    all_features: bool,

    /// Leave the default features of the members out
    #[arg(long)]
    no_default_features: bool,

    /// Leave a member out
    #[arg(long, value_name = "MEMBER")]
    exclude: Vec<OsString>,

    /// Only what is built for a target
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<OsString>,

    /// The workspace's Cargo.toml
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,

    /// Another place for Cargo.lock (unstable)
    #[arg(long, value_name = "PATH")]
    lockfile_path: Option<PathBuf>,

    /// Cargo.lock must stay as it is
    #[arg(long)]
    locked: bool,

    /// Use only what cargo has downloaded before
    #[arg(long)]
    offline: bool,

    /// --locked and --offline
    #[arg(long)]
    frozen: bool,

    /// Configuration for cargo: a file, or KEY=VALUE
    #[arg(long, value_name = "CONFIG")]
    config: Vec<OsString>,

    /// An unstable flag for cargo
    #[arg(short = 'Z', value_name = "FLAG")]
    unstable: Vec<OsString>,
}

impl Workspace {
    pub(crate) fn choice(&self) -> Choice {
        Choice { only: self.only.clone(), except: self.except.clone() }
    }

    /// All that the workspace may build, with its tests.
    pub(crate) fn request(&self) -> Result<Request> {
        let directory = std::env::current_dir().context("the current directory is gone")?;
        let mut request = Request::workspace(&self.arguments(), &directory);
        request.toolchain = crate::arguments::toolchain();
        Ok(request)
    }

    /// As cargo takes them.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        let flags = [
            ("--all-features", self.all_features),
            ("--no-default-features", self.no_default_features),
            ("--locked", self.locked),
            ("--offline", self.offline),
            ("--frozen", self.frozen),
        ];
        words.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.into()));
        let paths =
            [("--manifest-path", &self.manifest_path), ("--lockfile-path", &self.lockfile_path)];
        for (name, path) in paths {
            words.extend(path.iter().flat_map(|path| [name.into(), path.into()]));
        }
        let lists = [
            ("--features", &self.features),
            ("--exclude", &self.exclude),
            ("--target", &self.target),
            ("--config", &self.config),
            ("-Z", &self.unstable),
        ];
        for (name, values) in lists {
            words.extend(values.iter().flat_map(|value| [name.into(), value.clone()]));
        }
        words
    }
}
