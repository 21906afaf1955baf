//! The house as people meet it: the real binary, real processes, a folder of their own for each test.
//!
//! `spine`: said, answered, kept. `terminal`: the chat in a terminal. `providers`: turns with language models over real HTTP.
//! `vault`: secrets, from their owner's commands to the servers that they are for; `sealed`: how they lie there; `memory`: who else has them;
//! `sign_in`: those that renew themselves; `owner`: what their owner does rarely;
//! `standins`: what uses them and is not built yet.
//! `tools`: components in processes of their own, from their installation to their removal.
//! `budget`: caps, and what a kill leaves of them.
//! `family`: five people over the command line, the page and two bridges, and who is told what.
//! `household`: who lives here, from being added to being erased.
//! `interference`: what nobody else may see changes nothing that they see.
//! `sessions`: who is logged in at the page, how that ends, and a page beyond its machine.
//! `audit`: the journal, whether it is whole, why something was said, and the stop of the house.
//! `limits`: bad input and too much of it. `trouble`: disks, folders, ports, schemas, kills. `commands`: what else the binary does.
//!
//! Nothing sleeps in order to wait: a test reads frames, lines and exits, each with a deadline.

// The futures of the database's engine are nested deeply.
#![recursion_limit = "256"]
#![expect(clippy::disallowed_methods, reason = "processes and sockets are read from threads, against real clocks")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test reads past the frames that it is not about")]

#[cfg(test)]
mod audit;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod family;
#[cfg(test)]
mod household;
#[cfg(test)]
mod interference;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod spine;
#[cfg(test)]
mod standins;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod vault;
