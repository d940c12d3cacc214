//! Whose signature counts: the machine's keys, never the project's; rotation, revocation, and second signatures.

use super::fixture::{self, directory, ok, put, texts};
use super::prepared::{
    consumer, copy, keygen, packer, prepared, project, public, push, warnings, NATIVE, PACKED,
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn run(work: &Path, url: &str, keys: &[&Path]) -> Command {
    let _ = fs::remove_dir_all(work.join("target"));
    let mut command = consumer(work, &["run", "--locked"]);
    let keys: Vec<&str> = keys.iter().map(|key| key.to_str().unwrap()).collect();
    command.env("PRECAST_STORE_URL", url).env("PRECAST_TRUSTED_KEYS", keys.join(","));
    command
}

fn check(command: &mut Command, expected: &str, n_warnings: usize) -> String {
    let (out, err) = ok(command);
    assert_eq!((out.as_str(), warnings(&err).len()), (expected, n_warnings), "{err}");
    err
}

#[test]
fn keys_of_the_machine() {
    let base = directory("shared-keys");
    let work = project(&base);
    let url = prepared().url();
    let stranger = public(&keygen(&base, "stranger"));
    // Without a key, and with another one.
    let err = check(&mut run(&work, &url, &[]), NATIVE, 1);
    assert!(err.contains("trusts no key"), "{err}");
    let err = check(&mut run(&work, &url, &[&stranger]), NATIVE, 1);
    assert!(err.contains("3 artifacts not signed by enough keys"), "{err}");
    // The project cannot name any.
    for text in ["[policy]\ntrusted = [\"key.pub\"]\n", "[store]\ntrusted = [\"key.pub\"]\n"] {
        fs::write(work.join("precast.toml"), text).unwrap();
        let output = run(&work, &url, &[&stranger]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
    }
    fs::remove_file(work.join("precast.toml")).unwrap();
    // The user's configuration can, with files beside it, or the key itself.
    let config = base.join("config");
    let pem = fs::read_to_string(prepared().public()).unwrap();
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    fs::create_dir_all(config.join("precast")).unwrap();
    fs::copy(prepared().public(), config.join("precast/team.pub")).unwrap();
    for key in ["team.pub", &text] {
        let _ = fs::remove_dir_all(base.join("store"));
        let more = format!("[store]\nurl = [\"{url}\"]\ntrusted = [\"{key}\"]\n");
        fs::write(config.join("precast/config.toml"), more).unwrap();
        let mut command = run(&work, &url, &[]);
        command.env_remove("PRECAST_TRUSTED_KEYS").env_remove("PRECAST_STORE_URL");
        check(command.env("XDG_CONFIG_HOME", &config), PACKED, 0);
    }
    // Whoever is trusted no more, is not for what was fetched before either.
    check(&mut run(&work, &url, &[&prepared().public()]), PACKED, 0);
    let (out, _) = ok(consumer(&work, &["metadata"]).env("PRECAST_STORE_URL", &url));
    let metadata: Value = serde_json::from_str(&out).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let signed = packages.filter(|package| package["signature"]["state"] == "signed");
    let signers = signed.map(|package| package["signature"]["signers"].as_array().unwrap().len());
    assert_eq!(signers.collect::<Vec<_>>(), [1, 1, 1], "{metadata:#}");
    check(&mut run(&work, &url, &[&stranger]), NATIVE, 1);
}

#[test]
fn openssl_reads_and_writes_the_keys() {
    let base = directory("shared-openssl");
    let key = keygen(&base, "ours");
    let again = Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&key).output();
    let Ok(again) = again else { return };
    assert_eq!(again.stdout, fs::read(public(&key)).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut keygen = packer(&base, &base, &["store", "keygen", key.to_str().unwrap()]);
    assert!(texts(&keygen.output().unwrap(), false).1.contains("is there already"));
}

/// A new key signs what the old one has signed; then the old one is not trusted any more.
#[test]
fn rotation_and_revocation() {
    let base = directory("shared-rotation");
    let work = project(&base);
    let (shared, old) = (base.join("shared"), public(&prepared().key));
    copy(&prepared().shared, &shared);
    let url = format!("file://{}", shared.display());
    let new = keygen(&base, "new");
    check(&mut run(&work, &url, &[&public(&new)]), NATIVE, 1);
    let (out, _) = push(&work, prepared(), &url, &new);
    assert_eq!(out, "0 new artifacts, 3 signed as well, 0 known before\n");
    check(&mut run(&work, &url, &[&public(&new)]), PACKED, 0);

    // The new key revokes the old one: who trusts both uses only what the new one has signed.
    let _ = fs::remove_dir_all(base.join("store"));
    let revoke = |what: &[&str]| {
        let mut command = packer(&work, &base.join("store"), &["store", "revoke"]);
        command.args(what).env("PRECAST_STORE_URL", &url).env("PRECAST_STORE_MODE", "write");
        ok(command.env("PRECAST_SIGNING_KEY", &new)).0
    };
    check(&mut run(&work, &url, &[&old]), PACKED, 0);
    assert!(revoke(&[old.to_str().unwrap()]).contains("revokes 1 key and 0 entries"));
    let _ = fs::remove_dir_all(base.join("store"));
    check(&mut run(&work, &url, &[&old, &public(&new)]), PACKED, 0);
    for sig in super::prepared::objects(&shared, "sig") {
        fs::remove_file(sig).unwrap();
    }
    let _ = fs::remove_dir_all(base.join("store"));
    let err = check(&mut run(&work, &url, &[&old, &public(&new)]), NATIVE, 1);
    assert!(err.contains("not signed by enough keys"), "{err}");
    // The list is known by now: its absence brings nothing back.
    fs::remove_dir_all(shared.join("revoked")).unwrap();
    check(&mut run(&work, &url, &[&old, &public(&new)]), NATIVE, 1);
}

/// A list of revocations can be demanded, and must then be new enough.
#[test]
fn lists_have_a_date() {
    let base = directory("shared-dates");
    let work = project(&base);
    let shared = base.join("shared");
    copy(&prepared().shared, &shared);
    let url = format!("file://{}", shared.display());
    let config = base.join("config");
    let text = format!(
        "[store]\nurl = \"{url}\"\ntrusted = \"{}\"\nrevocation_days = 7\n",
        prepared().public().display()
    );
    put(&config, &[("precast/config.toml", &text)]);
    let run = || {
        let mut command = run(&work, "", &[]);
        command.env("XDG_CONFIG_HOME", &config);
        command
    };
    let err = check(&mut run(), NATIVE, 1);
    assert!(err.contains("no list of revocations is younger than 7 days"), "{err}");
    let mut revoke = packer(&work, &base.join("store"), &["store", "revoke"]);
    revoke.env("PRECAST_STORE_URL", &url).env("PRECAST_STORE_MODE", "write");
    ok(revoke.env("PRECAST_SIGNING_KEY", &prepared().key));
    check(&mut run(), PACKED, 0);
}

/// A project can ask for two signatures. The second one is by whoever has built the artifact again.
#[test]
fn two_signatures() {
    let base = directory("shared-attest");
    let work = project(&base);
    let shared = base.join("shared");
    copy(&prepared().shared, &shared);
    let url = format!("file://{}", shared.display());
    let second = keygen(&base, "second");
    let both = [&*prepared().public(), &*public(&second)];
    let policy = "[policy]\n[policy.packages]\nfirst = { signatures = 2 }\n";
    fs::write(work.join("precast.toml"), policy).unwrap();
    let expected = PACKED.replacen("wasm", "native", 1);
    let err = check(&mut run(&work, &url, &both), &expected, 1);
    assert!(err.contains("1 artifact not signed by enough keys"), "{err}");
    // One key cannot stand for two.
    let twice = [&*prepared().public(), &*prepared().public()];
    check(&mut run(&work, &url, &twice), &expected, 1);

    let store = base.join("attesting");
    copy(&fixture::store().join("sysroot"), &store.join("sysroot"));
    copy(&prepared().full.join("artifact"), &store.join("artifact"));
    let mut attest = packer(&work, &store, &["store", "attest", "first"]);
    attest.env("PRECAST_STORE_URL", &url).env("PRECAST_STORE_MODE", "write");
    // The registry is a folder, which cargo's own configuration must say where no project does.
    let home = base.join("cargo-home");
    let config = fs::read_to_string(work.join(".cargo/config.toml")).unwrap();
    put(&home, &[("config.toml", &config)]);
    attest.env("CARGO_HOME", &home);
    let (out, err) = ok(attest.env("PRECAST_SIGNING_KEY", &second));
    assert_eq!(out, "0 new artifacts, 1 signed as well, 0 known before\n", "{err}");
    check(&mut run(&work, &url, &both), PACKED, 0);
}
