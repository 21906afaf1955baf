//! `hearth secret`: what an owner says to the vault. It goes to the vault's own socket and never through the house.

mod acts;
mod command;
mod entry;
mod members;
mod openclaw;
mod sign_in;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hearth_domain::secret::{Principal, Rate, SecretName, SecretPolicy};
use hearth_domain::vault::VaultState;
use hearth_vault::admin::{self, AdminAnswer, AdminAsk, AdminError, Code, NewSecret, Proof, SOCKET};
use hearth_vault::keeper::Census;
use hearth_vault::keeper::change::Allowance;
use secrecy::ExposeSecret as _;

pub use command::{AddOptions, AllowOptions, PolicyOptions, ProofOptions, RotateKeyOptions, SecretCommand, SignInOptions, ValueOptions};

use self::members::Members;
use crate::config::Config;
use crate::terminal::{Terminal, harmless, harmless_json};
use crate::vaults;

/// How often, and how long, a vault that is being started is waited for.
const WAITS: u32 = 500;
const WAIT: Duration = Duration::from_millis(20);

/// What is said of an answer to another question.
const UNEXPECTED: &str = "the vault gave an unexpected answer";

/// Most bytes of one request that carries a secret, unless the owner says otherwise.
const BYTES_OUT: u64 = 16 << 20;

/// Waits until the vault of this configuration answers at its socket: its process is started beside the house, and again when it ends.
pub fn wait(config: &Config) -> anyhow::Result<()> {
    let socket = vaults::keys(config, &config.data()?)?.join(SOCKET);
    let mut left = WAITS;
    loop {
        match admin::ask(&socket, &AdminAsk::Status) {
            Ok(_) => return Ok(()),
            Err(AdminError::Connect(_) | AdminError::NoAnswer) if left > 0 => std::thread::sleep(WAIT),
            Err(error) => return Err(error.into()),
        }
        left = left.saturating_sub(1);
    }
}

/// Runs one command against a vault that is there.
pub fn run(config: &Config, command: SecretCommand) -> anyhow::Result<()> {
    let socket = vaults::keys(config, &config.data()?)?.join(SOCKET);
    let (terminal, members) = (Terminal::new(), Members::of(config)?);
    let said = match command {
        SecretCommand::Add(options) => add(&members, &socket, *options)?,
        SecretCommand::SignIn(options) => sign_in::sign_in(&members, &socket, &terminal, *options)?,
        SecretCommand::List { json } => return list(&socket, &terminal, json),
        SecretCommand::ShowPolicy { name: of } => return show_policy(&socket, &terminal, name(&of)?),
        SecretCommand::Allow(options) => allow(&socket, *options)?,
        SecretCommand::Rotate { name: of, value } => {
            let value = entry::value(&value, &format!("New value of {of}: "))?;
            done(&socket, &AdminAsk::Rotate { name: name(&of)?, value })?;
            format!("{of} has a new value.")
        }
        SecretCommand::Revoke { name: of } => {
            done(&socket, &AdminAsk::Revoke { name: name(&of)? })?;
            format!("{of} is gone. Revoke it at its service too.")
        }
        SecretCommand::Test { name: of, url, header } => test(&socket, &of, url, header)?,
        SecretCommand::Import { file, owner, users, targets } => {
            return import(&members, &socket, &terminal, &file, owner, &users, &targets);
        }
        SecretCommand::Setup { value } => {
            let passphrase = entry::new_passphrase(&value, "Passphrase of the vault: ")?;
            done(&socket, &AdminAsk::SetUp { passphrase })?;
            "The vault opens by this passphrase alone. After each start: hearth secret unseal\n\
             Set the owner's passphrase too (hearth secret passphrase): with it comes the recovery kit, should this one be forgotten."
                .to_owned()
        }
        SecretCommand::Unseal { value, recovery } => acts::unseal(&socket, &value, recovery)?,
        SecretCommand::Lock => {
            done(&socket, &AdminAsk::Lock)?;
            "The vault is locked, also over a restart, until: hearth secret unseal".to_owned()
        }
        SecretCommand::Recover { key_env, value } => acts::recover(&socket, key_env, &value)?,
        SecretCommand::Passphrase { value, old, recovery } => passphrase(&socket, &value, old, recovery)?,
        SecretCommand::VaultPassphrase { value, proof } => acts::vault_passphrase(&socket, &value, &proof)?,
        SecretCommand::RecoveryKit { proof } => acts::recovery_kit(&socket, &proof)?,
        SecretCommand::RotateKey(options) => acts::rotate_key(&members, &socket, &options)?,
        SecretCommand::AcceptRestore { proof } => acts::accept_restore(&socket, &proof)?,
        SecretCommand::Forget { which } => {
            done(&socket, &AdminAsk::Forget { which: which.clone() })?;
            format!("{which} is forgotten.")
        }
        SecretCommand::Erase { member, yes, proof } => acts::erase(&members, &socket, &member, yes, &proof)?,
        SecretCommand::Admit { member, proof } => acts::admit(&members, &socket, &member, &proof)?,
        SecretCommand::Status => status(&socket)?,
    };
    terminal.line(&harmless(&said));
    Ok(())
}

fn name(text: &str) -> anyhow::Result<SecretName> {
    SecretName::new(text).with_context(|| format!("`{}` is no name of a secret", harmless(text)))
}

/// Asks, and makes a refusal an error.
fn ask(socket: &Path, what: &AdminAsk) -> anyhow::Result<AdminAnswer> {
    taken(admin::ask(socket, what)?)
}

fn taken(answer: AdminAnswer) -> anyhow::Result<AdminAnswer> {
    if let AdminAnswer::Refused { sentence, .. } = &answer {
        bail!("{sentence}");
    }
    Ok(answer)
}

/// Asks without a proof, and again with one when the vault says that it needs it.
fn ask_with(
    socket: &Path,
    what: impl Fn(Option<Proof>) -> AdminAsk,
    proof: impl FnOnce(Code) -> anyhow::Result<Proof>,
) -> anyhow::Result<AdminAnswer> {
    let answer = admin::ask(socket, &what(None))?;
    if let AdminAnswer::Refused { code: code @ (Code::ProofNeeded | Code::PassphraseNeeded), .. } = answer {
        return ask(socket, &what(Some(proof(code)?)));
    }
    taken(answer)
}

fn done(socket: &Path, what: &AdminAsk) -> anyhow::Result<()> {
    let AdminAnswer::Done = ask(socket, what)? else { bail!(UNEXPECTED) };
    Ok(())
}

fn rate(text: &str) -> anyhow::Result<Rate> {
    let parsed = text.split_once('/').and_then(|(uses, window)| Some(Rate { uses: uses.parse().ok()?, window_s: window.parse().ok()? }));
    parsed.context("a rate is USES/SECONDS, such as 100/3600")
}

/// That a policy says for whom and where.
fn named(policy: &PolicyOptions) -> anyhow::Result<()> {
    if policy.targets.is_empty() {
        bail!("say where it may be sent: --allow 'POST https://api.example.com/v1/**', or --allow @openai for a service that is known");
    }
    if policy.users.is_empty() {
        bail!("say who may use it: --use provider/NAME, channel/NAME or tool/NAME");
    }
    Ok(())
}

/// A secret without a value.
fn new(members: &Members, name: SecretName, policy: PolicyOptions) -> anyhow::Result<NewSecret> {
    Ok(NewSecret {
        name,
        owner: members.named(policy.owner.as_deref())?,
        value: None,
        users: policy.users.iter().map(|user| user.parse()).collect::<Result<_, _>>()?,
        targets: policy.targets,
        authority: policy.authority.as_deref().map(entry::pem).transpose()?,
        members: None,
        rate: policy.rate.as_deref().map(rate).transpose()?,
        bytes_out_max: policy.bytes.unwrap_or(BYTES_OUT),
        until: policy.until.as_deref().map(str::parse).transpose().context("--until is a time such as 2027-01-31T00:00:00Z")?,
        canary: false,
    })
}

fn add(members: &Members, socket: &Path, options: AddOptions) -> anyhow::Result<String> {
    let secret_name = name(&options.name)?;
    if !options.canary {
        named(&options.policy)?;
    }
    let value = if options.canary && !options.value.is_given() {
        None
    } else {
        Some(entry::value(&options.value, &format!("Value of {secret_name}: "))?)
    };
    let secret = NewSecret { value, canary: options.canary, ..new(members, secret_name, options.policy)? };
    let shown = secret.name.clone();
    let answer = ask(socket, &AdminAsk::Add(Box::new(secret)))?;
    if let AdminAnswer::Planted { value } = &answer {
        let value = value.text().context("the decoy is no text")?;
        return Ok(format!("{shown} is a decoy. Leave it where only an intruder looks:\n{}", value.expose_secret()));
    }
    let AdminAnswer::Done = answer else { bail!(UNEXPECTED) };
    Ok(format!("{shown} is in the vault. Where it is used, write {} in its place.", shown.placeholder()))
}

fn list(socket: &Path, terminal: &Terminal, json: bool) -> anyhow::Result<()> {
    let AdminAnswer::Listed { secrets, signed_in, troubled } = ask(socket, &AdminAsk::List)? else { bail!(UNEXPECTED) };
    if json {
        let all = serde_json::json!({ "secrets": secrets, "signed_in": signed_in, "troubled": troubled });
        terminal.line(&harmless_json(&serde_json::to_string_pretty(&all)?));
        return Ok(());
    }
    if secrets.is_empty() && troubled.is_empty() {
        let AdminAnswer::Status(census) = ask(socket, &AdminAsk::Status)? else { bail!(UNEXPECTED) };
        terminal.line(closed(census.state).unwrap_or("No secret is stored."));
        return Ok(());
    }
    for secret in secrets {
        let users: Vec<String> = secret.users.iter().map(ToString::to_string).collect();
        let marks = [(secret.canary, ", a decoy"), (!secret.guarded, ", too weak to be looked for")];
        let mut marks: String = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        if let Some(how) = signed_in.iter().find(|how| how.name == secret.name) {
            marks.push_str(&sign_in::shown(how));
        }
        let line = format!("{} (version {}{marks}): {} -> {}", secret.name, secret.version, users.join(", "), secret.targets.join("; "));
        terminal.line(&harmless(&line));
    }
    for record in &troubled {
        terminal.line(&harmless(&acts::troubled(record)));
    }
    if !troubled.is_empty() {
        terminal.line("After a restored backup: hearth secret accept-restore. To remove one of them: hearth secret forget NAME_OR_ID");
    }
    Ok(())
}

fn show_policy(socket: &Path, terminal: &Terminal, name: SecretName) -> anyhow::Result<()> {
    let AdminAnswer::Policy { policy, targets } = ask(socket, &AdminAsk::ShowPolicy { name })? else { bail!(UNEXPECTED) };
    let policy: SecretPolicy = *policy;
    for user in &policy.users {
        terminal.line(&harmless(&format!("use    {user}")));
    }
    for target in &targets {
        terminal.line(&harmless(&format!("allow  {target}")));
    }
    if let Some(rate) = policy.rate {
        terminal.line(&format!("rate   {}/{}", rate.uses, rate.window_s));
    }
    if let Some(until) = policy.until {
        terminal.line(&format!("until  {until}"));
    }
    terminal.line(&format!("bytes  {} of one request", policy.bytes_out_max));
    Ok(())
}

/// Narrows at once; asks for the owner's passphrase when the vault says that it would allow more.
fn allow(socket: &Path, options: AllowOptions) -> anyhow::Result<String> {
    let of = name(&options.name)?;
    let change = Allowance {
        add_users: options.users.iter().map(|user| user.parse()).collect::<Result<_, _>>()?,
        remove_users: options.not_users.iter().map(|user| user.parse()).collect::<Result<_, _>>()?,
        add_targets: options.targets,
        remove_targets: options.not_targets,
        authority: options.authority.as_deref().map(entry::pem).transpose()?,
        members: None,
        rate: options.rate.as_deref().map(rate).transpose()?,
        bytes_out_max: options.bytes,
        until: options.until.as_deref().map(str::parse).transpose().context("--until is a time such as 2027-01-31T00:00:00Z")?,
    };
    let asked = |proof| AdminAsk::Allow { name: of.clone(), change: Box::new(change.clone()), proof };
    let AdminAnswer::Done = ask_with(socket, asked, |_| entry::proof(&options.proof, options.recovery))? else { bail!(UNEXPECTED) };
    Ok(format!("The policy of {of} is changed."))
}

fn test(socket: &Path, of: &str, url: Option<String>, header: Option<String>) -> anyhow::Result<String> {
    let AdminAnswer::Tested { status, broker } = ask(socket, &AdminAsk::Test { name: name(of)?, url, header })? else { bail!(UNEXPECTED) };
    if let Some(word) = broker {
        bail!("nothing came from the server: {word} (HTTP {status})");
    }
    Ok(format!("The server answered HTTP {status}."))
}

/// The credentials of a file, each under a name that says where it stood. The file stays; the owner removes it.
fn import(
    members: &Members,
    socket: &Path,
    terminal: &Terminal,
    file: &Path,
    named: Option<String>,
    users: &[String],
    targets: &[String],
) -> anyhow::Result<()> {
    let owner = members.named(named.as_deref())?;
    let users: Vec<Principal> = users.iter().map(|user| user.parse()).collect::<Result<_, _>>()?;
    let found = entry::credentials(file)?;
    for (text, value) in found.taken {
        let taken = name(&text).and_then(|name| {
            let secret = NewSecret {
                name,
                owner,
                value: Some(value),
                users: users.clone(),
                targets: targets.to_vec(),
                authority: None,
                members: None,
                rate: None,
                bytes_out_max: BYTES_OUT,
                until: None,
                canary: false,
            };
            ask(socket, &AdminAsk::Add(Box::new(secret)))
        });
        match taken {
            Ok(_) => terminal.line(&harmless(&format!("{text} is in the vault."))),
            Err(error) => terminal.line(&harmless(&format!("{text} was not taken: {error:#}"))),
        }
    }
    for left in &found.left {
        terminal.line(&harmless(&format!("Skipped {left}.")));
    }
    terminal.line(&harmless(&format!("Now remove {}: it still holds the values in plain text.", file.display())));
    Ok(())
}

fn passphrase(socket: &Path, value: &ValueOptions, old: Option<String>, recovery: bool) -> anyhow::Result<String> {
    let AdminAnswer::Status(Census { owner, .. }) = ask(socket, &AdminAsk::Status)? else { bail!(UNEXPECTED) };
    let present = if owner {
        let from = ValueOptions { value_env: old, ..ValueOptions::default() };
        Some(if recovery {
            entry::proof(&from, true)?
        } else {
            Proof::Passphrase(entry::value(&from, "Present passphrase of the owner: ")?)
        })
    } else {
        None
    };
    let new = entry::new_passphrase(value, "New passphrase of the owner: ")?;
    let answer = ask(socket, &AdminAsk::SetProof { old: present, new })?;
    if let AdminAnswer::Kit { text } = &answer {
        let kit = text.text().context("the kit is no text")?;
        return Ok(format!("The owner's passphrase is set. Print this, and keep it away from the house:\n\n{}", kit.expose_secret()));
    }
    let AdminAnswer::Done = answer else { bail!(UNEXPECTED) };
    Ok("The owner's passphrase is changed.".to_owned())
}

/// What is said of a vault that knows nothing of its secrets.
const fn closed(state: VaultState) -> Option<&'static str> {
    match state {
        VaultState::Open => None,
        VaultState::Sealed => Some("Sealed: hearth secret unseal opens it"),
        VaultState::Broken => Some("Broken: hearth doctor says what is wrong"),
    }
}

fn status(socket: &Path) -> anyhow::Result<String> {
    let AdminAnswer::Status(census) = ask(socket, &AdminAsk::Status)? else { bail!(UNEXPECTED) };
    if let Some(said) = closed(census.state) {
        return Ok(said.to_owned());
    }
    let owner = if census.owner { "an owner's passphrase is set" } else { "no owner's passphrase is set: hearth secret passphrase" };
    let parting = match census.parting {
        0 => String::new(),
        left => format!("; the keys of {left} members who were removed could not be destroyed yet: the vault's log says why"),
    };
    Ok(format!("{:?}: {} secrets, {} older values guarded, {owner}{parting}", census.state, census.secrets, census.kept))
}
