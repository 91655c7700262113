//! The processes of this crate's tests: a slot, or a worker that a test can kill.
//!
//! `slot`, or `agent ADDRESS WORK_DIR SLOTS`.

use std::process::ExitCode;

use gristmill_protocol::Endpoint;
use gristmill_worker::{SlotCommand, WorkerConfig};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["slot"] => gristmill_worker::slot_main(),
        ["agent", address, work_dir, slots] => agent(address, work_dir, slots),
        _ => ExitCode::from(2),
    }
}

fn agent(address: &str, work_dir: &str, slots: &str) -> ExitCode {
    let (Ok(program), Ok(endpoint), Ok(slots)) =
        (std::env::current_exe(), Endpoint::parse(address), slots.parse())
    else {
        return ExitCode::from(2);
    };
    let config = WorkerConfig {
        name: "agent".to_owned(),
        slots,
        work_dir: work_dir.into(),
        slot_command: SlotCommand { program, args: vec!["slot".into()] },
        endpoint,
        reconnect: None,
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::FAILURE };
    match runtime.block_on(gristmill_worker::run(config, std::future::pending())) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
