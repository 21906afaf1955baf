//! `hearth-scripted [PORT] [SCRIPT]`: the server by itself, for benches and for trying a house by hand. The script is a
//! JSON object of lists of steps, one list per provider name (`""` for none); the last step of a list repeats for ever.
//! Prints its address and runs until its standard input ends.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};

use hearth_scripted::script::Step;
use hearth_scripted::server::Scripted;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let server = Scripted::start_at(port)?;
    server.keep(16);
    if let Some(path) = arguments.next() {
        let script: BTreeMap<String, Vec<Step>> = serde_json::from_slice(&std::fs::read(path)?)?;
        for (provider, mut steps) in script {
            let last = steps.pop();
            steps.into_iter().for_each(|step| server.push_to(&provider, step));
            if let Some(last) = last {
                server.respond(&provider, move |_| last.clone());
            }
        }
    }
    writeln!(std::io::stdout(), "{}", server.base_url())?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    server.stop();
    Ok(())
}
