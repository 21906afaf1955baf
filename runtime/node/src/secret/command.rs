//! The words of `hearth secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `sign-in` says of itself.
const SIGN_IN: &str = "Signs in at a service (OAuth 2 with PKCE): you agree in a browser, and the vault gets tokens, keeps them and renews \
them. Nobody else sees one; the secret's placeholder stands for the access token of the moment.

Register a client (an \"app\", of type desktop or native where that is asked) at the service first, with http://127.0.0.1:17171/ as the \
address to return to. Then:

  hearth secret sign-in calendar \\
      --authorize https://accounts.example.com/authorize --token https://accounts.example.com/token \\
      --client THE_IDENTIFIER --scope calendar.readonly \\
      --use tool/hearth.calendar --allow 'GET https://api.example.com/calendar/**'

A browser on this machine comes back by itself. From another one, copy the address at which it ends, though it shows an error, and enter it \
where the command waits. When a sign-in has ended: hearth secret sign-in calendar";

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Puts a secret into the vault.
    Add(Box<AddOptions>),
    /// Signs in at a service (OAuth 2): you agree in a browser, and the vault gets tokens, keeps them and renews them.
    #[command(long_about = SIGN_IN)]
    SignIn(Box<SignInOptions>),
    /// Shows which secrets there are, never their values.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows what a secret may be used for.
    ShowPolicy {
        /// Which.
        name: String,
    },
    /// Changes what a secret may be used for; asks for the owner's passphrase where that is more.
    Allow(Box<AllowOptions>),
    /// Gives a secret a new value.
    Rotate {
        /// Which.
        name: String,
        /// Where the value comes from.
        #[command(flatten)]
        value: ValueOptions,
    },
    /// Removes a secret.
    Revoke {
        /// Which.
        name: String,
    },
    /// Makes one request with a secret and says what came back.
    Test {
        /// Which.
        name: String,
        /// Where; its first target otherwise.
        #[arg(long)]
        url: Option<String>,
        /// In which header; `authorization` as bearer otherwise.
        #[arg(long)]
        header: Option<String>,
    },
    /// Puts the credentials of a file into the vault: every NAME=VALUE of an .env, or those in OpenClaw's auth-profiles.json or openclaw.json.
    Import {
        /// The file.
        file: PathBuf,
        /// Whose; the owner's when it is not given.
        #[arg(long, value_name = "MEMBER")]
        owner: Option<String>,
        /// Who may use them: provider/NAME, channel/NAME or tool/NAME.
        #[arg(long = "use", value_name = "USER", required = true)]
        users: Vec<String>,
        /// Where they may be sent.
        #[arg(long = "allow", value_name = "RULE", required = true)]
        targets: Vec<String>,
    },
    /// Sets up a vault that opens by a passphrase alone; only where there is none yet.
    Setup {
        /// Where the passphrase comes from.
        #[command(flatten)]
        value: ValueOptions,
    },
    /// Opens a sealed vault by its passphrase, or ends a lock; a lock asks for the owner's passphrase where one is set.
    Unseal {
        /// Where the passphrase comes from.
        #[command(flatten)]
        value: ValueOptions,
        /// It is the recovery key that is given.
        #[arg(long)]
        recovery: bool,
    },
    /// Seals the vault now, and until it is unsealed: also over a restart.
    Lock,
    /// Opens a vault by its recovery key: one whose passphrase is forgotten gets a new one, one whose key is lost a key file.
    Recover {
        /// The variable that holds the recovery key.
        #[arg(long, value_name = "VARIABLE")]
        key_env: Option<String>,
        /// Where the new passphrase comes from.
        #[command(flatten)]
        value: ValueOptions,
    },
    /// Sets or changes the owner's passphrase: it proves who asks, for a wider policy and the like, and opens no vault.
    Passphrase {
        /// Where the new one comes from.
        #[command(flatten)]
        value: ValueOptions,
        /// The variable that holds the present one.
        #[arg(long, value_name = "VARIABLE")]
        old: Option<String>,
        /// It is the recovery key that stands for the present one.
        #[arg(long)]
        recovery: bool,
    },
    /// Changes the passphrase of a vault that opens by one: it opens the vault after each start, and proves nothing about who asks.
    VaultPassphrase {
        /// Where the new one comes from.
        #[command(flatten)]
        value: ValueOptions,
        /// Where the owner's passphrase comes from.
        #[command(flatten)]
        proof: ProofOptions,
    },
    /// Makes a new recovery kit; the one before is void.
    RecoveryKit {
        /// Where the owner's passphrase comes from.
        #[command(flatten)]
        proof: ProofOptions,
    },
    /// Replaces the vault's key, or one member's, while everything goes on.
    RotateKey(RotateKeyOptions),
    /// Says that what is stored counts from now on: after a backup was restored.
    AcceptRestore {
        /// Where the owner's passphrase comes from.
        #[command(flatten)]
        proof: ProofOptions,
    },
    /// Removes a record that cannot be used, as `list` shows it.
    Forget {
        /// Its name, or its id.
        which: String,
    },
    /// Destroys a member's key, and with it all of their secrets.
    Erase {
        /// Whose.
        #[arg(long, value_name = "NAME")]
        member: String,
        /// Do not ask for the name once more.
        #[arg(long)]
        yes: bool,
        /// Where the owner's passphrase comes from.
        #[command(flatten)]
        proof: ProofOptions,
    },
    /// Lets a member who was erased have secrets again.
    Admit {
        /// Whom.
        #[arg(long, value_name = "NAME")]
        member: String,
        /// Where the owner's passphrase comes from.
        #[command(flatten)]
        proof: ProofOptions,
    },
    /// Shows how the vault is.
    Status,
}

/// Where a value comes from that nobody may look at: asked for without an echo when nothing is given.
#[derive(Debug, Clone, Default, Args)]
pub struct ValueOptions {
    /// An open descriptor to read it from.
    #[arg(long, value_name = "FD")]
    pub value_fd: Option<i32>,
    /// A variable to read it from.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "value_fd")]
    pub value_env: Option<String>,
}

impl ValueOptions {
    /// Whether one is given.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.value_fd.is_some() || self.value_env.is_some()
    }
}

/// Where the owner's passphrase comes from: asked for without an echo when nothing is given.
#[derive(Debug, Clone, Default, Args)]
pub struct ProofOptions {
    /// An open descriptor to read the owner's passphrase from.
    #[arg(long, value_name = "FD")]
    pub proof_fd: Option<i32>,
    /// A variable to read the owner's passphrase from.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "proof_fd")]
    pub proof_env: Option<String>,
    /// It is the recovery key that is given instead.
    #[arg(long)]
    pub recovery: bool,
}

/// `hearth secret rotate-key`
#[derive(Debug, Args)]
pub struct RotateKeyOptions {
    /// Only this member's key; takes no passphrase.
    #[arg(long, value_name = "NAME")]
    pub member: Option<String>,
    /// The variable that holds the vault's present passphrase, where it opens by one.
    #[arg(long, value_name = "VARIABLE")]
    pub passphrase_env: Option<String>,
    /// Where the owner's passphrase comes from.
    #[command(flatten)]
    pub proof: ProofOptions,
}

/// `hearth secret add`
#[derive(Debug, Args)]
pub struct AddOptions {
    /// Its name: lower-case letters, digits, hyphens.
    pub name: String,
    /// Where the value comes from.
    #[command(flatten)]
    pub value: ValueOptions,
    /// What it may be used for.
    #[command(flatten)]
    pub policy: PolicyOptions,
    /// A decoy: never sent; whoever uses it raises an alarm.
    #[arg(long)]
    pub canary: bool,
}

/// What a new secret may be used for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PolicyOptions {
    /// Whose; the owner's when it is not given.
    #[arg(long, value_name = "MEMBER")]
    pub owner: Option<String>,
    /// Who may use it: provider/NAME, channel/NAME or tool/NAME.
    #[arg(long = "use", value_name = "USER")]
    pub users: Vec<String>,
    /// Where it may be sent: 'POST https://api.example.com/v1/**', 'GET http://nas.lan:8080/** lan', or @SERVICE.
    #[arg(long = "allow", value_name = "RULE")]
    pub targets: Vec<String>,
    /// A file with the authority of a LAN host's certificate.
    #[arg(long, value_name = "PEM")]
    pub authority: Option<PathBuf>,
    /// How often, as USES/SECONDS.
    #[arg(long)]
    pub rate: Option<String>,
    /// Most bytes of one request.
    #[arg(long)]
    pub bytes: Option<u64>,
    /// Until when.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `hearth secret sign-in`
#[derive(Debug, Args)]
pub struct SignInOptions {
    /// Its name. By itself: sign in anew for a secret that is there; its policy and its service stay.
    pub name: String,
    /// Where you agree, as the service's documentation says: https://accounts.example.com/authorize
    #[arg(long, value_name = "URL", requires_all = ["token", "client"])]
    pub authorize: Option<String>,
    /// Where tokens are given: https://accounts.example.com/token, or 'http://nas.lan:8080/token lan'. The vault may send there too.
    #[arg(long, value_name = "URL", requires = "authorize")]
    pub token: Option<String>,
    /// The identifier that the service gave your client when you registered it.
    #[arg(long, value_name = "ID", requires = "authorize")]
    pub client: Option<String>,
    /// A right to ask for; may be given more than once.
    #[arg(long = "scope", value_name = "SCOPE", requires = "authorize")]
    pub scopes: Vec<String>,
    /// The client has a secret too: asked for without an echo when neither --value-fd nor --value-env is given.
    #[arg(long, requires = "authorize")]
    pub client_secret: bool,
    /// The client's secret is sent in the form, because this service does not take it in the header.
    #[arg(long, requires = "authorize")]
    pub secret_in_form: bool,
    /// Where the browser is sent back to, as you registered it; http://127.0.0.1:17171/ when it is not given.
    #[arg(long, value_name = "URL", requires = "authorize")]
    pub redirect: Option<String>,
    /// Where the client's secret comes from.
    #[command(flatten)]
    pub value: ValueOptions,
    /// What it may be used for.
    #[command(flatten)]
    pub policy: PolicyOptions,
}

/// `hearth secret allow`
#[derive(Debug, Args)]
pub struct AllowOptions {
    /// Whose policy.
    pub name: String,
    /// Who may use it too.
    #[arg(long = "use", value_name = "USER")]
    pub users: Vec<String>,
    /// Who may use it no more.
    #[arg(long = "no-use", value_name = "USER")]
    pub not_users: Vec<String>,
    /// Where it may be sent too.
    #[arg(long = "allow", value_name = "RULE")]
    pub targets: Vec<String>,
    /// Where it may be sent no more, as `show-policy` shows it.
    #[arg(long = "no-allow", value_name = "RULE")]
    pub not_targets: Vec<String>,
    /// A file with the authority of a LAN host's certificate.
    #[arg(long, value_name = "PEM")]
    pub authority: Option<PathBuf>,
    /// How often, as USES/SECONDS.
    #[arg(long)]
    pub rate: Option<String>,
    /// Most bytes of one request.
    #[arg(long)]
    pub bytes: Option<u64>,
    /// Until when.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Where the owner's passphrase comes from, should it be needed.
    #[command(flatten)]
    pub proof: ValueOptions,
    /// It is the recovery key that is given instead.
    #[arg(long)]
    pub recovery: bool,
}
