//! Artifacts of other versions before today's readers: each is read, or refused in these words.
//!
//! `fixtures/old` has artifacts of one package, packed by earlier versions; its README tells of which. Artifacts of versions
//! to come are today's with other numbers. `TRYCMD=overwrite cargo test --test old` writes what is printed now.

use precast::artifact;
use precast::artifact::manifest::SCHEMA;
use precast::base::files::sha256;
use precast::runtime::{calls, image};
use std::fs;
use std::path::Path;

/// The one that is read and changed: the latest.
const LATEST: &str = "schema-2-abi-1-image-1";

/// The same file with the next version of a format in its manifest. The archive's last member is the hash of all before it.
fn with_next(format: &str, version: u32, bytes: &[u8]) -> Vec<u8> {
    const DIGEST: usize = 60 + 64 + 1 + 1;
    let (content, digest) = bytes.split_at(bytes.len() - DIGEST);
    let (from, to) = (format!("\"{format}\": {version}"), format!("\"{format}\": {}", version + 1));
    assert_eq!(from.len(), to.len());
    let at = content.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut forged = content.to_vec();
    forged[at..at + to.len()].copy_from_slice(to.as_bytes());
    let hash = sha256(&forged);
    forged.extend_from_slice(&digest[..60]);
    forged.extend_from_slice(format!("{hash}\n").as_bytes());
    forged.extend_from_slice(&digest[125..]);
    forged
}

#[test]
fn artifacts_of_other_versions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("old");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    for entry in fs::read_dir(root.join("fixtures/old")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let file = dir.join(format!("{LATEST}.precast"));
    let latest = artifact::read(&fs::read(&file).unwrap()).unwrap();
    let numbers = (latest.manifest.schema, latest.manifest.abi, latest.manifest.image);
    assert_eq!(
        numbers,
        (SCHEMA, calls::ABI, image::VERSION),
        "a version was raised: keep an artifact of the former one in fixtures/old, and add its rows"
    );
    let write = |name: &str, bytes| fs::write(dir.join(name), bytes).unwrap();
    let bytes = fs::read(&file).unwrap();
    write("next-abi.precast", with_next("abi", calls::ABI, &bytes));
    write("next-schema.precast", with_next("schema", SCHEMA, &bytes));
    // What the image is no longer counts where its version is another one.
    let stale = |version| {
        let images = vec![b"of another version".to_vec()];
        artifact::write(&latest.clone().with_images(version, images).unwrap()).unwrap()
    };
    write("next-image.precast", stale(image::VERSION + 1));
    write("former-image.precast", stale(image::VERSION - 1));
    std::env::set_current_dir(&dir).unwrap();
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case(root.join("tests/old/*.trycmd"))
        .run();
}
