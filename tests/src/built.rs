//! Builds what the tests run: the `gristmill` binary and every plugin of the workspace, once for each test process.
//!
//! `cargo test` builds no plugin as a shared library on its own, so this asks cargo again, with the profile and the target directory
//! that the test itself came from; with `GRISTMILL_BIN=DIR` it takes what lies there and builds nothing. Cargo's own lock keeps test processes that do so at once apart.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

struct Built {
    gristmill: PathBuf,
    plugins: BTreeMap<String, PathBuf>,
    /// Other programs that come with apps.
    programs: BTreeMap<String, PathBuf>,
}

/// The binary.
pub fn gristmill() -> &'static Path {
    &built().gristmill
}

/// The library of an app of the workspace.
pub fn plugin(app: &str) -> &'static Path {
    let plugins = &built().plugins;
    plugins.get(app).unwrap_or_else(|| panic!("no app `{app}` among {:?}", plugins.keys()))
}

/// A program that comes with an app.
pub fn program(name: &str) -> &'static Path {
    let programs = &built().programs;
    programs.get(name).unwrap_or_else(|| panic!("no program `{name}` among {:?}", programs.keys()))
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace")
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        env::var_os("GRISTMILL_BIN").map_or_else(build, |directory| found_in(Path::new(&directory)))
    })
}

/// What is in a directory that somebody has built or unpacked.
fn found_in(directory: &Path) -> Built {
    let entries = fs::read_dir(directory).expect("the directory GRISTMILL_BIN can be listed");
    let paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let name = |file: &Path| {
        let name = file.file_name()?.to_str()?.strip_prefix(env::consts::DLL_PREFIX)?;
        Some(name.strip_suffix(env::consts::DLL_SUFFIX)?.to_owned())
    };
    let plugins = paths.iter().filter_map(|path| Some((name(path)?, path.clone()))).collect();
    let plain = |path: &&PathBuf| path.extension().is_none() && path.is_file();
    let named = |path: &PathBuf| Some((path.file_name()?.to_str()?.to_owned(), path.clone()));
    let programs = paths.iter().filter(plain).filter_map(named).collect();
    Built { gristmill: directory.join("gristmill"), plugins, programs }
}

fn build() -> Built {
    let (target, profile) = origin();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace()).stdin(Stdio::null()).stderr(Stdio::inherit());
    command.args(["build", "--message-format=json-render-diagnostics", "--profile", &profile]);
    command.arg("--target-dir").arg(target);
    // This package itself is built already. It is named for its dependencies: their features count in this build too.
    command.args(["-p", "gristmill", "-p", env!("CARGO_PKG_NAME")]);
    for app in apps() {
        command.args(["-p", &app]);
    }
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "cargo could not build what the tests need (see above)");
    let messages = String::from_utf8_lossy(&output.stdout);
    artifacts(messages.lines().filter_map(|line| serde_json::from_str(line).ok()))
}

/// The target directory and the profile that this test was built with: it runs as `TARGET/PROFILE/deps/NAME`.
fn origin() -> (PathBuf, String) {
    let test = env::current_exe().expect("a test knows its own file");
    let built_in = test.parent().and_then(Path::parent).expect("a test lies in TARGET/PROFILE/deps");
    let profile = match built_in.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(profile) => profile,
    };
    let target = built_in.parent().expect("a profile lies in the target directory");
    (target.to_owned(), profile.to_owned())
}

/// The packages in the folders of apps. Each is named as its folder.
fn apps() -> Vec<String> {
    let folders = ["apps", "tests/apps", "bench/plugins"].map(|folder| workspace().join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the apps are there"));
    let apps = entries.map(|entry| entry.expect("the apps can be listed").path());
    apps.filter(|app| app.join("Cargo.toml").is_file())
        .filter_map(|app| Some(app.file_name()?.to_str()?.to_owned()))
        .collect()
}

fn artifacts(messages: impl Iterator<Item = Value>) -> Built {
    let (mut plugins, mut programs) = (BTreeMap::new(), BTreeMap::new());
    for message in messages.filter(|message| message["reason"] == "compiler-artifact") {
        let Some(name) = message["target"]["name"].as_str() else { continue };
        if let Some(executable) = message["executable"].as_str() {
            programs.insert(name.to_owned(), PathBuf::from(executable));
        }
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut libraries = files.filter(|file| file.ends_with(env::consts::DLL_SUFFIX));
        let is_plugin = message["target"]["crate_types"]
            .as_array()
            .is_some_and(|types| types.iter().any(|t| t == "cdylib"));
        if let (true, Some(library)) = (is_plugin, libraries.next()) {
            plugins.insert(name.to_owned(), library.into());
        }
    }
    let gristmill = programs.remove("gristmill").expect("cargo built the gristmill binary");
    Built { gristmill, plugins, programs }
}
