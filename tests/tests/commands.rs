//! The command line as a contract: exit statuses, `key value` lines, JSON documents, names of files.

use std::fs;
use std::process::Command;

use gristmill_tests::{Cluster, Gate, Place, Worker, gristmill, lab_books, until};
use serde_json::Value;

/// A finished job j1 with two maps that print, on one worker with two slots.
fn with_finished_job(place: &Place, check: impl FnOnce(&Cluster<'_>)) {
    let inputs = ["a", "b"].map(|name| place.input(format!("{name}.txt"), "some trouble here\n"));
    let cluster = place.cluster();
    let worker = cluster.worker(2);
    let job = place.job("misbehave").inputs(inputs).reduces(3).arg("do", "say").arg("at", "map");
    let (id, _) = job.hand_in(&cluster);
    assert_eq!(id, "j1");
    cluster.until_done(&id);
    check(&cluster);
    cluster.end(vec![worker]);
}

#[test]
fn run_prints_its_summary_as_lines_of_key_and_value() {
    let place = Place::new();
    let job =
        place.job("wc").slots(2).reduces(3).inputs([place.input("a", "b a b\n"), place.input("c", "c\n")]);
    let ended = job.run().done();
    let lines = ended.lines();
    for (key, value) in [
        ("app", "wc"),
        ("state", "done"),
        ("maps", "2"),
        ("reduces", "3"),
        ("bytes_in", "8"),
        ("keys", "3"),
        ("records_out", "3"),
        ("bytes_out", "12"),
        ("attempts", "won=5"),
    ] {
        assert_eq!(
            lines.get(key).map(|value| value.split(" (").next().unwrap()),
            Some(value),
            "{key} in {ended}"
        );
    }
    for key in ["seconds", "output", "slowest", "biggest_partition"] {
        assert!(lines.contains_key(key), "{key} in {ended}");
    }
}

#[test]
fn json_is_one_document_with_the_documented_keys() {
    let place = Place::new();
    let job = place.job("wc").slots(2).reduces(3).input(place.input("a", "b a b\n")).option("--json");
    for ended in [job.run().done(), job.sequential().done()] {
        let summary = ended.json();
        for (key, value) in [("app", Value::from("wc")), ("state", "done".into()), ("records_out", 2.into())]
        {
            assert_eq!(summary[key], value, "{key} in {ended}");
        }
        assert_eq!(summary["reduces"]["total"], 3, "{ended}");
        let keys = "job error output seconds maps bytes_in pairs bytes_shuffled keys bytes_out spills attempts slowest biggest_partition counters warnings";
        for key in keys.split(' ') {
            assert!(summary.get(key).is_some(), "{key} in {ended}");
        }
    }
}

#[test]
fn failed_job_prints_its_state_and_error_on_standard_output_too() {
    let place = Place::new();
    let job = place.job("misbehave").input(place.input("a", "trouble\n")).arg("do", "error").arg("at", "map");
    let ended = job.clone().run().failed();
    assert_eq!(ended.lines()["state"], "failed", "{ended}");
    let summary = job.option("--json").run().failed().json();
    assert_eq!(summary["state"], "failed");
    assert!(summary["error"].as_str().unwrap().contains("deliberate error"), "{summary}");
    assert_eq!(summary["attempts"]["failed"], 4, "{summary}");
}

#[test]
fn quiet_says_nothing_on_standard_error() {
    let place = Place::new();
    let job = place.job("wc").option("--quiet").input(place.input("a", "a\n"));
    job.run().done().says_nothing();
    job.sequential().done().says_nothing();
    let address = gristmill_tests::free_address();
    let running = job.start_listening(&address);
    let worker = Worker::start(&place, &address, 1);
    running.wait().done().says_nothing();
    worker.process.wait().done();
}

#[test]
fn progress_off_a_terminal_has_no_control_characters() {
    let place = Place::new();
    let ended = place.job("wc").slots(2).inputs(lab_books()).run().done();
    assert!(!ended.stderr().contains(['\x1b', '\r']), "{ended}");
    assert!(!ended.stdout().contains(['\x1b', '\r']), "{ended}");
}

#[test]
fn manifest_tells_sizes_checksums_and_counters() {
    let place = Place::new();
    let job = place.job("misbehave").slots(2).reduces(4).input(place.input("a", "trouble\nx\n"));
    // The names, sizes and checksums are compared with the files by `output`, here and in every test.
    let manifest = job.arg("do", "count").arg("at", "map").run().done().output().manifest();
    assert_eq!(manifest["counters"]["troubles"], 1, "{manifest}");
    assert_eq!(manifest["outputs"].as_array().map(Vec::len), Some(4), "{manifest}");
    assert_eq!(manifest["plugin"]["name"], "misbehave", "{manifest}");
}

#[test]
fn counters_add_up_attempts_that_won_only() {
    let place = Place::new();
    let inputs = [1, 2, 3].map(|n| place.input(format!("{n}.txt"), "trouble\n"));
    let once = place.folder("in").join("once");
    let job = place
        .job("misbehave")
        .slots(2)
        .reduces(2)
        .inputs(inputs)
        .arg("do", "count-and-fail")
        .arg("at", "map");
    let ended = job.arg("once", once.display()).option("--json").run().done();
    assert_eq!(ended.json()["attempts"]["failed"], 1, "{ended}");
    assert_eq!(ended.json()["counters"]["troubles"], 3, "{ended}");
}

#[test]
fn map_only_app_writes_its_output_in_split_order() {
    let place = Place::new();
    let inputs =
        ["a", "b", "c"].map(|name| place.input(format!("{name}.txt"), "one whale\nno\ntwo whales\n"));
    let job = place.job("grep").slots(2).arg("pattern", "whale").inputs(&inputs);
    let output = job.maps_like_sequential();
    let expected: String = inputs
        .iter()
        .flat_map(|input| ["one whale", "two whales"].map(|line| format!("{}:{line}\n", input.display())))
        .collect();
    assert_eq!(String::from_utf8(output.bytes()).unwrap(), expected);
    job.clone().arg("pattern", "twice").run().refused().says(&["pattern", "twice"]);
    place.job("grep").arg("pattern", "(").inputs(&inputs).run().unsuccessful().says(&["pattern"]);
    place.job("grep").inputs(&inputs).run().unsuccessful().says(&["pattern"]);
}

#[test]
fn reduces_default_to_the_number_of_slots() {
    let place = Place::new();
    let done = place.job("wc").slots(3).input(place.input("a", "a\n")).run().done();
    assert_eq!(done.output().parts().len(), 3);
}

#[test]
fn submit_without_wait_prints_the_job_and_leaves() {
    let place = Place::new();
    let cluster = place.cluster();
    let input = place.input("a.txt", "a\n");
    let (first, output) = place.job("wc").reduces(1).input(&input).hand_in(&cluster);
    let (second, _) = place.job("wc").reduces(1).input(&input).hand_in(&cluster);
    assert_eq!((first.as_str(), second.as_str()), ("j1", "j2"));
    assert!(!output.join("_SUCCESS").exists());
    let worker = cluster.worker(1);
    cluster.until_done(&second);
    cluster.until_done(&first);
    assert_eq!(gristmill_tests::Output::committed(&output).bytes(), b"a 1\n");
    cluster.end(vec![worker]);
}

#[test]
fn submit_json_holds_the_job_s_id_and_with_wait_the_summary() {
    let place = Place::new();
    let cluster = place.cluster();
    let worker = cluster.worker(1);
    let job = place.job("wc").option("--json").input(place.input("a.txt", "a\n"));
    let summary = job.submit(&cluster).done().json();
    assert_eq!((&summary["job"], &summary["state"]), (&"j1".into(), &"done".into()), "{summary}");
    cluster.end(vec![worker]);
}

#[test]
fn job_and_jobs_tell_the_same_of_a_job() {
    let place = Place::new();
    with_finished_job(&place, |cluster| {
        let job = cluster.ask(["job", "j1"]).done().lines();
        assert_eq!((job["job"].as_str(), job["state"].as_str(), job["maps"].as_str()), ("j1", "done", "2"));
        let json = cluster.ask(["job", "j1", "--json"]).done().json();
        assert_eq!((&json["job"], &json["state"]), (&"j1".into(), &"done".into()));
        let jobs = cluster.ask(["jobs"]).done().stdout();
        assert!(
            jobs.starts_with("j1 done app=misbehave maps=2/2 reduces=3/3 ") && jobs.lines().count() == 1,
            "{jobs}"
        );
        let listed = cluster.ask(["jobs", "--json"]).done().json();
        assert_eq!(find(&listed, "job", "j1")["records_out"], json["records_out"], "{listed}");
    });
}

#[test]
fn logs_show_what_maps_printed() {
    let place = Place::new();
    with_finished_job(&place, |cluster| {
        let all = cluster.ask(["logs", "j1"]).done().stdout();
        for map in ["j1.m0.a0", "j1.m1.a0"] {
            assert!(all.contains(&format!("{map} on standard output\n")), "{all}");
            assert!(all.contains(&format!("{map} on standard error\n")), "{all}");
            assert!(all.contains(&format!("{map} and a line without an end\n")), "{all}");
        }
        let one = cluster.ask(["logs", "j1", "j1.m1"]).done().stdout();
        assert!(one.contains("j1.m1.a0 on standard output") && !one.contains("j1.m0"), "{one}");
        let json = cluster.ask(["logs", "j1.m0", "--json"]).done().json();
        let log = find(&json, "attempt", "j1.m0.a0")["log"].as_str().unwrap().to_owned();
        assert!(log.contains("on standard output\n"), "{json}");
    });
}

#[test]
fn workers_are_listed_with_their_slots() {
    let place = Place::new();
    with_finished_job(&place, |cluster| {
        let text = cluster.ask(["workers"]).done().stdout();
        assert!(text.starts_with("w1 ") && text.contains(" slots=2 "), "{text}");
        let json = cluster.ask(["workers", "--json"]).done().json();
        assert_eq!(find(&json, "worker", "w1")["slots"], 2, "{json}");
    });
}

#[test]
fn explain_says_what_a_job_and_its_tasks_wait_for() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let inputs = ["a", "b"].map(|name| place.input(format!("{name}.txt"), "trouble\n"));
    let (id, _) = gate.holds(place.job("misbehave").inputs(inputs), "map").hand_in(&cluster);
    let alone = cluster.ask(["explain", &id]).done().stdout();
    assert!(alone.ends_with("until one joins\n"), "there is no time at which one does: {alone}");
    let task = cluster.ask(["explain", "j1.m1"]).done().stdout();
    assert_eq!(task, "j1.m1 waits for a worker: none is registered, until one joins\n");
    let worker = cluster.worker(1);
    gate.until_waiting(1);
    for task in ["j1.m0", "j1.m1", "j1.r0"] {
        let explained = cluster.ask(["explain", task]).done().stdout();
        assert!(explained.starts_with(task) && explained.len() > task.len() + 10, "{explained}");
    }
    let json = cluster.ask(["explain", &id, "--json"]).done().json();
    assert!(!json.to_string().is_empty());
    gate.open();
    cluster.until_done(&id);
    cluster.ask(["explain", &id]).done();
    cluster.end(vec![worker]);
}

#[test]
fn ids_that_name_nothing_are_errors() {
    let place = Place::new();
    with_finished_job(&place, |cluster| {
        for words in [
            &["job", "j9"][..],
            &["cancel", "j9"],
            &["explain", "j9"],
            &["logs", "j9"],
            &["explain", "j1.m7"],
        ] {
            cluster.ask(words).unsuccessful().says(&["there is no", words[1]]);
        }
        cluster.ask(["job", "seven"]).refused().says(&["seven", "j7"]);
    });
}

#[test]
fn wrong_usage_is_refused_with_status_2() {
    let place = Place::new();
    let lines = [
        "",
        "walk",
        "run",
        "run --app wc",
        "run --app wc --reduces x in",
        "worker",
        "submit",
        "jobs",
        "job",
        "coordinator --listen 0.0.0.0:0",
    ];
    for line in lines {
        place.gristmill(line.split_whitespace()).refused();
    }
    place.gristmill(["coordinator", "--listen", "0.0.0.0:7070"]).refused().says(&["loopback"]);
    place.gristmill(["worker", "--coordinator", "nonsense"]).refused().says(&["nonsense"]);
    let job = place.job("wc").input(place.input("a", "a\n"));
    for options in
        [["--memory", "lots"], ["--split-size", "0"], ["--max-attempts", "0"], ["--arg", "novalue"]]
    {
        let job = options.iter().fold(job.clone(), |job, option| job.option(*option));
        assert!(job.run().refused().output_is_untouched());
    }
}

#[test]
fn coordinator_whose_address_is_taken_says_so() {
    let place = Place::new();
    let cluster = place.cluster();
    place
        .gristmill(["coordinator", "--listen", cluster.address()])
        .unsuccessful()
        .says(&[cluster.address(), "in use"]);
    cluster.end(vec![]);
}

#[test]
fn help_and_version_are_answers() {
    let place = Place::new();
    assert!(place.gristmill(["--version"]).done().stdout().starts_with("gristmill "));
    let help = place.gristmill(["--help"]).done().says_nothing().stdout();
    for command in "run coordinator worker submit jobs job cancel explain logs workers new check".split(' ') {
        assert!(help.contains(&format!("  {command} ")), "{command} in {help}");
        let help = place.gristmill([command, "--help"]).done().stdout();
        assert!(help.contains("Examples:") && help.contains(&format!("gristmill {command}")), "{help}");
    }
}

#[test]
fn completions_for_bash_are_a_script_that_bash_understands() {
    let place = Place::new();
    let script = place.gristmill(["completions", "bash"]).done().stdout();
    assert!(script.contains("--task-timeout") && script.contains("complete "));
    let file = place.input("completions.bash", script);
    let checked = Command::new("bash").arg("-n").arg(file).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    for shell in ["zsh", "fish"] {
        assert!(place.gristmill(["completions", shell]).done().stdout().contains("task-timeout"));
    }
}

#[test]
fn output_closed_by_its_reader_is_no_crash() {
    let place = Place::new();
    let mut command = place.command("sh");
    command.arg("-c").arg(r#""$0" completions bash | head -c 10"#).arg(gristmill());
    let ended = place.start("head", command).wait().done();
    assert!(!ended.stderr().contains("panicked"), "{ended}");
}

#[test]
fn bundled_app_is_found_by_its_name() {
    let place = Place::new();
    let beside = gristmill().parent().unwrap();
    assert!(fs::exists(beside.join("libwc.so")).unwrap(), "plugins are built beside the binary");
    let input = place.input("a", "a\n");
    let done = place.job_of("wc".as_ref()).reduces(1).input(input).run().done();
    assert_eq!(done.output().bytes(), b"a 1\n");
}

#[test]
fn relative_paths_are_those_of_the_caller() {
    let place = Place::new();
    fs::write(place.folder("cwd").join("here.txt"), "whale\n").unwrap();
    let arguments = ["run", "--app", "grep", "--arg", "pattern=.", "--output", "out", "here.txt"];
    let cluster = place.cluster();
    let worker = cluster.worker(1);
    place.gristmill(arguments).done();
    let out = place.folder("cwd").join("out");
    let ran = gristmill_tests::Output::committed(&out).bytes();
    fs::remove_dir_all(&out).unwrap();
    cluster
        .ask(arguments.iter().map(|&word| if word == "run" { "submit" } else { word }).chain(["--wait"]))
        .done();
    let submitted = gristmill_tests::Output::committed(&out).bytes();
    fs::remove_dir_all(&out).unwrap();
    fs::remove_file(place.folder("cwd").join("here.txt")).unwrap();
    assert_eq!((ran.as_slice(), submitted.as_slice()), (&b"here.txt:whale\n"[..], &b"here.txt:whale\n"[..]));
    cluster.end(vec![worker]);
}

/// The object whose `key` is `value`, wherever in the document the list lies.
fn find<'v>(document: &'v Value, key: &str, value: &str) -> &'v Value {
    let mut found = Vec::new();
    collect(document, &mut |object| {
        if object[key] == value {
            found.push(object);
        }
    });
    assert_eq!(found.len(), 1, "objects whose {key} is {value} in {document}");
    found[0]
}

fn collect<'v>(value: &'v Value, visit: &mut impl FnMut(&'v Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, visit)),
        Value::Object(fields) => {
            visit(value);
            fields.values().for_each(|field| collect(field, visit));
        }
        _ => {}
    }
}

#[test]
fn history_file_of_a_coordinator_says_what_the_command_says() {
    let place = Place::new();
    let group = place.group(1);
    let worker = group.worker(1);
    let text = place.input("a.txt", "some trouble here\n");
    for (deed, state) in [("error", "failed"), ("say", "done")] {
        let job = place.job("misbehave").input(&text).max_attempts(1).arg("do", deed);
        let (id, _) = job.hand_in(&group);
        group.until_state(&id, state);
    }
    let documents =
        |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    let told = documents(&group.ask(["history"]).done().stdout());
    assert_eq!(told.iter().map(|line| &line["state"]).collect::<Vec<_>>(), ["failed", "done"]);
    assert!(told[0]["cluster"].is_string() && told[0]["ended_ms"].is_u64(), "{told:?}");
    // It is written beside the rest of the work.
    until("the file to say the same", || {
        let file = fs::read_to_string(group.data_dir(1).join("history.jsonl")).unwrap_or_default();
        let whole = &file[..file.rfind('\n').map_or(0, |end| end + 1)];
        (documents(whole) == told).then_some(())
    });
    group.end(vec![worker]);
}
