//! What a house is left with once a starter starts its children.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Confinement, Files, Need, Network, Part, Profile};

/// What an ordinary server reads of the machine: names of hosts and times of day, how large the machine is and how busy, and
/// itself. No other process, no folder of a user.
const MACHINE: [&str; 22] = [
    "/dev/random",
    "/dev/urandom",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/proc/sys/kernel/random",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/vm/overcommit_memory",
    "/proc/uptime",
    "/proc/version",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/usr/share/zoneinfo",
];
/// Libraries that libc loads when a name is looked up. They are read, not started.
const LIBRARIES: [&str; 4] = ["/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib"];
const NULL: &str = "/dev/null";

impl Confinement {
    /// For a house that has launched its [`super::super::starter::Starter`]: these files and what an ordinary server reads of
    /// the machine, this network, no program, no other process, and no signal to one (its starter sends them).
    ///
    /// Not taken, and free to be set: capabilities, the umask, locked memory, limits of number and size. Required are no new
    /// privileges and hidden memory; add [`Part::Files`] and others where a kernel without them is not to be served.
    #[must_use]
    pub fn house(mut files: Files, network: Network) -> Self {
        files.read.extend(MACHINE.into_iter().chain(LIBRARIES).map(PathBuf::from));
        files.write.push(NULL.into());
        Self {
            no_new_privileges: true,
            no_core_dumps: true,
            hidden: true,
            files: Some(files),
            network: Some(network),
            no_outsiders: true,
            calls: Some(Profile::HouseWithStarter),
            required: BTreeMap::from([(Part::NoNewPrivileges, Need::Wholly), (Part::Hidden, Need::Wholly)]),
            ..Self::default()
        }
    }
}
