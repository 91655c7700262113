//! The inputs of a job, and the output that must not be one of them. All that can be wrong is found before anything starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use gristmill_model::{InputFile, PathBytes};
use gristmill_storage::{Input, Local, list_inputs};

use crate::arguments::JobArguments;
use crate::failure::{Failure, Outcome};
use crate::output;

/// How the names of directories begin in which jobs stage their output.
const STAGED: &[u8] = b".gristmill-";

/// What a job reads, and where it writes.
pub(crate) struct Places {
    /// At least one file, sorted by name. A file that was named twice is there twice: so it is read.
    pub inputs: Vec<InputFile>,
    /// The output directory, absolute.
    pub output: PathBuf,
}

/// Looks at every input and at the output directory, which may hold something only with `overwrite`.
pub(crate) fn look(arguments: &JobArguments, overwrite: bool) -> Outcome<Places> {
    let inputs = list(&arguments.inputs)?;
    let output = output_directory(&arguments.output, overwrite)?;
    refuse_inputs_in(&output, &inputs)?;
    Ok(Places { inputs: inputs.iter().map(input_file).collect(), output })
}

/// The files that `named` stands for.
pub(crate) fn list(named: &[PathBuf]) -> Outcome<Vec<Input>> {
    let named: Vec<OsString> = named.iter().map(|path| path.as_os_str().to_owned()).collect();
    let inputs = list_inputs(&Local, &named).map_err(Failure::usage)?;
    if inputs.is_empty() {
        return Err(Failure::wrong("there are no inputs"));
    }
    warn_of_doubles(&inputs);
    Ok(inputs)
}

/// An input as a job names it.
pub(crate) fn input_file(input: &Input) -> InputFile {
    InputFile {
        name: PathBytes::from(input.name.as_path()),
        path: PathBytes::from(input.path.as_path()),
        bytes: input.version.bytes,
        modified_ns: input.version.modified_ns,
        splittable: input.splittable,
    }
}

/// Twice may be meant (a join of a file with itself), but is more often a glob too many.
fn warn_of_doubles(inputs: &[Input]) {
    let mut told: Option<&Path> = None;
    for (one, next) in inputs.iter().zip(inputs.iter().skip(1)) {
        if one.name == next.name && told != Some(&one.name) {
            told = Some(&one.name);
            output::error(&format!(
                "gristmill: warning: input {:?} is named more than once and is read as often",
                one.name
            ));
        }
    }
}

/// Absolute and without links, so that every process means the same place. The last parts need not exist yet.
fn output_directory(named: &Path, overwrite: bool) -> Outcome<PathBuf> {
    if named.as_os_str().is_empty() {
        return Err(Failure::wrong("the name of the output directory is empty"));
    }
    let absolute = std::path::absolute(named)
        .and_then(|path| resolve_links(&path))
        .with_context(|| format!("find output directory {named:?}"))
        .map_err(Failure::usage)?;
    let entries = match std::fs::read_dir(&absolute) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(absolute),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(Failure::wrong(format!("output {named:?} exists and is not a directory")));
        }
        Err(error) => {
            let context = format!("look into output directory {named:?}");
            return Err(Failure::usage(anyhow::Error::new(error).context(context)));
        }
    };
    match contents(entries) {
        Contents::Nothing => Ok(absolute),
        _ if overwrite => Ok(absolute),
        contents => {
            let error = format!("output directory {named:?} exists and is not empty; it is left as it is");
            Err(Failure::wrong(error).hint(contents.hint()))
        }
    }
}

/// What is in an output directory.
enum Contents {
    Nothing,
    /// Nothing but what jobs have staged; the name of one.
    Staged(OsString),
    Something,
}

impl Contents {
    fn hint(&self) -> String {
        match self {
            Self::Staged(name) => format!(
                "it holds only {name:?}, the unfinished output of a job that was killed (or still runs); --overwrite removes it"
            ),
            Self::Nothing | Self::Something => "choose another with -o DIR, or add --overwrite".to_owned(),
        }
    }
}

fn contents(entries: std::fs::ReadDir) -> Contents {
    let mut contents = Contents::Nothing;
    for entry in entries {
        match entry {
            // The coordinator, which can tell the living from the dead, decides about these.
            Ok(entry) if gristmill_storage::is_reservation(&entry.file_name()) => {}
            Ok(entry) if entry.file_name().as_encoded_bytes().starts_with(STAGED) => {
                contents = Contents::Staged(entry.file_name());
            }
            _ => return Contents::Something,
        }
    }
    contents
}

fn resolve_links(absolute: &Path) -> std::io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut existing = absolute;
    loop {
        match existing.canonicalize() {
            Ok(found) => return Ok(missing.iter().rev().fold(found, |path, part| path.join(part))),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Err(error) => {
                let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
                    return Err(error);
                };
                missing.push(name);
                existing = parent;
            }
        }
    }
}

/// With --overwrite an input in the output directory would be removed; without, the next run would read its own output.
fn refuse_inputs_in(output: &Path, inputs: &[Input]) -> Outcome {
    // Of many files in one directory that is asked only once where it really is.
    let mut asked: Option<(&Path, bool)> = None;
    let inside = inputs.iter().find(|input| {
        let path = input.path.as_path();
        let directory = path.parent().filter(|_| !path.is_symlink());
        let Some(directory) = directory else { return is_really_in(output, path) };
        match asked {
            Some((same, answer)) if same == directory => answer,
            _ => asked.insert((directory, is_really_in(output, directory))).1,
        }
    });
    match inside {
        None => Ok(()),
        Some(input) => Err(Failure::wrong(format!(
            "input {:?} lies in the output directory {}",
            input.name,
            output.display()
        ))
        .hint("choose an output directory outside the inputs with -o DIR")),
    }
}

fn is_really_in(output: &Path, path: &Path) -> bool {
    path.canonicalize().as_deref().unwrap_or(path).starts_with(output)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn place() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        fs::write(root.path().join("in/a.txt"), "a\n").unwrap();
        root
    }

    #[test]
    fn names_of_any_bytes_are_inputs() {
        let root = place();
        for name in [&b"with space"[..], b"with\nnewline", b"not utf-8 \xff"] {
            fs::write(root.path().join("in").join(OsStr::from_bytes(name)), "x").unwrap();
        }
        assert_eq!(list(&[root.path().join("in")]).unwrap().len(), 4);
    }

    #[test]
    fn an_output_that_holds_something_needs_overwrite() {
        let root = place();
        let output = root.path().join("in");
        let message = output_directory(&output, false).unwrap_err().to_string();
        assert!(message.contains("not empty") && message.contains("--overwrite"), "{message}");
        assert!(output_directory(&output, true).is_ok());
        assert!(output_directory(&root.path().join("in/a.txt"), true).is_err());
        assert!(output_directory(Path::new(""), true).is_err());
    }

    #[test]
    fn an_output_that_holds_only_what_a_killed_job_staged_is_told_so() {
        let root = place();
        let output = root.path().join("out");
        fs::create_dir_all(output.join(".gristmill-request-00ab-1-1")).unwrap();
        assert!(output_directory(&output, false).is_ok());
        fs::create_dir_all(output.join(".gristmill-00ab-j1")).unwrap();
        let message = output_directory(&output, false).unwrap_err().to_string();
        assert!(
            message.contains(".gristmill-00ab-j1") && message.contains("--overwrite removes"),
            "{message}"
        );
        assert!(output_directory(&output, true).is_ok());
        fs::write(output.join("mine"), "x").unwrap();
        let message = output_directory(&output, false).unwrap_err().to_string();
        assert!(!message.contains("job"), "{message}");
    }

    #[test]
    fn a_missing_output_is_resolved_as_far_as_it_exists() {
        let root = place();
        std::os::unix::fs::symlink(root.path().join("in"), root.path().join("link")).unwrap();
        let output = output_directory(&root.path().join("link/new/deep"), false).unwrap();
        assert_eq!(output, root.path().canonicalize().unwrap().join("in/new/deep"));
    }

    #[test]
    fn an_input_in_the_output_directory_is_refused_also_behind_a_link() {
        let root = place();
        std::os::unix::fs::symlink(root.path().join("in"), root.path().join("link")).unwrap();
        let inputs = list(&[root.path().join("link/a.txt")]).unwrap();
        let output = output_directory(&root.path().join("in"), true).unwrap();
        assert!(refuse_inputs_in(&output, &inputs).is_err());
        let elsewhere = output_directory(&root.path().join("in/out"), true).unwrap();
        assert!(refuse_inputs_in(&elsewhere, &inputs).is_ok());
        // A file that is a link beside others that are none.
        fs::create_dir(root.path().join("more")).unwrap();
        for name in ["a", "c"] {
            fs::write(root.path().join("more").join(name), "x").unwrap();
        }
        let inputs = || list(&[root.path().join("more")]).unwrap();
        assert!(refuse_inputs_in(&output, &inputs()).is_ok());
        std::os::unix::fs::symlink(root.path().join("in/a.txt"), root.path().join("more/b")).unwrap();
        assert!(refuse_inputs_in(&output, &inputs()).is_err());
    }

    #[test]
    fn what_is_missing_is_refused() {
        let root = place();
        assert!(list(&[root.path().join("nothing")]).is_err());
        assert!(list(&[root.path().join("*.nothing")]).is_err());
        fs::create_dir(root.path().join("empty")).unwrap();
        assert!(list(&[root.path().join("empty")]).is_err());
    }
}
