//! Commands that are repeated whenever something changes.

use precast::base::error::Result;
use std::time::Duration;

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(300);

/// Returns when `now` differs from what it was before.
pub(crate) fn until_changed<T: PartialEq>(before: &T, now: impl Fn() -> Result<T>) -> Result<()> {
    while now()? == *before {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
