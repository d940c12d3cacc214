//! What the files of Amazon's tools say, which `object_store` does not read: `~/.aws/credentials` and `~/.aws/config`.
//! Google's and Azure's own files it reads itself.

use object_store::aws::AmazonS3ConfigKey;
use std::path::PathBuf;

/// Settings of the profile that `AWS_PROFILE` names.
pub(super) fn of_aws() -> Vec<(AmazonS3ConfigKey, String)> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from);
    let file = |name: &str, usual: &str| {
        let named = variable(name).map(PathBuf::from);
        let file = named.or_else(|| Some(home.as_ref()?.join(".aws").join(usual)))?;
        std::fs::read_to_string(file).ok()
    };
    let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".into());
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
    let config = file("AWS_CONFIG_FILE", "config").unwrap_or_default();
    let mut found = section(&credentials, &profile);
    let name = if profile == "default" { profile.clone() } else { format!("profile {profile}") };
    found.extend(section(&config, &name));
    found
}

/// What we take of one section of such a file.
fn section(text: &str, name: &str) -> Vec<(AmazonS3ConfigKey, String)> {
    let known = [
        ("aws_access_key_id", AmazonS3ConfigKey::AccessKeyId),
        ("aws_secret_access_key", AmazonS3ConfigKey::SecretAccessKey),
        ("aws_session_token", AmazonS3ConfigKey::Token),
        ("region", AmazonS3ConfigKey::Region),
        ("endpoint_url", AmazonS3ConfigKey::Endpoint),
    ];
    let mut is_inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            is_inside = head.trim_end_matches(']').trim() == name;
        } else if let (true, Some((key, value))) = (is_inside, line.split_once('=')) {
            let key = known.iter().find(|(known, _)| *known == key.trim());
            found.extend(key.map(|(_, key)| (*key, value.trim().to_owned())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn one_profile_of_many() {
        let text = "[default]\naws_access_key_id = A\n\n[work]\n# ours\naws_access_key_id=B\n\
                    aws_secret_access_key = C=\nother = 1\n";
        let values = |name| section(text, name).into_iter().map(|(_, v)| v).collect::<Vec<_>>();
        assert_eq!(values("default"), ["A"]);
        assert_eq!(values("work"), ["B", "C="]);
        assert!(values("none").is_empty());
    }
}
