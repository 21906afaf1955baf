//! The clock of the JavaScript engine, whose C part asks for it by this symbol.

use hearth_tool::clock;

/// Microseconds since 1970, UTC.
#[expect(unsafe_code, reason = "the engine's C part names the clock by this symbol; nothing is handed over")]
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    // Milliseconds since 1970 are exact in it until the year 287396.
    let now_ms: f64 = u32::try_from(clock::now_ms() / 1_000).map_or(0.0, f64::from) * 1_000.0 + f64::from((clock::now_ms() % 1_000) as u16);
    now_ms * 1_000.0
}
