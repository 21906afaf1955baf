//! Frames between the processes: any bytes, in any pieces, are frames or one error, and never more memory than was said.
#![no_main]

use hearth_domain::vault::{Ask, Tell};
use hearth_supervisor::process::frame::Assembler;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((step, mut rest)) = data.split_first() else { return };
    let mut assembler = Assembler::new(LIMIT);
    while !rest.is_empty() {
        let Ok(space) = assembler.space() else { return };
        assert!(!space.is_empty() && space.len() <= LIMIT + 64);
        let length = space.len().min(rest.len()).min(usize::from(*step).max(1));
        space[..length].copy_from_slice(&rest[..length]);
        rest = &rest[length..];
        match assembler.advance(length) {
            Ok(Some(frame)) => {
                drop(frame.decode::<Ask>());
                drop(frame.decode::<Tell>());
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
});
