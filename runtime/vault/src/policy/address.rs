//! Which addresses are connected to: globally routable unicast and nothing else, unless the owner named a host of the LAN.
//!
//! The tables follow IANA's special-purpose registries (RFC 6890, kept up to date). Every address that carries another one inside
//! (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) is refused as such, whatever it carries: what a gateway makes of it is not
//! ours to know. Of IPv6 only `2000::/3` is in use (RFC 4291 section 2.4, IANA), and everything outside it is refused.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hearth_domain::error::{Class, Classified};

/// Most addresses of one name that are looked at.
pub const ADDRESSES_MAX: usize = 64;

/// What an address is that is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AddressKind {
    /// `0.0.0.0` and `::` (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2).
    #[error("the unspecified address")]
    Unspecified,
    /// The rest of `0.0.0.0/8` (RFC 791 section 3.2).
    #[error("an address of \"this network\"")]
    ThisNetwork,
    /// `127.0.0.0/8`, `::1` (RFC 1122, RFC 4291).
    #[error("a loopback address")]
    Loopback,
    /// `10/8`, `172.16/12`, `192.168/16` (RFC 1918).
    #[error("a private address")]
    Private,
    /// `100.64.0.0/10` (RFC 6598). Overlay networks use it, too.
    #[error("an address shared behind a carrier's translator")]
    Shared,
    /// `169.254.0.0/16`, `fe80::/10` (RFC 3927, RFC 4291).
    #[error("a link-local address")]
    LinkLocal,
    /// Where clouds answer with credentials of the machine.
    #[error("a cloud's metadata address")]
    Metadata,
    /// `fc00::/7` (RFC 4193).
    #[error("a unique local address")]
    UniqueLocal,
    /// `fec0::/10` (RFC 3879, deprecated).
    #[error("a site-local address")]
    SiteLocal,
    /// `192.0.0.0/24`, `2001::/23` without its public parts (RFC 6890, RFC 2928).
    #[error("an address reserved for protocols")]
    Protocol,
    /// `192.0.2/24`, `198.51.100/24`, `203.0.113/24`, `2001:db8::/32`, `3fff::/20` (RFC 5737, RFC 3849, RFC 9637).
    #[error("an address for documentation")]
    Documentation,
    /// `198.18.0.0/15`, `2001:2::/48` (RFC 2544, RFC 5180).
    #[error("an address for benchmarks")]
    Benchmark,
    /// `240.0.0.0/4` (RFC 1112), unallocated IPv6 (RFC 4291).
    #[error("a reserved address")]
    Reserved,
    /// `255.255.255.255` (RFC 919).
    #[error("the broadcast address")]
    Broadcast,
    /// `224.0.0.0/4`, `ff00::/8` (RFC 5771, RFC 4291).
    #[error("a multicast address")]
    Multicast,
    /// Anycast services of the network itself: AS112 (RFC 7534, RFC 7535), AMT (RFC 7450), 6to4 relays (RFC 7526), and ports of
    /// call for TURN and PCP (RFC 8155, RFC 7723).
    #[error("an anycast address of a network service")]
    Service,
    /// `::ffff:0:0/96` (RFC 4291 section 2.5.5.2) and its translated form `::ffff:0:0:0/96` (RFC 2765).
    #[error("an IPv4 address mapped into IPv6")]
    Mapped,
    /// `::/96` (RFC 4291 section 2.5.5.1, deprecated).
    #[error("an IPv4-compatible IPv6 address")]
    Compatible,
    /// `64:ff9b::/96`, `64:ff9b:1::/48` (RFC 6052, RFC 8215).
    #[error("an IPv4 address behind a NAT64 gateway")]
    Nat64,
    /// `2002::/16` (RFC 3056).
    #[error("a 6to4 address")]
    SixToFour,
    /// `2001::/32` (RFC 4380).
    #[error("a Teredo address")]
    Teredo,
    /// Interface identifiers `0000:5efe:…` and `0200:5efe:…` (RFC 5214 section 6.1).
    #[error("an ISATAP address")]
    Isatap,
    /// `2001:10::/28`, `2001:20::/28`, `2001:30::/28` (RFC 4843, RFC 7343, RFC 9374).
    #[error("a cryptographic identifier and no address")]
    Identifier,
    /// `100::/64`, `100:0:0:1::/64` (RFC 6666, RFC 9780).
    #[error("a discard address")]
    Discard,
    /// `5f00::/16` (RFC 9602).
    #[error("a segment routing identifier")]
    SegmentRouting,
}

/// Why none of the addresses of a name is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is none.
    #[error("the host has no address")]
    None,
    /// There are too many to look at.
    #[error("the host has more than {ADDRESSES_MAX} addresses")]
    TooMany,
    /// One of them is not public. One bad answer refuses the name: which one a connection would take is chance.
    #[error("the host's name leads to {0}; if it is a device of yours, allow it as a LAN host")]
    Refused(AddressKind),
}

impl AddressError {
    /// What a machine tells it by. Stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::None => "address_none",
            Self::TooMany => "address_too_many",
            Self::Refused(_) => "address_refused",
        }
    }
}

impl Classified for AddressError {
    fn class(&self) -> Class {
        match self {
            Self::None => Class::Transient,
            Self::TooMany | Self::Refused(_) => Class::Denied,
        }
    }
}

/// The addresses of a name that may be connected to, without repetitions, in the order given. With `lan` also private, shared,
/// loopback, link-local and unique local ones, but never metadata, multicast, unspecified addresses or such with another inside.
///
/// # Errors
///
/// When there is none, or one of them is refused.
pub fn allowed(ips: &[IpAddr], lan: bool) -> Result<Vec<IpAddr>, AddressError> {
    if ips.is_empty() {
        return Err(AddressError::None);
    }
    if ips.len() > ADDRESSES_MAX {
        return Err(AddressError::TooMany);
    }
    let mut seen = BTreeSet::new();
    let mut kept = Vec::with_capacity(ips.len());
    for ip in ips {
        match judge(*ip) {
            Ok(()) => {}
            Err(kind) if lan && of_a_lan(kind) => {}
            Err(kind) => return Err(AddressError::Refused(kind)),
        }
        if seen.insert(*ip) {
            kept.push(*ip);
        }
    }
    Ok(kept)
}

const fn of_a_lan(kind: AddressKind) -> bool {
    use AddressKind::{LinkLocal, Loopback, Private, Shared, UniqueLocal};
    matches!(kind, Private | Shared | Loopback | LinkLocal | UniqueLocal)
}

/// Whether an address is globally routable unicast.
///
/// # Errors
///
/// What it is otherwise.
pub fn judge(ip: IpAddr) -> Result<(), AddressKind> {
    match ip {
        IpAddr::V4(ip) => first(&V4, u32::from(ip)),
        IpAddr::V6(ip) => judge_v6(ip),
    }
}

fn first(table: &[(Ipv4Addr, u32, AddressKind)], ip: u32) -> Result<(), AddressKind> {
    let within = |net: Ipv4Addr, bits: u32| (ip ^ u32::from(net)).leading_zeros() >= bits;
    table.iter().find(|(net, bits, _)| within(*net, *bits)).map_or(Ok(()), |(_, _, kind)| Err(*kind))
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

/// The first row that holds an address says what it is.
const V4: [(Ipv4Addr, u32, AddressKind); 27] = {
    use AddressKind as K;
    [
        (v4(0, 0, 0, 0), 32, K::Unspecified),
        (v4(0, 0, 0, 0), 8, K::ThisNetwork),
        (v4(127, 0, 0, 0), 8, K::Loopback),
        (v4(10, 0, 0, 0), 8, K::Private),
        (v4(172, 16, 0, 0), 12, K::Private),
        (v4(192, 168, 0, 0), 16, K::Private),
        // AWS, GCP, Azure and others (.254), AWS's resolver and clock beside it, ECS and EKS credentials (.170).
        (v4(169, 254, 169, 0), 24, K::Metadata),
        (v4(169, 254, 170, 0), 24, K::Metadata),
        (v4(169, 254, 0, 0), 16, K::LinkLocal),
        // Alibaba Cloud, within the shared range.
        (v4(100, 100, 100, 200), 32, K::Metadata),
        (v4(100, 64, 0, 0), 10, K::Shared),
        // Oracle Cloud, within the protocol range.
        (v4(192, 0, 0, 192), 32, K::Metadata),
        // Azure's host agent has an address of the public range.
        (v4(168, 63, 129, 16), 32, K::Metadata),
        (v4(192, 0, 0, 9), 32, K::Service),
        (v4(192, 0, 0, 10), 32, K::Service),
        (v4(192, 0, 0, 0), 24, K::Protocol),
        (v4(192, 0, 2, 0), 24, K::Documentation),
        (v4(198, 51, 100, 0), 24, K::Documentation),
        (v4(203, 0, 113, 0), 24, K::Documentation),
        (v4(198, 18, 0, 0), 15, K::Benchmark),
        (v4(192, 31, 196, 0), 24, K::Service),
        (v4(192, 52, 193, 0), 24, K::Service),
        (v4(192, 88, 99, 0), 24, K::Service),
        (v4(192, 175, 48, 0), 24, K::Service),
        (v4(255, 255, 255, 255), 32, K::Broadcast),
        (v4(240, 0, 0, 0), 4, K::Reserved),
        (v4(224, 0, 0, 0), 4, K::Multicast),
    ]
};

const fn v6(a: u16, b: u16, c: u16, d: u16, tail: [u16; 4]) -> Ipv6Addr {
    let [e, f, g, h] = tail;
    Ipv6Addr::new(a, b, c, d, e, f, g, h)
}

/// No tail.
const Z: [u16; 4] = [0; 4];

/// The first row that holds an address says what it is.
const V6: [(Ipv6Addr, u32, AddressKind); 29] = {
    use AddressKind as K;
    [
        (v6(0, 0, 0, 0, Z), 128, K::Unspecified),
        (v6(0, 0, 0, 0, [0, 0, 0, 1]), 128, K::Loopback),
        (v6(0, 0, 0, 0, [0, 0xffff, 0, 0]), 96, K::Mapped),
        (v6(0, 0, 0, 0, [0xffff, 0, 0, 0]), 96, K::Mapped),
        (v6(0, 0, 0, 0, Z), 96, K::Compatible),
        (v6(0x64, 0xff9b, 0, 0, Z), 96, K::Nat64),
        (v6(0x64, 0xff9b, 1, 0, Z), 48, K::Nat64),
        (v6(0x100, 0, 0, 0, Z), 64, K::Discard),
        (v6(0x100, 0, 0, 1, Z), 64, K::Discard),
        (v6(0x2002, 0, 0, 0, Z), 16, K::SixToFour),
        (v6(0x2001, 0, 0, 0, Z), 32, K::Teredo),
        // PCP, TURN and DNS-SD anycast (RFC 7723, RFC 8155, RFC 9665).
        (v6(0x2001, 1, 0, 0, Z), 64, K::Service),
        (v6(0x2001, 2, 0, 0, Z), 48, K::Benchmark),
        (v6(0x2001, 3, 0, 0, Z), 32, K::Service),
        (v6(0x2001, 4, 0x112, 0, Z), 48, K::Service),
        (v6(0x2001, 0x10, 0, 0, Z), 28, K::Identifier),
        (v6(0x2001, 0x20, 0, 0, Z), 28, K::Identifier),
        (v6(0x2001, 0x30, 0, 0, Z), 28, K::Identifier),
        (v6(0x2001, 0, 0, 0, Z), 23, K::Protocol),
        (v6(0x2001, 0xdb8, 0, 0, Z), 32, K::Documentation),
        (v6(0x3fff, 0, 0, 0, Z), 20, K::Documentation),
        (v6(0x2620, 0x4f, 0x8000, 0, Z), 48, K::Service),
        (v6(0x5f00, 0, 0, 0, Z), 16, K::SegmentRouting),
        // AWS has all of this prefix for its own services; GCP's server is one address.
        (v6(0xfd00, 0xec2, 0, 0, Z), 32, K::Metadata),
        (v6(0xfd20, 0xce, 0, 0, [0, 0, 0, 0x254]), 128, K::Metadata),
        (v6(0xfc00, 0, 0, 0, Z), 7, K::UniqueLocal),
        (v6(0xfe80, 0, 0, 0, Z), 10, K::LinkLocal),
        (v6(0xfec0, 0, 0, 0, Z), 10, K::SiteLocal),
        (v6(0xff00, 0, 0, 0, Z), 8, K::Multicast),
    ]
};

fn judge_v6(ip: Ipv6Addr) -> Result<(), AddressKind> {
    let bits = u128::from(ip);
    // An ISATAP identifier can stand behind any prefix, private ones included; multicast has no interface identifiers.
    let isatap = matches!(ip.segments(), [_, _, _, _, 0x0000 | 0x0200, 0x5efe, _, _]);
    if isatap && !ip.is_multicast() {
        return Err(AddressKind::Isatap);
    }
    let within = |net: Ipv6Addr, length: u32| (bits ^ u128::from(net)).leading_zeros() >= length;
    if let Some((_, _, kind)) = V6.iter().find(|(net, length, _)| within(*net, *length)) {
        return Err(*kind);
    }
    if within(v6(0x2000, 0, 0, 0, Z), 3) { Ok(()) } else { Err(AddressKind::Reserved) }
}
