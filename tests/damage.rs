//! No damaged, forged or foreign artifact is accepted, and each error says what is wrong with it.

#[path = "cli/tiny.rs"]
mod tiny;

use precast::artifact;
use precast::base::error::Class;
use precast::base::files;
use std::io::Read;
use tiny::tiny;

/// The members of an archive, to be forged.
fn members(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ar::Archive::new(bytes);
    let mut members = Vec::new();
    while let Some(entry) = archive.next_entry() {
        let mut entry = entry.unwrap();
        let mut body = Vec::new();
        entry.read_to_end(&mut body).unwrap();
        members.push((String::from_utf8(entry.header().identifier().to_vec()).unwrap(), body));
    }
    members
}

fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, body) in members {
        let mut header = ar::Header::new(name.clone().into_bytes(), body.len() as u64);
        header.set_mode(0o100_644);
        builder.append(&header, body.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Forges an artifact whose digest is right: only the other checks are left.
fn forge(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let mut members = members(&artifact::write(&tiny()).unwrap());
    members.pop();
    change(&mut members);
    let digest = files::sha256(&archive(&members)) + "\n";
    members.push(("digest".into(), digest.into_bytes()));
    archive(&members)
}

fn member<'a>(members: &'a mut [(String, Vec<u8>)], name: &str) -> &'a mut Vec<u8> {
    &mut members.iter_mut().find(|(found, _)| found == name).unwrap().1
}

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let error = artifact::read(bytes).expect_err("accepted a forged artifact");
    assert_eq!(error.class(), Class::Verify);
    assert!(error.to_string().contains(expected), "`{error}` does not say `{expected}`");
}

#[track_caller]
fn check_manifest(old: &str, new: &str, expected: &str) {
    let bytes = forge(|members| {
        let manifest = member(members, "manifest.json");
        let text = String::from_utf8(manifest.clone()).unwrap();
        assert!(text.contains(old), "no {old} in {text}");
        *manifest = text.replacen(old, new, 1).into_bytes();
    });
    check(&bytes, expected);
}

fn tar(entries: &[(&str, tar::EntryType)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(1);
        header.set_cksum();
        builder.append(&header, &b"x"[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

#[track_caller]
fn check_source(entries: &[(&str, tar::EntryType)], expected: &str) {
    let packed = zstd::bulk::compress(&tar(entries), 1).unwrap();
    check(&forge(|members| *member(members, "source.tar.zst") = packed), expected);
}

#[test]
fn reads_what_it_writes() {
    let bytes = artifact::write(&tiny()).unwrap();
    assert_eq!(artifact::read(&bytes).unwrap(), tiny());
    assert_eq!(bytes, artifact::write(&tiny()).unwrap());
    assert_eq!(forge(|_| {}), bytes, "forging without a change must give a good artifact");
}

/// Every `step`th byte flipped in one of eight ways, and as many lengths; how many were tried.
fn damage(good: &[u8], step: usize) -> usize {
    let mut bytes = good.to_vec();
    let mut n_tried = 0;
    for at in (0..bytes.len()).step_by(step) {
        let flip = [0x01, 0x20, 0xff, 0x80, 0x02, 0x40, 0x04, 0x10][at / step % 8];
        bytes[at] ^= flip;
        assert!(artifact::read(&bytes).is_err(), "byte {at} ^ {flip:#x} was accepted");
        bytes[at] ^= flip;
        assert!(artifact::read(&good[..at]).is_err(), "{at} bytes were accepted");
        n_tried += 2;
    }
    assert!(bytes == good && artifact::read(good).is_ok());
    n_tried
}

#[test]
fn every_flipped_byte_and_every_cut_is_an_error() {
    let good = artifact::write(&tiny()).unwrap();
    assert_eq!(damage(&good, 1), good.len() * 2);
}

/// `cargo xtask damage`: `PRECAST_DAMAGE_FILES`, one a line; without it a sample of the tiny one.
#[test]
fn given_artifacts() {
    let step = std::env::var("PRECAST_DAMAGE_STEP");
    let step = step.map_or(7, |text| text.parse().expect("a number"));
    let files = std::env::var("PRECAST_DAMAGE_FILES").unwrap_or_default();
    let mut artifacts: Vec<(&str, Vec<u8>)> =
        files.lines().map(|file| (file, std::fs::read(file).unwrap())).collect();
    if artifacts.is_empty() {
        artifacts.push(("tiny", artifact::write(&tiny()).unwrap()));
    }
    for (name, good) in artifacts {
        let start = std::time::Instant::now();
        let n_tried = damage(&good, step);
        let seconds = start.elapsed().as_secs();
        println!("{name}: {} bytes, {n_tried} damages, none accepted, {seconds} s", good.len());
    }
}

#[test]
fn damage_is_located() {
    let mut bytes = artifact::write(&tiny()).unwrap();
    let at = bytes.windows(4).position(|window| window == b"\0asm").unwrap();
    bytes[at] = 1;
    let header = at - 60;
    check(&bytes, &format!("member module.wasm, byte {header}: does not have its SHA-256"));
    check(&bytes[..at + 2], &format!("member module.wasm, header at byte {header}: truncated"));
    bytes.truncate(header);
    check(&bytes, &format!("member module.wasm, header at byte {header}: missing"));
    check(b"PK\x03\x04", "not a precast artifact");
}

#[test]
fn members_are_fixed() {
    let extra = ("more".to_string(), Vec::new());
    check(&forge(|members| members.insert(0, extra.clone())), "`more` is there");
    check(&forge(|members| members.insert(2, members[1].clone())), "`module.wasm` is there");
    check(&forge(|members| members.swap(1, 2)), "member module.wasm, header at byte");
    check(&forge(|members| drop(members.remove(3))), "member Cargo.lock, header at byte");
    let mut bytes = artifact::write(&tiny()).unwrap();
    bytes.push(b'\n');
    check(&bytes, "bytes after the last member");
}

#[test]
fn headers_are_canonical() {
    let mut bytes = artifact::write(&tiny()).unwrap();
    bytes[8 + 16] = b'1'; // the time of the first member
    check(&bytes, "member manifest.json, byte 24: not the canonical encoding");
}

#[test]
fn versions_are_known() {
    check_manifest("\"schema\": 2", "\"schema\": 3", "manifest schema 3 is unknown");
    check_manifest("\"abi\": 1", "\"abi\": 99", "token ABI 99 is unknown");
    // The first schema was no statement.
    let first = b"{\n  \"schema\": 1,\n  \"precast\": \"0.1.0\"\n}\n";
    let bytes = forge(|members| *member(members, "manifest.json") = first.to_vec());
    check(&bytes, "manifest schema 1 is unknown");
}

#[test]
fn manifests_are_canonical() {
    check_manifest("{\n", "{", "not in its canonical encoding");
    check_manifest("\"subject\"", "\"extra\": 1, \"subject\"", "unknown field `extra`");
    check_manifest("\"name\"", "\"nome\"", "unknown field `nome`");
    check_manifest("}", "", "not a manifest");
    check_manifest("\"schema\": 2,", "", "not a manifest: no schema");
    check_manifest("Statement/v1", "Statement/v2", "not in its canonical encoding");
    check_manifest("\"image.bin\"", "\"image.other\"", "not in its canonical encoding");
    check_manifest("\"uri\": \"pkg:cargo", "\"uri\": \"pkg:other", "is no package of cargo");
}

#[test]
fn names_are_no_code() {
    let evil = "tiny() {} fn evil";
    let package = "\"package\": {\n          \"name\": \"tiny\"";
    let function = "\"function\": \"tiny\"";
    check_manifest(
        package,
        &package.replace("tiny", "a/../b"),
        "the package name `a/../b` is not one",
    );
    check_manifest(
        function,
        &format!("\"function\": \"{evil}\""),
        "the function `tiny() {} fn evil`",
    );
    check_manifest("\"name\": \"tiny\"", "\"name\": \"a b\"", "the macro `a b` is not one");
    check_manifest("\"crate_name\": \"tiny\"", "\"crate_name\": \"a-b\"", "the crate name `a-b`");
    check_manifest("\"1.0.0\"", "\"1.0.0\\nfn\"", "the version `1.0.0\\nfn` is not one");
    check_manifest(
        "\"pkg:cargo/precast@0.1.0\"",
        "\"pkg:cargo/precast@new\"",
        "the version `new` is not one",
    );
    let helper = format!("{function}, \"helpers\": [\"a)] fn b() {{}} #[c(\"]");
    check_manifest(function, &helper, "the helper attribute `a)]");
}

#[test]
fn parts_have_the_hashes_of_the_manifest() {
    check(
        &forge(|members| member(members, "module.wasm").push(0)),
        "module.wasm does not have the SHA-256",
    );
    check(
        &forge(|members| member(members, "image.bin")[0] = 0),
        "image.bin does not have the SHA-256",
    );
    check(
        &forge(|members| member(members, "Cargo.lock").clear()),
        "Cargo.lock does not have the SHA-256",
    );
    let file = tar::EntryType::Regular;
    check_source(&[("src/lib.rs", file)], "source.tar");
}

#[test]
fn sources_are_plain_files() {
    let file = tar::EntryType::Regular;
    for path in ["../evil", "/etc/passwd", "a/../../b", "a//b", "./a", "c:\\x", "a\\..\\b", "a/."] {
        check_source(&[(path, file)], "is not a plain relative path");
    }
    check_source(&[("link", tar::EntryType::Symlink)], "link is not a plain file");
    check_source(&[("dir", tar::EntryType::Directory)], "dir is not a plain file");
    check_source(&[("a", file), ("a", file)], "a is there twice");
    check_source(&[("b", file), ("a", file)], "not in its canonical encoding");
    check(&forge(|members| member(members, "source.tar.zst").clear()), "member source.tar.zst");
    check(
        &forge(|members| member(members, "source.tar.zst").push(0)),
        "1 bytes after the zstd frame",
    );
}

#[test]
fn bombs_do_not_unpack() {
    let zeros = zstd::bulk::compress(&vec![0; 300 << 20], 1).unwrap();
    check(&forge(|members| *member(members, "source.tar.zst") = zeros), "unpacks to more than");
}
