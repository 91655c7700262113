//! Puts the sources of the sdk into the binary, so that `gristmill new` can write an app that builds anywhere.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let cli = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?);
    let sdk = cli.join("../sdk").canonicalize()?;
    let mut files = Vec::new();
    for folder in ["src", "include"] {
        let folder = sdk.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        if folder.is_dir() {
            list(&folder, &mut files)?;
        }
    }
    files.sort();

    let mut code = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&sdk)?.to_str().ok_or("names in the sdk are UTF-8")?;
        let path = file.to_str().ok_or("the path of the sdk is UTF-8")?;
        writeln!(code, "    ({name:?}, include_bytes!({path:?}) as &[u8]),")?;
    }
    code.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("sdk_files.rs"), code)?;
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|end| end.to_str()) {
            _ if path.is_dir() => list(&path, files)?,
            Some("rs" | "h" | "md") => files.push(path),
            _ => {}
        }
    }
    Ok(())
}
