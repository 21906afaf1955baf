//! The system calls that a sandbox has: the only list of what is allowed.
//!
//! Two steps: [`had`] from the first on, and [`settled`] takes away what is needed for loading alone. A sandbox opens nothing at any
//! time: what it works on comes as a descriptor.

use linux_raw_sys::general as nr;
use rustix::process::getpid;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::{BackendError, SeccompCmpOp, SeccompRule};

use super::{CLONE_THREAD, Rules, lists, when, whole};

/// `PROT_EXEC`.
const EXECUTABLE: u64 = 4;
/// `PR_GET_DUMPABLE` (the proof asks), `PR_SET_NAME` (threads have names), `PR_SET_NO_NEW_PRIVS` (a filter sets it again), `PR_SET_VMA`
/// (memory has names).
const PRCTL: [u64; 4] = [3, 15, 38, 0x5356_4d41];
/// `F_DUPFD_CLOEXEC`, `F_GETFD`, `F_SETFD`, `F_GETFL`, `F_SETFL`, `F_ADD_SEALS`, `F_GET_SEALS`.
const FCNTL: [u64; 7] = [1030, 1, 2, 3, 4, 1033, 1034];
/// `FIONBIO`.
const NON_BLOCKING: u64 = 0x5421;

/// Allowed whatever their arguments: memory, its own descriptors, waiting, clocks, signals to itself, the end.
const HAD: &[u32] = &[
    nr::__NR_read,
    nr::__NR_write,
    nr::__NR_readv,
    nr::__NR_writev,
    nr::__NR_pread64,
    nr::__NR_pwrite64,
    nr::__NR_lseek,
    nr::__NR_fstat,
    nr::__NR_statx,
    nr::__NR_ftruncate,
    nr::__NR_close,
    nr::__NR_sendmsg,
    nr::__NR_recvmsg,
    nr::__NR_sendto,
    nr::__NR_recvfrom,
    nr::__NR_ppoll,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_poll,
    nr::__NR_mmap,
    nr::__NR_munmap,
    nr::__NR_mprotect,
    nr::__NR_mremap,
    nr::__NR_madvise,
    nr::__NR_brk,
    nr::__NR_memfd_create,
    nr::__NR_membarrier,
    nr::__NR_futex,
    nr::__NR_set_robust_list,
    nr::__NR_rseq,
    nr::__NR_set_tid_address,
    nr::__NR_sched_yield,
    nr::__NR_sched_getaffinity,
    nr::__NR_gettid,
    nr::__NR_getpid,
    nr::__NR_getppid,
    nr::__NR_clock_gettime,
    nr::__NR_clock_getres,
    nr::__NR_clock_nanosleep,
    nr::__NR_nanosleep,
    nr::__NR_gettimeofday,
    nr::__NR_restart_syscall,
    nr::__NR_rt_sigaction,
    nr::__NR_rt_sigprocmask,
    nr::__NR_rt_sigreturn,
    nr::__NR_sigaltstack,
    nr::__NR_getrandom,
    nr::__NR_exit,
    nr::__NR_exit_group,
    // Filters only ever take away.
    nr::__NR_seccomp,
    // Answered as if it did not exist, by the list of those.
    nr::__NR_clone3,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_arch_prctl,
];

/// What a sandbox has from the start.
pub(super) fn had() -> Result<Rules, BackendError> {
    let mut had = whole(HAD);
    let one_of = |argument, values: &[u64]| {
        values.iter().map(|value| SeccompRule::new(vec![when(argument, Dword, SeccompCmpOp::Eq, *value)?])).collect::<Result<_, _>>()
    };
    let own = u64::from(getpid().as_raw_nonzero().get().unsigned_abs());
    had.insert(i64::from(nr::__NR_tgkill), one_of(0, &[own])?);
    had.insert(i64::from(nr::__NR_prlimit64), vec![SeccompRule::new(vec![when(0, Qword, SeccompCmpOp::Eq, 0)?])?]);
    had.insert(i64::from(lists::PRCTL), one_of(0, &PRCTL)?);
    had.insert(i64::from(nr::__NR_fcntl), one_of(1, &FCNTL)?);
    had.insert(i64::from(lists::IOCTL), one_of(1, &[NON_BLOCKING])?);
    let thread = when(0, Dword, SeccompCmpOp::MaskedEq(CLONE_THREAD), CLONE_THREAD)?;
    had.insert(i64::from(lists::CLONE), vec![SeccompRule::new(vec![thread])?]);
    Ok(had)
}

/// What is taken away when it has loaded.
pub(super) fn settled() -> Result<Rules, BackendError> {
    let mut gone = whole(&[
        lists::CLONE,
        lists::PRCTL,
        nr::__NR_memfd_create,
        nr::__NR_ftruncate,
        nr::__NR_statx,
        nr::__NR_prlimit64,
        nr::__NR_pwrite64,
        nr::__NR_seccomp,
    ]);
    for call in [nr::__NR_mmap, nr::__NR_mprotect] {
        gone.insert(i64::from(call), vec![SeccompRule::new(vec![when(2, Dword, SeccompCmpOp::MaskedEq(EXECUTABLE), EXECUTABLE)?])?]);
    }
    Ok(gone)
}
