//! A bucket: a real server of the S3 protocol, on the loopback address.

use super::fixture::{directory, ok};
use super::prepared::{consumer, packer, prepared, project, pusher, warnings, NATIVE, PACKED};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::fs;
use std::path::Path;
use std::process::Command;

const ACCESS: &str = "precast-test-access";
pub const SECRET: &str = "precast-test-secret";
const BUCKET: &str = "macros";

/// Serves the folder, with one bucket in it, until the tests end; returns the endpoint.
pub fn serve(folder: &Path, bucket: &str) -> String {
    fs::create_dir_all(folder.join(bucket)).unwrap();
    let files = s3s_fs::FileSystem::new(folder).unwrap();
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
    let service = service.build();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    // Who hangs up is no error here.
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        })
    });
    endpoint
}

pub fn with<'a>(command: &'a mut Command, endpoint: &str, secret: &str) -> &'a mut Command {
    command.env("PRECAST_STORE_URL", format!("s3://{BUCKET}/team/one"));
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", ACCESS).env("AWS_SECRET_ACCESS_KEY", secret)
}

#[test]
fn a_bucket() {
    let base = directory("shared-s3");
    let endpoint = serve(&base.join("s3"), BUCKET);
    let work = project(&base);
    let prepared = prepared();
    let mut command = pusher(&work, prepared, "");
    command.env("PRECAST_SIGNING_KEY", &prepared.key);
    let (out, _) = ok(with(&mut command, &endpoint, SECRET));
    assert_eq!(out, "3 new artifacts, 0 signed as well, 0 known before\n");
    let (out, _) = ok(with(&mut command, &endpoint, SECRET));
    assert_eq!(out, "0 new artifacts, 0 signed as well, 3 known before\n");
    let mut list = packer(&work, &base, &["store", "list", "--remote"]);
    let (out, _) = ok(with(&mut list, &endpoint, SECRET));
    assert!(out.contains("first 1.0.0") && out.contains("third 1.0.0"), "{out}");

    let (out, err) = ok(with(&mut consumer(&work, &["run", "--locked"]), &endpoint, SECRET));
    assert_eq!(out, PACKED, "{err}");
    assert!(err.contains("3 fetched now"), "{err}");
    // By name, outside of any workspace, and from the provider's own files.
    let home = base.join("home");
    super::fixture::put(
        &home,
        &[
            (
                ".aws/credentials",
                &format!("[team]\naws_access_key_id={ACCESS}\naws_secret_access_key = {SECRET}\n"),
            ),
            (
                ".aws/config",
                &format!("[profile team]\nregion = us-east-1\nendpoint_url = {endpoint}\n"),
            ),
        ],
    );
    let mut pull = consumer(&work, &["store", "pull", "second"]);
    pull.env("PRECAST_STORE_URL", format!("s3://{BUCKET}/team/one")).env("HOME", &home);
    pull.env("AWS_PROFILE", "team")
        .env("PRECAST_CACHE_DIR", base.join("another"))
        .current_dir(&base);
    assert_eq!(ok(&mut pull).0, "1 new artifact\n");

    // Credentials that are no longer good.
    fs::remove_dir_all(work.join("target")).unwrap();
    fs::remove_dir_all(base.join("store")).unwrap();
    let mut command = consumer(&work, &["run", "--locked"]);
    let (out, err) = ok(with(&mut command, &endpoint, "expired"));
    assert_eq!((out.as_str(), warnings(&err).len()), (NATIVE, 1), "{err}");
}
