//! Whether what was reported is so: what the kernel says, and what must fail by now.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
use std::path::Path;

use super::{Confinement, Files, Network, Outcome, Part, Report};

/// Bits of a umask that leaves new files to their owner.
const OWNER_ONLY: u64 = 0o77;

/// Takes `Done` and `Partly` back from every part that is not so.
pub(super) fn check(wanted: &Confinement, report: &mut Report) {
    for part in Part::ALL {
        let claimed = report.outcome(part).meets(super::Need::Partly);
        if claimed && !holds(part, wanted, report) {
            report.set(part, Outcome::missing("the system took it and does not keep it"));
        }
    }
}

fn holds(part: Part, wanted: &Confinement, report: &Report) -> bool {
    let status = &report.status;
    let limited = |resource, to: Option<u64>| getrlimit(resource).maximum.is_some_and(|maximum| to.is_some_and(|to| maximum <= to));
    match part {
        Part::NoNewPrivileges => status.no_new_privs == Some(1),
        Part::CoreDumps => limited(Resource::Core, Some(0)),
        Part::Hidden => dumpable_behavior() == Ok(DumpableBehavior::NotDumpable),
        Part::Descriptors => limited(Resource::Nofile, wanted.descriptors),
        Part::Memory => limited(Resource::Data, wanted.memory_bytes),
        Part::MemoryLock => status.locked_kib.is_some_and(|kib| kib > 0),
        Part::Umask => status.umask == Some(OWNER_ONLY),
        Part::Capabilities => status.capabilities == Some(0),
        Part::Files => wanted.files.as_ref().is_none_or(root_is_closed),
        Part::Network => wanted.network != Some(Network::Closed) || internet_is_closed(),
        Part::Calls => status.seccomp == Some(2),
        // The kernel does not say, and whom to try it on is not known here.
        Part::Sockets | Part::Outsiders => true,
    }
}

/// Unless the root itself is within reach, it cannot be listed any more.
fn root_is_closed(files: &Files) -> bool {
    let root = Path::new("/");
    if [&files.read, &files.write, &files.execute].into_iter().flatten().any(|path| path == root) {
        return true;
    }
    let opened = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    matches!(opened, Err(Errno::ACCESS))
}

/// Neither a socket of IPv4 nor a way to connect one, whichever of the two holds.
fn internet_is_closed() -> bool {
    let Ok(socket) = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None) else { return true };
    let nowhere = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9);
    matches!(rustix::net::connect(&socket, &nowhere), Err(Errno::ACCESS))
}
