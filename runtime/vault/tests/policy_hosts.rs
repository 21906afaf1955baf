//! Every notation of an address or host that somebody could try: refused by the text, or by the address it stands for.

#![expect(clippy::unwrap_used, reason = "a test: a failure is the message")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hearth_domain::secret::Scheme;
use hearth_vault::policy::address::{AddressError, AddressKind as K, allowed, judge};
use hearth_vault::policy::target::{Target, TargetError};
use proptest::prelude::*;

fn of(authority: &str) -> Result<Target, TargetError> {
    Target::of(&http::Method::GET, Scheme::Https, authority, "/")
}

fn public(authority: &str) -> Result<Target, TargetError> {
    of(authority).and_then(|target| target.check_public().map(|()| target))
}

/// Addresses that nobody may reach without a LAN rule, of every IPv4 range.
const INSIDE: [&str; 22] = [
    "127.0.0.1",
    "127.8.9.10",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "0.0.0.0",
    "0.1.2.3",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
];

/// The spellings of an IPv4 address that `inet_aton` and browsers read.
fn legacy(ip: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = ip.octets();
    let whole = u32::from(ip);
    let tail3 = whole & 0x00ff_ffff;
    let tail2 = whole & 0xffff;
    vec![
        format!("{whole}"),
        format!("0x{whole:x}"),
        format!("0X{whole:X}"),
        format!("0x0000{whole:x}"),
        format!("0{whole:o}"),
        format!("00000{whole:o}"),
        format!("{a}.{tail3}"),
        format!("0x{a:x}.{tail3}"),
        format!("{a}.0x{tail3:x}"),
        format!("0{a:o}.0{tail3:o}"),
        format!("{a}.{b}.{tail2}"),
        format!("{a}.{b}.0x{tail2:x}"),
        format!("{a}.{b}.0{tail2:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0x{a:02X}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:03o}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.0{d:o}"),
        format!("{a}.0x{b:x}.0{c:o}.{d}"),
        format!("{ip}."),
        format!("{whole}."),
        format!("0x{whole:x}."),
    ]
}

/// The same address in letters that Unicode normalisation makes digits of.
fn dressed(ip: Ipv4Addr) -> Vec<String> {
    let text = ip.to_string();
    let digits =
        |zero: u32| -> String { text.chars().map(|c| c.to_digit(10).map_or(c, |digit| char::from_u32(zero + digit).unwrap())).collect() };
    let circled = |one: u32, zero: u32| -> String {
        text.chars().map(|c| c.to_digit(10).map_or(c, |d| char::from_u32(if d == 0 { zero } else { one + d - 1 }).unwrap())).collect()
    };
    let fullwidth = digits(0xff10);
    vec![
        fullwidth.clone(),
        fullwidth.replace('.', "\u{3002}"),
        fullwidth.replace('.', "\u{ff0e}"),
        text.replace('.', "\u{3002}"),
        text.replace('.', "\u{ff61}"),
        digits(0x1d7ce),
        digits(0x1d7e2),
        digits(0x1d7f6),
        circled(0x2460, 0x24ea),
        text.replacen('.', "\u{ad}.", 1),
        text.replacen('.', ".\u{200b}", 1),
        text.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        text.replace('.', "%2e"),
        text.replacen('.', "%252e", 1),
    ]
}

/// The same address inside an IPv6 address, in many spellings.
fn embedded(ip: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = ip.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        format!("[::ffff:{ip}]"),
        format!("[::FFFF:{ip}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[::ffff:{high:04x}:{low:04x}]"),
        format!("[0:0:0:0:0:ffff:{high:x}:{low:x}]"),
        format!("[0000:0000:0000:0000:0000:ffff:{high:04x}:{low:04x}]"),
        format!("[0:0:0:0:0:ffff:{ip}]"),
        format!("[0::ffff:{ip}]"),
        format!("[::ffff:0:{high:x}:{low:x}]"),
        format!("[::ffff:0:{ip}]"),
        format!("[::{high:x}:{low:x}]"),
        format!("[::{ip}]"),
        format!("[64:ff9b::{high:x}:{low:x}]"),
        format!("[64:ff9b::{ip}]"),
        format!("[64:ff9b:1::{high:x}:{low:x}]"),
        format!("[64:ff9b:1:{high:x}:{low:x}::]"),
        format!("[2002:{high:x}:{low:x}::]"),
        format!("[2002:{high:x}:{low:x}::1]"),
        format!("[2001:0:{high:x}:{low:x}::]"),
        format!("[2001:0:1:2:3:4:{:x}:{:x}]", !high, !low),
        format!("[fe80::5efe:{high:x}:{low:x}]"),
        format!("[2a00:1:2:3:0:5efe:{high:x}:{low:x}]"),
        format!("[2a00:1:2:3:200:5efe:{ip}]"),
        format!("[::ffff:{ip}%25eth0]"),
        format!("[::ffff:{ip}%eth0]"),
    ]
}

#[test]
fn every_notation_of_an_inside_address_is_refused() {
    let mut tried = BTreeSet::new();
    for inside in INSIDE {
        let ip: Ipv4Addr = inside.parse().unwrap();
        let plain = [inside.to_owned()];
        for text in plain.into_iter().chain(legacy(ip)).chain(dressed(ip)).chain(embedded(ip)) {
            for authority in [text.clone(), format!("{text}:8080"), text.to_uppercase()] {
                assert!(public(&authority).is_err(), "{authority}");
                tried.insert(authority);
            }
        }
    }
    assert!(tried.len() > 244, "{} notations", tried.len());
}

#[test]
fn unusual_spellings_are_refused_by_their_text_also_of_public_addresses() {
    let ip: Ipv4Addr = "93.184.216.34".parse().unwrap();
    assert!(public("93.184.216.34").is_ok());
    for text in legacy(ip).into_iter().chain(dressed(ip)) {
        let error = of(&text).unwrap_err();
        assert!(
            matches!(error, TargetError::LegacyAddress | TargetError::HostEncoded | TargetError::Host | TargetError::TrailingDot),
            "{text}: {error:?}"
        );
    }
    for text in embedded(ip) {
        assert!(public(&text).is_err(), "{text}");
    }
}

#[test]
fn local_names_need_a_lan_rule() {
    let names = [
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "printer",
        "router.lan",
        "nas.local",
        "db.internal",
        "metadata.google.internal",
        "x.home.arpa",
        "kubernetes.default.svc.cluster.local",
        "x.test",
        "x.invalid",
        "x.onion",
        "x.corp",
        "x.home",
    ];
    for name in names {
        assert_eq!(public(name).unwrap_err(), TargetError::LocalName, "{name}");
        assert!(of(name).is_ok(), "{name} may be allowed as a LAN host");
    }
    for name in ["localhost.", "LOCALHOST.", "a.localhost.", "nas.local."] {
        assert_eq!(of(name).unwrap_err(), TargetError::TrailingDot, "{name}");
    }
}

#[test]
fn text_that_is_no_plain_host_is_refused() {
    let long_label = format!("{}.com", "a".repeat(64));
    let long_name = format!("{}com", "abcdefg.".repeat(40));
    let table = [
        ("", TargetError::NoHost),
        (":443", TargetError::NoHost),
        ("user@api.x.com", TargetError::UserInfo),
        ("user:pass@api.x.com", TargetError::UserInfo),
        ("api.x.com@evil.com", TargetError::UserInfo),
        ("@api.x.com", TargetError::UserInfo),
        ("api.x.com\\@evil.com", TargetError::Backslash),
        ("evil.com\\.api.x.com", TargetError::Backslash),
        ("api.x.com%00.evil.com", TargetError::HostEncoded),
        ("api%2ex.com", TargetError::HostEncoded),
        ("[fe80::1%25eth0]", TargetError::HostEncoded),
        ("[fe80::1%1]", TargetError::HostEncoded),
        ("api.x.com/evil", TargetError::Host),
        ("api.x.com#.evil.com", TargetError::Host),
        ("api.x.com?.evil.com", TargetError::Host),
        ("api.x.com\r\nHost: evil.com", TargetError::Control),
        ("api.x\t.com", TargetError::Control),
        ("api.x.com ", TargetError::Control),
        ("api.x.com\u{0}", TargetError::Control),
        ("api.x\u{2028}.com", TargetError::Control),
        ("api.x.com.", TargetError::TrailingDot),
        ("API.X.COM.", TargetError::TrailingDot),
        ("api.x.com..", TargetError::TrailingDot),
        ("api.x.com\u{3002}", TargetError::TrailingDot),
        ("api..x.com", TargetError::Host),
        (".x.com", TargetError::Host),
        ("-a.com", TargetError::Host),
        ("a-.com", TargetError::Host),
        ("*.x.com", TargetError::Host),
        ("a_b.x.com", TargetError::Host),
        ("hearth_secret_mine_.evil.com", TargetError::Host),
        ("a,b.com", TargetError::Host),
        ("[::1", TargetError::Host),
        ("::1", TargetError::NoHost),
        ("[::1]]", TargetError::Host),
        ("[]", TargetError::Host),
        ("[1.2.3.4]", TargetError::Host),
        ("[::1]x", TargetError::Host),
        ("1.2.3.4.5", TargetError::Host),
        ("256.1.1.1", TargetError::Host),
        ("1.2.3.4x.5", TargetError::Host),
        (&long_label, TargetError::Host),
        (&long_name, TargetError::Host),
        ("api.x.com:", TargetError::Port),
        ("api.x.com:0", TargetError::Port),
        ("api.x.com:0443", TargetError::Port),
        ("api.x.com:65536", TargetError::Port),
        ("api.x.com:+443", TargetError::Port),
        ("api.x.com:443:443", TargetError::Port),
        ("api.x.com:443@evil.com", TargetError::UserInfo),
        ("\u{ff21}pi.x.com", TargetError::Spelling),
        ("\u{24d0}pi.x.com", TargetError::Spelling),
        ("api.x.co\u{ad}m", TargetError::Spelling),
        ("api\u{200b}.x.com", TargetError::Spelling),
        ("api\u{ff0e}x.com", TargetError::Spelling),
        ("\u{2139}.x.com", TargetError::Spelling),
    ];
    for (authority, error) in table {
        assert_eq!(of(authority), Err(error), "{authority:?}");
    }
}

#[test]
fn names_are_passed_on_in_one_form() {
    for (text, host) in
        [("API.X.com", "api.x.com"), ("b\u{fc}cher.example", "xn--bcher-kva.example"), ("xn--bcher-kva.example", "xn--bcher-kva.example")]
    {
        assert_eq!(of(text).unwrap().host_text(), host);
    }
    // A look-alike of another alphabet is another name.
    assert_ne!(of("\u{430}pi.x.com").unwrap().host_text(), "api.x.com");
    assert_eq!(of("[2A00:0:0::1]").unwrap().host_text(), "[2a00::1]");
}

/// Addresses and what the registries say of them.
const INSIDE_AND_WHY: [(&str, K); 76] = [
    ("0.0.0.0", K::Unspecified),
    ("0.255.255.255", K::ThisNetwork),
    ("127.255.255.255", K::Loopback),
    ("10.1.2.3", K::Private),
    ("172.16.0.0", K::Private),
    ("172.31.255.255", K::Private),
    ("192.168.0.0", K::Private),
    ("100.64.0.0", K::Shared),
    ("100.127.255.255", K::Shared),
    ("169.254.0.1", K::LinkLocal),
    ("169.254.169.254", K::Metadata),
    ("169.254.169.253", K::Metadata),
    ("169.254.170.2", K::Metadata),
    ("169.254.170.23", K::Metadata),
    ("100.100.100.200", K::Metadata),
    ("192.0.0.192", K::Metadata),
    ("168.63.129.16", K::Metadata),
    ("192.0.0.1", K::Protocol),
    ("192.0.0.170", K::Protocol),
    ("192.0.2.255", K::Documentation),
    ("198.51.100.1", K::Documentation),
    ("203.0.113.1", K::Documentation),
    ("198.18.0.0", K::Benchmark),
    ("198.19.255.255", K::Benchmark),
    ("192.88.99.1", K::Service),
    ("192.31.196.1", K::Service),
    ("192.52.193.1", K::Service),
    ("192.175.48.1", K::Service),
    ("224.0.0.0", K::Multicast),
    ("239.255.255.255", K::Multicast),
    ("240.0.0.0", K::Reserved),
    ("255.255.255.254", K::Reserved),
    ("255.255.255.255", K::Broadcast),
    ("::", K::Unspecified),
    ("::1", K::Loopback),
    ("::2", K::Compatible),
    ("::8.8.8.8", K::Compatible),
    ("::ffff:8.8.8.8", K::Mapped),
    ("::ffff:0:8.8.8.8", K::Mapped),
    ("64:ff9b::8.8.8.8", K::Nat64),
    ("64:ff9b:1:ffff::1", K::Nat64),
    ("64:ff9b:2::1", K::Reserved),
    ("100::1", K::Discard),
    ("100:0:0:1::1", K::Discard),
    ("100:0:0:2::1", K::Reserved),
    ("2001::1", K::Teredo),
    ("2001:1::1", K::Service),
    ("2001:2::1", K::Benchmark),
    ("2001:3::1", K::Service),
    ("2001:4:112::1", K::Service),
    ("2001:10::1", K::Identifier),
    ("2001:2f::1", K::Identifier),
    ("2001:3f::1", K::Identifier),
    ("2001:1ff::1", K::Protocol),
    ("2001:db8::1", K::Documentation),
    ("3fff::1", K::Documentation),
    ("3fff:fff::1", K::Documentation),
    ("2002:808:808::1", K::SixToFour),
    ("2620:4f:8000::1", K::Service),
    ("5f00::1", K::SegmentRouting),
    ("fc00::1", K::UniqueLocal),
    ("fdff::1", K::UniqueLocal),
    ("fd00:ec2::254", K::Metadata),
    ("fd00:ec2::23", K::Metadata),
    ("fd20:ce::254", K::Metadata),
    ("fe80::1", K::LinkLocal),
    ("febf::1", K::LinkLocal),
    ("fec0::1", K::SiteLocal),
    ("ff02::1", K::Multicast),
    ("ff0e::1", K::Multicast),
    ("2a00::5efe:808:808", K::Isatap),
    ("2a00::200:5efe:808:808", K::Isatap),
    ("4000::1", K::Reserved),
    ("1fff::1", K::Reserved),
    ("e000::1", K::Reserved),
    ("200::1", K::Reserved),
];

/// Addresses of the public internet, many beside the edge of a range.
const PUBLIC: [&str; 25] = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "192.0.1.0",
    "2606:4700::1111",
    "2a00:1450::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "3ffe:ffff::1",
    "2620:4f:8001::1",
];

#[test]
fn addresses_are_what_the_registries_say() {
    for (text, kind) in INSIDE_AND_WHY {
        assert_eq!(judge(text.parse().unwrap()), Err(kind), "{text}");
    }
    for text in PUBLIC {
        assert_eq!(judge(text.parse().unwrap()), Ok(()), "{text}");
    }
}

#[test]
fn one_bad_address_refuses_the_name() {
    let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    assert_eq!(allowed(&ips(&["1.1.1.1", "2606:4700::1111", "1.1.1.1"]), false), Ok(ips(&["1.1.1.1", "2606:4700::1111"])));
    for bad in [&["1.1.1.1", "127.0.0.1"], &["1.1.1.1", "::1"], &["169.254.169.254", "1.1.1.1"], &["8.8.8.8", "::ffff:10.0.0.1"]] {
        assert!(matches!(allowed(&ips(bad), false), Err(AddressError::Refused(_))), "{bad:?}");
    }
    assert_eq!(allowed(&[], true), Err(AddressError::None));
    assert_eq!(allowed(&vec![ips(&["1.1.1.1"])[0]; 65], true), Err(AddressError::TooMany));
}

#[test]
fn a_lan_rule_reaches_the_house_and_never_a_clouds_credentials() {
    for text in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.9", "172.20.0.1", "169.254.7.7", "100.100.1.1", "fd12::1", "fe80::1", "1.1.1.1"]
    {
        assert!(allowed(&[text.parse().unwrap()], true).is_ok(), "{text}");
    }
    let never = [
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:192.168.1.1",
        "64:ff9b::192.168.1.1",
        "2002:c0a8:101::1",
        "fec0::1",
        "240.0.0.1",
    ];
    for text in never {
        assert!(matches!(allowed(&[text.parse().unwrap()], true), Err(AddressError::Refused(_))), "{text}");
    }
}

fn authority() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[a-z0-9.:x\\[\\]%@-]{0,30}",
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).to_string()),
        any::<u128>().prop_map(|bits| format!("[{}]:8443", Ipv6Addr::from(bits))),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_and_what_a_target_prints_is_itself(
        method in "[A-Z]{1,8}|\\PC{0,5}", authority in authority(), path in "(/[\\PC]{0,10}){0,3}(\\?\\PC{0,10})?", plain in any::<bool>()
    ) {
        let scheme = if plain { Scheme::Http } else { Scheme::Https };
        let _ = format!("{method} https://{authority}{path}").parse::<Target>();
        let Ok(method) = http::Method::from_bytes(method.as_bytes()) else { return Ok(()) };
        if let Ok(target) = Target::of(&method, scheme, &authority, &path) {
            prop_assert_eq!(target.to_string().parse::<Target>().unwrap(), target.clone());
            prop_assert_eq!(Target::of(&method, scheme, &target.authority(), &target.path_and_query()).unwrap(), target);
        }
    }

    #[test]
    fn a_target_sent_in_another_way_is_what_it_is_read_as(authority in authority(), path in "/[ -~é]{0,12}") {
        for (scheme, other) in [(Scheme::Https, Scheme::Http), (Scheme::Http, Scheme::Https)] {
            let read = |scheme| Target::of(&http::Method::GET, scheme, &authority, &path);
            prop_assert_eq!(read(scheme).and_then(|target| target.over(other, &authority)), read(other));
        }
    }

    #[test]
    fn no_literal_address_passes_that_is_not_judged_public(authority in authority()) {
        if let Ok(target) = public(&authority) {
            match target.host {
                url::Host::Ipv4(ip) => prop_assert_eq!(judge(ip.into()), Ok(())),
                url::Host::Ipv6(ip) => prop_assert_eq!(judge(ip.into()), Ok(())),
                url::Host::Domain(name) => prop_assert!(name.parse::<IpAddr>().is_err() && name.contains('.')),
            }
        }
    }

    #[test]
    fn what_std_knows_as_inside_is_never_public(bits in any::<u32>(), wide in any::<u128>()) {
        let four = Ipv4Addr::from(bits);
        if four.is_loopback() || four.is_private() || four.is_link_local() || four.is_multicast() || four.is_unspecified() || four.is_broadcast() || four.is_documentation() {
            prop_assert!(judge(four.into()).is_err());
        }
        prop_assert!(judge(four.to_ipv6_mapped().into()).is_err());
        prop_assert!(judge(four.to_ipv6_compatible().into()).is_err());
        let six = Ipv6Addr::from(wide);
        if judge(six.into()).is_ok() {
            prop_assert_eq!(six.segments()[0] >> 13, 1, "global unicast only");
        }
    }
}
