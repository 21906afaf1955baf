//! stub
#[expect(dead_code, reason = "stub")]
mod life;
