//! Writes inputs for the target `frames` to begin with: real messages alone, as frames to a coordinator, and as answers to a caller.
//!
//! `cargo run --example seeds` puts them into `corpus/frames`.

mod answers;
mod requests;

use std::time::Duration;
use std::{fs, io};

use gristmill_protocol::PROTOCOL_VERSION;
use serde::Serialize;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/frames");

/// How the target tells the kinds of its inputs.
const MESSAGE: u8 = 0;
const BYTES_TO_COORDINATOR: u8 = 1;
const FRAMES_TO_COORDINATOR: u8 = 2;
const BYTES_TO_CALLER: u8 = 3;
const FRAMES_TO_CALLER: u8 = 4;

fn main() -> io::Result<()> {
    let mut seeds = Vec::new();
    for message in requests::all().into_iter().chain(answers::all()) {
        seeds.push([vec![MESSAGE], message].concat());
    }
    for (role, calls) in (1..).zip(requests::by_role()) {
        let requests: Vec<_> = (0..).zip(calls).map(|(id, call)| request(id, &call)).collect();
        seeds.push([vec![FRAMES_TO_COORDINATOR, role - 1], pieces(&requests)].concat());
        seeds.push([vec![BYTES_TO_COORDINATOR], preamble(role), frames(&requests)].concat());
    }
    for (call, answers) in (0..).zip(answers::by_call()) {
        let answers: Vec<_> = (0..).zip(answers).map(|(id, answer)| response(id, &answer)).collect();
        seeds.push([vec![FRAMES_TO_CALLER, call], pieces(&answers)].concat());
        seeds.push([vec![BYTES_TO_CALLER, call], preamble(0), frames(&answers)].concat());
    }
    fs::create_dir_all(FOLDER)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(format!("{FOLDER}/seed-{number:03}"), seed)?;
    }
    println!("{} seeds in {FOLDER}", seeds.len());
    Ok(())
}

fn encoded(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("messages encode")
}

/// A request as tarpc writes it: which message, how long the caller waits, a trace, a number, the call.
fn request(id: u64, call: &[u8]) -> Vec<u8> {
    let trace = ([7u8; 16], 300u64, 1u32);
    [encoded(&(0u32, Duration::from_secs(10), trace, id)), call.to_vec()].concat()
}

/// An answer as tarpc writes it: which request, that it succeeded, the answer.
fn response(id: u64, answer: &[u8]) -> Vec<u8> {
    [encoded(&(id, 0u32)), answer.to_vec()].concat()
}

fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|message| [&(message.len() as u32).to_be_bytes(), &message[..]].concat())
        .collect()
}

fn pieces(messages: &[Vec<u8>]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|message| [&(message.len() as u16).to_le_bytes(), &message[..]].concat())
        .collect()
}

fn preamble(code: u8) -> Vec<u8> {
    [b"\x89GRIST\r\n", &PROTOCOL_VERSION.to_le_bytes()[..], &[code, 0, 0, 0]].concat()
}
