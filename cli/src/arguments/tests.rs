//! That the definition is sound, every command has an example, every example is accepted and wrong usage is not.

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<CommandLine, clap::Error> {
    CommandLine::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn every_command_has_an_example() {
    let has_example = |command: &clap::Command, words: &str| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(words), "{words}");
    };
    for command in CommandLine::command().get_subcommands() {
        let words = format!("gristmill {}", command.get_name());
        has_example(command, &words);
        for inner in command.get_subcommands() {
            let words = format!("{words} {}", inner.get_name());
            // Those of `members` are few, and stand together.
            has_example(if command.get_name() == "members" { command } else { inner }, &words);
        }
    }
}

#[test]
fn every_example_is_accepted() {
    let mut commands = vec![CommandLine::command()];
    let mut next = 0;
    while let Some(command) = commands.get(next) {
        let inner: Vec<_> = command.get_subcommands().cloned().collect();
        commands.extend(inner);
        next += 1;
    }
    let mut tried = 0;
    for command in commands {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines().map(str::trim).filter(|line| line.starts_with("gristmill ")) {
            let line = line.split(['>', '|', '#', '&']).next().unwrap_or_default().replace('\'', "");
            assert!(parse(&line).is_ok(), "{line}");
            tried += 1;
        }
    }
    assert!(tried > 45, "only {tried} examples found");
}

#[test]
fn defaults_of_a_job_are_those_of_the_model() {
    let Ok(CommandLine { command: Command::Run(run) }) = parse("gristmill run --app wc a.txt") else {
        panic!("not understood");
    };
    assert_eq!(run.job.options(None), gristmill_model::JobOptions::default());
    assert_eq!(run.job.output, PathBuf::from("gristmill-out"));
}

#[test]
fn reduces_that_were_asked_for_win_over_the_default() {
    let Ok(CommandLine { command: Command::Run(run) }) = parse("gristmill run --app wc -r 3 a.txt") else {
        panic!("not understood");
    };
    assert_eq!(run.job.options(Some(8)).reduces, Some(3));
}

#[test]
fn several_coordinators_are_separated_by_commas() {
    let line = "gristmill worker --coordinator 127.0.0.1:1,127.0.0.1:2 --slots 2";
    let Ok(CommandLine { command: Command::Worker(worker) }) = parse(line) else { panic!("not understood") };
    assert_eq!(worker.coordinator.addresses.len(), 2);
}

#[test]
fn a_subject_is_a_job_or_a_task() {
    let task = TaskId::map(JobId(7), 12);
    assert_eq!(Subject::parse("j7"), Ok(Subject { job: JobId(7), task: None }));
    assert_eq!(Subject::parse("j7.m12"), Ok(Subject { job: JobId(7), task: Some(task) }));
    assert!(Subject::parse("m12").is_err() && Subject::parse("7").is_err());
}

#[test]
fn wrong_usage_is_refused() {
    for line in [
        "gristmill",
        "gristmill run --app wc",
        "gristmill run a.txt",
        "gristmill run --app wc --slots -1 a.txt",
        "gristmill run --app wc --sequential --listen 127.0.0.1:0 a.txt",
        "gristmill run --app wc --arg nothing a.txt",
        "gristmill run --app wc --arg =x a.txt",
        "gristmill run --app wc --memory lots a.txt",
        "gristmill run --app wc --max-attempts 0 a.txt",
        "gristmill coordinator --listen 0.0.0.0:7070",
        "gristmill coordinator --listen 127.0.0.1:7070 --id 1",
        "gristmill coordinator --listen 127.0.0.1:7070 --data-dir d --peers 1=127.0.0.1:7070",
        "gristmill coordinator --listen 127.0.0.1:7070 --data-dir d --id 0 --peers 1=127.0.0.1:7070",
        "gristmill coordinator --listen 127.0.0.1:7070 --data-dir d --id 4 --join",
        "gristmill run --app wc --resume a.txt",
        "gristmill run --app wc --sequential --state-dir d a.txt",
        "gristmill worker --coordinator 127.0.0.1:1 --slots 0",
        "gristmill worker --coordinator 127.0.0.1:0",
        "gristmill worker --coordinator 7070",
        "gristmill jobs --coordinator 192.0.2.1:7070",
        "gristmill job 7 --coordinator 127.0.0.1:1",
        "gristmill jobs",
        "gristmill slots",
        "gristmill drain 4 --coordinator 127.0.0.1:1",
        "gristmill history",
        "gristmill members",
        "gristmill members add 4 --coordinator 127.0.0.1:1",
        "gristmill members add 4=127.0.0.1:4",
        "gristmill members shuffle --coordinator 127.0.0.1:1",
        "gristmill kv",
        "gristmill kv get --coordinator 127.0.0.1:1",
        "gristmill kv get k",
        "gristmill kv put k --coordinator 127.0.0.1:1",
        "gristmill kv put k v --from file --coordinator 127.0.0.1:1",
        "gristmill kv cas k v --coordinator 127.0.0.1:1",
        "gristmill kv watch --count 0 --coordinator 127.0.0.1:1",
        "gristmill run --app wc --priority 128 a.txt",
    ] {
        assert!(parse(line).is_err_and(|error| error.use_stderr()), "{line}");
    }
}

#[test]
fn a_change_of_members_has_options_of_its_own() {
    let line = "gristmill members replace 2 4=127.0.0.1:7074 --coordinator 127.0.0.1:1 --json";
    let Ok(CommandLine { command: Command::Members(members) }) = parse(line) else {
        panic!("not understood")
    };
    let (change, ask) = members.into_parts().unwrap();
    let address = "127.0.0.1:7074".to_owned();
    assert_eq!(change, Some(gristmill_model::MemberChange::Replace { id: 2, by: 4, address }));
    assert!(ask.json);
}

#[test]
fn a_value_may_look_like_an_option() {
    for line in
        ["gristmill kv put k -1 --coordinator 127.0.0.1:1", "gristmill kv put k - --coordinator 127.0.0.1:1"]
    {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn a_priority_may_be_negative() {
    let Ok(CommandLine { command: Command::Run(run) }) = parse("gristmill run --app wc --priority -5 a.txt")
    else {
        panic!("not understood");
    };
    assert_eq!(run.job.options(None).priority, -5);
}
