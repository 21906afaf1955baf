//! seccomp: the system calls that are refused (seccomp(2)).
//!
//! Three filters, of which the strictest answer counts: some calls end the process, some are answered `EPERM`, some `ENOSYS`
//! so that a caller falls back to what can be looked at. Calls of another architecture end the process.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
    apply_filter_all_threads,
};

use super::paths::Tcp;
use super::{Confinement, Network, Outcome, Part, Profile, Report};

mod lists;
mod sandbox;

/// Operation not permitted.
const EPERM: u32 = 1;
/// No such system call.
const ENOSYS: u32 = 38;

/// Families of sockets, as in `socket(2)`.
const UNIX: u64 = 1;
const IPV4: u64 = 2;
const IPV6: u64 = 10;
/// Routing: names are looked up with it.
const ROUTING: u64 = 16;

/// The protocols of IPv4 and IPv6 sockets: that of the kind, TCP, UDP. Not MPTCP, SCTP, SMC, DCCP.
const PROTOCOLS: [u64; 3] = [0, 6, 17];
/// The bits of a socket's kind that are not flags.
const SOCKET_KINDS: u64 = 0xF;
/// `SOCK_DGRAM`, `SOCK_RAW`, `SOCK_RDM`, `SOCK_SEQPACKET`, `SOCK_DCCP`.
const NOT_STREAMS: [u64; 5] = [2, 3, 4, 5, 6];
/// `MSG_FASTOPEN`: connects and sends in one.
const FAST_OPEN: u64 = 0x2000_0000;
/// As in `mmap(2)`.
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_ANONYMOUS: u64 = 0x20;

/// `CLONE_THREAD`: a thread, not a process.
const CLONE_THREAD: u64 = 0x0001_0000;
/// `CLONE_NEWNS`, `…CGROUP`, `…UTS`, `…IPC`, `…USER`, `…PID`, `…NET`.
const NAMESPACES: [u64; 7] = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
/// `TIOCSTI` and `TIOCLINUX` type on the terminal of whoever started us.
const TERMINAL_INPUT: [u64; 2] = [0x5412, 0x541C];
const SIGKILL: u64 = 9;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

pub(super) fn apply(wanted: &Confinement, tcp: Tcp, report: &mut Report) {
    if wanted.calls.is_none() && wanted.network.is_none() {
        return;
    }
    let installed = programs(wanted.calls, wanted.network.as_ref()).and_then(|programs| {
        let results = programs.iter().map(|program| apply_filter(program).map_err(|error| error.to_string()));
        results.collect::<Result<(), String>>()
    });
    let why = installed.as_ref().err().map(|error| format!("system calls cannot be filtered: {error}"));
    if wanted.calls.is_some() {
        report.set(Part::Calls, why.clone().map_or(Outcome::Done, Outcome::missing));
    }
    if let Some(network) = &wanted.network {
        report.set(Part::Network, network_outcome(network, tcp, why));
    }
}

fn network_outcome(network: &Network, tcp: Tcp, unfiltered: Option<String>) -> Outcome {
    const OLD: &str = "Landlock of Linux 6.7 or later is needed to limit TCP ports";
    match (network, tcp, unfiltered) {
        (_, Tcp::Held, None) => Outcome::Done,
        (Network::Closed | Network::NoSockets, _, None) => Outcome::partly(format!("sockets that it is given can still connect; {OLD}")),
        (Network::Client { .. } | Network::Server { .. }, _, None) => {
            Outcome::partly(format!("any TCP port can be bound and connected to; {OLD}"))
        }
        (_, Tcp::Held, Some(why)) => Outcome::partly(format!("only TCP is limited; {why}")),
        (_, _, Some(why)) => Outcome::missing(format!("{why}; {OLD}")),
    }
}

fn programs(profile: Option<Profile>, network: Option<&Network>) -> Result<Vec<BpfProgram>, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| "there is no list for this kind of processor".to_owned())?;
    let mut refused = Rules::new();
    let mut programs = Vec::new();
    if profile == Some(Profile::Sandbox) {
        let had = sandbox::had().map_err(|error| error.to_string())?;
        programs.push(only(had, arch)?);
    }
    if let Some(network) = network {
        refuse_sockets(&mut refused, network).map_err(|error| error.to_string())?;
    }
    if let Some(profile) = profile {
        refuse_calls(&mut refused, profile).map_err(|error| error.to_string())?;
        programs.push(compile(whole(lists::FATAL), SeccompAction::KillProcess, arch)?);
        programs.push(compile(whole(lists::ABSENT), SeccompAction::Errno(ENOSYS), arch)?);
    }
    programs.push(compile(refused, SeccompAction::Errno(EPERM), arch)?);
    if arch == TargetArch::x86_64 {
        programs.push(no_x32());
    }
    Ok(programs)
}

fn compile(rules: Rules, action: SeccompAction, arch: TargetArch) -> Result<BpfProgram, String> {
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch);
    filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())
}

/// Nothing but these.
fn only(rules: Rules, arch: TargetArch) -> Result<BpfProgram, String> {
    let filter = SeccompFilter::new(rules, SeccompAction::Errno(EPERM), SeccompAction::Allow, arch);
    filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())
}

/// See [`super::settle`].
pub(super) fn settle() -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| "there is no list for this kind of processor".to_owned())?;
    let rules = sandbox::settled().map_err(|error| error.to_string())?;
    apply_filter_all_threads(&compile(rules, SeccompAction::Errno(EPERM), arch)?).map_err(|error| error.to_string())
}

/// These calls, whatever their arguments.
fn whole(calls: &[u32]) -> Rules {
    calls.iter().map(|call| (i64::from(*call), Vec::new())).collect()
}

type Built = Result<(), seccompiler::BackendError>;

fn when(argument: u8, length: SeccompCmpArgLen, is: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, length, is, value)
}

fn refuse_sockets(refused: &mut Rules, network: &Network) -> Built {
    let allowed: &[u64] = match network {
        Network::NoSockets => return refuse_all_sockets(refused),
        Network::Closed => &[UNIX],
        Network::Client { .. } | Network::Server { .. } => &[UNIX, IPV4, IPV6, ROUTING],
    };
    let others = allowed.iter().map(|family| when(0, Dword, SeccompCmpOp::Ne, *family)).collect::<Result<_, _>>()?;
    let socket = refused.entry(i64::from(lists::SOCKET)).or_default();
    socket.push(SeccompRule::new(others)?);
    // Landlock limits TCP and nothing that is like it, and does not see a connection that is made by sending.
    for family in [IPV4, IPV6] {
        let mut other = vec![when(0, Dword, SeccompCmpOp::Eq, family)?];
        for protocol in PROTOCOLS {
            other.push(when(2, Dword, SeccompCmpOp::Ne, protocol)?);
        }
        socket.push(SeccompRule::new(other)?);
        let is_server_alone = matches!(network, Network::Server { connect, .. } if connect.is_empty());
        for kind in NOT_STREAMS.into_iter().filter(|_| is_server_alone) {
            let kind = when(1, Dword, SeccompCmpOp::MaskedEq(SOCKET_KINDS), kind)?;
            socket.push(SeccompRule::new(vec![when(0, Dword, SeccompCmpOp::Eq, family)?, kind])?);
        }
    }
    for (call, flags) in [(lists::SENDTO, 3), (lists::SENDMSG, 2), (lists::SENDMMSG, 3)] {
        let connects = when(flags, Dword, SeccompCmpOp::MaskedEq(FAST_OPEN), FAST_OPEN)?;
        refused.entry(i64::from(call)).or_default().push(SeccompRule::new(vec![connects])?);
    }
    Ok(())
}

/// A pair of datagram sockets could send to a path; one of stream sockets is connected for good.
fn refuse_all_sockets(refused: &mut Rules) -> Built {
    refused.extend(whole(&[lists::SOCKET]));
    let pair = refused.entry(i64::from(lists::SOCKETPAIR)).or_default();
    for kind in NOT_STREAMS {
        pair.push(SeccompRule::new(vec![when(1, Dword, SeccompCmpOp::MaskedEq(SOCKET_KINDS), kind)?])?);
    }
    Ok(())
}

fn refuse_calls(refused: &mut Rules, profile: Profile) -> Built {
    let starts_programs = match profile {
        Profile::Vault | Profile::HouseWithStarter | Profile::Sandbox => false,
        Profile::House => true,
    };
    refused.extend(whole(lists::REFUSED));
    if profile == Profile::HouseWithStarter {
        refuse_new_code(refused)?;
    }
    if !starts_programs {
        refused.extend(whole(lists::PROGRAMS));
    }
    let clone = refused.entry(i64::from(lists::CLONE)).or_default();
    for namespace in NAMESPACES {
        clone.push(SeccompRule::new(vec![when(0, Dword, SeccompCmpOp::MaskedEq(namespace), namespace)?])?);
    }
    if !starts_programs {
        clone.push(SeccompRule::new(vec![when(0, Dword, SeccompCmpOp::MaskedEq(CLONE_THREAD), 0)?])?);
    }
    let ioctl = refused.entry(i64::from(lists::IOCTL)).or_default();
    for command in TERMINAL_INPUT {
        ioctl.push(SeccompRule::new(vec![when(1, Dword, SeccompCmpOp::Eq, command)?])?);
    }
    // What confinement and `child::enter` set stays; children of this process may set the same.
    let prctl = refused.entry(i64::from(lists::PRCTL)).or_default();
    for (option, only) in [(lists::PR_SET_DUMPABLE, 0), (lists::PR_SET_PDEATHSIG, SIGKILL), (lists::PR_SET_PTRACER, 0)] {
        let conditions = vec![when(0, Dword, SeccompCmpOp::Eq, u64::from(option))?, when(1, Qword, SeccompCmpOp::Ne, only)?];
        prctl.push(SeccompRule::new(conditions)?);
    }
    Ok(())
}

/// Libraries are loaded by mapping a file as executable, which stays; memory that was written never becomes so.
fn refuse_new_code(refused: &mut Rules) -> Built {
    let executable = || when(2, Dword, SeccompCmpOp::MaskedEq(PROT_EXEC), PROT_EXEC);
    let with = |argument, bit| when(argument, Dword, SeccompCmpOp::MaskedEq(bit), bit);
    let map = refused.entry(i64::from(lists::MMAP)).or_default();
    map.push(SeccompRule::new(vec![executable()?, with(2, PROT_WRITE)?])?);
    map.push(SeccompRule::new(vec![executable()?, with(3, MAP_ANONYMOUS)?])?);
    for protect in [lists::MPROTECT, lists::PKEY_MPROTECT] {
        refused.entry(i64::from(protect)).or_default().push(SeccompRule::new(vec![executable()?])?);
    }
    Ok(())
}

/// A list of refused numbers says nothing about x32, a second set of numbers (from bit 30 on) for the same calls, which some
/// kernels have. None of them exists for us.
fn no_x32() -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const AT_LEAST: u16 = 0x35;
    const ANSWER: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    let op = |code, jf, k| seccompiler::sock_filter { code, jt: 0, jf, k };
    vec![
        op(LOAD_NUMBER, 0, 0),
        op(AT_LEAST, 1, X32),
        op(ANSWER, 0, u32::from(SeccompAction::Errno(ENOSYS))),
        op(ANSWER, 0, u32::from(SeccompAction::Allow)),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use linux_raw_sys::general as nr;

    use super::*;

    const ALLOW: u32 = 0x7FFF_0000;
    const KILL: u32 = 0x8000_0000;
    const REFUSE: u32 = 0x0005_0000 | EPERM;

    /// What the kernel would answer: the strictest of what the programs do (as signed numbers, the smallest).
    fn answer(programs: &[BpfProgram], call: u32, arguments: &[u64]) -> u32 {
        let audit: u32 = if cfg!(target_arch = "x86_64") { 0xC000_003E } else { 0xC000_00B7 };
        let mut data: Vec<u32> = vec![call, audit, 0, 0];
        data.extend((0..6).flat_map(|n| {
            let argument = arguments.get(n).copied().unwrap_or(0);
            [argument as u32, (argument >> 32) as u32]
        }));
        programs.iter().map(|program| run(program, &data)).min_by_key(|answer| (*answer & 0xFFFF_0000).cast_signed()).unwrap()
    }

    fn run(program: &BpfProgram, data: &[u32]) -> u32 {
        let (mut at, mut held) = (0, 0);
        loop {
            let one = &program[at];
            at += 1;
            let jump = |holds: bool| usize::from(if holds { one.jt } else { one.jf });
            match one.code {
                0x20 => held = data[one.k as usize / 4],
                0x54 => held &= one.k,
                0x05 => at += one.k as usize,
                0x15 => at += jump(held == one.k),
                0x25 => at += jump(held > one.k),
                0x35 => at += jump(held >= one.k),
                0x06 => return one.k,
                other => panic!("an instruction that is not known here: {other:#x}"),
            }
        }
    }

    fn house() -> Vec<BpfProgram> {
        let network = Network::Server { bind: BTreeSet::new(), connect: BTreeSet::new() };
        programs(Some(Profile::HouseWithStarter), Some(&network)).unwrap()
    }

    #[test]
    fn memory_that_was_written_never_becomes_code() {
        let house = house();
        let (private, read_and_execute) = (2, 5);
        assert_eq!(answer(&house, nr::__NR_mmap, &[0, 4096, read_and_execute, private, 3]), ALLOW, "a library");
        assert_eq!(answer(&house, nr::__NR_mmap, &[0, 4096, 3, private | MAP_ANONYMOUS]), ALLOW, "memory");
        assert_eq!(answer(&house, nr::__NR_mmap, &[0, 4096, read_and_execute, private | MAP_ANONYMOUS]), REFUSE);
        assert_eq!(answer(&house, nr::__NR_mmap, &[0, 4096, 7, private, 3]), REFUSE);
        for call in [nr::__NR_mprotect, nr::__NR_pkey_mprotect] {
            assert_eq!(answer(&house, call, &[0, 4096, 3]), ALLOW);
            assert_eq!(answer(&house, call, &[0, 4096, read_and_execute]), REFUSE);
        }
        let vault = programs(Some(Profile::Vault), None).unwrap();
        assert_eq!(answer(&vault, nr::__NR_mprotect, &[0, 4096, read_and_execute]), ALLOW, "as before");
    }

    #[test]
    fn a_house_works_and_looks_into_nobody() {
        let house = house();
        let work = [
            nr::__NR_read,
            nr::__NR_write,
            nr::__NR_fsync,
            nr::__NR_flock,
            nr::__NR_renameat2,
            nr::__NR_inotify_init1,
            nr::__NR_futex,
            nr::__NR_rt_sigaction,
            nr::__NR_kill,
            nr::__NR_pidfd_send_signal,
            nr::__NR_accept4,
            nr::__NR_sendmsg,
            nr::__NR_recvmsg,
            nr::__NR_epoll_pwait,
            nr::__NR_getrandom,
            nr::__NR_fallocate,
            nr::__NR_madvise,
        ];
        work.into_iter().for_each(|call| assert_eq!(answer(&house, call, &[]), ALLOW, "{call}"));
        let refused = [
            nr::__NR_execve,
            nr::__NR_kcmp,
            nr::__NR_pidfd_getfd,
            nr::__NR_mount,
            nr::__NR_bpf,
            nr::__NR_perf_event_open,
            nr::__NR_keyctl,
            nr::__NR_userfaultfd,
            nr::__NR_io_uring_setup,
            nr::__NR_open_by_handle_at,
            nr::__NR_setns,
            nr::__NR_unshare,
        ];
        refused.into_iter().for_each(|call| assert_eq!(answer(&house, call, &[]), REFUSE, "{call}"));
        for call in [nr::__NR_ptrace, nr::__NR_process_vm_readv, nr::__NR_process_vm_writev, nr::__NR_kexec_load, nr::__NR_reboot] {
            assert_eq!(answer(&house, call, &[]), KILL, "{call}");
        }
        assert_eq!(answer(&house, nr::__NR_clone, &[CLONE_THREAD]), ALLOW);
        assert_eq!(answer(&house, nr::__NR_clone, &[17]), REFUSE, "a process");
    }

    #[test]
    fn a_program_without_sockets_has_pairs_of_streams_alone() {
        let guest = programs(Some(Profile::House), Some(&Network::NoSockets)).unwrap();
        let (stream, datagram, packets, close) = (1, 2, 5, 0x0008_0000);
        for family in [UNIX, IPV4, IPV6, ROUTING, 17, 40] {
            assert_eq!(answer(&guest, nr::__NR_socket, &[family, stream | close, 0]), REFUSE, "{family}");
        }
        assert_eq!(answer(&guest, nr::__NR_socketpair, &[UNIX, stream | close, 0]), ALLOW);
        for kind in [datagram, packets] {
            assert_eq!(answer(&guest, nr::__NR_socketpair, &[UNIX, kind | close, 0]), REFUSE, "{kind}");
        }
        let new_code = [nr::__NR_execve, nr::__NR_mprotect];
        new_code.into_iter().for_each(|call| assert_eq!(answer(&guest, call, &[0, 4096, 5]), ALLOW, "{call}"));
        assert_eq!(answer(&guest, nr::__NR_clone, &[17]), ALLOW, "a process");
        assert_eq!(answer(&guest, nr::__NR_ptrace, &[]), KILL);
    }

    #[test]
    fn an_internet_socket_is_tcp_and_udp_only_where_names_are_looked_up() {
        let client = programs(None, Some(&Network::Client { ports: None })).unwrap();
        let (stream, datagram, close) = (1, 2, 0x0008_0000);
        for family in [IPV4, IPV6] {
            assert_eq!(answer(&house(), nr::__NR_socket, &[family, stream | close, 6]), ALLOW);
            assert_eq!(answer(&house(), nr::__NR_socket, &[family, datagram | close, 17]), REFUSE);
            assert_eq!(answer(&client, nr::__NR_socket, &[family, datagram | close, 17]), ALLOW);
            for protocol in [1, 132, 256, 262] {
                assert_eq!(answer(&client, nr::__NR_socket, &[family, stream, protocol]), REFUSE, "{protocol}");
            }
        }
        assert_eq!(answer(&house(), nr::__NR_socket, &[UNIX, datagram, 0]), ALLOW);
        for (call, flags) in [(nr::__NR_sendto, 3), (nr::__NR_sendmmsg, 3), (nr::__NR_sendmsg, 2)] {
            let mut arguments = [0; 6];
            arguments[flags] = FAST_OPEN | 0x4000;
            assert_eq!(answer(&client, call, &arguments), REFUSE);
        }
    }
}
