//! Whether what was reported is so: what the kernel says, and what must fail by now.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getppid, getrlimit, test_kill_process};

use super::super::inspect::Status;
use super::{Confinement, Files, Need, Network, Outcome, Part, Report};

/// Bits of a umask that leaves new files to their owner.
const OWNER_ONLY: u64 = 0o77;

/// Takes `Done` and `Partly` back from every part that is not so.
pub(super) fn check(wanted: &Confinement, before: &Status, report: &mut Report) {
    for part in Part::ALL {
        let claimed = report.outcome(part).meets(Need::Partly);
        if claimed && !holds(part, wanted, before, report) {
            report.set(part, Outcome::missing("the system took it and does not keep it"));
        }
    }
}

fn holds(part: Part, wanted: &Confinement, before: &Status, report: &Report) -> bool {
    let status = &report.status;
    let limited = |resource, to: Option<u64>| getrlimit(resource).maximum.is_some_and(|maximum| to.is_some_and(|to| maximum <= to));
    match part {
        Part::NoNewPrivileges => status.no_new_privs == Some(1),
        Part::CoreDumps => limited(Resource::Core, Some(0)),
        Part::Hidden => dumpable_behavior() == Ok(DumpableBehavior::NotDumpable),
        Part::Descriptors => limited(Resource::Nofile, wanted.descriptors),
        Part::Memory => limited(Resource::Data, wanted.memory_bytes),
        Part::Usage => limited(Resource::Cpu, wanted.usage.map(|usage| usage.processor_s)),
        Part::Processes => limited(Resource::Nproc, wanted.processes),
        Part::MemoryLock => status.locked_kib.is_some_and(|kib| kib > 0),
        Part::Umask => status.umask == Some(OWNER_ONLY),
        Part::Capabilities => status.capabilities == Some(0),
        Part::Files => wanted.files.as_ref().is_none_or(outside_is_closed),
        Part::Network => match (&wanted.network, report.outcome(part)) {
            (Some(Network::Closed), _) => internet_is_closed(),
            (Some(Network::NoSockets), _) => internet_is_closed() && no_socket_is_made(),
            (Some(Network::Client { .. }), Outcome::Done) => no_port_is_bound(),
            (Some(Network::Server { bind, connect }), Outcome::Done) => other_ports_are_closed(bind, connect),
            _ => true,
        },
        Part::Outsiders => parent_is_out_of_reach(),
        // Filters of whoever started us do not count, where the kernel counts them (Linux 5.10).
        Part::Calls => status.seccomp == Some(2) && (status.seccomp_filters.is_none() || status.seccomp_filters > before.seccomp_filters),
        // The kernel does not say, and whom to try it on is not known here; a namespace is there or the call failed.
        Part::Sockets | Part::Namespaces => true,
    }
}

/// Unless they are within reach, the root and the list of processes cannot be listed any more.
fn outside_is_closed(files: &Files) -> bool {
    let named: Vec<_> = [&files.read, &files.write, &files.execute].into_iter().flatten().collect();
    let is_closed = |folder: &str| {
        let within = named.iter().any(|path| Path::new(folder).starts_with(path));
        within
            || matches!(
                rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()),
                Err(Errno::ACCESS | Errno::PERM)
            )
    };
    ["/", "/proc"].into_iter().all(is_closed)
}

/// Neither a socket of IPv4 nor a way to connect one, whichever of the two holds.
fn internet_is_closed() -> bool {
    let nowhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
    tcp_refused(|socket| rustix::net::connect(socket, &nowhere))
}

/// Not even one that could reach somebody on this machine.
fn no_socket_is_made() -> bool {
    matches!(rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None), Err(Errno::PERM))
}

fn no_port_is_bound() -> bool {
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    tcp_refused(|socket| rustix::net::bind(socket, &any))
}

/// Neither bound nor connected to, though anybody could (ports below 1024 may be refused for another reason).
fn other_ports_are_closed(bind: &BTreeSet<u16>, connect: &BTreeSet<u16>) -> bool {
    let other = |than: &BTreeSet<u16>| {
        let port = (1024..=u16::MAX).rev().find(|port| !than.contains(port));
        port.map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    };
    let bound = other(bind).is_none_or(|to| tcp_refused(|socket| rustix::net::bind(socket, &to)));
    bound && other(connect).is_none_or(|to| tcp_refused(|socket| rustix::net::connect(socket, &to)))
}

/// Refused by a rule, and not for want of something.
fn tcp_refused(attempt: impl FnOnce(&OwnedFd) -> Result<(), Errno>) -> bool {
    match rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None) {
        Ok(socket) => matches!(attempt(&socket), Err(Errno::ACCESS)),
        Err(error) => matches!(error, Errno::PERM | Errno::AFNOSUPPORT),
    }
}

/// The parent is never confined together with its child's later self.
fn parent_is_out_of_reach() -> bool {
    getppid().is_none_or(|parent| matches!(test_kill_process(parent), Err(Errno::PERM | Errno::SRCH)))
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    #[test]
    fn what_is_claimed_and_not_so_is_found() {
        let wanted = Confinement {
            files: Some(Files::default()),
            network: Some(Network::Closed),
            descriptors: Some(1),
            memory_bytes: Some(1),
            ..Confinement::strict(Profile::Vault)
        };
        let status = Status::own().unwrap();
        let claims = || Report { parts: Part::ALL.map(|part| (part, Outcome::Done)).into(), status, ..Report::default() };
        let mut report = claims();
        check(&wanted, &status, &mut report);
        let seen = [
            Part::NoNewPrivileges,
            Part::Hidden,
            Part::Descriptors,
            Part::Memory,
            Part::Files,
            Part::Network,
            Part::Outsiders,
            Part::Calls,
        ];
        for part in seen {
            assert!(matches!(report.outcome(part), Outcome::Missing { .. }), "{part}");
        }
        let mut client = claims();
        check(&Confinement { network: Some(Network::Client { ports: None }), ..wanted }, &status, &mut client);
        assert!(matches!(client.outcome(Part::Network), Outcome::Missing { .. }));
    }
}
