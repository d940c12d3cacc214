//! The variables that cargo sets for the compiler of a package's crate, as far as `cargo metadata` tells.

use cargo_metadata::{Package, Target};

/// In no order; a text that the manifest does not have is empty, as with cargo. Without `CARGO_PKG_RUST_VERSION`, of which
/// the library that reads the metadata makes another text.
pub fn of_crate(package: &Package, target: &Target) -> Vec<(String, String)> {
    let version = &package.version;
    let folder = package.manifest_path.parent().map(|folder| folder.to_string());
    let path = |path: Option<String>| path.unwrap_or_default();
    let mut all = vec![
        ("CARGO_MANIFEST_DIR", folder.unwrap_or_default()),
        ("CARGO_MANIFEST_PATH", package.manifest_path.to_string()),
        ("CARGO_CRATE_NAME", target.name.replace('-', "_")),
        ("CARGO_PKG_NAME", package.name.to_string()),
        ("CARGO_PKG_VERSION", version.to_string()),
        ("CARGO_PKG_VERSION_MAJOR", version.major.to_string()),
        ("CARGO_PKG_VERSION_MINOR", version.minor.to_string()),
        ("CARGO_PKG_VERSION_PATCH", version.patch.to_string()),
        ("CARGO_PKG_VERSION_PRE", version.pre.to_string()),
        ("CARGO_PKG_AUTHORS", package.authors.join(":")),
        ("CARGO_PKG_DESCRIPTION", package.description.clone().unwrap_or_default()),
        ("CARGO_PKG_HOMEPAGE", package.homepage.clone().unwrap_or_default()),
        ("CARGO_PKG_REPOSITORY", package.repository.clone().unwrap_or_default()),
        ("CARGO_PKG_LICENSE", package.license.clone().unwrap_or_default()),
        ("CARGO_PKG_LICENSE_FILE", path(package.license_file.as_ref().map(|it| it.to_string()))),
        ("CARGO_PKG_README", path(package.readme.as_ref().map(|it| it.to_string()))),
    ];
    if target.is_bin() || target.is_example() {
        all.push(("CARGO_BIN_NAME", target.name.clone()));
    }
    all.extend(package.links.clone().map(|links| ("CARGO_MANIFEST_LINKS", links)));
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
