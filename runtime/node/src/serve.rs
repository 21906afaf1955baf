//! Raising the house: ports, tree, local socket, page; and taking it down again. Decides nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hearth_actors::audit::{AttestNow, Record};
use hearth_actors::ports::{House, Ports};
use hearth_actors::tree::{Doors, build};
use hearth_adapters::clock_tool::ClockTool;
use hearth_adapters::http::{BrokerHttp, HttpLimits};
use hearth_adapters::models::config::Bounds;
use hearth_adapters::models::house::HouseModel;
use hearth_adapters::models::remote::RemoteModel;
use hearth_adapters::store::{Location, StoreConfig, SurrealStore};
use hearth_adapters::system::{self, SystemClock, SystemIds};
use hearth_adapters::ways::Ways;
use hearth_domain::channel::Transport;
use hearth_domain::house::provider::NoModel;
use hearth_domain::journal::{Fact, FactKind};
use hearth_domain::meter::Meter;
use hearth_domain::model::Model;
use hearth_domain::store::Store;
use hearth_supervisor::root::{Root, RootHandle, RootOptions};
use hearth_supervisor::tree::Tree;
use hearth_supervisor::watchdog::WatchdogOptions;
use hearth_supervisor::wires::Wires;
use hearth_web::hosts::public;
use hearth_web::login::LoginLinks;
use hearth_web::metrics::Metrics;
use hearth_web::server::{WebOptions, WebServer};

use crate::bridge::Bridge;
use crate::config::Config;
use crate::confine::Confined;
use crate::served::Served;
use crate::toolbox::Toolbox;
use crate::vaults::{self, Exits};
use crate::{places, sandboxes, socket, telemetry};

/// How long the actors' thread may hang before the process ends itself, so that the service manager starts it again.
const HANG: Duration = Duration::from_secs(60);

/// How long the vault may take at a stop to attest the journal's end.
const LAST_WORD: Duration = Duration::from_secs(3);

/// Whether the page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// As the configuration says.
    AsConfigured,
    /// Not: the house runs for one question only.
    Off,
}

/// A house that runs.
pub struct Running {
    root: RootHandle,
    store: Arc<dyn Store>,
    served: Arc<Served>,
    socket: PathBuf,
    /// Who takes clients of the local socket, and connectors.
    serving: Vec<tokio::task::JoinHandle<()>>,
    web: Option<WebServer>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Running {
    /// Raises the house. Must be called on an actix system. Fails with what a person can do about it.
    pub async fn raise(config: &Config, page: Page, confined: &Confined) -> anyhow::Result<Self> {
        let data = &confined.data;
        let metrics = Arc::new(Metrics::new());
        let bridges: Vec<_> = config.channels.iter().map(|channel| Bridge::new(&channel.name)).collect();
        let (ports, house) = (
            ports(config, confined, &metrics, &bridges)?,
            House {
                name: config.house.name.clone(),
                members: config.everybody(),
                limits: config.limits.clone(),
                rules: crate::policy::rules(config)?,
                budgets: config.budget.clone(),
            },
        );
        let (spec, doors) = build(&ports, &house);
        let store = Arc::clone(&ports.store);
        let watchdog = WatchdogOptions { deadline: HANG, action: Arc::new(|_| std::process::abort()) };
        let options =
            RootOptions { seed: ports.seed.child("supervisor").number(), observer: Some(metrics.clone()), watchdog: Some(watchdog) };
        let root = Root::start(spec, options);
        if let Err(reason) = root.started().await {
            bail!("the house could not start: {reason}");
        }
        match Self::open_doors(config, page, confined, (ports, bridges), doors, &root, metrics).await {
            Ok((served, serving, web)) => Ok(Self { root, store, served, socket: places::path_for(data), serving, web }),
            Err(error) => {
                root.stop().await;
                Err(error)
            }
        }
    }

    async fn open_doors(
        config: &Config,
        page: Page,
        confined: &Confined,
        (ports, bridges): (Ports, Vec<Bridge>),
        doors: Doors,
        root: &RootHandle,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<(Arc<Served>, Vec<tokio::task::JoinHandle<()>>, Option<WebServer>)> {
        let started = Fact {
            kind: FactKind::HouseStarted,
            who: None,
            subject: env!("CARGO_PKG_VERSION").to_owned(),
            detail: String::new(),
            content: None,
            at: ports.clock.wall(),
        };
        let recorded =
            doors.record.ask(Record(started), config.limits.commit_deadline).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        recorded.context("the start could not be written to the journal")?;
        let (web, links) = if config.web.enabled && page == Page::AsConfigured {
            let (web, links) = serve_page(config, &ports, &doors, root.tree(), metrics)?;
            (Some(web), Some(links))
        } else {
            (None, None)
        };
        let toolbox = Toolbox::new(doors.clone(), Arc::clone(&ports.sandboxes), config.limits.clone());
        let served = Arc::new(Served::new(doors, root.tree(), Arc::clone(&ports.store), links, confined.clone(), toolbox));
        let listener = socket::bind(&places::path_for(&confined.data))?;
        let mut serving = vec![actix_rt::spawn(socket::serve(listener, Arc::clone(&served)))];
        // A house that runs for one question has no time for others.
        for bridge in bridges.iter().filter(|_| page == Page::AsConfigured) {
            serving.push(bridge.listen(&confined.data)?);
        }
        Ok((served, serving, web))
    }

    /// What the socket serves.
    #[must_use]
    pub const fn served(&self) -> &Arc<Served> {
        &self.served
    }

    /// The root of the tree.
    #[must_use]
    pub const fn root(&self) -> &RootHandle {
        &self.root
    }

    /// Takes the house down: doors first, then the tree in reverse order, and the store last, so that the next start finds it tidy.
    pub async fn stop(self) {
        self.serving.iter().for_each(tokio::task::JoinHandle::abort);
        if let Some(web) = self.web {
            web.stop().await;
        }
        // A vault that is sealed or slow vouches for this end of the journal when it is asked next.
        drop(self.served.doors.attest.ask(AttestNow, LAST_WORD).await);
        self.root.stop().await;
        // What was answered is on the disk in any case.
        self.store.close().await.ok();
        // Gone with the house; a next one replaces it anyway.
        drop(std::fs::remove_file(&self.socket));
    }
}

/// The page, and how it makes login links.
fn serve_page(
    config: &Config,
    ports: &Ports,
    doors: &Doors,
    tree: Tree,
    metrics: Arc<Metrics>,
) -> anyhow::Result<(WebServer, (LoginLinks, String))> {
    let address = config.web.listen;
    let listener = std::net::TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "the page's port {} is in use; stop what uses it, or set web.listen (or HEARTH_WEB_LISTEN) to another, such as 127.0.0.1:0 for any free one",
            address.port()
        ),
        _ => anyhow::anyhow!("the page cannot be served at {address}: {error}"),
    })?;
    let base = public(&config.web.allowed_hosts).map_or_else(|| listener.local_addr().map(|address| format!("http://{address}")), Ok)?;
    let links = LoginLinks::new(Arc::clone(&ports.clock), Arc::new(telemetry::random));
    let options = WebOptions {
        listener,
        allowed_hosts: config.web.allowed_hosts.clone(),
        proxies: config.web.proxies.clone(),
        household: config.house.name.clone(),
        metrics_token: config.web.metrics_token_env.as_ref().and_then(|name| std::env::var(name).ok()),
        limits: config.limits.clone(),
    };
    let web = hearth_web::server::start(options, doors.clone(), ports.clone(), tree, links.clone(), metrics)?;
    Ok((web, (links, base)))
}

fn ports(config: &Config, confined: &Confined, metrics: &Arc<Metrics>, bridges: &[Bridge]) -> anyhow::Result<Ports> {
    let data = &confined.data;
    let Exits { vault, egress, ways } = vaults::exits(data, confined.programs.clone(), &confined.spawner)?;
    Ok(Ports {
        store: store(config, data)?,
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        models: models(config, &ways)?,
        tools: Arc::new(ClockTool),
        vault,
        egress,
        sandboxes: sandboxes::port(config, data, &confined.spawner, &ways)?,
        http: Arc::new(BrokerHttp::new(ways, HttpLimits::default())),
        channels: bridges.iter().map(|bridge| Arc::new(bridge.clone()) as Arc<dyn Transport>).collect(),
        meter: Arc::clone(metrics) as Arc<dyn Meter>,
        seed: system::seed(),
        wires: Wires::plain(),
    })
}

fn store(config: &Config, data: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let store = &config.store;
    let location = match store.location.as_str() {
        "embedded" => Location::Embedded(data.to_owned()),
        "memory" => Location::Memory,
        url if url.starts_with("ws://") => {
            let password = store.password_env.as_ref().and_then(|name| std::env::var(name).ok()).unwrap_or_default();
            Location::Remote {
                url: url.to_owned(),
                namespace: store.namespace.clone(),
                database: store.database.clone(),
                user: store.user.clone().unwrap_or_default(),
                password: password.into(),
            }
        }
        other => bail!("store.location is `{other}`; use `embedded`, `memory`, or an address such as ws://nas.lan:8000"),
    };
    Ok(Arc::new(SurrealStore::reporting_in(StoreConfig { location }, data)))
}

/// Providers in the order in which they are asked. The house's own interpreter is the last, and the first as well when it is to answer first.
fn models(config: &Config, ways: &Ways) -> anyhow::Result<Vec<Arc<dyn Model>>> {
    let mut chain: Vec<Arc<dyn Model>> = Vec::new();
    if config.house.commands_first && !config.models.is_empty() {
        chain.push(Arc::new(HouseModel::first()));
    }
    for model in &config.models {
        chain.push(Arc::new(RemoteModel::new(model.clone(), ways, Bounds::from(&config.limits))?));
    }
    let reason = if config.models.is_empty() { NoModel::NotConfigured } else { NoModel::AllDown };
    chain.push(Arc::new(HouseModel::last(reason)));
    Ok(chain)
}
