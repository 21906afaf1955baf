//! The tracing half of the crash harness: a library for `LD_PRELOAD` that stands in front of the libc calls by which a
//! process changes files, and appends to a trace what was done to files under one watched directory.
//!
//! Environment: see the constants in [`wire`]. Without them every call goes straight through.
//!
//! What it cannot see, and how that is noticed: stores through shared mappings (reported as `Mapped`), raw system calls
//! and io_uring, and calls inside libc itself such as stdio (the harness compares the replayed trace with the directory).
//!
//! `unsafe` is needed throughout: the functions here *are* libc's to their callers, with libc's obligations.

// The shim is the one place of the harness that may; the workspace denies it elsewhere.
#![expect(unsafe_code, reason = "stands in for libc functions")]

mod data;
mod end;
mod names;
mod real;
mod record;
mod sync;
mod watch;
#[expect(dead_code, unreachable_pub, reason = "shared with the reader, which uses the rest")]
mod wire;
