//! Model providers: the model port made real.
//!
//! [`remote::RemoteModel`] speaks to Anthropic, OpenAI, Gemini, OpenRouter, Ollama and every address that is compatible
//! with OpenAI's, one attempt per call; [`house::HouseModel`] answers house commands without any of them. Retries,
//! breakers and the order of providers are decided by the provider actors.
//!
//! The wire formats come from `rig-core`, which describes a provider's endpoint as data and never opens a socket; the
//! socket is ours ([`transport`]): two shared clients, no redirects, bounded bodies, a limit on silence.
//!
//! Architecture invariant: no key is known here; a request names it by its placeholder, and goes to the vault. No error and no `Debug` of
//! this module holds the raw text of a provider's answer.

pub mod config;
mod failure;
pub mod house;
mod prompt;
pub mod remote;
mod reply;
mod transport;
mod wires;
