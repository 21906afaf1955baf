//! The page as its network peers see it: a real server on loopback, the real actors, doubles behind them.

mod chat;
mod guard;
mod http;
mod login;
mod support;
