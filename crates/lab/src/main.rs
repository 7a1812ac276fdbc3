//! The laboratory's program; see the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    keepair_lab::cli::main()
}
