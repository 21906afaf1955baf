//! One connection: resolved once, judged, pinned, and over TLS for the name that was asked for.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::egress::failure::{Failure, Tls, Wait};
use crate::egress::ports::{Judge, NoAddress, Pass, Refused, Resolve, Resolving, Scheme, Why};

/// Authorities of LAN hosts whose set-up is kept; beyond it, it is made anew.
const AUTHORITIES: usize = 64;

/// The machine's own list of authorities.
///
/// # Errors
/// There is none that can be read.
pub fn system_roots() -> io::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no authority for certificates is installed on this machine"));
    }
    Ok(roots)
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|_| NoAddress)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Speaks {
    /// HTTP/2 where the server offers it.
    Any,
    /// HTTP/1.1 only: for upgrades.
    Http1,
}

/// A connection to a vetted address.
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    pub(super) fn is_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

type Kind = (Option<Arc<str>>, Speaks);

/// Makes connections.
pub(super) struct Connector {
    resolver: Arc<dyn Resolve>,
    judge: Judge,
    roots: Arc<RootCertStore>,
    addresses: usize,
    configs: Mutex<BTreeMap<Kind, Arc<ClientConfig>>>,
}

impl Connector {
    pub(super) fn new(resolver: Arc<dyn Resolve>, judge: Judge, roots: RootCertStore, addresses: usize) -> Self {
        Self { resolver, judge, roots: Arc::new(roots), addresses, configs: Mutex::new(BTreeMap::new()) }
    }

    /// Connects for one pass. `end` is the moment at which the whole request is over.
    pub(super) async fn connect(&self, pass: &Pass, speaks: Speaks, end: Instant) -> Result<Line, Failure> {
        let deadline = end.min(Instant::now() + pass.bounds.connect);
        let work = async {
            let vetted = self.vetted(pass).await?;
            let stream = self.reach(&vetted, pass.target.port, deadline).await?;
            match pass.target.scheme {
                Scheme::Http => Ok(Line::Plain(stream)),
                Scheme::Https => self.secure(stream, pass, speaks).await,
            }
        };
        match timeout_at(deadline, work).await {
            Ok(done) => done,
            Err(_) => Err(Failure::Deadline(Wait::Connect, pass.bounds.connect)),
        }
    }

    /// The addresses that may be connected to, each once, the two families in turn.
    async fn vetted(&self, pass: &Pass) -> Result<Vec<IpAddr>, Failure> {
        let found = match pass.target.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(&pass.target.host, pass.target.port).await.map_err(|NoAddress| Failure::NoAddress)?,
        };
        if found.is_empty() {
            return Err(Failure::NoAddress);
        }
        let vetted = (self.judge)(&found, pass.lan)?;
        // The judge chooses among what was found and adds nothing.
        let mut vetted: Vec<IpAddr> = vetted.into_iter().filter(|address| found.contains(address)).collect();
        if vetted.is_empty() {
            return Err(Failure::Refused(Refused {
                why: Why::Denied,
                code: "address",
                sentence: "the server's name leads to an address that is not allowed".into(),
            }));
        }
        let mut seen = Vec::with_capacity(vetted.len());
        vetted.retain(|address| {
            !seen.contains(address) && {
                seen.push(*address);
                true
            }
        });
        let (six, four): (Vec<_>, Vec<_>) = vetted.into_iter().partition(IpAddr::is_ipv6);
        let longest = six.len().max(four.len());
        let turns = (0..longest).flat_map(|turn| [six.get(turn).copied(), four.get(turn).copied()]).flatten();
        Ok(turns.take(self.addresses).collect())
    }

    /// The first address that answers. Each gets its share of what time is left.
    async fn reach(&self, vetted: &[IpAddr], port: u16, deadline: Instant) -> Result<TcpStream, Failure> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for (tried, address) in vetted.iter().enumerate() {
            let left = u32::try_from(vetted.len() - tried).unwrap_or(u32::MAX);
            let now = Instant::now();
            let share = now + deadline.saturating_duration_since(now) / left;
            match timeout_at(share, TcpStream::connect(SocketAddr::new(*address, port))).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(Failure::Unreachable)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
            }
        }
        Err(Failure::Unreachable(last))
    }

    async fn secure(&self, stream: TcpStream, pass: &Pass, speaks: Speaks) -> Result<Line, Failure> {
        let name = ServerName::try_from(pass.target.host.clone()).map_err(|_| Failure::Target("its host is no name of a server"))?;
        let config = self.config((pass.authority_pem.clone(), speaks))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| Failure::Tls(kind_of(&error)))?;
        Ok(Line::Tls(Box::new(stream)))
    }

    fn config(&self, kind: Kind) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(config) = self.configs.lock().unwrap_or_else(PoisonError::into_inner).get(&kind) {
            return Ok(Arc::clone(config));
        }
        let roots = match &kind.0 {
            None => Arc::clone(&self.roots),
            Some(pem) => Arc::new(authority(pem)?),
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|_| Failure::Tls(Tls::Other))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = match kind.1 {
            Speaks::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Speaks::Http1 => vec![b"http/1.1".to_vec()],
        };
        let config = Arc::new(config);
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if configs.len() < AUTHORITIES {
            configs.insert(kind, Arc::clone(&config));
        }
        Ok(config)
    }
}

fn authority(pem: &str) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|_| Failure::Authority)?).map_err(|_| Failure::Authority)?;
    }
    if roots.is_empty() { Err(Failure::Authority) } else { Ok(roots) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls says of its errors that there will be more")]
fn kind_of(error: &io::Error) -> Tls {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(wrong)) = cause else { return Tls::Other };
    match wrong {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Tls::Expired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Tls::Name,
        // A self-signed certificate that calls itself an authority is reported as something else.
        CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_) => Tls::Issuer,
        _ => Tls::Other,
    }
}
