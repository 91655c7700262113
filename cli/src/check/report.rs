//! What was tried and what came of it, for people and for scripts.

use gristmill_model::{InputMode, PluginInfo};
use serde::Serialize;

use crate::failure::{Exit, Failure, Outcome};
use crate::output;
use crate::render::{self, one_line};

/// What came of one trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing, but an app may be so.
    Note,
    /// Wrong.
    Wrong,
}

/// One trial. The field names are the keys of `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was tried.
    pub(super) trial: String,
    /// What came of it.
    pub(super) verdict: Verdict,
    /// What happened, and where.
    pub(super) message: Option<String>,
    /// What to do.
    pub(super) hint: Option<String>,
}

/// All trials so far.
pub(super) struct Report {
    json: bool,
    document: Document,
}

#[derive(Serialize)]
struct Document {
    app: String,
    version: String,
    input: String,
    map_only: bool,
    combines: bool,
    trials: Vec<Finding>,
    wrong: usize,
}

impl Report {
    /// Tells what the app says of itself.
    pub(super) fn begin(plugin: &PluginInfo, json: bool) -> Outcome<Self> {
        let input = match plugin.input_mode {
            InputMode::Text => "text".to_owned(),
            InputMode::File => "files".to_owned(),
            InputMode::Records(bytes) => format!("records of {bytes} bytes"),
        };
        if !json {
            let yes = |yes: bool| if yes { "yes" } else { "no" };
            output::result(&format!(
                "app {} {}\ninput {input}\nmap_only {}\ncombines {}\n",
                one_line(&plugin.name),
                one_line(&plugin.version),
                yes(plugin.map_only),
                yes(plugin.combines)
            ))?;
        }
        let PluginInfo { name, version, map_only, combines, .. } = plugin.clone();
        Ok(Self {
            json,
            document: Document {
                app: name,
                version,
                input,
                map_only,
                combines,
                trials: Vec::new(),
                wrong: 0,
            },
        })
    }

    /// Tells what came of a trial.
    pub(super) fn add(&mut self, finding: Finding) -> Outcome {
        if !self.json {
            output::result(&finding.text())?;
        }
        if finding.verdict == Verdict::Wrong {
            self.document.wrong += 1;
        }
        self.document.trials.push(finding);
        Ok(())
    }

    /// Tells the sum, and gives the exit status.
    pub(super) fn end(self) -> Outcome {
        let wrong = self.document.wrong;
        if self.json {
            output::result(&render::json(&self.document))?;
        } else {
            output::result(&if wrong == 0 {
                "verdict ok\n".to_owned()
            } else {
                format!("verdict {wrong} wrong\n")
            })?;
        }
        if wrong == 0 {
            return Ok(());
        }
        let error = anyhow::anyhow!(
            "the app {} has {wrong} thing{} wrong",
            self.document.app,
            if wrong == 1 { "" } else { "s" }
        );
        Err(Failure { exit: Exit::Failed, error, hint: None })
    }
}

impl Finding {
    /// All is well.
    pub(super) fn ok(trial: impl Into<String>) -> Self {
        Self { trial: trial.into(), verdict: Verdict::Ok, message: None, hint: None }
    }

    /// It is not.
    pub(super) fn wrong(
        trial: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            trial: trial.into(),
            verdict: Verdict::Wrong,
            message: Some(message.into()),
            hint: Some(hint.into()),
        }
    }

    /// It may be.
    pub(super) fn note(
        trial: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Note, ..Self::wrong(trial, message, hint) }
    }

    fn text(&self) -> String {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Wrong => "wrong",
        };
        let mut text = format!("{word} {}", self.trial);
        if let Some(message) = &self.message {
            text += ": ";
            text += &one_line(message);
        }
        text.push('\n');
        if let Some(hint) = &self.hint {
            text += &format!("hint {}\n", one_line(hint));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_was_tried_what_happened_and_what_to_do() {
        let finding = Finding::wrong("NUL bytes", "panic: boom\nat x", "do not");
        assert_eq!(finding.text(), "wrong NUL bytes: panic: boom\\nat x\nhint do not\n");
        assert_eq!(Finding::ok("an empty file").text(), "ok an empty file\n");
        assert_eq!(
            serde_json::to_string(&Finding::ok("x")).unwrap(),
            r#"{"trial":"x","verdict":"ok","message":null,"hint":null}"#
        );
    }
}
