//! Landlock: files, Unix sockets, TCP ports, and processes outside (landlock(7)).
//!
//! Rights that the kernel does not know are left out, and the version of its interface says which those were.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::{Confinement, Network, Outcome, Part, Report};

/// The newest interface whose rights were tried; those of later ones are asked for by name.
const TRIED: ABI = ABI::V7;

/// What Landlock does about the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tcp {
    /// Nothing was asked.
    NotWanted,
    /// It holds.
    Held,
    /// The kernel does not have it.
    Missing,
}

pub(super) fn apply(wanted: &Confinement, report: &mut Report) -> Tcp {
    let connects =
        matches!(wanted.network, Some(Network::Closed | Network::NoSockets | Network::Client { ports: Some(_) } | Network::Server { .. }));
    let parts = [Part::Files, Part::Sockets, Part::Outsiders];
    if wanted.network.is_none() && !parts.iter().any(|part| wanted.wants(*part)) {
        return Tcp::NotWanted;
    }
    let mut absent = Vec::new();
    let restricted = ruleset(wanted, connects).and_then(|rules| restrict(rules, wanted, &mut absent));
    report.notes.extend(absent.iter().map(|path| format!("{} cannot be opened and stays out of reach", path.display())));
    let level = match &restricted {
        Ok(status) => level(status),
        Err(_) => 0,
    };
    report.landlock = Some(level);
    let why = match restricted {
        Ok(RestrictionStatus { landlock: LandlockStatus::NotEnabled, .. }) => {
            "Landlock is not enabled at boot; add it to the kernel's lsm= list".to_owned()
        }
        Ok(RestrictionStatus { landlock: LandlockStatus::NotImplemented, .. }) => "this kernel has no Landlock".to_owned(),
        Ok(_) => "this kernel's Landlock is too old".to_owned(),
        Err(error) => format!("Landlock refuses: {error}"),
    };
    for part in parts.into_iter().filter(|part| wanted.wants(*part)) {
        report.set(part, outcome(part, level, &why));
    }
    match (&wanted.network, level) {
        (None, _) => Tcp::NotWanted,
        (Some(_), 4..) => Tcp::Held,
        (Some(_), _) => Tcp::Missing,
    }
}

/// The version of the interface. Whatever it has holds once the call has succeeded.
fn level(status: &RestrictionStatus) -> i32 {
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    }
}

fn outcome(part: Part, level: i32, why: &str) -> Outcome {
    let needs = |linux: &str| Outcome::missing(format!("{why}; Linux {linux} has it"));
    match (part, level) {
        (_, ..=0) => Outcome::missing(why),
        (Part::Files, 1..=2) => Outcome::partly("files can be truncated anywhere; Linux 6.2 stops that"),
        (Part::Files, 3..=4) => Outcome::partly("devices that are open already obey every ioctl; Linux 6.10 stops that"),
        (Part::Outsiders, ..=5) => needs("6.12"),
        (Part::Sockets, ..=8) => needs("7.1"),
        _ => Outcome::Done,
    }
}

fn ruleset(wanted: &Confinement, connects: bool) -> Result<RulesetCreated, RulesetError> {
    let mut files = if wanted.files.is_some() { AccessFs::from_all(TRIED) } else { BitFlags::EMPTY };
    if wanted.sockets.is_some() {
        files |= AccessFs::ResolveUnix;
    }
    let mut rules = Ruleset::default();
    if !files.is_empty() {
        rules = rules.handle_access(files)?;
    }
    if wanted.network.is_some() {
        rules = rules.handle_access(AccessNet::BindTcp)?;
        if connects {
            rules = rules.handle_access(AccessNet::ConnectTcp)?;
        }
    }
    if wanted.no_outsiders {
        rules = rules.scope(Scope::from_all(TRIED))?;
    }
    rules.create()
}

fn restrict(mut rules: RulesetCreated, wanted: &Confinement, absent: &mut Vec<PathBuf>) -> Result<RestrictionStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::Execute;
    if let Some(files) = &wanted.files {
        rules = allow(rules, &files.read, read, absent)?;
        rules = allow(rules, &files.execute, read | AccessFs::Execute, absent)?;
        rules = allow(rules, &files.write, AccessFs::from_all(TRIED) & !devices, absent)?;
    }
    if let Some(sockets) = &wanted.sockets {
        rules = allow(rules, sockets, AccessFs::ResolveUnix.into(), absent)?;
    }
    let none = BTreeSet::new();
    let (bind, connect) = match &wanted.network {
        Some(Network::Server { bind, connect }) => (bind, connect),
        Some(Network::Client { ports: Some(ports) }) => (&none, ports),
        Some(Network::Client { ports: None } | Network::Closed | Network::NoSockets) | None => (&none, &none),
    };
    for port in bind {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    for port in connect {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    rules.restrict_self()
}

fn allow(
    mut rules: RulesetCreated,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
    absent: &mut Vec<PathBuf>,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        match PathFd::new(path) {
            Ok(opened) => {
                rules = rules.add_rule(PathBeneath::new(&opened, fitting(path, access)))?;
                if is_forgotten(&opened) {
                    std::mem::forget(opened);
                }
            }
            Err(_) => absent.push(path.clone()),
        }
    }
    Ok(rules)
}

/// Whether the kernel may forget that file, and the rule with it, as soon as nobody has it open.
fn is_forgotten(opened: &PathFd) -> bool {
    rustix::fs::fstatfs(opened).is_ok_and(|system| system.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

/// What is no folder takes only the rights of files; others would be an error of the call.
fn fitting(path: &Path, access: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    if path.is_dir() { access } else { access & (AccessFs::from_file(TRIED) | AccessFs::ResolveUnix) }
}
