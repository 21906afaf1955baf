//! `pack FOLDER FILE OUT.hearth`: the package of a tool whose `manifest.toml` lies in FOLDER; FILE is its component, or its source in
//! JavaScript (`*.js`). Nobody signs it.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use hearth_tool_package::{build, javascript};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, file, out] = arguments.as_slice() else { return Err("usage: pack FOLDER FILE OUT.hearth".into()) };
    let manifest = fs::read_to_string(Path::new(folder).join("manifest.toml"))?;
    let is_source = Path::new(file).extension().is_some_and(|extension| extension == "js");
    let component = if is_source { javascript::component_of(&fs::read_to_string(file)?)? } else { fs::read(file)? };
    fs::write(out, build(&manifest, &component, None)?)?;
    Ok(())
}
