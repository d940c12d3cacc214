//! rustc's own command line, with macros from artifacts, modules and shims.

fn main() {
    std::process::exit(precast::front::run(std::env::args_os().skip(1).collect()))
}
