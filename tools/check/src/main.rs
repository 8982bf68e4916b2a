//! Rules of the repository that no other tool checks.
//!
//! Prints every fault as `path:line: what` and ends with 1 if there was one. Run it from anywhere in the
//! repository: `cargo run -p countersign-check`.

use std::process::ExitCode;

mod architecture;
mod claims;
mod dependencies;
mod exceptions;
mod fault;
mod licence;
mod packages;
mod rust_source;
mod size;
mod stages;
mod tree;
mod words;

fn main() -> ExitCode {
    match check() {
        Ok((faults, files)) => {
            for fault in &faults {
                println!("{fault}");
            }
            println!("check: {files} files, {} faults", faults.len());
            if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("check: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every fault in the repository and the number of files that were read.
fn check() -> Result<(Vec<fault::Fault>, usize), Box<dyn std::error::Error>> {
    let tree = tree::Tree::read()?;
    let packages = packages::Packages::read(&tree)?;
    let mut faults = Vec::new();
    faults.extend(size::faults(&tree));
    faults.extend(stages::faults(&tree));
    faults.extend(architecture::faults(&tree));
    faults.extend(claims::faults(&tree));
    faults.extend(dependencies::faults(&tree));
    faults.extend(packages.faults(&tree));
    faults.extend(words::faults(&tree));
    faults.sort();
    faults.dedup();
    Ok((faults, tree.files.len()))
}
