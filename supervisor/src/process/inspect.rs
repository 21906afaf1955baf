//! What the kernel says about a process: the proof of what [`super::confine`] reports.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// Bytes of `/proc/PID/status` that are read; it has about 1 500.
const STATUS_BYTES: u64 = 64 * 1024;

/// From `/proc/PID/status` (proc_pid_status(5)). What the kernel does not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// Threads.
    pub threads: Option<u64>,
    /// 1: no program it starts has more rights than it.
    pub no_new_privs: Option<u64>,
    /// 2: system calls are filtered.
    pub seccomp: Option<u64>,
    /// How many filters each system call passes.
    pub seccomp_filters: Option<u64>,
    /// Memory that is never swapped out, in kibibytes.
    pub locked_kib: Option<u64>,
    /// The capabilities in effect, one bit each.
    pub capabilities: Option<u64>,
    /// The bits that new files do not get.
    pub umask: Option<u64>,
}

impl Status {
    /// Of this process.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn own() -> io::Result<Self> {
        Self::read(&File::open("/proc/self/status")?)
    }

    /// Of another process.
    ///
    /// # Errors
    /// There is none of that number, or `/proc` cannot be read.
    pub fn of(pid: Pid) -> io::Result<Self> {
        Self::read(&File::open(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("status"))?)
    }

    /// From a file that was opened before; the kernel writes it when it is read.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        let mut text = String::new();
        file.take(STATUS_BYTES).read_to_string(&mut text)?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let (field, radix) = match name {
                "Threads" => (&mut status.threads, 10),
                "NoNewPrivs" => (&mut status.no_new_privs, 10),
                "Seccomp" => (&mut status.seccomp, 10),
                "Seccomp_filters" => (&mut status.seccomp_filters, 10),
                "VmLck" => (&mut status.locked_kib, 10),
                "CapEff" => (&mut status.capabilities, 16),
                "Umask" => (&mut status.umask, 8),
                _ => continue,
            };
            *field = value.split_whitespace().next().and_then(|word| u64::from_str_radix(word, radix).ok());
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_status_are_read() {
        let status = Status::parse(
            "Name:\thearth\nUmask:\t0077\nThreads:\t3\nVmLck:\t     120 kB\nCapEff:\t000001fffeffffff\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t4\n",
        );
        let expected = Status {
            threads: Some(3),
            no_new_privs: Some(1),
            seccomp: Some(2),
            seccomp_filters: Some(4),
            locked_kib: Some(120),
            capabilities: Some(0x01ff_feff_ffff),
            umask: Some(0o77),
        };
        assert_eq!(status, expected);
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        assert_eq!(Status::parse("Name:\thearth\nSeccomp:\tmany\n:\n"), Status::default());
    }

    #[test]
    fn this_process_has_threads() {
        assert!(Status::own().unwrap().threads.unwrap() >= 1);
    }
}
