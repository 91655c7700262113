//! That docs/classic-tests.md, which says where each line of the classic lists is tested, names tests that are there.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_document_names_is_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(here.join("../../docs/classic-tests.md")).unwrap();
    let mut named = 0;
    for code in document.split('`').skip(1).step_by(2) {
        let (folder, code) = match code.strip_prefix("faulty_group::") {
            Some(code) => ("../src/faulty_group", code),
            None => ("tests/replication", code),
        };
        let Some((module, test)) = code.split_once("::") else { continue };
        let source = here.join(format!("{folder}/{module}.rs"));
        // Types and sizes of groups are no modules.
        let Ok(source) = fs::read_to_string(source) else { continue };
        assert!(source.contains(&format!("async fn {test}(")), "there is no {module}::{test}");
        named += 1;
    }
    assert!(named > 85, "only {named} were found");
}
