//! Takes out of Swagger UI's archive the two files that the docs page loads: with everything that is
//! in it the image would be over its bound.

use std::{
    borrow::Cow,
    env, fs,
    io::{self, Cursor},
    path::Path,
};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let end = format!("/dist/{file}");
        let names = archive.file_names().filter_map(Result::ok);
        let name = names.map(Cow::into_owned).find(|name| name.ends_with(&end));
        let mut entry = archive.by_name(&name.ok_or(format!("no {file} in the archive"))?)?;
        io::copy(&mut entry, &mut fs::File::create(Path::new(&folder).join(file))?)?;
    }
    Ok(())
}
