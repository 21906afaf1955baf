//! The functions that the shim stands in front of.

use std::ffi::CStr;

/// Address of the next definition of `name` after this library, 0 if there is none.
pub(crate) fn next(name: &CStr) -> usize {
    // SAFETY: `name` is a C string; dlsym only reads it.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) as usize }
}

/// Calls the real function: `real!(close(fd: c_int) -> c_int)`.
macro_rules! real {
    ($name:ident($($arg:expr => $ty:ty),* $(,)?) -> $ret:ty) => {{
        static SLOT: ::std::sync::atomic::AtomicUsize = ::std::sync::atomic::AtomicUsize::new(0);
        let mut at = SLOT.load(::std::sync::atomic::Ordering::Relaxed);
        if at == 0 {
            const NAME: &str = concat!(stringify!($name), "\0");
            at = match ::std::ffi::CStr::from_bytes_with_nul(NAME.as_bytes()) {
                Ok(name) => $crate::real::next(name),
                Err(_) => 0,
            };
            if at == 0 {
                $crate::end::give_up(concat!("no such function: ", stringify!($name)));
            }
            SLOT.store(at, ::std::sync::atomic::Ordering::Relaxed);
        }
        // SAFETY: the address is that of the libc function of this name, whose C signature is the one spelled here.
        let call: unsafe extern "C" fn($($ty),*) -> $ret = unsafe { ::std::mem::transmute(at) };
        // SAFETY: the arguments are passed on as the caller gave them; its obligations are the same as ours.
        unsafe { call($($arg),*) }
    }};
}
pub(crate) use real;
