//! The composition root: command line, configuration, wiring, signals. Decides nothing.

pub mod approvals;
pub mod bench;
pub mod bridge;
pub mod chat;
pub mod cli;
pub mod client;
pub mod config;
pub mod confine;
pub mod desk;
pub mod doctor;
pub mod member;
pub mod policy;
pub mod redactor;
pub mod run;
pub mod sandboxes;
pub mod secret;
pub mod serve;
pub mod served;
pub mod show;
pub mod socket;
pub mod telemetry;
pub mod terminal;
pub mod tool;
pub mod toolbox;
pub mod vaults;
pub mod wire;
