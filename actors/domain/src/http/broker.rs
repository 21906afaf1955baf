//! What a client inside the house and the broker say to each other in headers: names that both must know. None of them leaves the house.

/// How the headers of the house's own begin.
pub const OWN: &str = "hearth-";
/// Who asks.
pub const ASKING: &str = "hearth-as";
/// For which member.
pub const FOR: &str = "hearth-for";
/// `http` asks for a connection in the clear; the policy has to agree.
pub const SCHEME: &str = "hearth-scheme";
/// `yes`: sending it twice does no harm.
pub const IDEMPOTENT: &str = "hearth-idempotent";
/// `follow`: redirects are followed inside the policy.
pub const REDIRECTS: &str = "hearth-redirects";
/// Orders a signature: the secret's bare name, a space, and what is to be signed how, as JSON. Never sent on.
pub const SIGN: &str = "x-hearth-sign";
/// By which an answer of the broker itself is known: a word for programs.
pub const BROKER: &str = "hearth-broker";
/// In such an answer: whether the request may have reached the server.
pub const OUTCOME: &str = "hearth-outcome";

/// Headers that concern one connection only (RFC 9110 7.6.1), and what else is between neighbours.
pub const HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
