//! What each command does.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use clap::CommandFactory as _;
use hearth_domain::message::Part;
use hearth_domain::store::StoreError;

use crate::audit::{AuditArgs, AuditCommand};
use crate::chat::once::Question;
use crate::chat::{self, Seat};
use crate::cli::{Cli, Command, ConfigCommand};
use crate::client::Client;
use crate::config::{self, Config};
use crate::confine::{Confined, Later};
use crate::member::{Errand, Removed};
use crate::serve::{Page, Running};
use crate::session::SessionErrand;
use crate::terminal::{Terminal, harmless, harmless_json};
use crate::wire::audit::AuditAsk;
use crate::wire::policy::PolicyAsk;
use crate::wire::{ClientFrame, HouseFrame};
use crate::{audit, bench, doctor, places, policy, secret, show, telemetry, tool};

/// What is logged by a house that serves, and by one that shares a terminal with a chat: there, what the tree says of a house that does
/// not start is said by the command, or by the house of another process.
const SERVING: &str = "info,rig=warn,rmcp=warn,surrealdb=warn";
const CHATTING: &str = "error,rig=off,rmcp=off,hearth_supervisor::tree=off";

/// How long another process's house is waited for.
const ANOTHER: Duration = Duration::from_secs(10);

/// Runs a command.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Command::Completions { shell }) = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "hearth", &mut std::io::stdout());
        return Ok(());
    }
    let config = Config::load(cli.config.as_deref())?;
    let terminal = Terminal::new();
    match cli.command {
        None if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => chat_interactively(&config, Seat::default()),
        None | Some(Command::Up) => serve(&config),
        Some(Command::Chat { once: Some(text), member, thread, image, json }) => {
            chat_once(&config, Seat { member, thread }, text, &image, json)
        }
        Some(Command::Chat { once: None, member, thread, .. }) => chat_interactively(&config, Seat { member, thread }),
        Some(Command::Tree { json }) => {
            let HouseFrame::Tree { tree, stopped } = ask_house(&config, &ClientFrame::Tree)? else {
                bail!("the house gave an unexpected answer")
            };
            terminal.text(&if json { pretty(&tree)? } else { harmless(&show::tree(&tree, stopped.as_deref())) });
            Ok(())
        }
        Some(Command::Status { json }) => {
            let HouseFrame::Status { status } = ask_house(&config, &ClientFrame::Status)? else {
                bail!("the house gave an unexpected answer")
            };
            terminal.text(&if json { pretty(&status)? } else { harmless(&show::status(&status)) });
            Ok(())
        }
        Some(Command::Verify) => verify(&config, false),
        Some(Command::Audit(AuditArgs { what: Some(AuditCommand::Verify), json, .. })) => verify(&config, json),
        Some(Command::Audit(asked)) => ask_audit(&config, asked.member.clone(), asked.json, asked.into()),
        Some(Command::Why(asked)) => ask_audit(&config, asked.member.clone(), asked.json, asked.into()),
        Some(Command::Estop { lift, member }) => ask_policy(&config, member, policy::estop(lift), false),
        Some(Command::Session { what }) => ask_sessions(&config, what.into()),
        Some(Command::Login { member, device }) => {
            let HouseFrame::Login { link } = ask_house(&config, &ClientFrame::Login { member, device })? else {
                bail!("the house gave an unexpected answer")
            };
            terminal.line(&harmless(&link));
            Ok(())
        }
        Some(Command::Doctor) => {
            let status = match ask_house(&config, &ClientFrame::Status) {
                Ok(HouseFrame::Status { status }) => Ok(status),
                Ok(_) => Err("it gave an unexpected answer".to_owned()),
                Err(error) => Err(format!("{error:#}")),
            };
            terminal.text(&harmless(&doctor::report(&config, &status)?));
            Ok(())
        }
        Some(Command::Secret { what }) => keep_secrets(&config, what),
        Some(Command::Tool { what }) => use_tools(&config, what),
        Some(Command::Policy { what }) => policy::run(&config, what, &terminal),
        Some(Command::Approvals { what, member, json }) => ask_policy(&config, member, policy::approvals(what), json),
        Some(Command::Budget { member, json }) => ask_policy(&config, member, PolicyAsk::Budget, json),
        Some(Command::Grants { what, member, json }) => ask_policy(&config, member, policy::grants(what), json),
        Some(Command::Member { what }) => change_household(&config, Errand::of_member(what)?),
        Some(Command::Identity { what }) => change_household(&config, Errand::of_identity(what)),
        Some(Command::Group { what }) => change_household(&config, Errand::of_group(what)),
        Some(Command::Config { what: ConfigCommand::Check }) => checked(&config, cli.config, &terminal),
        Some(Command::Config { what: ConfigCommand::Show }) => counts(&config, &terminal),
        Some(Command::Bench { name, json }) => bench::run(name, json),
        Some(Command::Completions { .. }) => Ok(()),
    }
}

/// Prints the configuration as it counts.
fn counts(config: &Config, terminal: &Terminal) -> anyhow::Result<()> {
    terminal.text(&toml::to_string_pretty(config)?);
    terminal.line(&format!("\n# data folder: {}", config.data()?.display()));
    for (variable, key) in config::ENVIRONMENT {
        terminal.line(&format!("# {variable} overrides {key}"));
    }
    Ok(())
}

/// Says that the configuration is right: it has been read by now.
fn checked(config: &Config, named: Option<PathBuf>, terminal: &Terminal) -> anyhow::Result<()> {
    let path =
        named.map_or_else(|| std::env::var_os("HEARTH_CONFIG").map_or_else(config::usual_path, |path| Ok(PathBuf::from(path))), Ok)?;
    let there = if path.exists() { "is right" } else { "is not there; the defaults count" };
    terminal.line(&harmless(&format!("{} {there}", path.display())));
    for warning in config.warnings() {
        drop(writeln!(std::io::stderr(), "hearth: warning: {}", harmless(&warning)));
    }
    Ok(())
}

/// Says what failed, on standard error.
pub fn complain(error: &anyhow::Error) {
    // Nobody reads a standard error that is gone.
    drop(writeln!(std::io::stderr(), "hearth: {}", harmless(&telemetry::redactor().clean(&format!("{error:#}")))));
}

fn pretty(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", harmless_json(&serde_json::to_string_pretty(value)?)))
}

fn client_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Asks a house that runs.
fn ask_house(config: &Config, frame: &ClientFrame) -> anyhow::Result<HouseFrame> {
    let socket = places::path_for(&config.data()?);
    client_runtime()?.block_on(async {
        let mut client = Client::connect(&socket).await?.context("the house does not run; start it with `hearth up`, or just `hearth`")?;
        client.ask(frame).await
    })
}

/// Serves until a signal, or until the tree gives up.
fn serve(config: &Config) -> anyhow::Result<()> {
    let confined = Confined::now(config)?;
    telemetry::begin(config, SERVING)?;
    actix::System::new().block_on(async {
        let running = Running::raise(config, Page::AsConfigured, &confined).await?;
        // Before anybody is told that there is a house, who then may end it.
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        announce(&running, config).await;
        let ended = running.root().clone();
        let failed = tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => None,
            _ = terminate.recv() => None,
            reason = ended.ended() => Some(reason.to_string()),
            () = confined.spawner.gone() => Some("the process that starts the others is gone".to_owned()),
        };
        tracing::info!("stopping");
        running.stop().await;
        match failed {
            None => Ok(()),
            Some(reason) => bail!("the house gave up: {reason}; the log says more. Nothing accepted is lost: start it again"),
        }
    })
}

/// Where the house is reached, for the person who started it.
async fn announce(running: &Running, config: &Config) {
    let terminal = Terminal::new();
    if let Ok(data) = config.data() {
        terminal.line(&format!("{} is up. Data: {}", terminal.bold("Hearth"), data.display()));
    }
    match running.served().login(None, None).await {
        Ok(link) => terminal.line(&format!("Page, logs you in once: {link}")),
        Err(_) => terminal.line("The page is not served."),
    }
}

/// Speaks to the vault. Without a house there is none: one is raised for as long as this takes.
fn keep_secrets(config: &Config, what: secret::SecretCommand) -> anyhow::Result<()> {
    let socket = places::path_for(&config.data()?);
    let house = ensure_house(config, &socket, &client_runtime()?, Page::Off, &mut Later::new(Confined::not))?;
    let done = secret::wait(config).and_then(|()| secret::run(config, what));
    if let Some(house) = house {
        house.stop()?;
    }
    done
}

/// Speaks to the toolbox. Without a house that runs, one is raised for as long as this takes.
fn use_tools(config: &Config, what: tool::ToolCommand) -> anyhow::Result<()> {
    let what = match tool::without_house(what) {
        Ok(done) => return done,
        Err(what) => what,
    };
    let (socket, runtime) = (places::path_for(&config.data()?), client_runtime()?);
    // Before the house is raised: then this process cannot read it any more.
    let package = tool::package_of(&what)?;
    let house = ensure_house(config, &socket, &runtime, Page::Off, &mut Later::new(Confined::now))?;
    let done = runtime.block_on(tool::run(config, &socket, what, package));
    if let Some(house) = house {
        house.stop()?;
    }
    done
}

/// Asks a house that runs whether its journal is whole.
fn verify(config: &Config, json: bool) -> anyhow::Result<()> {
    let terminal = Terminal::new();
    let verified = ask_house(config, &ClientFrame::Verify)?;
    let HouseFrame::Verified { entries, head, attested } = &verified else { bail!("the house gave an unexpected answer") };
    terminal.text(&if json {
        pretty(&serde_json::to_value(&verified)?)?
    } else {
        harmless(&format!("{}\n", audit::whole(*entries, head, attested)))
    });
    Ok(())
}

/// Asks about the journal; without a house that runs, one is raised for as long as this takes.
fn ask_audit(config: &Config, member: Option<String>, json: bool, ask: AuditAsk) -> anyhow::Result<()> {
    let (socket, runtime) = (places::path_for(&config.data()?), client_runtime()?);
    let house = ensure_house(config, &socket, &runtime, Page::Off, &mut Later::new(Confined::now))?;
    let done = runtime.block_on(audit::ask(&socket, member, ask, json));
    if let Some(house) = house {
        house.stop()?;
    }
    done
}

/// Asks about sessions at the page; without a house that runs, one is raised for as long as this takes.
fn ask_sessions(config: &Config, errand: SessionErrand) -> anyhow::Result<()> {
    let (socket, runtime) = (places::path_for(&config.data()?), client_runtime()?);
    let house = ensure_house(config, &socket, &runtime, Page::Off, &mut Later::new(Confined::now))?;
    let done = runtime.block_on(errand.run(&socket));
    if let Some(house) = house {
        house.stop()?;
    }
    done
}

/// Needs no house that is not there already: without one, nobody waits for an answer; but grants are the store's.
fn ask_policy(config: &Config, member: Option<String>, ask: PolicyAsk, json: bool) -> anyhow::Result<()> {
    let (socket, runtime) = (places::path_for(&config.data()?), client_runtime()?);
    let house = ensure_house(config, &socket, &runtime, Page::Off, &mut Later::new(Confined::now))?;
    let done = runtime.block_on(policy::ask(&socket, member, ask, json));
    if let Some(house) = house {
        house.stop()?;
    }
    done
}

/// Speaks to the household. Without a house that runs, one is raised for as long as this takes, and once more after somebody was removed:
/// a store is written anew when it is opened.
fn change_household(config: &Config, errand: Errand) -> anyhow::Result<()> {
    let data = config.data()?;
    let (socket, runtime) = (places::path_for(&data), client_runtime()?);
    let mut confined = Later::new(Confined::now);
    if errand.needs_a_house() && runtime.block_on(Client::connect(&socket))?.is_none() {
        bail!("the house does not run, and what this opens ends with it; start it with `hearth up`");
    }
    let house = ensure_house(config, &socket, &runtime, Page::Off, &mut confined)?;
    let done = runtime.block_on(errand.run(&socket));
    let Some(own) = house else {
        if done?.is_some() {
            Terminal::new().line(Removed::later());
        }
        return Ok(());
    };
    own.stop()?;
    if let Some(removed) = done? {
        if let Some(again) = ensure_house(config, &socket, &runtime, Page::Off, &mut confined)? {
            again.stop()?;
        }
        return removed.report(&data);
    }
    Ok(())
}

fn chat_once(config: &Config, seat: Seat, text: String, images: &[PathBuf], json: bool) -> anyhow::Result<()> {
    let images = pictures(images, config.limits.image_bytes)?;
    let socket = places::path_for(&config.data()?);
    let runtime = client_runtime()?;
    let mut question = Question::new(seat, text, images);
    let mut confined = Later::new(Confined::now);
    let said = loop {
        let house = ensure_house(config, &socket, &runtime, Page::Off, &mut confined)?;
        let said = runtime.block_on(question.ask(&socket));
        if let Some(house) = house {
            house.stop()?;
        }
        if let Some(said) = said? {
            break said;
        }
    };
    let terminal = Terminal::new();
    if json {
        terminal.text(&pretty(&serde_json::to_value(&said)?)?)
    } else {
        terminal.line(&harmless(&said.text))
    }
    Ok(())
}

/// The pictures as they are sent; why they do not fit.
fn pictures(paths: &[PathBuf], limit: usize) -> anyhow::Result<Vec<Part>> {
    let mut parts = Vec::with_capacity(paths.len());
    let mut bytes = 0_usize;
    for path in paths {
        let part = image(path)?;
        if let Part::Image { base64, .. } = &part {
            bytes = bytes.saturating_add(base64.len());
        }
        if bytes > limit {
            // Four letters stand for three bytes.
            let room = limit / 4 * 3;
            bail!(
                "{} is too big: the pictures of one message may have {room} bytes in all; make it smaller, or send it alone",
                path.display()
            );
        }
        parts.push(part);
    }
    Ok(parts)
}

fn image(path: &Path) -> anyhow::Result<Part> {
    let media_type = match path.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase).as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        _ => bail!("{} is not a picture that models take; use PNG, JPEG, WebP or GIF", path.display()),
    };
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Part::Image { media_type: media_type.to_owned(), base64: base64::engine::general_purpose::STANDARD.encode(bytes) })
}

fn chat_interactively(config: &Config, seat: Seat) -> anyhow::Result<()> {
    let socket = places::path_for(&config.data()?);
    let runtime = client_runtime()?;
    let house = ensure_house(config, &socket, &runtime, Page::AsConfigured, &mut Later::new(Confined::now))?;
    let terminal = Terminal::new();
    terminal.line(&terminal.faint("Write to the house. `help` says what it understands; Ctrl-C stops an answer, Ctrl-D leaves."));
    let result = runtime.block_on(chat::interactive(&socket, seat));
    if let Some(house) = house {
        house.stop()?;
    }
    result
}

/// A house on a thread of this process, for a chat that found none running.
struct OwnHouse {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl OwnHouse {
    fn stop(self) -> anyhow::Result<()> {
        // Gone already when the house has ended by itself.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow::anyhow!("the house did not stop well; nothing accepted is lost"))
    }
}

/// Finds the running house, or starts one for as long as this process lives. Where another process was quicker, its house is waited
/// for: it takes clients soon, or, when it is just stopping, leaves the folder soon.
fn ensure_house(
    config: &Config,
    socket: &Path,
    runtime: &tokio::runtime::Runtime,
    page: Page,
    confined: &mut Later,
) -> anyhow::Result<Option<OwnHouse>> {
    let began = tokio::time::Instant::now();
    loop {
        if runtime.block_on(Client::connect(socket))?.is_some() {
            return Ok(None);
        }
        match start_own(config, page, confined.get(config)?) {
            Ok(house) => return Ok(Some(house)),
            Err(error) if in_use(&error) && began.elapsed() < ANOTHER => {
                runtime.block_on(async { tokio::time::sleep(chat::COME_AGAIN).await });
            }
            Err(error) if in_use(&error) => return Err(error.context("the house that has the data folder takes no clients")),
            Err(error) => return Err(error),
        }
    }
}

/// Whether it is another house's folder. A reason for which a tree does not start is known by its words.
fn in_use(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains(&StoreError::InUse.to_string())
}

fn start_own(config: &Config, page: Page, confined: Confined) -> anyhow::Result<OwnHouse> {
    telemetry::begin(config, CHATTING)?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (up, told) = mpsc::channel();
    let config = config.clone();
    #[expect(clippy::disallowed_methods, reason = "the house needs a thread beside the chat's")]
    let thread = std::thread::Builder::new().name("house".to_owned()).spawn(move || {
        actix::System::new().block_on(async {
            match Running::raise(&config, page, &confined).await {
                Err(error) => drop(up.send(Err(error))),
                Ok(running) => {
                    if page == Page::AsConfigured {
                        announce(&running, &config).await;
                    }
                    drop(up.send(Ok(())));
                    let ended = running.root().clone();
                    tokio::select! {
                        biased;
                        _ = stopped => {}
                        reason = ended.ended() => tracing::error!(%reason, "the house gave up"),
                    }
                    running.stop().await;
                }
            }
        });
    })?;
    told.recv().context("the house ended while it started")??;
    Ok(OwnHouse { stop, thread })
}
