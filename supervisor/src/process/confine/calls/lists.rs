//! Numbers of system calls, by what is done about them. Both architectures have those that are not marked.

use linux_raw_sys::general as nr;

pub(super) use linux_raw_sys::prctl::{PR_SET_DUMPABLE, PR_SET_PDEATHSIG, PR_SET_PTRACER};

pub(super) const SOCKET: u32 = nr::__NR_socket;
pub(super) const SOCKETPAIR: u32 = nr::__NR_socketpair;
pub(super) const CLONE: u32 = nr::__NR_clone;
pub(super) const IOCTL: u32 = nr::__NR_ioctl;
pub(super) const PRCTL: u32 = nr::__NR_prctl;
pub(super) const SENDTO: u32 = nr::__NR_sendto;
pub(super) const SENDMSG: u32 = nr::__NR_sendmsg;
pub(super) const SENDMMSG: u32 = nr::__NR_sendmmsg;
pub(super) const MMAP: u32 = nr::__NR_mmap;
pub(super) const MPROTECT: u32 = nr::__NR_mprotect;
pub(super) const PKEY_MPROTECT: u32 = nr::__NR_pkey_mprotect;

/// Whoever calls these has taken the process over: other processes' memory, the kernel's code, the machine.
pub(super) const FATAL: &[u32] = &[
    nr::__NR_ptrace,
    nr::__NR_process_vm_readv,
    nr::__NR_process_vm_writev,
    nr::__NR_kexec_load,
    nr::__NR_kexec_file_load,
    nr::__NR_init_module,
    nr::__NR_finit_module,
    nr::__NR_delete_module,
    nr::__NR_reboot,
    nr::__NR_swapon,
    nr::__NR_swapoff,
    nr::__NR_pivot_root,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_iopl,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_ioperm,
];

/// A caller falls back to `clone`, whose flags can be looked at; those of `clone3` are in memory.
pub(super) const ABSENT: &[u32] = &[nr::__NR_clone3];

/// Starting a program or a process. (`clone` is looked at.)
pub(super) const PROGRAMS: &[u32] = &[
    nr::__NR_execve,
    nr::__NR_execveat,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_fork,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_vfork,
];

/// Nothing in the house uses these.
pub(super) const REFUSED: &[u32] = &[
    // Other namespaces, roots and mounts.
    nr::__NR_unshare,
    nr::__NR_setns,
    nr::__NR_chroot,
    nr::__NR_mount,
    nr::__NR_umount2,
    nr::__NR_move_mount,
    nr::__NR_open_tree,
    nr::__NR_fsopen,
    nr::__NR_fsconfig,
    nr::__NR_fsmount,
    nr::__NR_fspick,
    nr::__NR_mount_setattr,
    // Ways around the filters and around Landlock.
    nr::__NR_io_uring_setup,
    nr::__NR_io_uring_enter,
    nr::__NR_io_uring_register,
    nr::__NR_name_to_handle_at,
    nr::__NR_open_by_handle_at,
    nr::__NR_personality,
    // Other processes.
    nr::__NR_pidfd_getfd,
    nr::__NR_process_madvise,
    nr::__NR_process_mrelease,
    nr::__NR_kcmp,
    nr::__NR_move_pages,
    nr::__NR_migrate_pages,
    // Large parts of the kernel that were the way in before.
    nr::__NR_bpf,
    nr::__NR_perf_event_open,
    nr::__NR_userfaultfd,
    nr::__NR_keyctl,
    nr::__NR_add_key,
    nr::__NR_request_key,
    nr::__NR_fanotify_init,
    nr::__NR_lookup_dcookie,
    nr::__NR_nfsservctl,
    // The machine.
    nr::__NR_acct,
    nr::__NR_quotactl,
    nr::__NR_quotactl_fd,
    nr::__NR_syslog,
    nr::__NR_settimeofday,
    nr::__NR_clock_settime,
    nr::__NR_clock_adjtime,
    nr::__NR_adjtimex,
    nr::__NR_sethostname,
    nr::__NR_setdomainname,
    nr::__NR_vhangup,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_uselib,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_ustat,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_sysfs,
    #[cfg(target_arch = "x86_64")]
    nr::__NR__sysctl,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_create_module,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_get_kernel_syms,
    #[cfg(target_arch = "x86_64")]
    nr::__NR_query_module,
];
