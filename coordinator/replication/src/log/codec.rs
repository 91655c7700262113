//! How ids, votes and entries stand in the files of raft-log.

use std::io::{self, Read, Write};

use raft_log::codeq::{Decode, Encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::gather::Synced;
use crate::raft::wire::{Ballot, Body, Position};

/// The choice of types that raft-log asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored;

impl raft_log::Types for Stored {
    type LogId = Position;
    type LogPayload = Body;
    type Vote = Ballot;
    type Callback = Synced;
    type UserData = ();

    fn log_index(id: &Position) -> u64 {
        id.index
    }

    fn payload_size(body: &Body) -> u64 {
        body.size() as u64
    }
}

impl Encode for Position {
    fn encode<W: Write>(&self, mut out: W) -> io::Result<usize> {
        Ok(self.term.encode(&mut out)? + self.index.encode(&mut out)?)
    }
}

impl Decode for Position {
    fn decode<R: Read>(mut input: R) -> io::Result<Self> {
        Ok(Self { term: u64::decode(&mut input)?, index: u64::decode(&mut input)? })
    }
}

impl Encode for Ballot {
    fn encode<W: Write>(&self, mut out: W) -> io::Result<usize> {
        Ok(self.term.encode(&mut out)? + self.won.encode(&mut out)? + self.node.encode(&mut out)?)
    }
}

impl Decode for Ballot {
    fn decode<R: Read>(mut input: R) -> io::Result<Self> {
        Ok(Self {
            term: u64::decode(&mut input)?,
            won: bool::decode(&mut input)?,
            node: u64::decode(&mut input)?,
        })
    }
}

impl Encode for Body {
    fn encode<W: Write>(&self, out: W) -> io::Result<usize> {
        encode_sized(self, out)
    }
}

impl Decode for Body {
    fn decode<R: Read>(input: R) -> io::Result<Self> {
        decode_sized(input)
    }
}

/// A length, then postcard.
fn encode_sized<T: Serialize, W: Write>(value: &T, mut out: W) -> io::Result<usize> {
    let bytes = postcard::to_stdvec(value).map_err(io::Error::other)?;
    let len = u32::try_from(bytes.len()).map_err(|_| io::Error::other("an entry of more than 4 GiB"))?;
    out.write_all(&len.to_be_bytes())?;
    out.write_all(&bytes)?;
    Ok(4 + bytes.len())
}

/// Memory grows with what is there, not with what the length says.
fn decode_sized<T: DeserializeOwned, R: Read>(mut input: R) -> io::Result<T> {
    let len = u32::decode(&mut input)?;
    let mut bytes = Vec::new();
    input.take(len.into()).read_to_end(&mut bytes)?;
    if bytes.len() < len as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (value, rest) = postcard::take_from_bytes(&bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "bytes left over"))
    }
}
