//! Programs that work for this one. When it is ended, they are ended as well: cargo would go on packing, and who packs
//! the same next would wait for it.

use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

static ALIVE: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Starts a program, unless this one is about to end.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    alive.push(child.id());
    Ok(child)
}

/// Who has waited for it says so, before its number is another's.
pub fn ended(child: &Child) {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner).retain(|id| *id != child.id());
}

/// Ends all of them, and none can be started any more: this program must end right after.
pub fn end_all() {
    let alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
    alive.iter().for_each(|id| end(*id));
    std::mem::forget(alive);
}

#[cfg(unix)]
fn end(id: u32) {
    use rustix::process::{kill_process, Pid, Signal};
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// The console tells all of its programs.
#[cfg(not(unix))]
fn end(_id: u32) {}
