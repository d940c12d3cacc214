//! Answers about the process and the system: arguments, ids, directories, `std::env::consts`.

use std::env;
use std::env::consts;
use std::process;
use std::thread;

/// The answer to `about`: a number, or a text.
pub enum About {
    Number(u32),
    Text(Option<String>),
}

pub fn about(what: u32) -> About {
    About::Text(match what {
        0 => return About::Number(process::id()),
        12 => match thread::available_parallelism() {
            Ok(number) => return About::Number(number.get() as u32),
            Err(_) => None,
        },
        1 => env::temp_dir().into_os_string().into_string().ok(),
        2 => home(),
        3 => match env::current_exe() {
            Ok(path) => path.into_os_string().into_string().ok(),
            Err(_) => None,
        },
        _ => constant(what).map(String::from),
    })
}

#[allow(deprecated)]
fn home() -> Option<String> {
    env::home_dir()?.into_os_string().into_string().ok()
}

fn constant(what: u32) -> Option<&'static str> {
    Some(match what {
        4 => consts::ARCH,
        5 => consts::DLL_EXTENSION,
        6 => consts::DLL_PREFIX,
        7 => consts::DLL_SUFFIX,
        8 => consts::EXE_EXTENSION,
        9 => consts::EXE_SUFFIX,
        10 => consts::FAMILY,
        11 => consts::OS,
        _ => return None,
    })
}
