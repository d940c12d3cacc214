//! The item as derives see it, and the attributes that are removed after the derives are expanded.

use super::cfg::Cfgs;
use super::nodes::Node;
use super::place::{Place, Trouble};
use crate::base::error::{Class, Error};
use quote::ToTokens;
use std::collections::BTreeSet;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Fields, Item, Meta, Path, Token};

/// Derives of the language, which have no helper attributes that others have as well.
pub fn is_builtin(path: &Path) -> bool {
    const NAMES: [&str; 9] =
        ["Clone", "Copy", "Debug", "Default", "Eq", "Hash", "Ord", "PartialEq", "PartialOrd"];
    path.segments.last().is_some_and(|last| NAMES.iter().any(|name| last.ident == name))
}

/// Evaluates the conditions inside of an item: a derive sees what is there, and nothing else.
pub struct Evaluate<'a> {
    cfgs: &'a Cfgs,
    place: &'a Place,
    error: Option<Error>,
}

impl Evaluate<'_> {
    pub fn all<N: Node>(node: &mut N, cfgs: &Cfgs, place: &Place) -> Trouble<()> {
        let Ok(mut item) = syn::parse2::<Item>(node.to_token_stream()) else { return Ok(()) };
        let mut evaluate = Evaluate { cfgs, place, error: None };
        evaluate.visit_item_mut(&mut item);
        if let Some(error) = evaluate.error {
            return Err(error);
        }
        replace(node, item.to_token_stream())
    }

    fn is_there(&mut self, attributes: &[Attribute]) -> bool {
        match self.cfgs.allow(attributes, self.place) {
            Ok(is_there) => is_there,
            Err(error) => {
                self.error.get_or_insert(error);
                true
            }
        }
    }
}

impl VisitMut for Evaluate<'_> {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        match self.cfgs.flatten(attributes, self.place) {
            Ok(flat) => *attributes = flat,
            Err(error) => drop(self.error.get_or_insert(error)),
        }
    }

    fn visit_item_enum_mut(&mut self, item: &mut syn::ItemEnum) {
        visit_mut::visit_item_enum_mut(self, item);
        let variants = std::mem::take(&mut item.variants).into_pairs();
        item.variants = variants.filter(|pair| self.is_there(&pair.value().attrs)).collect();
    }

    fn visit_fields_mut(&mut self, fields: &mut Fields) {
        visit_mut::visit_fields_mut(self, fields);
        let list = match fields {
            Fields::Named(fields) => &mut fields.named,
            Fields::Unnamed(fields) => &mut fields.unnamed,
            Fields::Unit => return,
        };
        let all = std::mem::take(list).into_pairs();
        *list = all.filter(|pair| self.is_there(&pair.value().attrs)).collect();
    }

    fn visit_generics_mut(&mut self, generics: &mut syn::Generics) {
        visit_mut::visit_generics_mut(self, generics);
        let all = std::mem::take(&mut generics.params).into_pairs();
        let attributes = |param: &syn::GenericParam| match param {
            syn::GenericParam::Lifetime(param) => param.attrs.clone(),
            syn::GenericParam::Type(param) => param.attrs.clone(),
            syn::GenericParam::Const(param) => param.attrs.clone(),
        };
        generics.params = all.filter(|pair| self.is_there(&attributes(pair.value()))).collect();
    }
}

/// Takes the attributes of derives off an item: without the derives nobody knows them.
pub fn strip<N: Node>(node: &mut N, helpers: &BTreeSet<String>) -> Trouble<()> {
    let Ok(mut item) = syn::parse2::<Item>(node.to_token_stream()) else { return Ok(()) };
    Strip { helpers }.visit_item_mut(&mut item);
    replace(node, item.to_token_stream())
}

fn replace<N: Node>(node: &mut N, tokens: proc_macro2::TokenStream) -> Trouble<()> {
    *node = syn::parse2(tokens).map_err(|error| Error::new(Class::Other, error.to_string()))?;
    Ok(())
}

struct Strip<'a> {
    helpers: &'a BTreeSet<String>,
}

impl Strip<'_> {
    /// The attribute without what is a helper.
    fn rest(&self, meta: &Meta) -> Option<Meta> {
        let is_helper = |path: &Path| {
            path.get_ident().is_some_and(|name| self.helpers.contains(&name.to_string()))
        };
        if is_helper(meta.path()) {
            return None;
        }
        let Meta::List(list) = meta else { return Some(meta.clone()) };
        if !list.path.is_ident("cfg_attr") {
            return Some(meta.clone());
        }
        let metas = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        let Ok(metas) = metas else { return Some(meta.clone()) };
        let kept: Vec<Meta> = metas
            .iter()
            .enumerate()
            .filter_map(|(at, meta)| if at == 0 { Some(meta.clone()) } else { self.rest(meta) })
            .collect();
        if kept.len() == metas.len() {
            return Some(meta.clone());
        }
        let kept_any = kept.len() > 1;
        let kept: Punctuated<Meta, Token![,]> = kept.into_iter().collect();
        let list = syn::MetaList { tokens: kept.to_token_stream(), ..list.clone() };
        kept_any.then_some(Meta::List(list))
    }
}

impl VisitMut for Strip<'_> {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let all = std::mem::take(attributes).into_iter();
        *attributes = all
            .filter_map(|attribute| {
                let meta = self.rest(&attribute.meta)?;
                Some(Attribute { meta, ..attribute })
            })
            .collect();
    }

    /// Bodies have items of their own.
    fn visit_expr_mut(&mut self, _expr: &mut syn::Expr) {}
}
