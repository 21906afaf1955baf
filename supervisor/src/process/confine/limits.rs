//! The parts that need neither Landlock nor seccomp.

use nix::sched::{CloneFlags, unshare};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

use super::{Confinement, Outcome, Part, Report};

pub(super) fn apply(wanted: &Confinement, report: &mut Report) {
    if wanted.no_new_privileges {
        report.set(Part::NoNewPrivileges, Outcome::of(set_no_new_privs(true)));
    }
    if wanted.hidden {
        report.set(Part::Hidden, Outcome::of(set_dumpable_behavior(DumpableBehavior::NotDumpable)));
    }
    if wanted.no_core_dumps {
        report.set(Part::CoreDumps, core_dumps(wanted.hidden));
    }
    if let Some(number) = wanted.descriptors {
        report.set(Part::Descriptors, Outcome::of(lower(Resource::Nofile, number)));
    }
    if let Some(bytes) = wanted.memory_bytes {
        report.set(Part::Memory, Outcome::of(lower(Resource::Data, bytes)));
    }
    if wanted.umask {
        umask(Mode::RWXG | Mode::RWXO);
        report.set(Part::Umask, Outcome::Done);
    }
    if let Some(usage) = wanted.usage {
        let lowered = lower(Resource::Cpu, usage.processor_s).and_then(|()| lower(Resource::Fsize, usage.file_bytes));
        report.set(Part::Usage, Outcome::of(lowered));
    }
    if let Some(number) = wanted.processes {
        report.set(Part::Processes, Outcome::of(lower(Resource::Nproc, number)));
    }
    // Before the capabilities go: root's own is what lifts the limit.
    if wanted.memory_lock {
        report.set(Part::MemoryLock, lock_memory(wanted.no_capabilities));
    }
    // Before the capabilities go as well: a fresh namespace of users gives all of them, in it.
    if wanted.namespaces {
        report.set(Part::Namespaces, namespaces(wanted.own_numbers));
    }
    if wanted.no_capabilities {
        report.set(Part::Capabilities, Outcome::of(drop_capabilities()));
    }
}

/// A process that starts no other needs none for the numbers of processes; that one holds for its children only.
fn namespaces(own_numbers: bool) -> Outcome {
    let mut all = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS;
    if own_numbers {
        all |= CloneFlags::CLONE_NEWPID;
    }
    match unshare(all) {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::missing(format!(
            "the system gives a process none of its own ({error}); kernel.unprivileged_userns_clone and AppArmor decide that"
        )),
    }
}

/// See [`super::settle`].
pub(super) fn settle(memory_bytes: u64) -> Result<(), Errno> {
    lower(Resource::Nproc, 0)?;
    lower(Resource::Data, memory_bytes)
}

fn core_dumps(hidden: bool) -> Outcome {
    let outcome = Outcome::of(lower(Resource::Core, 0));
    // core(5): a dump that is piped to a program does not heed the limit.
    let piped = || std::fs::read("/proc/sys/kernel/core_pattern").map_or(true, |pattern| pattern.starts_with(b"|"));
    if outcome == Outcome::Done && !hidden && piped() {
        return Outcome::partly("this machine pipes dumps to a program, which the limit does not stop; hide the memory too");
    }
    outcome
}

/// Lowers both limits; a hard limit that is lower already stays.
fn lower(resource: Resource, to: u64) -> Result<(), Errno> {
    let to = Some(getrlimit(resource).maximum.map_or(to, |maximum| maximum.min(to)));
    setrlimit(resource, Rlimit { current: to, maximum: to })
}

/// With a limit, memory that is asked for later would be refused instead of left unlocked, stacks among it: a process that
/// could lock only part of its memory is better off with none locked.
fn lock_memory(capabilities_go: bool) -> Outcome {
    let limit = getrlimit(Resource::Memlock);
    let unlimited = limit.current.is_none()
        || setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).is_ok()
        || (limit.maximum.is_none() && setrlimit(Resource::Memlock, Rlimit { current: None, maximum: limit.maximum }).is_ok());
    let privileged = || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if !unlimited && (capabilities_go || !privileged()) {
        let bytes = limit.maximum.unwrap_or_default();
        return Outcome::missing(format!(
            "no more than {bytes} bytes may be locked, and what is asked for beyond that would fail; set LimitMEMLOCK=infinity for the service"
        ));
    }
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    match mlockall(all | MlockAllFlags::ONFAULT) {
        // Before Linux 4.4 every page is fetched at once.
        Err(Errno::INVAL) => Outcome::of(mlockall(all)),
        result => Outcome::of(result),
    }
}

fn drop_capabilities() -> Result<(), Errno> {
    // Without the right to do that there is nothing to fear from the set either: it limits what a program gains that is
    // started, and nothing gains anything under no_new_privs.
    if capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            match remove_capability_from_bounding_set(capability) {
                // One that this kernel does not have.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
