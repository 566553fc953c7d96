//! image-packager, the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    image_packager::run()
}
