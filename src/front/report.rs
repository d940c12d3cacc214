//! Our own errors, in the format that the compiler was asked for.

use crate::base::error::Error;
use serde_json::json;

/// Tells an error as the compiler would.
pub fn error(error: &Error, is_json: bool) {
    let (message, help) = (error.to_string(), error.help_text());
    let mut rendered = format!("error: {message}\n");
    if let Some(help) = help {
        rendered += &format!("  = help: {help}\n");
    }
    if !is_json {
        eprintln!("{rendered}");
        return;
    }
    let diagnostic = |level: &str, message: &str, children: Vec<serde_json::Value>| {
        json!({
            "$message_type": "diagnostic",
            "message": message,
            "code": null,
            "level": level,
            "spans": [],
            "children": children,
            "rendered": null,
        })
    };
    let children = help.map(|help| diagnostic("help", help, Vec::new())).into_iter().collect();
    let mut document = diagnostic("error", &message, children);
    document["rendered"] = (rendered + "\n").into();
    eprintln!("{document}");
}
