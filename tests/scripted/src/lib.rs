//! A model provider that does as it is told: a real HTTP server on the loopback that speaks the wire formats of OpenAI
//! (Chat Completions), Anthropic (Messages), Gemini (GenerateContent) and Ollama, streamed or not, and fails in every
//! way that providers do.
//!
//! It runs on threads of its own with blocking sockets, so it serves tests of any runtime and of other processes, and
//! can break a connection at any byte. What it answers is data ([`script::Step`]), queued per provider; what it was
//! asked is recorded ([`server::Recorded`]).

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a tool of tests, with threads and a clock of its own, that builds its JSON by name"
)]

pub mod script;
pub mod server;

mod http;
mod wire;
