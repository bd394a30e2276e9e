//! The committed vectors are exactly what this program makes of the test keys.
//!
//! To write them anew after a change here:
//! `UPDATE_VECTORS=1 cargo test -p countersign-vectors`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod claims;
mod forge;
mod header;
mod replay;
mod rows;
mod token;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use countersign_core::Reason;
use countersign_vectors::{Expected, TOPICS, Topic};
use forge::Forge;

fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(topic: &str) -> PathBuf {
    directory().join(format!("{topic}.json"))
}

fn committed(topic: &str) -> String {
    std::fs::read_to_string(file(topic)).unwrap_or_default()
}

fn make() -> Vec<Topic> {
    let forge = Forge::new(TOPICS.iter().map(|topic| committed(topic)));
    vec![
        header::clients(&forge),
        header::authorization_header(&forge),
        token::encoding(&forge),
        token::header(&forge),
        token::algorithms(&forge),
        accounts::key_selection(&forge),
        claims::payload(&forge),
        claims::time(&forge),
        claims::nonce(&forge),
        claims::username(&forge),
        claims::registered(&forge),
        accounts::state(&forge),
        replay::replay(&forge),
    ]
}

#[test]
fn committed_vectors_are_what_is_made() {
    let topics = make();
    assert_eq!(topics.iter().map(|topic| &topic.topic).collect::<Vec<_>>(), TOPICS);
    for topic in topics {
        let json = serde_json::to_string_pretty(&topic).unwrap() + "\n";
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            std::fs::write(file(&topic.topic), &json).unwrap();
        }
        assert!(
            json == committed(&topic.topic),
            "vectors/{}.json is out of date: UPDATE_VECTORS=1 cargo test -p countersign-vectors",
            topic.topic
        );
    }
}

#[test]
fn every_row_of_the_wire_format_has_a_case_of_its_own() {
    let topics = make();
    let mut used: HashSet<String> =
        topics.iter().flat_map(|topic| &topic.cases).map(|case| case.row.clone()).collect();
    for case in countersign_vectors::public_key_cases() {
        assert_eq!(case.row, rows::WEAK_KEYS, "{}", case.name);
        used.insert(case.row);
    }
    let documentation = std::fs::read_to_string(directory().join("../docs/vectors.md")).unwrap();
    for row in rows::ALL {
        assert!(documentation.contains(&format!("\n| {row} |")), "not documented: {row:?}");
        assert!(used.remove(*row), "no case for the row {row:?}");
    }
    assert!(used.is_empty(), "cases for rows that do not exist: {used:?}");
}

#[test]
fn names_are_unique_and_reasons_are_stable_codes() {
    let mut names = HashSet::new();
    let codes: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    for case in make().into_iter().flat_map(|topic| topic.cases) {
        assert!(names.insert(case.name.clone()), "{} is there twice", case.name);
        assert!(!case.steps.is_empty(), "{} has no step", case.name);
        for step in &case.steps {
            match &step.expected {
                Expected::Refuse { reason } | Expected::AcceptOne { reason, .. } => {
                    assert!(codes.contains(reason.as_str()), "{}: {reason}", case.name);
                }
                Expected::Accept { .. } => {}
            }
        }
    }
}
