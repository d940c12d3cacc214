//! Ed25519 keys in the forms that OpenSSL writes and reads: PKCS#8 and SubjectPublicKeyInfo, as PEM.

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::sha256;
use crate::base::scratch;
use base64::prelude::{Engine, BASE64_STANDARD};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::path::{Path, PathBuf};

/// Names the file of the private key with which commands that write sign.
pub const SIGNING_VARIABLE: &str = "PRECAST_SIGNING_KEY";

/// Digits of a key's name.
const ID_DIGITS: usize = 16;

pub struct Private(SigningKey);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    key: VerifyingKey,
    id: String,
}

impl Private {
    /// The key that [`SIGNING_VARIABLE`] names.
    pub fn of_environment() -> Result<Private> {
        let file = std::env::var_os(SIGNING_VARIABLE).filter(|value| !value.is_empty());
        let file = file.map(PathBuf::from).ok_or_else(|| {
            let error = Error::new(Class::Usage, "no key to sign with");
            error.help(format!(
                "set {SIGNING_VARIABLE} to the file of a private key; `cargo precast store keygen FILE` makes one"
            ))
        })?;
        Private::read(&file)
    }

    pub fn read(file: &Path) -> Result<Private> {
        let text = std::fs::read_to_string(file).at("read", file)?;
        let key = SigningKey::from_pkcs8_pem(&text).map_err(|_| {
            let message = format!("{} is no private Ed25519 key in PEM", file.display());
            Error::new(Class::Usage, message)
                .help("`cargo precast store keygen FILE` makes one, as does `openssl genpkey -algorithm ed25519`")
        })?;
        Ok(Private(key))
    }

    pub fn public(&self) -> Public {
        Public::of(self.0.verifying_key())
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(bytes).to_bytes().to_vec()
    }
}

impl Public {
    fn of(key: VerifyingKey) -> Public {
        let id = sha256(key.as_bytes())[..ID_DIGITS].to_owned();
        Public { key, id }
    }

    /// A key as text, or the file of one: PEM, or the base64 inside of it.
    pub fn parse(text: &str) -> Result<Public> {
        let text = text.trim();
        if let Some(key) = Public::of_text(text) {
            return Ok(key);
        }
        let file = Path::new(text);
        let read = std::fs::read_to_string(file).at("read the public key", file)?;
        Public::of_text(read.trim()).ok_or_else(|| {
            let message = format!("{text} is no public Ed25519 key");
            Error::new(Class::Usage, message).help(
                "name the file that `cargo precast store keygen` has written beside the private one, or its text",
            )
        })
    }

    fn of_text(text: &str) -> Option<Public> {
        let key = match BASE64_STANDARD.decode(text) {
            Ok(der) => VerifyingKey::from_public_key_der(&der).ok()?,
            Err(_) => VerifyingKey::from_public_key_pem(&format!("{text}\n")).ok()?,
        };
        Some(Public::of(key))
    }

    /// The key's name: the beginning of its SHA-256.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(bytes, &signature).is_ok())
    }
}

/// Makes a pair of keys: the private one in `file`, for its owner alone, the public one in `file.pub`. Neither
/// may be there already.
pub fn keygen(file: &Path) -> Result<(Public, PathBuf)> {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    let public_file = PathBuf::from(name);
    for file in [file, &public_file] {
        if file.symlink_metadata().is_ok() {
            let error = Error::new(Class::Usage, format!("{} is there already", file.display()));
            return Err(error.help("name another file: a key is never overwritten"));
        }
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    let private = SigningKey::from_bytes(&seed);
    let broken = |_| Error::new(Class::Other, "cannot write the key as PEM");
    // With the public key in it, it would be of a form that OpenSSL does not read.
    let bytes = KeypairBytes { secret_key: private.to_bytes(), public_key: None };
    let private_text = bytes.to_pkcs8_pem(LineEnding::LF).map_err(broken)?;
    let public = Public::of(private.verifying_key());
    let public_text = public
        .key
        .to_public_key_pem(LineEnding::LF)
        .map_err(|_| Error::new(Class::Other, "cannot write the public key as PEM"))?;
    scratch::replace(&public_file, public_text.as_bytes())?;
    scratch::replace_secret(file, private_text.as_bytes())?;
    Ok((public, public_file))
}
