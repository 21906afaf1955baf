//! A real broker between the models and the scripted server. Its gate is the tests' own: it puts the key in and lets everything through to
//! loopback; what a secret's policy says is tested where it is.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use hearth_adapters::ways::Ways;
use hearth_domain::secret::{PLACEHOLDER_BEGIN, SecretName};
use hearth_vault::egress::connect::SystemResolver;
use hearth_vault::egress::limits::{Bounds, Limits};
use hearth_vault::egress::ports::{Gate, Head, Hop, Pass, Refused, Scheme, Target, Written};
use hearth_vault::egress::server::{Entrance, serve};
use hearth_vault::egress::{Broker, Settings};
use hearth_vault::keeper::watch::Blind;

use super::KEY;

struct Open;

impl Gate for Open {
    fn admit(&self, head: &Head, _: Option<u64>) -> Result<Pass, Refused> {
        let (host, port) = head.authority.rsplit_once(':').unwrap_or((&head.authority, "80"));
        let placeholder = SecretName::new("the-key").unwrap().placeholder();
        let mut headers = head.headers.clone();
        for value in headers.values_mut() {
            let text = value.to_str().unwrap_or_default();
            if text.contains(PLACEHOLDER_BEGIN) {
                *value = text.replace(&placeholder, KEY).parse().unwrap();
                value.set_sensitive(true);
            }
        }
        let written = Written { method: head.method.clone(), path_and_query: head.path_and_query.parse().unwrap(), headers };
        let target = Target { scheme: Scheme::Http, host: host.to_owned(), port: port.parse().unwrap() };
        Ok(Pass { target, written, rewriter: None, sign: None, lan: true, authority_pem: None, bounds: Bounds::default() })
    }

    fn redirect(&self, _: &Pass, _: &Head, _: u16, _: &str, _: u32) -> Result<Option<Hop>, Refused> {
        Ok(None)
    }
}

static SOCKET: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = tempfile::tempdir().unwrap().keep().join("broker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let settings = Settings {
                gate: Arc::new(Open),
                watch: Arc::new(Blind),
                resolver: Arc::new(SystemResolver),
                judge: Arc::new(|addresses, _| Ok(addresses.to_vec())),
                roots: rustls::RootCertStore::empty(),
                limits: Limits::default(),
            };
            let entrance = Entrance::Listener(tokio::net::UnixListener::from_std(listener).unwrap());
            serve(Broker::new(settings), entrance, std::future::pending()).await;
        });
    });
    path
});

/// Both ways out lead there. New clients for each model: a pool belongs to the runtime of its test.
pub(crate) fn ways() -> Ways {
    Ways::new(&SOCKET, &SOCKET).unwrap()
}
