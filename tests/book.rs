//! The book, `docs/`: its links lead somewhere, its tables are those of the program, its commands are run, and what
//! they print is compared.

#[path = "book/commands.rs"]
mod commands;
#[path = "project/fixture.rs"]
#[allow(dead_code)]
mod fixture;
#[path = "book/links.rs"]
mod links;
#[path = "book/page.rs"]
mod page;
#[path = "book/setup.rs"]
mod setup;
#[path = "book/tables.rs"]
mod tables;
#[path = "cli/tiny.rs"]
#[allow(dead_code)]
mod tiny;
