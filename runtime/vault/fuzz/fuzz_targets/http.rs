//! The broker's entrance: any bytes of a client, in pieces, end the connection or are answered, and nothing panics. No request is let
//! through.
#![no_main]

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hearth_vault::egress::connect::SystemResolver;
use hearth_vault::egress::limits::Limits;
use hearth_vault::egress::ports::{Gate, Head, Hop, Pass, Refused, Why};
use hearth_vault::egress::server::{Entrance, serve};
use hearth_vault::egress::{Broker, Settings};
use hearth_vault::keeper::watch::Blind;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

struct Closed;

impl Gate for Closed {
    fn admit(&self, _: &Head, _: Option<u64>) -> Result<Pass, Refused> {
        Err(Refused { why: Why::BadTarget, code: "target", sentence: "nothing passes".into() })
    }

    fn redirect(&self, _: &Pass, _: &Head, _: u16, _: &str, _: u32) -> Result<Option<Hop>, Refused> {
        Ok(None)
    }
}

struct Running {
    runtime: tokio::runtime::Runtime,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

static RUNNING: LazyLock<Running> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("broker");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async { UnixListener::bind(&socket).unwrap() });
    let broker = Broker::new(Settings {
        gate: Arc::new(Closed),
        watch: Arc::new(Blind),
        resolver: Arc::new(SystemResolver),
        judge: Arc::new(|found: &[IpAddr], _| Ok(found.to_vec())),
        roots: rustls::RootCertStore::empty(),
        limits: Limits::default(),
    });
    runtime.spawn(serve(broker, Entrance::Listener(listener), std::future::pending()));
    Running { runtime, socket, _folder: folder }
});

fuzz_target!(|data: &[u8]| {
    let Running { runtime, socket, .. } = &*RUNNING;
    runtime.block_on(async {
        let mut client = UnixStream::connect(socket).await.unwrap();
        let half = data.len() / 2;
        for piece in [&data[..half], &data[half..]] {
            // The broker may have closed it by then.
            drop(client.write_all(piece).await);
            tokio::task::yield_now().await;
        }
        drop(client.shutdown().await);
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "the broker neither answers nor closes");
    });
});
