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
        (Network::Closed, _, None) => Outcome::partly(format!("sockets that it is given can still connect; {OLD}")),
        (Network::Client { .. }, _, None) => Outcome::partly(format!("any TCP port can be bound and connected to; {OLD}")),
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
        Network::Closed => &[UNIX],
        Network::Client { .. } => &[UNIX, IPV4, IPV6, ROUTING],
    };
    let others = allowed.iter().map(|family| when(0, Dword, SeccompCmpOp::Ne, *family)).collect::<Result<_, _>>()?;
    refused.entry(i64::from(lists::SOCKET)).or_default().push(SeccompRule::new(others)?);
    Ok(())
}

fn refuse_calls(refused: &mut Rules, profile: Profile) -> Built {
    let starts_programs = match profile {
        Profile::Vault | Profile::Sandbox => false,
        Profile::House => true,
    };
    refused.extend(whole(lists::REFUSED));
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
