//! Panics, which cannot unwind in wasm: the hook tells the host, and the host ends the innermost
//! `attempt`, or else the expansion.
//!
//! The payload is kept with its type. What the abandoned frames own is never dropped.

use std::alloc::{alloc, handle_alloc_error, Layout};
use std::any::Any;
use std::panic::{PanicHookInfo, UnwindSafe};
use std::rt::panic_count;
use std::thread;

use crate::abi::{answer, host};
use crate::errno::native;

type Payload = Box<dyn Any + Send>;
type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>;

struct State {
    /// Calls of `catch_unwind` that have not returned.
    guards: u32,
    /// Of the panic that the innermost of them will catch.
    payload: Option<Payload>,
    /// The macro's own hook.
    hook: Option<Hook>,
    /// That of std, which prints.
    default: Option<Hook>,
}

static mut STATE: State = State { guards: 0, payload: None, hook: None, default: None };

fn state() -> &'static mut State {
    // SAFETY: there is one thread; the hooks alone are held while user code runs, and that must not
    // change them.
    unsafe { &mut *(&raw mut STATE) }
}

/// Puts our hook in place of std's.
pub fn install() {
    state().default = Some(std::panic::take_hook());
    std::panic::set_hook(Box::new(|info| {
        if let Some(hook) = &state().hook {
            hook(info);
        }
        let payload = info.payload();
        if state().guards > 0 {
            state().payload = Some(moved(payload));
        }
        // As std does it before and while it unwinds.
        panic_count::finished_panic_hook();
        panic_count::decrease();
        tell(payload)
    }));
}

/// The payload in a box of its own. Where it was, nobody will come to drop it.
fn moved(payload: &(dyn Any + Send)) -> Payload {
    let layout = Layout::for_value(payload);
    let mut fat = payload as *const (dyn Any + Send) as *mut (dyn Any + Send);
    // SAFETY: the bytes are copied to a fresh block of their layout, or there are none. The first
    // half of such a pointer is the address.
    unsafe {
        let to = match layout.size() {
            0 => std::ptr::without_provenance_mut(layout.align()),
            _ => alloc(layout),
        };
        if to.is_null() {
            handle_alloc_error(layout);
        }
        std::ptr::copy_nonoverlapping(fat.cast::<u8>(), to, layout.size());
        (&raw mut fat).cast::<*mut u8>().write(to);
        Box::from_raw(fat)
    }
}

/// Leaves the innermost `attempt`, or the expansion.
fn tell(payload: &(dyn Any + Send)) -> ! {
    let text = match payload.downcast_ref::<&'static str>() {
        Some(text) => Some(*text),
        None => payload.downcast_ref::<String>().map(String::as_str),
    };
    // SAFETY: the host reads the text.
    unsafe {
        match text {
            Some(text) => {
                let text = native(text);
                host::panic(text.as_ptr(), text.len() as u32)
            }
            None => host::panic_any(),
        }
    }
}

/// Invokes a closure, capturing the cause of an unwinding panic if one occurs.
pub fn catch_unwind<F: FnOnce() -> R + UnwindSafe, R>(function: F) -> thread::Result<R> {
    struct Call<F, R> {
        function: Option<F>,
        result: Option<R>,
    }
    extern "C" fn run<F: FnOnce() -> R, R>(at: *mut u8) {
        // SAFETY: it is the call below, whose frame waits.
        let call = unsafe { &mut *at.cast::<Call<F, R>>() };
        if let Some(function) = call.function.take() {
            call.result = Some(function());
        }
    }
    let mut call = Call { function: Some(function), result: None };
    state().guards += 1;
    // SAFETY: the host calls the function with this address.
    let panicked = unsafe { host::attempt((&raw mut call).cast(), run::<F, R>) } != 0;
    state().guards -= 1;
    match call.result {
        Some(result) if !panicked => Ok(result),
        _ => Err(state().payload.take().unwrap_or_else(caught)),
    }
}

/// The payload of a panic in the compiler's own interface.
fn caught() -> Payload {
    // SAFETY: the call gives a number.
    let text = unsafe { host::caught() };
    match text as u32 {
        0 => Box::new(()),
        _ => Box::new(answer((text >> 32) as u32)),
    }
}

/// Triggers a panic without invoking the panic hook.
pub fn resume_unwind(payload: Payload) -> ! {
    if state().guards == 0 {
        tell(&*payload);
    }
    tell(&**state().payload.insert(payload))
}

/// Registers a custom panic hook, replacing the previously registered hook.
pub fn set_hook(hook: Hook) {
    drop(state().hook.replace(hook));
}

/// Unregisters the current panic hook, returns it and registers the default hook in its place.
///
/// What is there before is the compiler's hook, which prints nothing while macros expand.
pub fn take_hook() -> Hook {
    let default: Hook = Box::new(|info| {
        if let Some(hook) = &state().default {
            hook(info);
        }
    });
    state().hook.replace(default).unwrap_or_else(|| Box::new(|_| {}))
}
