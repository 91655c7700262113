//! What an agent and its slot say to each other, and how it is framed.
//!
//! A frame is a length (4 bytes, little-endian) and so many bytes of postcard. Both ends are built from one source, so the frames
//! carry no version; but the slot runs code of strangers, so the agent trusts no length and no frame that comes from it.
//!
//! ```text
//! agent → slot   Hello, then for each attempt:  Segments*  Begin
//! slot → agent   Ready, then for each attempt:  Progress*  Ended
//! ```

use std::io::{self, Read};
use std::sync::Arc;

use gristmill_model::{AttemptId, MapWork, Outcome, Params, PathBytes, SampleWork, Segment};
use gristmill_protocol::limits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest frame to a slot: an assignment, which came in one frame of the protocol, and a little more.
pub(crate) const TO_SLOT_BYTES_MAX: usize = 2 * limits::FRAME_BYTES_MAX;
/// Largest frame from a slot: an outcome, which must fit a frame of the protocol with room to spare.
pub(crate) const FROM_SLOT_BYTES_MAX: usize = limits::FRAME_BYTES_MAX / 2;

/// Agent to slot.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToSlot {
    /// The first frame: who its parent should be.
    Hello { agent_pid: u32 },
    /// Some of the segments of the reduce attempt that is about to begin, in map order.
    Segments(Vec<Segment>),
    /// Run this attempt.
    Begin(Box<Begin>),
}

/// One attempt, as a slot needs to know it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Begin {
    pub(crate) attempt: AttemptId,
    /// The verified library file.
    pub(crate) plugin: PathBytes,
    pub(crate) params: Arc<Params>,
    pub(crate) memory_bytes: u64,
    /// The one file to make: the run of a map, or staged output.
    pub(crate) product: PathBytes,
    /// How often to say how far it is.
    pub(crate) progress_ms: u64,
    pub(crate) work: BeginWork,
}

/// What the attempt does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum BeginWork {
    Map {
        work: MapWork,
        /// 0 in a map-only job.
        partitions: u32,
    },
    Reduce {
        partition: u32,
    },
    Sample {
        work: SampleWork,
    },
}

/// Slot to agent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromSlot {
    /// It has started and will read assignments.
    Ready,
    /// Figures of the running attempt.
    Progress { ticks: u64, bytes_in: u64 },
    /// The attempt is over; the slot can take another.
    Ended(Box<Outcome>),
}

/// A frame that breaks the rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {bytes} bytes, where at most {max} are allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("a frame that says nothing known")]
    Unreadable,
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// `message` as a frame of at most `max` bytes.
pub(crate) fn encode<M: Serialize>(message: &M, max: usize) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(message, vec![0; 4]).map_err(|_| FrameError::Unreadable)?;
    let bytes = frame.len() - 4;
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= max);
    let length = length.ok_or(FrameError::TooLarge { bytes, max })?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// The next message of at most `max` bytes; `None` at the end of the stream.
pub(crate) fn read<M: DeserializeOwned>(from: &mut impl Read, max: usize) -> io::Result<Option<M>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let bytes = u32::from_le_bytes(length) as usize;
    if bytes > max {
        return Err(FrameError::TooLarge { bytes, max }.into());
    }
    let mut body = vec![0; bytes];
    from.read_exact(&mut body)?;
    Ok(Some(postcard::from_bytes(&body).map_err(|_| FrameError::Unreadable)?))
}

/// Puts messages together from pieces as they arrive. Holds at most one frame and what was pushed beyond it.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    max: usize,
}

impl Decoder {
    pub(crate) fn new(max: usize) -> Self {
        Self { buffer: Vec::new(), max }
    }

    /// Some more bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if it has arrived. Take them all before the next push.
    pub(crate) fn next<M: DeserializeOwned>(&mut self) -> Result<Option<M>, FrameError> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let bytes = u32::from_le_bytes(*length) as usize;
        if bytes > self.max {
            return Err(FrameError::TooLarge { bytes, max: self.max });
        }
        let Some(body) = rest.get(..bytes) else { return Ok(None) };
        let message = postcard::from_bytes(body).map_err(|_| FrameError::Unreadable)?;
        self.buffer.drain(..4 + bytes);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress(ticks: u64) -> FromSlot {
        FromSlot::Progress { ticks, bytes_in: ticks / 2 }
    }

    fn ticks(message: &FromSlot) -> u64 {
        match message {
            FromSlot::Progress { ticks, .. } => *ticks,
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn messages_survive_any_cutting_of_the_stream(all in prop::collection::vec(any::<u64>(), 0..20), cut in 1usize..40) {
            let stream: Vec<u8> = all.iter().flat_map(|&t| encode(&progress(t), 100).unwrap()).collect();
            let mut decoder = Decoder::new(100);
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.push(piece);
                while let Some(message) = decoder.next::<FromSlot>().unwrap() {
                    seen.push(ticks(&message));
                }
            }
            prop_assert_eq!(&seen, &all);
            let mut reader = stream.as_slice();
            for &expected in &all {
                prop_assert_eq!(ticks(&read::<FromSlot>(&mut reader, 100).unwrap().unwrap()), expected);
            }
            prop_assert!(read::<FromSlot>(&mut reader, 100).unwrap().is_none());
        }

        #[test]
        fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(100);
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next::<FromSlot>() {}
            let mut rest = bytes.as_slice();
            while let Ok(Some(_)) = read::<ToSlot>(&mut rest, 100) {}
        }
    }

    #[test]
    fn a_frame_beyond_the_bound_is_refused_before_it_is_read() {
        let mut decoder = Decoder::new(100);
        decoder.push(&101u32.to_le_bytes());
        assert_eq!(decoder.next::<FromSlot>().unwrap_err(), FrameError::TooLarge { bytes: 101, max: 100 });
        let error = read::<ToSlot>(&mut u32::MAX.to_le_bytes().as_slice(), 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let long = ToSlot::Segments(vec![Segment {
            attempt: gristmill_model::TaskId::map(gristmill_model::JobId(1), 0).attempt(0),
            worker: gristmill_model::WorkerId(1),
            path: PathBytes(vec![b'x'; 200]),
        }]);
        assert!(matches!(encode(&long, 100), Err(FrameError::TooLarge { max: 100, .. })));
    }
}
