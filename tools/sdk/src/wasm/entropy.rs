//! What the crate getrandom (0.3 and 0.4) draws from, under `--cfg getrandom_backend="custom"`.

use super::bindings::hearth::tool::host;

/// The most that the house is asked for at once, in bytes.
const DRAW_BYTES: usize = 4_096;

#[expect(unsafe_code, reason = "getrandom names its backend by this symbol and hands over a pointer and a length")]
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(destination: *mut u8, length: usize) -> Result<(), getrandom::Error> {
    let mut written = 0;
    while written < length {
        let wanted = (length - written).min(DRAW_BYTES);
        let drawn = host::random(u32::try_from(wanted).unwrap_or(0));
        if drawn.len() != wanted {
            return Err(getrandom::Error::UNEXPECTED);
        }
        // SAFETY: getrandom promises `length` writable bytes at `destination`, and `written + wanted <= length`.
        unsafe { std::ptr::copy_nonoverlapping(drawn.as_ptr(), destination.add(written), wanted) };
        written += wanted;
    }
    Ok(())
}
