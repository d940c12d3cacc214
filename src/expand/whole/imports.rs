//! Removes imports of packed macros: after the expansion they no longer exist.

use super::place::Trouble;
use super::rewrite::Rewriter;
use std::any::Any;
use syn::{Item, UseTree};

impl Rewriter<'_> {
    /// Whether an import or `extern crate` has anything left when packed macros are gone.
    pub(super) fn is_left<N: Any>(&mut self, node: &mut N) -> bool {
        let result = match (node as &mut dyn Any).downcast_mut::<Item>() {
            Some(Item::Use(item)) => {
                let before = item.leading_colon.iter().map(|_| String::new()).collect();
                self.prune(&mut item.tree, before)
            }
            Some(Item::ExternCrate(item)) => self
                .world
                .is_packed_crate(self.scope, &item.ident.to_string())
                .map(|is_packed| !is_packed),
            _ => Ok(true),
        };
        self.attempt(result).unwrap_or(true)
    }

    /// Takes what is nothing but packed macros out of an import; whether something is left.
    fn prune(&mut self, tree: &mut UseTree, mut before: Vec<String>) -> Trouble<bool> {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.prune(&mut path.tree, before)
            }
            UseTree::Name(name) => {
                if name.ident != "self" {
                    before.push(name.ident.to_string());
                }
                Ok(!self.world.is_packed(self.scope, &before, false)?)
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    before.push(rename.ident.to_string());
                }
                Ok(!self.world.is_packed(self.scope, &before, false)?)
            }
            UseTree::Glob(_) => Ok(!self.world.is_packed(self.scope, &before, true)?),
            UseTree::Group(group) => {
                let n_before = group.items.len();
                let mut kept = Vec::new();
                for mut tree in group.items.clone() {
                    if self.prune(&mut tree, before.clone())? {
                        kept.push(tree);
                    }
                }
                if kept.len() < n_before {
                    group.items = kept.into_iter().collect();
                }
                Ok(n_before == 0 || !group.items.is_empty())
            }
        }
    }
}
