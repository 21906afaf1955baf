//! `hearth-guest-inspect FILE...`: says what each imports, and fails if one is not a tool.

use std::{env, fs, io::Write, process::ExitCode};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in env::args().skip(1) {
        let said = match fs::read(&file) {
            Err(error) => Err(error.to_string()),
            Ok(bytes) => hearth_guest_inspect::tool(&bytes).map_err(|error| error.to_string()),
        };
        match said {
            Ok(border) => {
                let _written = writeln!(std::io::stdout(), "{file}: imports {}", border.imports.join(", "));
            }
            Err(error) => {
                let _written = writeln!(std::io::stderr(), "{file}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
