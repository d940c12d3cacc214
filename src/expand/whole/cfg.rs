//! Conditions, evaluated as the compiler would: with what it says of itself, and what it is given.

use super::place::{Place, Trouble};
use crate::base::error::{Class, Context, Error, Result};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Command;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Lit, Meta, Token};

#[derive(Clone, Debug, Default)]
pub struct Cfgs(BTreeSet<(String, Option<String>)>);

impl Cfgs {
    /// Asks the compiler; `arguments` are what it would be given: `--cfg`, `--target`, `--test`.
    pub fn ask(rustc: &OsString, arguments: &[OsString]) -> Result<Cfgs> {
        let mut command = Command::new(rustc);
        let output = command.args(["--print", "cfg"]).args(arguments).output();
        let program = rustc.to_string_lossy();
        let output = output.class(Class::Toolchain, format!("cannot run {program}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::new(Class::Toolchain, format!("{program} --print cfg: {said}")));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Cfgs(text.lines().map(of_line).collect()))
    }

    /// The same with more, as `--cfg` has them.
    pub fn with(mut self, more: &[String]) -> Cfgs {
        self.0.extend(more.iter().map(|text| of_line(text)));
        self
    }

    /// The same with other features.
    pub fn with_features<'a>(&self, features: impl IntoIterator<Item = &'a str>) -> Cfgs {
        let is_other = |(name, _): &&(String, Option<String>)| name != "feature";
        let mut cfgs: BTreeSet<_> = self.0.iter().filter(is_other).cloned().collect();
        cfgs.extend(features.into_iter().map(|name| ("feature".into(), Some(name.to_owned()))));
        Cfgs(cfgs)
    }

    /// Whether all `#[cfg]` of an item hold.
    pub fn allow(&self, attributes: &[Attribute], place: &Place) -> Trouble<bool> {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
            let condition = attribute.parse_args::<Meta>();
            let condition = condition
                .map_err(|error| place.wrong(attribute.span(), format!("a `cfg`: {error}")))?;
            if !self.hold(&condition, place)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The attributes with what `#[cfg_attr]` stands for.
    pub fn flatten(&self, attributes: &[Attribute], place: &Place) -> Trouble<Vec<Attribute>> {
        let mut out = Vec::new();
        for attribute in attributes {
            match self.inside(attribute, place)? {
                None => out.push(attribute.clone()),
                Some((false, _)) => {}
                Some((true, inner)) => out.extend(self.flatten(&inner, place)?),
            }
        }
        Ok(out)
    }

    /// Of a `#[cfg_attr]`, whether it holds, and its attributes.
    pub fn inside(
        &self,
        attribute: &Attribute,
        place: &Place,
    ) -> Trouble<Option<(bool, Vec<Attribute>)>> {
        if !attribute.path().is_ident("cfg_attr") {
            return Ok(None);
        }
        let metas = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        let metas = metas
            .map_err(|error| place.wrong(attribute.span(), format!("a `cfg_attr`: {error}")))?;
        let mut metas = metas.into_iter();
        let Some(condition) = metas.next() else { return Ok(Some((false, Vec::new()))) };
        let attributes = metas.map(|meta| Attribute { meta, ..attribute.clone() }).collect();
        Ok(Some((self.hold(&condition, place)?, attributes)))
    }

    fn hold(&self, condition: &Meta, place: &Place) -> Trouble<bool> {
        let name = condition.path().get_ident().map(ToString::to_string).unwrap_or_default();
        let unknown = |what: &str| {
            Err(place.wrong(condition.span(), format!("the condition `{what}` cannot be told")))
        };
        match condition {
            Meta::Path(_) if name == "true" => Ok(true),
            Meta::Path(_) => Ok(self.0.contains(&(name, None))),
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Ok(self.0.contains(&(name, Some(text.value())))),
                    _ => unknown(&name),
                },
                _ => unknown(&name),
            },
            Meta::List(_) if !["all", "any", "not"].contains(&name.as_str()) => unknown(&name),
            Meta::List(list) => {
                let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
                let inner =
                    inner.map_err(|error| place.wrong(condition.span(), error.to_string()))?;
                let mut results = Vec::new();
                for one in &inner {
                    results.push(self.hold(one, place)?);
                }
                match name.as_str() {
                    "all" => Ok(results.into_iter().all(|holds| holds)),
                    "any" => Ok(results.into_iter().any(|holds| holds)),
                    "not" if results.len() == 1 => Ok(!results[0]),
                    other => unknown(other),
                }
            }
        }
    }
}

/// `name` or `name="value"`
fn of_line(line: &str) -> (String, Option<String>) {
    match line.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.trim_matches('"').to_owned())),
        None => (line.to_owned(), None),
    }
}
