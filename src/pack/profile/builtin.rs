//! Samples for any macro: items of every kind, with the helper attributes that it declares. Many
//! are errors to many macros; what those run counts last.

use super::sample::Sample;
use crate::artifact::manifest::{Kind, Macro};
use proc_macro2::TokenStream;

/// `#C` stands for a helper attribute of the type, `#V` of a variant, `#F` of a field.
const TYPES: [&str; 8] = [
    "#C pub struct Record { #F pub first_name: String, pub age: u32, #F kind: Option<u8>, tags: Vec<String> }",
    "/// Text.\n #C pub enum Event { #V Started, #V Moved { #F x: i32, y: i32 }, Named(#F String), Pair(u8, u16) }",
    "#C pub struct Generic<T> { #F pub inner: T, pub list: Vec<T>, cache: Option<u64> }",
    "#C pub struct Wrapper(#F Vec<u8>);",
    "#C pub enum Choice { #V First, Second, Third }",
    "#C pub struct Pair(#F pub u8, String);",
    "#C pub struct Wide<'a, T: Clone + 'a, const N: usize> where T: Default { #F list: &'a [T; N], map: std::collections::HashMap<String, T> }",
    "#C pub enum Either<L, R> { #V Left(#F L), Right(R) }",
];

/// Forms of a helper attribute `h`.
const HELPERS: [&str; 15] = [
    "#[h(rename = \"text\")]",
    "#[h(default)]",
    "#[h(\"text\")]",
    "#[h(skip)]",
    "#[h]",
    "#[h(rename_all = \"snake_case\")]",
    "#[h = \"text\"]",
    "#[h(tag = \"kind\")]",
    "#[h(skip_serializing_if = \"Option::is_none\")]",
    "#[h(transparent)]",
    "#[h(with = \"module\")]",
    "#[h(default = \"path::make\")]",
    "#[h(flatten)]",
    "#[h(short, long)]",
    "#[h(other)]",
];

const ARGUMENTS: [&str; 5] = ["", "skip", "name = \"text\"", "a, b", "\"text\""];

const ITEMS: [&str; 9] = [
    "pub fn add(a: u32, b: &str) -> u32 { let c = a + 1; c }",
    "async fn run(name: String) -> Result<u8, std::io::Error> { let x = other(&name).await?; Ok(x) }",
    "impl Server { pub async fn get(&self, id: u64) -> Option<String> { self.find(id).await } }",
    "pub trait Store { fn size(&self) -> usize; async fn load(&mut self, key: &str) -> Vec<u8> { Vec::new() } }",
    "impl Store for Server { async fn load(&mut self, key: &str) -> Vec<u8> { self.x(key).await } }",
    "async fn main() { println!(\"{}\", 1); }",
    "pub struct Record { pub a: u32, b: Option<String> }",
    "pub enum Event { Started, Moved { x: i32 }, Named(String) }",
    "fn generic<'a, T: Clone + Send>(x: &'a T, mut y: Vec<T>) -> impl Iterator<Item = T> + 'a where T: 'a { y.into_iter() }",
];

const INPUTS: [&str; 10] = [
    "",
    "\"text {} {name}\", a, b",
    "name",
    "a, b, c",
    "1 + 2",
    "a => 1, b => { f(x) }",
    "pub struct Record { pub a: u32, b: Option<String> }",
    "fn [<get_ a>](x: u8) -> u8 { x }",
    "x = f(), y = async { 1 } => { z }",
    "impl<T> Trait for T { type X = u8; fn f(&self) {} }",
];

/// The samples for a macro.
pub fn of(item: &Macro) -> Vec<Sample> {
    let texts: Vec<(String, Option<String>)> = match item.kind {
        Kind::Derive => derives(&item.helpers).into_iter().map(|text| (text, None)).collect(),
        Kind::Bang => INPUTS.iter().map(|&text| (text.into(), None)).collect(),
        Kind::Attribute => ARGUMENTS
            .iter()
            .flat_map(|&arguments| ITEMS.map(|item| (arguments.into(), Some(item.into()))))
            .collect(),
    };
    let tokens = |text: &str| -> TokenStream { text.parse().expect("the samples are Rust") };
    let sample = |(input, on): &(String, Option<String>)| Sample {
        function: item.function.clone(),
        input: tokens(input),
        item: on.as_deref().map(tokens),
    };
    texts.iter().map(sample).collect()
}

/// Every type without helpers, then each of their forms at each place, and everywhere.
fn derives(helpers: &[String]) -> Vec<String> {
    let with = |item: &str, at: &str, attribute: &str| {
        ["#C", "#V", "#F"].iter().fold(item.to_owned(), |text, place| {
            text.replace(place, if at.contains(place) { attribute } else { "" })
        })
    };
    let mut texts: Vec<String> = TYPES.iter().map(|item| with(item, "", "")).collect();
    for (n, form) in HELPERS.iter().enumerate() {
        for (at, first) in [("#F", 0), ("#C", 3), ("#V", 1), ("#C#V#F", 7)] {
            for helper in helpers {
                let attribute = form.replacen("[h", &format!("[{helper}"), 1);
                // Variants are in every third type from the second on.
                let item = if at == "#V" { [1, 4, 7][n % 3] } else { (first + n) % TYPES.len() };
                texts.push(with(TYPES[item], at, &attribute));
            }
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::{of, Kind, Macro};

    #[test]
    fn every_sample_is_rust() {
        for kind in [Kind::Derive, Kind::Attribute, Kind::Bang] {
            let (name, helpers) = (String::from("m"), vec!["one".into(), "two".into()]);
            let item =
                Macro { kind, name: name.clone(), function: name, helpers, attributes: vec![] };
            let samples = of(&item);
            assert!(samples.len() >= 10);
            for sample in samples.iter().filter(|_| kind == Kind::Derive) {
                let text = sample.input.to_string();
                assert!(syn::parse2::<syn::Item>(sample.input.clone()).is_ok(), "{text}");
            }
        }
    }
}
