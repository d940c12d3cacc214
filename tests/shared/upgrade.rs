//! An upgrade keeps its store: what another version of precast has packed is lowered and embedded anew.

use super::fixture::{directory, ok};
use super::prepared::{consumer, copy, packer, prepared, project, PACKED};
use precast::artifact::{self, Artifact};
use precast::cache::Store;
use precast::runtime::image::VERSION;
use std::fs;
use std::path::{Path, PathBuf};

/// An artifact as another version would have packed it, with images that this one cannot read.
fn of_another_version(bytes: &[u8], image: u32) -> Artifact {
    let mut artifact = artifact::read(bytes).unwrap();
    artifact.manifest.precast = "0.0.9".into();
    artifact.manifest.toolchain.recipe = "0123456789abcdef".into();
    let images = match image {
        VERSION => vec![artifact.image.clone()],
        _ => vec![b"an image of another form".to_vec()],
    };
    artifact.with_images(image, images).unwrap()
}

/// The packer's store with other artifacts under the keys of some packages; all of them, with an empty name.
pub fn changed_store(base: &Path, name: &str) -> PathBuf {
    with_image(base, name, VERSION)
}

fn with_image(base: &Path, name: &str, image: u32) -> PathBuf {
    let place = base.join(format!("changed-{image}"));
    copy(&prepared().full.join("artifact"), &place.join("artifact"));
    copy(&prepared().full.join("read"), &place.join("read"));
    let store = Store::open(Some(&place)).unwrap();
    for key in store.list().into_iter().filter_map(|item| item.key) {
        if key.name.contains(name) {
            let artifact = of_another_version(&store.get(&key).unwrap(), image);
            store.put(&key, &artifact::write(&artifact).unwrap()).unwrap();
        }
    }
    place
}

#[test]
fn other_versions_of_everything() {
    let base = directory("shared-upgrade");
    let work = project(&base);
    for image in [VERSION - 1, VERSION + 1] {
        let store = with_image(&base, "", image);
        let _ = fs::remove_dir_all(work.join("target"));
        let mut command = consumer(&work, &["run", "--locked"]);
        let (out, err) =
            ok(command.env("PRECAST_CACHE_DIR", &store).env("PRECAST_MISSING", "fail"));
        assert_eq!(out, PACKED, "{err}");
        // It verifies as it is, and so does what is embedded of it.
        let (out, _) = ok(&mut packer(&work, &store, &["store", "verify"]));
        assert!(out.ends_with("none damaged\n"), "{out}");
        let file = Store::open(Some(&store)).unwrap();
        let key = file.list().remove(0).key.unwrap();
        let file = file.file(&key).unwrap();
        let (out, _) = ok(&mut packer(&work, &store, &["verify", file.to_str().unwrap()]));
        assert!(out.contains(&format!("image.bin has version {image}")), "{out}");
        ok(&mut packer(&base, &store, &["embed", file.to_str().unwrap(), "-o", "embedded"]));
        ok(&mut packer(&base, &store, &["verify", "embedded"]));
        fs::remove_dir_all(base.join("embedded")).unwrap();
    }
}
