use std::time::Duration;

use gristmill_protocol::sha256;

use super::upload::{STANDSTILL_MAX, UPLOADS_MAX};
use super::*;

fn store(bytes_max: u64) -> (tempfile::TempDir, Blobs) {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(directory.path().to_owned(), bytes_max, false, Box::new(BTreeSet::new)).unwrap();
    (directory, blobs)
}

fn put_all(blobs: &Blobs, content: &[u8]) -> Sha256 {
    let name = sha256(content);
    assert_eq!(blobs.put(name, content.len() as u64, 0, content, Instant::now()), Ok(content.len() as u64));
    name
}

fn files(directory: &tempfile::TempDir) -> usize {
    fs::read_dir(directory.path()).unwrap().count()
}

#[test]
fn pieces_in_order_make_a_blob() {
    let (_directory, blobs) = store(1 << 30);
    let now = Instant::now();
    let name = sha256(b"hello world");
    assert_eq!(blobs.bytes(name, now), 0);
    assert_eq!(blobs.put(name, 11, 0, b"hello", now), Ok(5));
    assert_eq!(blobs.bytes(name, now), 5);
    assert_eq!(blobs.complete(name), None);
    assert_eq!(blobs.put(name, 11, 0, b"hello", now), Ok(5), "a repeated piece is not taken twice");
    assert_eq!(blobs.put(name, 11, 8, b"rld", now), Ok(5), "a piece after a gap is not taken");
    assert_eq!(blobs.put(name, 11, 5, b" world", now), Ok(11));
    assert_eq!(blobs.put(name, 11, 5, b" world", now), Ok(11), "the last piece may be repeated");
    assert_eq!(blobs.read(name, 6).unwrap(), b"world");
    assert_eq!(blobs.read(name, 11).unwrap(), b"");
    assert_eq!(blobs.read(name, 99).unwrap(), b"");
}

#[test]
fn an_empty_blob_is_a_blob() {
    let (_directory, blobs) = store(1 << 30);
    let name = put_all(&blobs, b"");
    assert_eq!(blobs.complete(name), Some(0));
    assert_eq!(blobs.read(name, 0).unwrap(), b"");
}

#[test]
fn content_with_another_hash_never_becomes_visible() {
    let (directory, blobs) = store(1 << 30);
    let name = sha256(b"good");
    let refused = blobs.put(name, 3, 0, b"bad", Instant::now());
    assert!(matches!(refused, Err(Refusal::Invalid(text)) if text.contains("hash")));
    assert_eq!(blobs.complete(name), None);
    assert_eq!(files(&directory), 0);
    assert_eq!(put_all(&blobs, b"good"), name, "the right content may follow");
}

#[test]
fn sizes_are_bounded() {
    let (directory, blobs) = store(1 << 30);
    let name = sha256(b"x");
    let now = Instant::now();
    for (total, offset, piece) in [
        (BLOB_BYTES_MAX + 1, 0, vec![0; 1]),
        (2 << 20, 0, vec![0; CHUNK_BYTES + 1]),
        (4, 2, vec![0; 3]),
        (4, u64::MAX, vec![0; 3]),
    ] {
        assert!(matches!(blobs.put(name, total, offset, &piece, now), Err(Refusal::Invalid(_))));
    }
    assert_eq!(files(&directory), 0);
}

#[test]
fn an_upload_that_stands_still_is_given_up() {
    let (directory, blobs) = store(1 << 30);
    let begun = Instant::now();
    for number in 0..UPLOADS_MAX {
        blobs.put(sha256(&[number as u8]), 9, 0, b"x", begun).unwrap();
    }
    let another = sha256(b"another");
    let refused = blobs.put(another, 9, 0, b"x", begun);
    assert!(matches!(refused, Err(Refusal::Unavailable(text)) if text.contains("uploads")));
    let later = begun + STANDSTILL_MAX + Duration::from_secs(1);
    assert_eq!(blobs.bytes(sha256(&[0]), later), 0);
    blobs.put(another, 9, 0, b"x", later).unwrap();
    assert_eq!(files(&directory), 1);
}

#[test]
fn the_least_used_blob_that_no_job_needs_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let needed = Arc::new(Mutex::new(BTreeSet::from([sha256(b"aaaa")])));
    let in_use = needed.clone();
    let in_use = Box::new(move || in_use.lock().unwrap().clone());
    let blobs = Blobs::open(directory.path().to_owned(), 10, true, in_use).unwrap();
    let pinned = put_all(&blobs, b"aaaa");
    let old = put_all(&blobs, b"bbb");
    let recent = put_all(&blobs, b"ccc");
    blobs.read(old, 0).unwrap();
    let new = put_all(&blobs, b"ddd");
    let here: Vec<_> = [pinned, old, recent, new].map(|name| blobs.complete(name).is_some()).to_vec();
    assert_eq!(here, [true, true, false, true]);
    let refused = blobs.put(sha256(&[7; 7]), 7, 0, &[7; 7], Instant::now());
    assert!(matches!(refused, Err(Refusal::Unavailable(_))));
    needed.lock().unwrap().clear();
    put_all(&blobs, &[7; 7]);
}

#[test]
fn blobs_outlive_the_process_but_spoilt_ones_and_uploads_do_not() {
    let (directory, blobs) = store(1 << 30);
    let good = put_all(&blobs, b"good");
    let spoilt = put_all(&blobs, b"spoilt");
    fs::write(directory.path().join(spoilt.to_string()), b"spoil!").unwrap();
    fs::write(directory.path().join(".gristmill-upload-abc"), b"half").unwrap();
    let blobs = Blobs::open(directory.path().to_owned(), 1 << 30, false, Box::new(BTreeSet::new)).unwrap();
    assert_eq!(blobs.complete(good), Some(4));
    assert_eq!(blobs.complete(spoilt), None);
    assert_eq!(files(&directory), 1);
}

#[test]
fn what_is_not_ours_stays_in_the_directory() {
    let (directory, blobs) = store(1 << 30);
    let name = put_all(&blobs, b"ours");
    for mine in ["mine.txt", "upload-list", "0123abcd"] {
        fs::write(directory.path().join(mine), b"x").unwrap();
    }
    fs::create_dir(directory.path().join(sha256(b"a directory").to_string())).unwrap();
    fs::create_dir(directory.path().join(".gristmill-upload-directory")).unwrap();
    let blobs = Blobs::open(directory.path().to_owned(), 1 << 30, false, Box::new(BTreeSet::new)).unwrap();
    assert_eq!(blobs.complete(name), Some(4));
    assert_eq!(files(&directory), 6);
}

#[test]
fn a_request_larger_than_its_bound_is_not_read() {
    let (_directory, blobs) = store(1 << 30);
    let name = put_all(&blobs, b"12345");
    assert_eq!(blobs.read_whole(name, 5).unwrap(), b"12345");
    assert!(matches!(blobs.read_whole(name, 4), Err(Refusal::Invalid(_))));
    assert!(matches!(blobs.read_whole(sha256(b"no"), 4), Err(Refusal::UnknownBlob(_))));
}
