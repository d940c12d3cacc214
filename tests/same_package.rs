//! Macros in the package that uses them: RFC 3826 with the real cargo. The table of its features, each with
//! a test of these, is in docs/same-package-macros.md.

#[path = "same_package/alone.rs"]
mod alone;
#[path = "same_package/developing.rs"]
mod developing;
#[path = "same_package/editor.rs"]
mod editor;
#[path = "same_package/fixture.rs"]
mod fixture;
#[path = "same_package/library.rs"]
mod library;
#[path = "same_package/migrating.rs"]
mod migrating;
#[path = "same_package/names.rs"]
mod names;
#[path = "same_package/publishing.rs"]
mod publishing;
#[path = "same_package/target.rs"]
mod target;
#[path = "same_package/written.rs"]
mod written;
