//! What a host sees of a plugin that it treats badly, or that treats it badly.

use super::*;
use crate::host::NO_VALUES;
use crate::prelude::*;
use crate::wire::Group;
use std::cell::Cell;

/// A host that says STOP to everything, and keeps what it is told.
#[derive(Default)]
struct Grim {
    calls: Cell<u32>,
    failures: Vec<(String, u64)>,
    values_left: u64,
    /// Takes sign of life.
    mild: bool,
}

unsafe fn grim<'a>(context: *mut c_void) -> &'a mut Grim {
    // SAFETY: each test passes its own, and nothing else uses it during a call.
    unsafe { &mut *context.cast() }
}

unsafe extern "C" fn stop(context: *mut c_void) -> Status {
    // SAFETY: as in `grim`.
    let calls = unsafe { &grim(context).calls };
    calls.set(calls.get() + 1);
    Status::STOP
}

unsafe extern "C" fn see_progress(context: *mut c_void) -> Status {
    // SAFETY: as in `grim`.
    unsafe { if grim(context).mild { Status::OK } else { stop(context) } }
}

unsafe extern "C" fn stop_emit(context: *mut c_void, _: abi::Bytes, _: abi::Bytes) -> Status {
    // SAFETY: as in `grim`.
    unsafe { stop(context) }
}

unsafe extern "C" fn stop_pairs(context: *mut c_void, _: u32, _: u64, _: abi::Bytes) -> Status {
    // SAFETY: as in `grim`.
    unsafe { stop(context) }
}

unsafe extern "C" fn stop_write(context: *mut c_void, _: abi::Bytes, _: u64) -> Status {
    // SAFETY: as in `grim`.
    unsafe { stop(context) }
}

unsafe extern "C" fn stop_count(context: *mut c_void, _: abi::Bytes, _: i64) -> Status {
    // SAFETY: as in `grim`.
    unsafe { stop(context) }
}

unsafe extern "C" fn stop_combined(context: *mut c_void, _: abi::Bytes) -> Status {
    // SAFETY: as in `grim`.
    unsafe { stop(context) }
}

unsafe extern "C" fn some_values(context: *mut c_void, values: *mut abi::Values) -> Status {
    static ONE: [u8; 9] = [8, 0, 0, 0, 0, 0, 0, 0, 1];
    // SAFETY: as in `grim`; the plugin gives a place.
    unsafe {
        if grim(context).values_left == 0 {
            return stop(context);
        }
        grim(context).values_left -= 1;
        *values = abi::Values { bytes: abi::Bytes { ptr: ONE.as_ptr(), len: ONE.len() }, count: 1 };
    }
    Status::OK
}

unsafe extern "C" fn note_failure(context: *mut c_void, message: abi::Bytes, consumed: u64) {
    // SAFETY: as in `grim`.
    let (grim, message) = unsafe { (grim(context), lent(message)) };
    grim.failures.push((String::from_utf8_lossy(message).into_owned(), consumed));
}

fn host(grim: *mut Grim) -> abi::Host {
    abi::Host {
        size: size_of::<abi::Host>() as u32,
        reserved: 0,
        context: grim.cast(),
        emit: stop_emit,
        run_begin: stop,
        run_pairs: stop_pairs,
        run_end: stop,
        write: stop_write,
        next_values: some_values,
        combined: stop_combined,
        count: stop_count,
        progress: see_progress,
        fail: note_failure,
    }
}

#[derive(Default)]
struct Sums {
    reduced: u64,
}

impl App for Sums {
    type Key = str;
    type Value = u64;
    const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        split.words().for_each(|word| emit.pair(word, 1));
        if split.document() == b"hasty" {
            bail!("what the app says after the host has stopped it does not matter")
        }
        Ok(())
    }

    fn reduce(&mut self, key: &str, values: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {
        self.reduced += 1;
        out.pair(key, values.sum::<u64>());
        Ok(())
    }
}

fn bytes(bytes: &'static [u8]) -> abi::Bytes {
    abi::Bytes { ptr: bytes.as_ptr(), len: bytes.len() }
}

/// Creates an instance, gives it to `body` and destroys it.
fn with_instance<A: App>(grim: &mut Grim, body: impl FnOnce(*mut c_void, *const abi::Host)) {
    let host = host(grim);
    let setup = abi::Setup { params: std::ptr::null(), param_count: 0 };
    let mut instance = std::ptr::null_mut();
    // SAFETY: all that is lent outlives the calls.
    unsafe {
        assert_eq!(create::<A>(&raw const setup, &raw const host, &raw mut instance), Status::OK);
        body(instance, &raw const host);
        destroy::<A>(instance);
    }
}

/// Encoded groups, each with `count` values; of the last there are more if `more`.
fn encoded(groups: &[(&[u8], &[u8], u64)], more: bool) -> (Vec<u8>, abi::Groups) {
    let mut bytes = Vec::new();
    for &(key, values, count) in groups {
        wire::put_group(&mut bytes, &Group { key, count, values });
    }
    let lent = abi::Bytes { ptr: bytes.as_ptr(), len: bytes.len() };
    let count = groups.len() as u64;
    (bytes, abi::Groups { bytes: lent, count, more: u32::from(more), reserved: 0 })
}

const SMALL: abi::MapSetup = abi::MapSetup {
    partitions: 1,
    reserved: 0,
    memory_bytes: 0,
    bounds: abi::Bytes { ptr: std::ptr::null(), len: 0 },
};

#[test]
fn a_host_that_stops_is_obeyed_in_silence() {
    let mut told = Grim::default();
    with_instance::<Sums>(&mut told, |instance, host| {
        let block = abi::Block { document: bytes(b"hasty"), bytes: bytes(b"a b c d"), offset: 0 };
        // SAFETY: all that is lent outlives the calls.
        unsafe {
            assert_eq!(map_begin::<Sums>(instance, &SMALL, host), Status::OK);
            // Without memory each new word hands over a run, which the host refuses.
            assert_eq!(map::<Sums>(instance, &raw const block, host), Status::STOP);
        }
    });
    assert_eq!((told.calls.get(), told.failures.len()), (1, 0));
}

#[test]
fn a_failed_instance_refuses_all_but_its_end() {
    let mut told = Grim::default();
    with_instance::<Sums>(&mut told, |instance, host| {
        // SAFETY: all that is lent outlives the calls.
        unsafe {
            assert_eq!(map_end::<Sums>(instance, host), Status::ERROR);
            assert_eq!(map_begin::<Sums>(instance, &SMALL, host), Status::ERROR);
            assert_eq!(reduce_begin::<Sums>(instance, 0, host), Status::ERROR);
        }
    });
    assert_eq!(told.failures.len(), 3);
    assert_eq!(told.failures[0].0, "the host called the plugin out of order: it is in Idle, not Map");
}

#[test]
fn values_that_the_host_cannot_give_stop_the_reduce() {
    let mut told = Grim { values_left: 2, mild: true, ..Grim::default() };
    with_instance::<Sums>(&mut told, |instance, host| {
        let (_lent, groups) = encoded(&[(b"key", &[], 0)], true);
        // SAFETY: all that is lent outlives the calls.
        unsafe {
            assert_eq!(reduce_begin::<Sums>(instance, 0, host), Status::OK);
            assert_eq!(reduce::<Sums>(instance, &raw const groups, host), Status::STOP);
        }
    });
    assert_eq!((told.calls.get(), told.failures.len()), (1, 0));
}

#[test]
fn damaged_values_and_keys_are_errors() {
    let cases: [(&[u8], &[u8], &str); 4] = [
        (b"key", &[8, 0, 0], "a value of this key cannot be read: the encoding ends too early"),
        (b"key", &[2, 0, 0], "a value of this key cannot be read: the encoding ends too early"),
        (
            b"key",
            &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "a value of this key cannot be read: 1 bytes are left over behind the encoding",
        ),
        (b"\xff", &[8, 0, 0, 0, 0, 0, 0, 0, 1], "encoded text is not UTF-8"),
    ];
    for (key, value, message) in cases {
        let mut told = Grim { values_left: u64::MAX, mild: true, ..Grim::default() };
        with_instance::<Sums>(&mut told, |instance, host| {
            let (_lent, groups) = encoded(&[(b"first", &[], 0), (key, value, 1)], false);
            // SAFETY: all that is lent outlives the calls.
            unsafe {
                assert_eq!(reduce_begin::<Sums>(instance, 0, host), Status::OK);
                assert_eq!(reduce::<Sums>(instance, &raw const groups, host), Status::ERROR);
            }
        });
        assert_eq!(told.failures, [(message.to_owned(), 8)], "the place is where the second group begins");
    }
}

#[test]
fn groups_that_are_not_whole_are_an_error() {
    let (lent, whole) = encoded(&[(b"key", &[8, 0, 0, 0, 0, 0, 0, 0, 1], 1)], false);
    for cut in 0..lent.len() {
        let mut told = Grim { mild: true, ..Grim::default() };
        with_instance::<Sums>(&mut told, |instance, host| {
            let groups = abi::Groups { bytes: abi::Bytes { len: cut, ..whole.bytes }, ..whole };
            // SAFETY: all that is lent outlives the calls.
            unsafe {
                assert_eq!(reduce_begin::<Sums>(instance, 0, host), Status::OK);
                assert_eq!(reduce::<Sums>(instance, &raw const groups, host), Status::ERROR);
            }
        });
        assert_eq!(told.failures, [("a group is not whole".to_owned(), 0)]);
    }
}

#[test]
fn a_host_that_stops_between_two_keys_is_obeyed() {
    let mut told = Grim::default();
    with_instance::<Sums>(&mut told, |instance, host| {
        let (_lent, groups) = encoded(&[(b"a", &[], 0), (b"b", &[], 0)], false);
        // SAFETY: all that is lent outlives the calls.
        unsafe {
            assert_eq!(reduce_begin::<Sums>(instance, 0, host), Status::OK);
            assert_eq!(reduce::<Sums>(instance, &raw const groups, host), Status::STOP);
        }
    });
    assert_eq!((told.calls.get(), told.failures.len()), (1, 0));
}

#[derive(Default)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

impl App for Bomb {
    type Key = u32;
    type Value = u64;
    const COMBINE: Option<Combine<Self>> = Some(|_, _| panic!("in combine"));
    const PARTITION: Option<Partition<Self>> = Some(|_, _| panic!("in partition"));

    fn setup(&mut self, _: &Params) -> Result<()> {
        Ok(())
    }

    fn map(&mut self, _: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        (0..2).for_each(|_| emit.pair(&1, 1));
        Ok(())
    }
}

#[test]
fn no_panic_leaves_the_plugin() {
    let mut told = Grim { values_left: u64::MAX, ..Grim::default() };
    with_instance::<Bomb>(&mut told, |instance, host| {
        let block = abi::Block { document: bytes(b""), bytes: bytes(b""), offset: 0 };
        // SAFETY: all that is lent outlives the calls.
        unsafe {
            assert_eq!(partition_key::<Bomb>(instance, bytes(&[0, 0, 0, 1]), 7), 7);
            assert_eq!(map_begin::<Bomb>(instance, &SMALL, host), Status::OK);
            assert_eq!(map::<Bomb>(instance, &raw const block, host), Status::PANIC);
            assert_eq!(combine_key::<Bomb>(instance, bytes(&[0; 4]), &NO_VALUES, host), Status::PANIC);
        }
    });
    let messages: Vec<_> = told.failures.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(messages, ["the app panicked: in combine"; 2]);
}

#[test]
fn a_host_with_fewer_functions_is_refused() {
    let mut told = Grim::default();
    let whole = host(&mut told);
    let older = abi::Host { size: whole.size - 8, ..whole };
    let setup = abi::Setup { params: std::ptr::null(), param_count: 0 };
    let mut instance = std::ptr::null_mut();
    // SAFETY: all that is lent outlives the call.
    let status = unsafe { create::<Sums>(&raw const setup, &raw const older, &raw mut instance) };
    assert!(status == Status::ERROR && instance.is_null());
}

#[test]
fn the_descriptor_says_what_the_app_has() {
    let sums = descriptor::<Sums>("sums", "1.2");
    assert_eq!((sums.flags, sums.input_mode, sums.record_bytes), (flags::COLLECTS, input_mode::TEXT, 0));
    assert!(sums.combine.is_some() && sums.partition.is_none());
    // SAFETY: a descriptor points to statics.
    assert_eq!(unsafe { (lent(sums.name), lent(sums.version)) }, (b"sums".as_slice(), b"1.2".as_slice()));
    let bomb = descriptor::<Bomb>("bomb", "1");
    assert!(bomb.partition.is_some());
}
