//! Opens a file for what the expansions of a crate cost (docs/report.md). The shims write to it; without precast in
//! the compiler's place there is none.

use super::invocation::Invocation;

/// Names the directory of these files.
pub const VARIABLE: &str = "PRECAST_REPORT";

/// Tells the shims which descriptor it is.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
const DESCRIPTOR: &str = "PRECAST_LEDGER";

/// Ends the names of the files: what is before it is the crate's, as cargo knows it.
pub const ENDING: &str = ".tsv";

/// For the compiler that this process becomes, or starts. If it cannot be opened, nothing is noted. Elsewhere the
/// runtime writes to no other descriptors than a program's own.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn open(invocation: &Invocation) {
    use rustix::io::{fcntl_setfd, FdFlags};
    use std::os::fd::{AsRawFd, IntoRawFd};

    // Another compiler's descriptor is none of this one's.
    std::env::remove_var(DESCRIPTOR);
    let Some(folder) = std::env::var_os(VARIABLE) else { return };
    let folder = std::path::Path::new(&folder);
    let file = folder.join(invocation.stem() + ENDING);
    // What was noted when it was compiled before is gone; several threads append.
    let _ = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, ""));
    let Ok(file) = std::fs::File::options().append(true).open(file) else { return };
    if fcntl_setfd(&file, FdFlags::empty()).is_ok() {
        std::env::set_var(DESCRIPTOR, file.as_raw_fd().to_string());
        let _ = file.into_raw_fd();
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub fn open(_: &Invocation) {}
